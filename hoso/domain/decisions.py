"""The enrolment's decisions: what follows from each event, in each state. Pure: no I/O, no clock, no randomness.

`decide(state, event, now)` answers with the next state and with what to say, to remind of and to forget. An event that
does not fit the state changes nothing and is noted. domain.md §3 draws the flows; A1–A24 and B24–B29 are statements of
its §2. The moves themselves are in `moves.py`, the words in `told.py`.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from hoso.domain.causes import CAUSES
from hoso.domain.identifiers import BadValue, read_unit_code
from hoso.domain.moves import (
    Answer,
    Decided,
    Forget,
    Remind,
    activate,
    anew,
    await_mail,
    begin,
    enrolled,
    fetch,
    prepare,
    refused,
    reminder,
    stop,
    stopped,
    wait,
)
from hoso.domain.states import (
    OPEN,
    Activating,
    AwaitingCode,
    AwaitingStopMail,
    Cancelled,
    Case,
    Code,
    Enrolled,
    Fetching,
    Filed,
    Filing,
    New,
    Signing,
    State,
    Waiting,
    stands,
)
from hoso.domain.told import Rules, progress, refusal
from schemas import events as e
from schemas.envelope import Event, Fact
from schemas.units import PORTAL

__all__ = ["Answer", "Decided", "Forget", "Remind", "Rules", "decide"]

# The timer each waiting state keeps; leaving the state forgets it.
_REMINDERS = {"awaiting-stop-mail": "stop-mail", "awaiting-code": "activation-mail"}

_NOT_SEEN = ("filing-uncertain", "filing-failed")  # they end with the first sign that the agency has it after all


def decide(rules: Rules, state: State, event: Event[Any], now: datetime) -> Decided:
    """What follows. `now` is the event's time on the world's clock."""
    fact = event.data
    decided = _decide(rules, state, fact, now)
    if decided is not None:
        following, answers = decided
        timer = _REMINDERS.get(state.at)
        if timer is not None and following.at != state.at:
            answers = [*answers, Forget(timer)]
        return following, answers
    enrolment = event.correlationid if isinstance(state, New) else state.case.enrolment
    return state, [e.NoteTaken(enrolment=enrolment, state=state.at, event=fact.TYPE, event_id=event.id)]


def _decide(rules: Rules, state: State, fact: Fact, now: datetime) -> Decided | None:
    if isinstance(fact, e.EnrolmentRequested):
        return _requested(rules, state, fact, now)
    if isinstance(state, New) or getattr(fact, "enrolment", None) != state.case.enrolment:
        return None
    match fact:
        case e.EnrolmentCancelled():
            return _cancelled(state)
        case e.EnrolmentAnswered():
            return _answered(rules, state, fact, now) if isinstance(state, Waiting) else None
        case e.DossierSigned():
            return _signed(state, fact)
        case e.SigningRefused():
            if isinstance(state, Signing) and _about(state.filing, fact):
                return wait(state.case, "signing", f"{fact.text} ({fact.code})", state.filing)
        case e.DossierReceived():
            return _received(rules, state, fact, now)
        case e.DossierDecided():
            return _agency_decided(rules, state, fact, now)
        case e.FilingUncertain():
            return _uncertain(state, fact)
        case e.StopResultArrived():
            return _stop_result(rules, state, fact, now)
        case e.ActivationCodeArrived():
            return _code_arrived(state, fact)
        case e.ActivationAnswered():
            return _activation(rules, state, fact, now)
        case e.RosterFetched():
            if isinstance(state, Fetching) or (isinstance(state, Waiting) and state.cause == "roster-failed"):
                assert state.filing is not None
                return enrolled(state.case, state.filing, fact.employees)
        case e.RosterFailed():
            if isinstance(state, Fetching):
                return wait(state.case, "roster-failed", fact.text, state.filing)
        case e.ReminderDue():
            return _reminded(rules, state, fact, now)
    return None


def _about(filing: Filing | None, fact: Any) -> bool:
    return filing is not None and (filing.dossier, filing.attempt) == (fact.dossier, fact.attempt)


# --- requests ---------------------------------------------------------------------------------------------------


def _requested(rules: Rules, state: State, fact: e.EnrolmentRequested, now: datetime) -> Decided:
    provider = fact.form.current_provider if fact.form.current_provider != rules.ivan_code else None
    case = Case(
        enrolment=fact.enrolment,
        request=fact.request,
        form=fact.form,
        mailbox=fact.mailbox,
        contact=fact.contact,
        profile=fact.profile,
        batch=fact.batch,
        row=fact.row,
        foreign=fact.foreign,
        provider=provider,
    )
    if isinstance(state, New):
        return begin(rules, case, now)
    old = state.case
    if fact.request in (old.request, *old.superseded):
        return state, []  # the very same request, told again
    case = replace(case, superseded=(*old.superseded, old.request))
    if isinstance(state, Cancelled):
        # The unit goes on counting: no dossier id, code or name of a call is ever used a second time.
        case = replace(case, dossiers=old.dossiers, tried=old.tried, rosters=old.rosters, earlier=old.earlier)
        return begin(rules, case, now)
    if isinstance(state, Enrolled):
        return state, [refusal(fact, old, "already-enrolled")]
    case = _amended(case, old)
    if (case.form, case.profile, case.foreign) == (old.form, old.profile, old.foreign):
        return state, [refusal(fact, old, "already-open")]
    if old.filed:
        return state, [refusal(fact, old, "already-filed")]
    return begin(rules, case, now)  # nothing was filed; a signature under way belongs to an attempt nobody will file


def _amended(case: Case, old: Case) -> Case:
    """The new data in the old enrolment. What a person has answered stays where the row says nothing."""
    form = case.form
    if form.unit_code is None:
        form = form.model_copy(update={"unit_code": old.form.unit_code})
    return replace(
        case,
        enrolment=old.enrolment,
        dossiers=old.dossiers,
        earlier=old.earlier,
        form=form,
        contact=old.contact if form.email == old.form.email else case.contact,
        profile=old.profile if case.profile is None and form.tax_code == old.form.tax_code else case.profile,
    )


# --- signed, filed, answered ------------------------------------------------------------------------------------


def _signed(state: State, fact: e.DossierSigned) -> Decided | None:
    if not (isinstance(state, Signing) and _about(state.filing, fact)):
        return None  # an attempt that was replaced meanwhile: its signature is never used
    case = replace(state.case, filed=True)
    form = case.form
    asked = e.FilingAsked(
        enrolment=case.enrolment,
        dossier=fact.dossier,
        attempt=fact.attempt,
        kind=state.filing.kind,
        unit_code=form.unit_code or "",
        unit_name=form.name,
        tax_code=form.tax_code,
        agency=form.agency,
        document=fact.document,
        sha256=fact.sha256,
        mailbox=case.mailbox,
        contact=case.contact,
    )
    filed = Filed(case, replace(state.filing, handed=True))
    return filed, [asked, progress(filed)]


def _received(rules: Rules, state: State, fact: e.DossierReceived, now: datetime) -> Decided | None:
    if isinstance(state, New | Cancelled) or state.filing is None or not _about(state.filing, fact):
        return None
    filing = state.filing.numbered(fact.transaction, fact.number)
    match state:
        case Filed(code=code) | Waiting(cause="transaction-missing", code=code) if code is not None:
            return activate(state.case, filing, code)
        case Filed() | Waiting(cause="filing-uncertain" | "filing-failed"):
            return await_mail(rules, state.case, filing, now)
        case AwaitingStopMail() | AwaitingCode() | Activating() | Fetching() | Enrolled():
            return replace(state, filing=filing), []
    return None


def _agency_decided(rules: Rules, state: State, fact: e.DossierDecided, now: datetime) -> Decided | None:
    """Accepted is not the end: the mail is. Accepted and the mail may come in either order."""
    if isinstance(state, New | Cancelled) or state.filing is None or not _about(state.filing, fact):
        return None
    filing = state.filing.numbered(None, fact.number)
    open_question = isinstance(state, Filed) or (isinstance(state, Waiting) and state.cause in _NOT_SEEN)
    if fact.accepted:
        if isinstance(state, Filed) and state.code is not None:
            return activate(state.case, filing, state.code)
        if open_question:
            return await_mail(rules, state.case, filing, now)
        if isinstance(state, AwaitingStopMail | AwaitingCode | Activating | Fetching | Enrolled):
            return replace(state, filing=filing), []
        return None
    if not (open_question or isinstance(state, AwaitingStopMail | AwaitingCode)):
        return None
    following = refused(rules, state.case, filing, fact.code, fact.text, now)
    earlier = isinstance(state, Filed) and state.code is not None and state.code.attempt < filing.attempt
    return _using(following, state) if earlier else following


def _uncertain(state: State, fact: e.FilingUncertain) -> Decided | None:
    if not (isinstance(state, Filed) and _about(state.filing, fact)):
        return None
    cause = "filing-uncertain" if fact.reached == "unknown" else "filing-failed"
    return _using(wait(state.case, cause, fact.text, state.filing), state)


def _using(decided: Decided, filed: State) -> Decided:
    """A code that waited in `filed` is used in the state that follows, if it fits there."""
    following, answers = decided
    if not isinstance(filed, Filed) or filed.code is None:
        return decided
    used = _code_came(following, filed.filing.dossier, filed.code)
    return decided if used is None else (used[0], [*answers, *used[1]])


# --- mails ------------------------------------------------------------------------------------------------------


def _stop_result(rules: Rules, state: State, fact: e.StopResultArrived, now: datetime) -> Decided | None:
    """A mail about any attempt of the stop under way counts, also a late one of an earlier attempt (A15)."""
    if not isinstance(state, Signing | Filed | AwaitingStopMail | Waiting) or state.filing is None:
        return None
    filing = state.filing
    if filing.kind != "stop" or filing.dossier != fact.dossier or not filing.may_answer(fact.attempt):
        return None
    if fact.accepted:
        return stopped(rules, state.case, filing, now)
    if isinstance(state, Waiting):
        repeated = state.cause == "duplicate"  # then the attempt that counts is an earlier one
        if not repeated and (state.cause not in (*_NOT_SEEN, "stop-mail-missing") or fact.attempt != filing.attempt):
            return None
    elif filing.attempt != fact.attempt:
        return None
    return wait(state.case, "stop-refused", fact.text, filing)


def _code_arrived(state: State, fact: e.ActivationCodeArrived) -> Decided | None:
    return _code_came(state, fact.dossier, Code(fact.code, fact.attempt, fact.expires_at))


def _code_came(state: State, dossier: UUID, code: Code) -> Decided | None:
    """A code is used as soon as it can be: activating with a late one is better than filing once more."""
    if isinstance(state, New | Cancelled) or state.filing is None or state.filing.dossier != dossier:
        return None
    if not state.filing.may_answer(code.attempt) or code.ref in state.case.tried:
        return None
    match state:
        case Filed(code=held):  # the receipt names the transaction, and settles whether a later code is due
            return (replace(state, code=code), []) if code.supersedes(held) else None
        case Activating(code=given, newer=held):
            return (replace(state, newer=code), []) if code.supersedes(given) and code.supersedes(held) else None
        case Signing() | AwaitingCode():
            return activate(state.case, state.filing, code)
        case Waiting(cause="transaction-missing", code=held):
            return (replace(state, code=code), []) if code.supersedes(held) else None
        case Waiting(cause=cause) if cause in _NOT_SEEN and state.filing.transaction_of(code.attempt) is None:
            return wait(state.case, "transaction-missing", "", state.filing, code)
        case Waiting(cause=cause, text=text) if cause != "roster-failed":
            return activate(state.case, state.filing, code, asked=(cause, text))
    return None


def _activation(rules: Rules, state: State, fact: e.ActivationAnswered, now: datetime) -> Decided | None:
    if not isinstance(state, Activating) or fact.go != len(state.case.tried):
        return None
    case, filing, code = state.case, state.filing, state.code
    if (fact.dossier, fact.attempt) != (filing.dossier, code.attempt):
        return None
    said = " – ".join(part for part in (fact.code, fact.text) if part)
    if fact.outcome == "activated":
        return fetch(case, filing)
    if state.newer is not None:  # harmless also when the outcome is unknown: activating twice is activating once
        return activate(case, filing, state.newer, state.asked)
    if fact.outcome == "unknown":
        return wait(case, "activation-uncertain", said, filing)
    if state.asked is not None:
        return wait(case, *state.asked, filing)
    if not filing.handed:  # a late code came while this attempt was being signed
        return prepare(rules, case, filing.again(), now)
    if code.attempt < filing.attempt:  # it says nothing about the attempt whose mail is awaited
        return await_mail(rules, case, filing, now)
    return _failed(rules, case, filing, fact.outcome, said, now)


def _failed(rules: Rules, case: Case, filing: Filing, outcome: str, said: str, now: datetime) -> Decided:
    """The code of the attempt under way was not taken."""
    if outcome == "expired":
        return anew(rules, case, filing, "code-expired", said, now)
    case = replace(case, wrong_codes=case.wrong_codes + 1)
    if outcome == "wrong-code" and case.wrong_codes < rules.wrong_codes:
        return await_mail(rules, case, filing, now)
    return wait(case, "wrong-code", said, filing)


def _reminded(rules: Rules, state: State, fact: e.ReminderDue, now: datetime) -> Decided | None:
    """A timer names its attempt: one that was overtaken changes nothing, one from an earlier wait is set anew."""
    if not isinstance(state, AwaitingStopMail | AwaitingCode) or not _about(state.filing, fact):
        return None
    if fact.name != _REMINDERS[state.at]:
        return None
    if now < state.until:
        return state, [reminder(state)]
    cause = "stop-mail-missing" if isinstance(state, AwaitingStopMail) else "activation-mail-missing"
    return anew(rules, state.case, state.filing, cause, "", now)


# --- people -----------------------------------------------------------------------------------------------------


def _answered(rules: Rules, state: Waiting, fact: e.EnrolmentAnswered, now: datetime) -> Decided | None:
    """An answer fits when the cause asks for it and its value can be used; any other is noted."""
    if fact.answer not in CAUSES[state.cause].answers:
        return None
    case, filing = state.case, state.filing
    match fact.answer, (fact.value or "").strip():
        case "unit-code", value if (code := _unit_code(value)) is not None:
            return begin(rules, replace(case, form=case.form.model_copy(update={"unit_code": code})), now)
        case "profile", value if (profile := _uuid(value)) is not None:
            case = replace(case, profile=profile)
            return prepare(rules, case, filing.again(), now) if filing else begin(rules, case, now)
        case "provider", value if filing and _is_provider(value) and value != rules.ivan_code:
            refused_one = filing.dossier if filing.kind == "register" else filing.supersedes
            return stop(rules, replace(case, stopped=()), value, refused_one, now)
        case "filed", value if filing:
            filing = filing.numbered(value, None)
            return activate(case, filing, state.code) if state.code else await_mail(rules, case, filing, now)
        case "continue", _ if filing and filing.kind == "stop":
            return stopped(rules, case, filing, now)
        case "continue", _ if filing and state.cause == "activation-uncertain":
            return fetch(case, filing)
        case "continue", _ if filing and state.cause == "roster-failed":
            return enrolled(case, filing, None)
        case "retry", _ if filing and state.cause == "roster-failed":
            return fetch(case, filing)
        case "not-filed", _ if state.cause == "earlier-filing":
            return begin(rules, replace(case, earlier=False), now)
        case (("retry" | "not-filed"), _) if filing:
            case = replace(case, system_errors=0, unanswered=0, wrong_codes=0)
            return prepare(rules, case, filing.again(), now)
    return None


def _unit_code(value: str) -> str | None:
    with suppress(BadValue):
        return read_unit_code(value).value
    return None


def _uuid(value: str) -> UUID | None:
    with suppress(ValueError):
        return UUID(value)
    return None


def _is_provider(value: str) -> bool:
    return value == PORTAL or (len(value) == 5 and value.isascii() and value.isdigit())


def _cancelled(state: State) -> Decided | None:
    if not isinstance(state, OPEN):
        return None
    cancelled = Cancelled(replace(state.case, earlier=stands(state)), state.filing)
    return cancelled, [progress(cancelled)]
