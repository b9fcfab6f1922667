"""What the agency knows of its units: provider, certificate, codes granted, and the directory anybody may look into."""

from __future__ import annotations

import secrets
import sqlite3
import string
from typing import Any

from simulator import rules
from simulator.magic import MAGIC, magic_of
from simulator.refusals import Refusal
from simulator.store import Store

DIRECTORY_ROWS = 50


def unit(store: Store, unit_code: str) -> sqlite3.Row:
    """The agency's row of a unit; made at first sight, with the provider that its magic code gives it."""
    found = store.row("select * from units where unit_code = ?", (unit_code,))
    if found is None:
        magic = magic_of(unit_code)
        provider, name = "", ""
        if magic is not None and magic.provider == "other":
            provider = rules.provider_of(unit_code)
            name = rules.PROVIDERS[provider]
        elif magic is not None and magic.provider:
            provider = rules.PORTAL if magic.provider == "portal" else rules.UNKNOWN_PROVIDER
        store.write(
            "insert into units (unit_code, provider_code, provider_name) values (?, ?, ?)", (unit_code, provider, name)
        )
        found = store.row("select * from units where unit_code = ?", (unit_code,))
        assert found is not None
    return found


def other_provider(known: sqlite3.Row, sender: str) -> Refusal | None:
    """CE007 or CE044 when a unit is with somebody else than the sender."""
    provider = known["provider_code"]
    if not provider or provider == sender:
        return None
    if provider == rules.PORTAL:
        return Refusal("CE044")
    if provider == rules.UNKNOWN_PROVIDER:
        return Refusal("CE007")
    return Refusal("CE007", f"{known['provider_name'] or provider} (mã {provider})")


def registered(store: Store, unit_code: str) -> str | None:
    """The serial of the certificate the agency holds for a unit, hex without leading zeros."""
    row = store.row("select serial from registered where unit_code = ?", (unit_code,))
    return None if row is None else str(row[0])


def hold_certificate(store: Store, unit_code: str, serial: str, transaction: str, now: float) -> None:
    """From now on the unit signs with this certificate."""
    store.write(
        "insert into registered (unit_code, serial, transaction_id, since_world) values (?, ?, ?, ?) "
        "on conflict do update set serial = excluded.serial, transaction_id = excluded.transaction_id, "
        "since_world = excluded.since_world",
        (unit_code, serial, transaction, now),
    )


def place(store: Store, unit_code: str, agency: str, address: str = "", phone: str = "") -> None:
    """Where a unit is, for the directory; what is empty stays as it was."""
    store.write(
        "insert into places (unit_code, agency, address, phone) values (?, ?, ?, ?) on conflict do update set "
        "agency = coalesce(nullif(excluded.agency, ''), agency), "
        "address = coalesce(nullif(excluded.address, ''), address), "
        "phone = coalesce(nullif(excluded.phone, ''), phone)",
        (unit_code, agency, address, phone),
    )


def know(store: Store, unit_code: str, tax_code: str, name: str, email: str = "") -> None:
    """Bind a unit code to an employer."""
    unit(store, unit_code)
    store.write(
        "update units set tax_code = ?, name = ?, email = coalesce(nullif(?, ''), email) where unit_code = ?",
        (tax_code[:10], name, email, unit_code),
    )


def taken(store: Store, unit_code: str) -> bool:
    """Whether anybody has or ever used this unit code."""
    return any(
        store.row(f"select 1 from {table} where unit_code = ? limit 1", (unit_code,)) is not None
        for table in ("units", "granted", "filings", "arrivals")
    )


def fresh_code(store: Store) -> str:
    """A unit code nobody has: AANNNNA (domain.md §4.7), whose third sign is a digit and so asks for no magic."""
    while True:
        code = (
            "".join(secrets.choice(string.ascii_uppercase) for _ in range(2))
            + "".join(secrets.choice(string.digits) for _ in range(4))
            + secrets.choice(string.ascii_uppercase)
        )
        if not taken(store, code):
            return code


def grant(store: Store, code: str, tax_code: str, name: str, *, transaction: str | None, now: float) -> None:
    """Note a granted unit code; of a first-time dossier when there is a transaction, else of a paper form."""
    store.write(
        "insert into granted (unit_code, tax_code, name, how, transaction_id, granted_world) values (?, ?, ?, ?, ?, ?)",
        (code, tax_code, name, "dossier" if transaction else "paper", transaction, now),
    )


def granted(store: Store, unit_code: str) -> sqlite3.Row | None:
    """The grant of a unit code, if the agency granted it while it ran."""
    return store.row("select * from granted where unit_code = ?", (unit_code,))


def directory(store: Store, tax_code: str, name: str) -> list[dict[str, Any]]:
    """Units of a tax code whose names hold every fragment of `name`, without accents and case (B25)."""
    words = rules.folded(name).split()
    rows = store.rows(
        "select u.unit_code, u.name, u.tax_code, coalesce(g.tax_code, u.tax_code) as full, p.agency, p.address "
        "from units u left join granted g using (unit_code) left join places p using (unit_code) "
        "where u.tax_code = ? order by u.unit_code",
        (tax_code[:10],),
    )
    return [
        {
            "ma_don_vi": row["unit_code"],
            "ten_don_vi": row["name"],
            "ma_so_thue": row["full"],
            "ma_co_quan": row["agency"] or "",
            "ten_co_quan": rules.agency_name(row["agency"] or ""),
            "dia_chi": row["address"] or "",
        }
        for row in rows
        if all(word in rules.folded(row["name"]) for word in words)
        and (len(tax_code) == 10 or row["full"].replace("-", "") in (tax_code.replace("-", ""), tax_code[:10]))
    ][:DIRECTORY_ROWS]


def families_in(*words: str) -> list[str]:
    """The magic families that texts name as words of their own, such as N01 in "Chi nhánh N01 Thử Nghiệm"."""
    return list(dict.fromkeys(word for text in words for word in rules.WORDS.findall(text.upper()) if word in MAGIC))
