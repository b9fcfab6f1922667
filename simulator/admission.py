"""Whether a unit may file this now: what the agency's own books say against it."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass

from simulator import rules, signature, units
from simulator.gate import Given
from simulator.reading import CHANGE, FIRST, REGISTER, Form
from simulator.refusals import Refusal
from simulator.signature import Certificate
from simulator.store import Store

WRONG_TRIES = 5
"""After so many wrong activation codes none is taken."""


@dataclass(frozen=True, slots=True)
class Case:
    """One filing at the gate. `who` names the employer: the unit code, or tax code and name of one without."""

    given: Given
    form: Form
    signer: Certificate
    who: str
    faults: Collection[str]
    now: float


def admit(store: Store, case: Case, electronic: Collection[str]) -> None:
    """Refuse what the unit may not file now. `electronic` are the provinces that take first-time dossiers over the wire."""
    for fault in case.faults:
        if fault.startswith("REFUSE:"):
            raise Refusal(fault.removeprefix("REFUSE:"))
    if case.given.procedure == FIRST:
        _may_begin(store, case, electronic)
        return
    given = case.given
    known = units.unit(store, given.unit_code)
    _first_certificate(store, case)
    if known["tax_code"] and known["tax_code"] != given.tax_code[:10]:
        raise Refusal("SIM002", f"{given.tax_code} / {given.unit_code}")
    _held_certificate(store, case, known)
    if given.procedure == REGISTER:
        if known["active_transaction"] and known["provider_code"] == given.sender:
            raise Refusal("SIM010", "đơn vị đang sử dụng dịch vụ của nhà cung cấp này")
        if "PROVIDER" in case.faults and (elsewhere := units.other_provider(known, given.sender)):
            raise elsewhere
    elif given.procedure == CHANGE:
        _may_change(store, case, known)
    else:
        _may_stop(store, known, case.form, case.faults)
    open_one = store.row(
        "select transaction_id from filings where unit_code = ? and procedure = ? and taken_in = 1 and state = "
        "'TIEP_NHAN'",
        (given.unit_code, given.procedure),
    )
    if open_one is not None:
        raise Refusal("SIM010", f"hồ sơ {open_one[0]} đang được xử lý")


def _first_certificate(store: Store, case: Case) -> None:
    if "FIRST-CERTIFICATE" not in case.faults:
        return
    first = store.row(
        "select certificate from filings where unit_code = ? and certificate is not null order by rowid limit 1",
        (case.given.unit_code,),
    )
    if first is None or first[0] == case.signer.sha256:
        raise Refusal("SIM007", signature.foreign(case.signer, case.given.unit_code))


def _held_certificate(store: Store, case: Case, known: sqlite3.Row) -> None:
    """Refuse a signer whose certificate is not the one the agency holds (domain.md §5.4), unless this dossier is what
    brings it: a registration of a unit that is not active, or a change that announces it."""
    held = units.registered(store, case.given.unit_code)
    if held is None or held == f"{case.signer.serial:x}":
        return
    if case.given.procedure == REGISTER and not known["active_transaction"]:
        return
    announced = [change.new for change in case.form.changes if change.field == "CHUNG_THU_SO"]
    if announced and signature.names(announced[0], case.signer.serial):
        return
    raise Refusal("SIM007", signature.foreign(case.signer, case.given.unit_code))


def _may_change(store: Store, case: Case, known: sqlite3.Row) -> None:
    given = case.given
    new_code = any(change.field == "MA_DVI" for change in case.form.changes)
    if not new_code:
        if not known["active_transaction"] or known["provider_code"] != given.sender:
            raise Refusal("SIM042", given.unit_code)
        return
    grant = units.granted(store, given.unit_code)
    if grant is None or grant["how"] != "dossier" or rules.folded(grant["name"]) != rules.folded(case.form.unit_name):
        raise Refusal("SIM043", given.unit_code)
    if known["active_transaction"]:
        raise Refusal("SIM010", "mã đơn vị đã có hiệu lực")


def _may_stop(store: Store, known: sqlite3.Row, form: Form, faults: Collection[str]) -> None:
    if "ALREADY-STOPPED" in faults:
        store.write("update units set provider_code = '', provider_name = '' where unit_code = ?", (form.unit_code,))
        raise Refusal("SIM011")
    if not known["provider_code"]:
        if "STOP-AGAIN" in faults:
            return
        raise Refusal("SIM011")
    if not rules.names_provider(known["provider_code"], form.provider_code, form.provider_name):
        raise Refusal("SIM012", form.provider_name or form.provider_code)


def _may_begin(store: Store, case: Case, electronic: Collection[str]) -> None:
    """First-time dossiers: by province, and one at a time for an employer that has no code."""
    assert case.form.first is not None
    if case.form.first.province not in electronic:
        raise Refusal("SIM046", f"tỉnh, thành phố {case.form.first.province}")
    earlier = store.row(
        "select f.transaction_id, f.state, t.granted_code from first_time t join filings f using (transaction_id) "
        "where t.who = ? and f.taken_in = 1 and f.state <> 'TU_CHOI' order by f.rowid desc limit 1",
        (case.who,),
    )
    if earlier is None:
        return
    if earlier["granted_code"]:
        raise Refusal("SIM010", f"đơn vị đã được cấp mã {earlier['granted_code']}")
    if not _given_up(store, earlier["transaction_id"], case.now):
        raise Refusal("SIM010", f"hồ sơ {earlier['transaction_id']} đang được xử lý")


def _given_up(store: Store, transaction: str, now: float) -> bool:
    """Whether nothing can come any more of a dossier that was not released: its code expired or is locked, or its mail
    did not go out."""
    code = store.row(
        "select c.*, exists (select 1 from mails m where m.transaction_id = c.transaction_id and m.genuine "
        "and m.state in ('queued', 'sent')) as mailed from codes c where transaction_id = ?",
        (transaction,),
    )
    if code is None or code["used_world"] is not None:
        return False
    expired = code["expires_world"] is not None and now > code["expires_world"]
    return expired or not code["mailed"] or code["wrong_tries"] >= WRONG_TRIES


def duplicate_of(store: Store, sha256: str) -> sqlite3.Row | None:
    """The filing of the same bytes that was taken in, if any."""
    return store.row("select * from filings where sha256 = ? and taken_in = 1 order by rowid limit 1", (sha256,))
