"""What is looked at while the caller waits: the document, its signature, and whether the unit may file it now."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from simulator import reading, rules, signature
from simulator.clock import VIETNAM
from simulator.magic import magic_of
from simulator.reading import REGISTER, STOP, Form
from simulator.refusals import Refusal
from simulator.signature import Certificate
from simulator.store import Store


@dataclass(frozen=True, slots=True)
class Given:
    """A filing as it came: headers and body."""

    procedure: str
    unit_code: str
    tax_code: str
    agency: str
    sender: str
    key: str | None
    contact: str | None
    body: bytes

    @property
    def sha256(self) -> str:
        """Of the body as sent, in hex."""
        return hashlib.sha256(self.body).hexdigest()


def examine(given: Given, now: float) -> tuple[Form, Certificate]:
    """The form and its signer. Refuses, by the document alone, whatever is wrong with it; names the first fault."""
    if given.procedure not in (REGISTER, STOP):
        raise Refusal("SIM033", given.procedure)
    if rules.UNIT_CODE.fullmatch(given.unit_code) is None:
        raise Refusal("SIM019", given.unit_code)
    if not rules.tax_code_valid(given.tax_code):
        raise Refusal("SIM023", given.tax_code)
    if given.agency and not rules.agency_known(given.agency):
        raise Refusal("SIM003", given.agency)
    root = reading.parse(given.body)
    form = reading.read(root, given.procedure)
    signer = signature.verify(root)
    _consistent(given, form, now)
    signature.belongs(signer, form.unit_code, form.tax_code, form.serial, now)
    return form, signer


def _consistent(given: Given, form: Form, now: float) -> None:
    """Refuse a form that says something else than its envelope, or cannot be true."""
    if form.unit_code != given.unit_code:
        raise Refusal("SIM021", f"{form.unit_code} / {given.unit_code}")
    if form.tax_code != given.tax_code:
        raise Refusal("SIM022", f"{form.tax_code} / {given.tax_code}")
    if form.agency and given.agency and form.agency != given.agency:
        raise Refusal("SIM020", f"{form.agency} / {given.agency}")
    if form.agency and not rules.agency_known(form.agency):
        raise Refusal("SIM003", form.agency)
    if form.drawn_up > datetime.fromtimestamp(now, VIETNAM).date():
        raise Refusal("SIM031", form.drawn_up.strftime("%d/%m/%Y"))
    if given.procedure == REGISTER:
        if not rules.email_valid(form.email):
            raise Refusal("SIM032", form.email)
        if given.sender and form.provider_code != given.sender:
            raise Refusal("SIM040", f"{form.provider_code} / {given.sender}")


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


def admit(store: Store, given: Given, form: Form, signer: Certificate, faults: Collection[str]) -> None:
    """Refuse what the unit may not file now. `faults` are those of the point `gate`."""
    known = unit(store, given.unit_code)
    for fault in faults:
        if fault.startswith("REFUSE:"):
            raise Refusal(fault.removeprefix("REFUSE:"))
    if "FIRST-CERTIFICATE" in faults:
        first = store.row(
            "select certificate from filings where unit_code = ? and certificate is not null order by rowid limit 1",
            (given.unit_code,),
        )
        if first is None or first[0] == signer.sha256:
            raise Refusal("SIM007", signature.foreign(signer, given.unit_code))
    if known["tax_code"] and known["tax_code"] != given.tax_code[:10]:
        raise Refusal("SIM002", f"{given.tax_code} / {given.unit_code}")
    if given.procedure == REGISTER:
        if known["active_transaction"] and known["provider_code"] == given.sender:
            raise Refusal("SIM010", "đơn vị đang sử dụng dịch vụ của nhà cung cấp này")
        if "PROVIDER" in faults and (elsewhere := other_provider(known, given.sender)):
            raise elsewhere
    else:
        _may_stop(store, known, form, faults)
    open_one = store.row(
        "select transaction_id from filings where unit_code = ? and procedure = ? and taken_in = 1 and state = "
        "'TIEP_NHAN'",
        (given.unit_code, given.procedure),
    )
    if open_one is not None:
        raise Refusal("SIM010", f"hồ sơ {open_one[0]} đang được xử lý")


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


def duplicate_of(store: Store, sha256: str) -> sqlite3.Row | None:
    """The filing of the same bytes that was taken in, if any."""
    return store.row("select * from filings where sha256 = ? and taken_in = 1 order by rowid limit 1", (sha256,))
