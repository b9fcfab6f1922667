"""Events in, steps out."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hoso.runtime.steps import Tell
from schemas.events import DossierReceived, MailExpected
from schemas.units import Kind
from services.submitter.handlers import handle, key_of
from tests.unit.submitter.world import (
    DOSSIER,
    ENROLMENT,
    NOW,
    UNIT,
    activation,
    called,
    envelope,
    filing,
    roster,
    status,
)


def test_a_filing_is_written_down_and_its_mail_announced_before_it_is_called() -> None:
    ask = filing()
    ledger, steps = handle((), envelope(ask), NOW)

    assert ledger == (ask,)
    first, second = steps
    assert isinstance(first, Tell)
    assert isinstance(first.fact, MailExpected)
    assert (first.fact.dossier, first.fact.contact, first.fact.unit_code) == (DOSSIER, "hue@hoasen.example", "TZ0001Z")
    assert called([second])["agency.submit"].ask == ask


@pytest.mark.parametrize("kind", ["register", "change", "stop", "first_code"])
def test_its_mail_is_announced_with_its_kind_and_whether_the_address_is_its_own(kind: Kind) -> None:
    ask = filing(kind=kind, unit_code="" if kind == "first_code" else "TZ0001Z", own_address=kind == "change")
    _, (first, _) = handle((), envelope(ask), NOW)

    assert isinstance(first, Tell)
    assert isinstance(first.fact, MailExpected)
    assert (first.fact.kind, first.fact.unit_code, first.fact.own_address) == (kind, ask.unit_code, kind == "change")


def test_each_question_about_a_filing_is_asked_once() -> None:
    names = [called(handle((), envelope(status(go=go)), NOW)[1])["agency.status"].name for go in (1, 2, 2)]

    assert names == [f"status:{DOSSIER}:1:{go}" for go in (1, 2, 2)]


def test_one_attempt_has_one_name_whatever_it_is_asked_for() -> None:
    assert key_of(filing()) == key_of(filing(contact="other@hoasen.example")) == f"submit:{DOSSIER}:1"
    assert key_of(filing(attempt=2)) != key_of(filing())
    _, steps = handle((), envelope(filing()), NOW)
    assert called(steps)["agency.submit"].name == key_of(filing())
    assert called(steps)["agency.submit"].subject == UNIT


def test_filings_of_one_batch_are_gathered_in_order() -> None:
    ledger, _ = handle((), envelope(filing()), NOW)
    ledger, _ = handle(ledger, envelope(filing(attempt=2)), NOW)

    assert [ask.attempt for ask in ledger] == [1, 2]


def test_each_code_and_each_going_for_the_roster_is_a_call_of_its_own() -> None:
    _, first = handle((), envelope(activation()), NOW)
    _, second = handle((), envelope(activation(go=2, expires_at=NOW + timedelta(hours=30))), NOW)
    ledger, fetch = handle((), envelope(roster()), NOW)

    assert called(first)["agency.activate"].name == f"activate:{ENROLMENT}:1"
    assert called(second)["agency.activate"].name == f"activate:{ENROLMENT}:2"
    assert called(fetch)["agency.roster"].name == f"roster:{ENROLMENT}:1"
    assert ledger == ()


def test_what_is_not_for_the_agency_is_left_alone() -> None:
    other = DossierReceived(enrolment=ENROLMENT, dossier=DOSSIER, attempt=1, kind="register", transaction="GD1")

    assert handle((), envelope(other), NOW) == ((), [])
