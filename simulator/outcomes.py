"""What an accepted filing changes in the agency's books."""

from __future__ import annotations

import sqlite3

from simulator import signature, units
from simulator.faults import Faults
from simulator.reading import CHANGE, REGISTER, STOP
from simulator.store import Store


def accepted(store: Store, filing: sqlite3.Row, now: float) -> None:
    """Let a registration, stop or change take effect."""
    unit_code, transaction = filing["unit_code"], filing["transaction_id"]
    units.know(store, unit_code, filing["tax_code"], filing["unit_name"])
    if filing["procedure"] == STOP:
        stopped(store, unit_code)
    elif filing["procedure"] == REGISTER:
        units.hold_certificate(store, unit_code, _serial(store, filing), transaction, now)
        store.write(
            "update granted set effective_world = coalesce(effective_world, ?) where unit_code = ?", (now, unit_code)
        )
    elif filing["procedure"] == CHANGE:
        _changed(store, filing, now)


def stopped(store: Store, unit_code: str) -> None:
    """From now on the unit has no provider, and no certificate is held for it."""
    store.write(
        "update units set provider_code = '', provider_name = '', active_transaction = null where unit_code = ?",
        (unit_code,),
    )
    store.write("delete from registered where unit_code = ?", (unit_code,))


def _changed(store: Store, filing: sqlite3.Row, now: float) -> None:
    unit_code, transaction = filing["unit_code"], filing["transaction_id"]
    signer = _serial(store, filing)
    for change in store.rows("select * from changes where transaction_id = ? order by rowid", (transaction,)):
        field, new = change["field"], change["new"]
        if field == "MA_DVI":
            store.write(
                "update units set provider_code = ?, provider_name = '', active_transaction = ? where unit_code = ?",
                (filing["sender"], transaction, unit_code),
            )
            store.write("update granted set effective_world = ? where unit_code = ?", (now, unit_code))
            units.hold_certificate(store, unit_code, signer, transaction, now)
        elif field == "EMAIL":
            store.write("update units set email = ? where unit_code = ?", (new, unit_code))
        elif field == "DIEN_THOAI":
            units.place(store, unit_code, filing["agency"], phone=new)
        elif field == "CHUNG_THU_SO":
            serial = signer if signature.names(new, int(signer, 16)) else signature.as_serial(new)
            units.hold_certificate(store, unit_code, serial, transaction, now)
        elif field == "PHUONG_THUC_KY":
            store.write("update registered set method = ? where unit_code = ?", (new, unit_code))
    store.write("update changes set effective_world = ? where transaction_id = ?", (now, transaction))


def grant(store: Store, faults: Faults, filing: sqlite3.Row, now: float) -> str:
    """Give the unit of a first-time dossier its code; the code inherits the dossier's magic families."""
    first = first_time(store, filing["transaction_id"])
    code = units.fresh_code(store)
    units.grant(store, code, filing["tax_code"], filing["unit_name"], transaction=filing["transaction_id"], now=now)
    units.know(store, code, filing["tax_code"], filing["unit_name"], filing["email"] or "")
    units.place(store, code, filing["agency"], first["address"], first["phone"])
    units.hold_certificate(store, code, _serial(store, filing), filing["transaction_id"], now)
    store.write("update first_time set granted_code = ? where transaction_id = ?", (code, filing["transaction_id"]))
    faults.name(code, faults.families(first["who"]))
    return code


def first_time(store: Store, transaction: str) -> sqlite3.Row:
    """What only first-time dossiers have."""
    row = store.row("select * from first_time where transaction_id = ?", (transaction,))
    assert row is not None
    return row


def _serial(store: Store, filing: sqlite3.Row) -> str:
    row = store.row("select serial from certificates where sha256 = ?", (filing["certificate"],))
    assert row is not None
    return str(row[0])
