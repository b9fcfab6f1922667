"""The enrolment's decisions: what follows from each event, in each state. Pure: no I/O, no clock, no randomness.

`decide(state, event, now)` answers with the next state and with what to say, to remind of and to forget. An event that
does not fit the state changes nothing and is noted. domain.md §3 draws the flows; A1–A24 and B24–B29 are statements of
its §2. The moves themselves are in `moves.py`, the words in `told.py`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from hoso.domain.moves import (
    Answer,
    Decided,
    Forget,
    Remind,
    activate,
    activated,
    anew,
    await_mail,
    coded,
    effective,
    enrolled,
    fetch_again,
    granted,
    prepare,
    recounted,
    refused,
    stopped,
    turned_down,
    wait,
)
from hoso.domain.people import answered, cancelled, replaced, requested
from hoso.domain.states import (
    Activating,
    AgencyReview,
    AwaitingCode,
    AwaitingResult,
    AwaitingStopMail,
    AwaitingTurn,
    Cancelled,
    Case,
    Code,
    Enrolled,
    Fetching,
    Filed,
    Filing,
    New,
    NotingCode,
    Signing,
    State,
    Stopped,
    Waiting,
    stands,
)
from hoso.domain.told import Rules, progress
from hoso.domain.waits import TIMER, looked, rang, timer
from schemas import events as e
from schemas.envelope import Event, Fact

__all__ = ["Answer", "Decided", "Forget", "Remind", "Rules", "decide"]

_NOT_SEEN = ("filing-uncertain", "filing-failed")  # they end with the first sign that the agency has it after all
_SETTLED = (AwaitingStopMail, AwaitingCode, AwaitingResult, Activating, AgencyReview, NotingCode, Fetching, Enrolled)
_CODE_IS_MOOT = ("roster-failed", "officer-late", "unit-code-held", "first-code-refused")
"""Waits in which the activation is behind us: a code that comes now opens nothing."""
_FIRST_CODE = (AwaitingCode, Activating, AgencyReview)
"""Where the officer's word on a first-time dossier may find it: his mail may be faster than ours about the activation."""


def decide(rules: Rules, state: State, event: Event[Any], now: datetime) -> Decided:
    """What follows. `now` is the event's time on the world's clock."""
    fact = event.data
    decided = _decide(rules, state, fact, now)
    if decided is None:
        enrolment = event.correlationid if isinstance(state, New) else state.case.enrolment
        return state, [e.NoteTaken(enrolment=enrolment, state=state.at, event=fact.TYPE, event_id=event.id)]
    following, answers = decided
    if isinstance(following, Waiting) and following.since is None:
        following = replace(following, since=now)
    following, ended = _turn_ended(following)
    return following, [*answers, *ended, *_timers(rules, state, following)]


def _turn_ended(state: State) -> Decided:
    """A first-time dossier keeps its turn while a mail about it may come; the next of its name goes afterwards."""
    if isinstance(state, New) or state.case.turn is None:
        return state, []
    first = state.filing is not None and state.filing.kind == "first_code" and state.filing.dossier == state.case.turn
    keeps = isinstance(state, AwaitingTurn | Signing | Filed | AwaitingCode | Activating)
    keeps = keeps or (isinstance(state, Waiting) and stands(state))
    if first and keeps:
        return state, []
    ended = e.TurnEnded(enrolment=state.case.enrolment, dossier=state.case.turn)
    return replace(state, case=replace(state.case, turn=None)), [ended]


def _timers(rules: Rules, before: State, after: State) -> list[Answer]:
    """The one timer follows the state."""
    was, now = timer(rules, before), timer(rules, after)
    if now is not None:
        return [now] if now != was else []
    return [Forget(TIMER)] if was is not None else []


def _decide(rules: Rules, state: State, fact: Fact, now: datetime) -> Decided | None:
    if isinstance(fact, e.EnrolmentRequested):
        return requested(rules, state, fact, now)
    if isinstance(state, New) or getattr(fact, "enrolment", None) != state.case.enrolment:
        return None
    match fact:
        case e.EnrolmentCancelled():
            return cancelled(state)
        case e.EnrolmentAnswered():
            return answered(rules, state, fact, now) if isinstance(state, Waiting) else None
        case e.CertificateReplaced():
            return replaced(rules, state, fact, now)
        case e.EmployeesRequested():
            return fetch_again(state) if isinstance(state, Enrolled) and not state.counting else None
        case e.TurnGranted():
            if isinstance(state, AwaitingTurn) and state.filing.dossier == fact.dossier:
                return prepare(rules, state.case, state.filing, now)
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
        case e.ChangeResultArrived():
            return _change_result(state, fact)
        case e.UnitCodeResultArrived():
            return _unit_code_result(state, fact)
        case e.UnitCodeNoted():
            return _unit_code_noted(rules, state, fact, now)
        case e.ActivationCodeArrived():
            return _code_arrived(state, fact)
        case e.ActivationAnswered():
            return _activation(rules, state, fact, now)
        case e.StatusAnswered():
            return looked(state, fact)
        case e.RosterFetched():
            if isinstance(state, Enrolled) and state.counting:
                return recounted(state, fact.employees)
            if isinstance(state, Fetching) or (isinstance(state, Waiting) and state.cause == "roster-failed"):
                assert state.filing is not None
                return enrolled(state.case, state.filing, fact.employees)
        case e.RosterFailed():
            if isinstance(state, Fetching) or (isinstance(state, Enrolled) and state.counting):
                return wait(state.case, "roster-failed", fact.text, state.filing)
        case e.ReminderDue():
            return rang(rules, state, fact, now)
    return None


def _about(filing: Filing | None, fact: Any) -> bool:
    return filing is not None and (filing.dossier, filing.attempt) == (fact.dossier, fact.attempt)


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
        own_address=case.own_address,
    )
    filed = Filed(case, replace(state.filing, handed=True, method=fact.method, certificate=fact.certificate_serial))
    return filed, [asked, progress(filed)]


def _received(rules: Rules, state: State, fact: e.DossierReceived, now: datetime) -> Decided | None:
    if isinstance(state, New | Cancelled | Stopped) or state.filing is None or not _about(state.filing, fact):
        return None
    filing = state.filing.numbered(fact.transaction, fact.number)
    match state:
        case Filed(code=code) | Waiting(cause="transaction-missing", code=code) if code is not None:
            return activate(state.case, filing, code)
        case Filed() | Waiting(cause="filing-uncertain" | "filing-failed"):
            return await_mail(rules, state.case, filing, now)
        case _ if isinstance(state, _SETTLED):
            return replace(state, filing=filing), []
    return None


def _agency_decided(rules: Rules, state: State, fact: e.DossierDecided, now: datetime) -> Decided | None:
    """Accepted is not the end: the mail is. Accepted and the mail may come in either order."""
    if isinstance(state, New | Cancelled | Stopped) or state.filing is None or not _about(state.filing, fact):
        return None
    filing = state.filing.numbered(None, fact.number)
    open_question = isinstance(state, Filed) or (isinstance(state, Waiting) and state.cause in _NOT_SEEN)
    late = isinstance(state, Waiting) and state.cause in ("officer-late", "change-late")
    if fact.accepted:
        if filing.kind == "change" and (open_question or late or isinstance(state, AwaitingResult)):
            return effective(state.case, filing)
        if fact.unit_code and filing.kind == "first_code" and (late or isinstance(state, _FIRST_CODE)):
            return granted(state.case, filing, fact.unit_code)
        if isinstance(state, Filed) and state.code is not None:
            return activate(state.case, filing, state.code)
        if open_question:
            return await_mail(rules, state.case, filing, now)
        if isinstance(state, _SETTLED):
            return replace(state, filing=filing), []
        return None
    if not (
        open_question or late or isinstance(state, AwaitingStopMail | AwaitingCode | AwaitingResult | AgencyReview)
    ):
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


def _change_result(state: State, fact: e.ChangeResultArrived) -> Decided | None:
    """The agency's word on a change, whichever way it comes first."""
    if isinstance(state, New | Cancelled | Stopped) or state.filing is None:
        return None
    filing = state.filing
    if filing.kind != "change" or filing.dossier != fact.dossier or not filing.may_answer(fact.attempt):
        return None
    waits = isinstance(state, Filed | AwaitingResult) or (
        isinstance(state, Waiting) and state.cause in (*_NOT_SEEN, "change-late", "duplicate")
    )
    if fact.accepted and (waits or isinstance(state, Signing)):
        return effective(state.case, filing)
    if not fact.accepted and waits and fact.attempt == filing.attempt:
        return turned_down(state.case, filing, fact.text)
    return None


def _unit_code_result(state: State, fact: e.UnitCodeResultArrived) -> Decided | None:
    """The officer's mail: the unit's code, or why there is none (B17)."""
    if isinstance(state, New | Cancelled | Stopped) or state.filing is None:
        return None
    filing = state.filing
    if filing.kind != "first_code" or filing.dossier != fact.dossier or not filing.may_answer(fact.attempt):
        return None
    if not isinstance(state, (*_FIRST_CODE, Filed, Waiting)):
        return None
    if isinstance(state, Waiting) and state.cause == "unit-code-held":
        return None  # the same word a second time: whose code it is stays the question
    if fact.granted and fact.unit_code:
        return granted(state.case, filing, fact.unit_code)
    answered_already = isinstance(state, Waiting) and state.cause in ("first-code-refused", "signing", "certificate")
    if fact.granted or answered_already or fact.attempt != filing.attempt:
        return None
    return turned_down(state.case, filing, fact.text)


def _unit_code_noted(rules: Rules, state: State, fact: e.UnitCodeNoted, now: datetime) -> Decided | None:
    """The granted code is the unit's: the agency is told by a change dossier (B19, B20)."""
    if not isinstance(state, NotingCode) or state.unit_code != fact.unit_code:
        return None
    if fact.foreign:
        return wait(state.case, "unit-code-held", fact.unit_code, state.filing)
    return coded(rules, state.case, fact.unit_code, now)


def _code_arrived(state: State, fact: e.ActivationCodeArrived) -> Decided | None:
    return _code_came(state, fact.dossier, Code(fact.code, fact.attempt, fact.expires_at))


def _code_came(state: State, dossier: UUID, code: Code) -> Decided | None:
    """A code is used as soon as it can be: activating with a late one is better than filing once more."""
    if isinstance(state, New | Cancelled | Stopped) or state.filing is None or state.filing.dossier != dossier:
        return None
    if not state.filing.may_answer(code.attempt) or code.ref in state.case.tried:
        return None
    if state.filing.kind == "change":
        return _code_after_change(state, code)
    match state:
        case Filed(code=held):  # the receipt names the transaction, and settles whether a later code is due
            return (replace(state, code=code), []) if code.supersedes(held) else None
        case Activating(code=given, newer=held):
            return (replace(state, newer=code), []) if code.supersedes(given) and code.supersedes(held) else None
        case Signing() | AwaitingCode():
            return activate(state.case, state.filing, code)
        case Waiting(cause="transaction-missing" | "activate-by-hand", code=held):
            return (replace(state, code=code), []) if code.supersedes(held) else None
        case Waiting(cause=cause) if cause in _NOT_SEEN and state.filing.transaction_of(code.attempt) is None:
            return wait(state.case, "transaction-missing", "", state.filing, code)
        case Waiting(cause=cause, text=text) if cause not in _CODE_IS_MOOT:
            activating, answers = activate(state.case, state.filing, code, asked=(cause, text))
            assert isinstance(activating, Activating)
            return replace(activating, refusal=state.refusal), answers
    return None


def _code_after_change(state: State, code: Code) -> Decided | None:
    """It is given to the agency when it comes and awaited by nobody (domain.md §6.3): where the unit stands does not change."""
    if not isinstance(state, AwaitingResult | Fetching | Enrolled):
        return None
    activating, answers = activate(state.case, state.filing, code)
    assert isinstance(activating, Activating)
    return replace(state, case=activating.case), [a for a in answers if isinstance(a, e.ActivationAsked)]


def _activation(rules: Rules, state: State, fact: e.ActivationAnswered, now: datetime) -> Decided | None:
    if not isinstance(state, Activating) or fact.go != len(state.case.tried):
        return None
    case, filing, code = state.case, state.filing, state.code
    if (fact.dossier, fact.attempt) != (filing.dossier, code.attempt):
        return None
    said = " – ".join(part for part in (fact.code, fact.text) if part)
    if fact.outcome == "activated":
        return activated(rules, case, filing, now)
    if state.newer is not None:  # harmless also when the outcome is unknown: activating twice is activating once
        activating, answers = activate(case, filing, state.newer, state.asked)
        assert isinstance(activating, Activating)
        return replace(activating, refusal=state.refusal), answers
    if fact.outcome == "unknown":
        return wait(case, "activation-uncertain", said, filing)
    if fact.outcome == "unsupported":  # the code stays sealed for the person who does it on the portal
        return wait(case, "activate-by-hand", said, filing, code)
    if state.asked is not None:
        waiting, answers = wait(case, *state.asked, filing)
        assert isinstance(waiting, Waiting)
        return replace(waiting, refusal=state.refusal), answers
    if not filing.handed:  # a late code came while this attempt was being signed
        return prepare(rules, case, filing.again(), now)
    if code.attempt < filing.attempt:  # it says nothing about the attempt whose mail is awaited
        return await_mail(rules, case, filing, now)
    if fact.outcome == "expired" and now < code.expires_at:  # by the agency a newer one is in force: its mail is near
        soon = AwaitingCode(case, filing, now + rules.newer_code_wait, rung=len(rules.ladder))
        return soon, [progress(soon)]
    return _failed(rules, case, filing, fact.outcome, said, now)


def _failed(rules: Rules, case: Case, filing: Filing, outcome: str, said: str, now: datetime) -> Decided:
    """The code of the attempt under way was not taken."""
    if outcome == "expired":
        return anew(rules, case, filing, "code-expired", said, now)
    case = replace(case, wrong_codes=case.wrong_codes + 1)
    if outcome == "wrong-code" and case.wrong_codes < rules.wrong_codes:
        return await_mail(rules, case, filing, now)
    return wait(case, "wrong-code", said, filing)
