"""What a sheet needs of the world: its mailboxes and its test keys. Nothing of its outcome."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hoso.domain.identifiers import BadValue, clean, read_email, read_tax_code
from services.intake.sheets import read_sheet


@dataclass(frozen=True, slots=True)
class Needs:
    """Of one sheet."""

    rows: int
    addresses: tuple[str, ...]
    profiles: tuple[tuple[str, str, str], ...]
    """Profile name, tax code of its certificate, employer. A named profile belongs to the first row that names it."""


def needs_of(file: Path) -> Needs:
    """Read a sheet leniently: rows that are wrong need nothing. Raises SheetError when it is no sheet at all."""
    sheet = read_sheet(file.read_bytes(), file.name)
    addresses: dict[str, None] = {}
    profiles: dict[str, tuple[str, str]] = {}
    count = 0
    for row in sheet.rows:
        count += 1
        texts = {key: value for key, value in row.fields.items() if isinstance(value, str)}
        try:
            email = read_email(clean(texts.get("email", ""))).value
            tax_code = read_tax_code(clean(texts.get("tax_code", ""))).value
            name = clean(texts.get("profile", ""))
        except BadValue:
            continue
        local, _, domain = email.lower().partition("@")
        addresses.setdefault(f"{local.partition('+')[0]}@{domain}")
        profiles.setdefault(name or f"MST {tax_code}", (tax_code, texts.get("name") or tax_code))
    return Needs(count, tuple(addresses), tuple((name, *rest) for name, rest in profiles.items()))
