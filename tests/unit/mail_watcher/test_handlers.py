"""What the consumer remembers: the same event twice is once, an unknown number changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4

from schemas.envelope import Fact, envelope_of
from schemas.events import MailAssigned, MailExpected, MailNumbered, RosterFailed
from services.mail_watcher.handlers import Awaited, handle

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
UNIT, DOSSIER = uuid4(), uuid4()


def after(state: Awaited, fact: Fact) -> Awaited:
    event = envelope_of(type(fact)).model_construct(subject=UNIT, tenant="t", data=fact)
    changed, steps = handle(state, event, NOW)
    assert steps == ()
    return changed


def expected(attempt: int = 1) -> MailExpected:
    return MailExpected(
        enrolment=UUID(int=5), dossier=DOSSIER, attempt=attempt, kind="register", mailbox=UUID(int=1),
        contact=" Ke@X.example", unit_code="tz1234z", unit_name="Chi nhánh", tax_code="0101234567",
    )  # fmt: skip


def numbered(attempt: int = 1) -> MailNumbered:
    return MailNumbered(
        enrolment=UUID(int=5), dossier=DOSSIER, attempt=attempt, kind="register", number="00001/2026/00101"
    )


def test_an_expectation_is_kept_once_with_the_events_time() -> None:
    once = after(Awaited(), expected())
    (known,) = once.expectations
    assert (known.unit, known.since, known.contact, known.unit_code) == (UNIT, NOW, "ke@x.example", "TZ1234Z")
    assert after(once, expected()) == once
    assert len(after(once, expected(2)).expectations) == 2


def test_a_number_is_written_to_its_attempt_only() -> None:
    state = after(after(Awaited(), expected(1)), expected(2))
    changed = after(state, numbered(2))
    assert [e.number for e in changed.expectations] == [None, "00001/2026/00101"]
    assert after(changed, numbered(2)) == changed
    assert after(state, numbered(3)) == state


def test_an_assignment_is_passed_on() -> None:
    said = MailAssigned(mail=uuid4(), enrolment=UUID(int=5), dossier=DOSSIER, attempt=1, actor="lan")
    assert after(Awaited(), said).assigned == (said,)


def test_other_events_change_nothing() -> None:
    state = after(Awaited(), expected())
    assert after(state, RosterFailed(enrolment=UUID(int=5), text="")) == state
