"""What hoso writes is what the agency reads, with code of its own: field by field, for every kind."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from services.signer.profiles import SHAPES
from simulator import envelope, reading, signature
from simulator.refusals import Refusal
from tests.contract.dossiers.signing import signed
from tests.contract.signing.pki import Employer, employer
from tests.unit.dossiers.examples import ATTACHMENT, PARTS, payload


@pytest.fixture(scope="module")
def unit() -> Employer:
    return employer("MST:0101234567-001")


def filed(by: Employer, kind: str, **changes: Any) -> bytes:
    return list(signed(SHAPES["agency"], by, payload(kind, **changes), PARTS).values())[-1]


@pytest.mark.parametrize(
    ("kind", "procedure"), [("register", "04_DK-IVAN"), ("change", "05_SD-IVAN"), ("stop", "06_NG-IVAN")]
)
def test_forms_of_one_round(unit: Employer, kind: str, procedure: str) -> None:
    given = payload(kind)
    root = reading.parse(filed(unit, kind))

    form = reading.read(root, procedure)

    assert signature.verify(root).tax_codes
    assert (form.unit_name, form.unit_code, form.tax_code) == (given.unit_name, given.unit_code, given.tax_code)
    assert (form.agency, form.address, form.drawn_up) == (given.agency, given.address, date(2026, 11, 22))
    assert (form.provider_code, form.provider_name) == (given.ivan_code, given.ivan_name)
    assert form.email == getattr(given, "email", "")
    assert [(one.old, one.new) for one in form.changes] == [(one.old, one.new) for one in getattr(given, "changes", ())]


def test_the_first_time_dossier(unit: Employer) -> None:
    given = payload("first_code")

    form, signer = envelope.read(filed(unit, "first_code"))

    assert signer.subject
    assert (form.unit_name, form.unit_code, form.tax_code) == (given.unit_name, "", given.tax_code)
    assert (form.email, form.phone, form.agency) == (given.email, given.phone, given.agency)
    assert form.first is not None
    assert (form.first.licence, form.first.province) == (given.first_time.licence_number, given.province)
    assert (form.first.address, form.first.files) == (given.first_time.licensed_address, (ATTACHMENT.name,))


def test_a_dossier_without_an_agency_or_a_trade(unit: Employer) -> None:
    form, _ = envelope.read(filed(unit, "first_code", agency=None, agency_name="", business="", contact_name=""))

    assert form.agency == ""


def test_the_agency_sees_when_a_form_is_of_another_procedure(unit: Employer) -> None:
    with pytest.raises(Refusal):
        reading.read(reading.parse(filed(unit, "change")), "04_DK-IVAN")
    with pytest.raises(Refusal):
        envelope.read(filed(unit, "register"))
