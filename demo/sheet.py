"""What a sheet needs of the world: its mailboxes, its test keys, its files. Nothing of its outcome.

Two names are a convention of the demo: a signing profile called "eSign …" is one of a remote signing service, "USB …" one of a token at a
workstation (any other is a key file); an address `hoso@…` is a mailbox where every enrolment gets an address of its own.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hoso.domain.identifiers import BadValue, clean, read_email, read_tax_code
from schemas.units import UnitForm
from services.intake.rows import check_rows
from services.intake.sheets import read_sheet


@dataclass(frozen=True, slots=True)
class Needs:
    """Of one sheet."""

    rows: int
    addresses: tuple[str, ...]
    profiles: tuple[tuple[str, str, str], ...]
    """Profile name, tax code of its certificate, employer. A named profile belongs to the first row that names it."""
    attachments: tuple[str, ...] = ()


def needs_of(file: Path) -> Needs:
    """Read a sheet leniently: rows that are wrong need nothing. Raises SheetError when it is no sheet at all."""
    sheet = read_sheet(file.read_bytes(), file.name)
    addresses: dict[str, None] = {}
    profiles: dict[str, tuple[str, str]] = {}
    attachments: dict[str, None] = {}
    count = 0
    for row in sheet.rows:
        count += 1
        texts = {key: value for key, value in row.fields.items() if isinstance(value, str)}
        attachments |= dict.fromkeys(name.strip() for name in texts.get("attachments", "").split(";") if name.strip())
        try:
            email = read_email(clean(texts.get("email", ""))).value
            tax_code = read_tax_code(clean(texts.get("tax_code", ""))).value
            name = clean(texts.get("profile", ""))
        except BadValue:
            continue
        local, _, domain = email.lower().partition("@")
        addresses.setdefault(f"{local.partition('+')[0]}@{domain}")
        profiles.setdefault(name or f"MST {tax_code}", (tax_code, texts.get("name") or tax_code))
    made = tuple((name, *rest) for name, rest in profiles.items())
    return Needs(count, tuple(addresses), made, tuple(attachments))


def good_rows(file: Path) -> dict[str, UnitForm]:
    """The rows without errors, by unit code and by name: what their owner can look up in his own sheet."""
    found: dict[str, UnitForm] = {}
    for row in check_rows(read_sheet(file.read_bytes(), file.name).rows):
        form = row.checked.form
        if form is not None:
            found |= {key: form for key in (form.unit_code, form.name) if key}
    return found


def way_of(profile: str) -> str:
    """How the owner of a profile of this name signs: `misa_esign`, `agent` or `pkcs12`."""
    word = profile.split(" ")[0].casefold()
    return {"esign": "misa_esign", "usb": "agent"}.get(word, "pkcs12")


def contact_mode(address: str) -> str:
    """Whether the enrolments of a mailbox share its address or have one each."""
    return "own" if address.startswith("hoso@") else "shared"


@dataclass(frozen=True, slots=True)
class Beside:
    """What lies beside a sheet called `branches.xlsx`, where it does: `branches-later.xlsx` is handed in when the first has ended,
    `branches-org.csv` is the employer's organisation, `branches-agency.json` what the agency has long known; files that rows name, in
    the same folder or in `attachments`."""

    sheet: Path

    @property
    def later(self) -> Path | None:
        """The sheet handed in afterwards."""
        return self._named(f"-later{self.sheet.suffix}")

    @property
    def organisation(self) -> list[dict[str, str]]:
        """Units of the organisation's feed."""
        file = self._named("-org.csv")
        return [] if file is None else list(csv.DictReader(io.StringIO(file.read_text("utf-8"))))

    @property
    def known(self) -> list[dict[str, Any]]:
        """Units the agency knows, in the shape of its `POST /units`."""
        file = self._named("-agency.json")
        return [] if file is None else list(json.loads(file.read_text("utf-8")))

    def attachment(self, name: str) -> bytes | None:
        """A file that a row names; None when it is not there."""
        if "/" in name or "\\" in name:
            return None
        places = (self.sheet.parent / name, self.sheet.parent / "attachments" / name)
        return next((place.read_bytes() for place in places if place.is_file()), None)

    def _named(self, ending: str) -> Path | None:
        file = self.sheet.with_name(f"{self.sheet.stem}{ending}")
        return file if file.is_file() else None
