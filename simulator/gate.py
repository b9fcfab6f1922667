"""What is looked at while the caller waits, by the document alone: its form and its signature."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from simulator import envelope, reading, rules, signature
from simulator.clock import VIETNAM
from simulator.reading import CHANGE, FIRST, REGISTER, STOP, Form
from simulator.refusals import Refusal
from simulator.signature import Certificate

CHANGEABLE = frozenset({"MA_DVI", "EMAIL", "DIEN_THOAI", "CHUNG_THU_SO", "PHUONG_THUC_KY"})


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
    if given.procedure not in (REGISTER, CHANGE, STOP, FIRST):
        raise Refusal("SIM033", given.procedure)
    first = given.procedure == FIRST
    if given.unit_code if first else rules.UNIT_CODE.fullmatch(given.unit_code) is None:
        raise Refusal("SIM019", given.unit_code)
    if not rules.tax_code_valid(given.tax_code):
        raise Refusal("SIM023", given.tax_code)
    if given.agency and not rules.agency_known(given.agency):
        raise Refusal("SIM003", given.agency)
    if first:
        form, signer = envelope.read(given.body)
    else:
        root = reading.parse(given.body)
        form = reading.read(root, given.procedure)
        signer = signature.verify(root)
    _consistent(given, form, now)
    signature.belongs(signer, form.unit_code, form.tax_code, form.serial, now)
    if given.procedure == CHANGE:
        _changes(form)
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
    if form.first is not None and form.agency and form.agency[1:3] != form.first.province:
        raise Refusal("SIM003", f"{form.agency} / {form.first.province}")
    if given.procedure != STOP:
        if not rules.email_valid(form.email):
            raise Refusal("SIM032", form.email)
        if given.sender and form.provider_code != given.sender:
            raise Refusal("SIM040", f"{form.provider_code} / {given.sender}")


def _changes(form: Form) -> None:
    """Refuse changes that are none, that nobody can make, or that say something else than the form's own fields."""
    said = {"MA_DVI": form.unit_code, "EMAIL": form.email, "DIEN_THOAI": form.phone}
    seen: set[str] = set()
    for change in form.changes:
        if change.field not in CHANGEABLE or change.field in seen or change.new == change.old:
            raise Refusal("SIM051", f"{change.field}: {change.old} / {change.new}")
        if change.field in said and change.new != said[change.field]:
            raise Refusal("SIM051", f"{change.field}: {change.new} / {said[change.field]}")
        seen.add(change.field)
