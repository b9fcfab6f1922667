"""The enrolment's decisions: what follows from each event, in each state. Pure: no I/O, no clock, no randomness.

`decide(state, event, now)` answers with the next state and with what to say, to remind of and to forget. An event that
does not fit the state changes nothing and is noted. domain.md §3 draws the flows; the statements A1–A24, B24–B29 are theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID

from hoso.domain.causes import CAUSES, REFUSED
from hoso.domain.providers import provider_in, provider_name
from hoso.domain.rejections import Rejections, Treatment
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
)
from schemas import events as e
from schemas.envelope import Event, Fact
from schemas.units import PORTAL, RegisterPayload, Stage, StopPayload

VIETNAM = timezone(timedelta(hours=7))


@dataclass(frozen=True, slots=True)
class Remind:
    """Bring `fact` back at `due`; the same name again moves it."""

    name: str
    due: datetime
    fact: e.ReminderDue


@dataclass(frozen=True, slots=True)
class Forget:
    """Do not remind any more."""

    name: str


Answer = Fact | Remind | Forget


@dataclass(frozen=True, slots=True)
class Rules:
    """The bounds and tables a deployment may set."""

    rejections: Rejections
    ivan_code: str
    ivan_name: str
    system_tries: int = 5
    attempts: int = 3
    stop_mail_wait: timedelta = timedelta(hours=24)
    activation_mail_wait: timedelta = timedelta(hours=24)
    wrong_codes: int = 3
    place: Callable[[str], str] = field(default=lambda province: province)
    """The place written on a form, from the province's code."""


Decided = tuple[State, Sequence[Answer]]


def decide(rules: Rules, state: State, event: Event[Any], now: datetime) -> Decided:
    """What follows. `now` is the event's time on the world's clock."""
    fact = event.data
    decided = _decide(rules, state, fact, now)
    if decided is not None:
        following, answers = decided
        reminder = _REMINDERS.get(state.at)
        if reminder is not None and following.at != state.at:
            answers = [*answers, Forget(reminder)]
        return following, answers
    enrolment = event.correlationid if isinstance(state, New) else state.case.enrolment
    return state, [e.NoteTaken(enrolment=enrolment, state=state.at, event=fact.TYPE, event_id=event.id)]


_REMINDERS = {"awaiting-stop-mail": "stop-mail", "awaiting-code": "activation-mail"}
"""The timer each waiting state keeps; leaving the state forgets it."""


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
                return _wait(state.case, "signing", f"{fact.text} ({fact.code})", state.filing)
        case e.DossierReceived():
            return _received(rules, state, fact, now)
        case e.DossierDecided():
            return _agency_decided(rules, state, fact, now)
        case e.FilingUncertain():
            if isinstance(state, Filed) and _about(state.filing, fact):
                cause = "filing-uncertain" if fact.reached == "unknown" else "filing-failed"
                return _wait(state.case, cause, fact.text, state.filing)
        case e.StopResultArrived():
            return _stop_result(rules, state, fact, now)
        case e.ActivationCodeArrived():
            return _code_arrived(state, fact)
        case e.ActivationAnswered():
            return _activation(rules, state, fact, now)
        case e.RosterFetched():
            if isinstance(state, Fetching):
                return _enrolled(state.case, state.filing, fact.employees)
        case e.RosterFailed():
            if isinstance(state, Fetching):
                return _wait(state.case, "roster-failed", fact.text, state.filing)
        case e.ReminderDue():
            return _reminded(rules, state, fact, now)
    return None


def _about(filing: Filing, fact: Any) -> bool:
    return (filing.dossier, filing.attempt) == (fact.dossier, fact.attempt)


# --- requests ---------------------------------------------------------------------------------------------------


def _requested(rules: Rules, state: State, fact: e.EnrolmentRequested, now: datetime) -> Decided:
    case = Case(
        enrolment=fact.enrolment, request=fact.request, form=fact.form, mailbox=fact.mailbox, contact=fact.contact,
        profile=fact.profile, batch=fact.batch, row=fact.row, foreign=fact.foreign, provider=fact.form.current_provider)
    if isinstance(state, New | Cancelled):
        return _begin(rules, case, now)
    old = state.case
    if fact.request == old.request and fact.form == old.form:
        return state, []  # the very same request, told again
    if isinstance(state, Enrolled):
        return state, [_refusal(fact, old, "already-enrolled")]
    if (fact.form, fact.profile) == (old.form, old.profile):
        return state, [_refusal(fact, old, "already-open")]
    if old.filed:
        return state, [_refusal(fact, old, "already-filed")]
    # Nothing has been filed: the new data replaces the old; a signature under way belongs to an attempt nobody will file.
    contact = old.contact if fact.form.email == old.form.email else fact.contact
    amended = replace(case, enrolment=old.enrolment, dossiers=old.dossiers, contact=contact)
    return _begin(rules, amended, now)


def _refusal(fact: e.EnrolmentRequested, old: Case, why: str) -> Fact:
    return e.EnrolmentProgressed(
        enrolment=old.enrolment, request=fact.request, batch=fact.batch, row=fact.row, stage=Stage.REFUSED_REQUEST,
        unit_code=fact.form.unit_code, cause=why, message=f"{REFUSED[why]} (hồ sơ đăng ký {old.enrolment})", filed=old.filed)


def _begin(rules: Rules, case: Case, now: datetime) -> Decided:
    """The first step that can be taken: a person where something is missing, else stop first, else register."""
    if case.foreign:
        return _wait(case, "unit-code-held", "")
    if case.form.unit_code is None:
        return _wait(case, "no-unit-code", "")
    if case.profile is None:
        return _wait(case, "no-profile", f"Mã số thuế {case.form.tax_code}")
    case, filing = case.open("stop" if case.provider else "register")
    return _prepare(rules, case, filing, now)


def _prepare(rules: Rules, case: Case, filing: Filing, now: datetime) -> Decided:
    if case.profile is None:
        return _wait(case, "no-profile", f"Mã số thuế {case.form.tax_code}", filing)
    payload = _register_payload(rules, case, now) if filing.kind == "register" else _stop_payload(rules, case, now)
    prepared = e.DossierPrepared(
        enrolment=case.enrolment, dossier=filing.dossier, attempt=filing.attempt, payload=payload, profile=case.profile,
        supersedes=filing.supersedes)
    state = Signing(case, filing)
    return state, [prepared, _progress(state)]


def _register_payload(rules: Rules, case: Case, now: datetime) -> RegisterPayload:
    form = case.form
    return RegisterPayload(
        place=rules.place(form.province), date=_day(now), unit_name=form.name, unit_code=form.unit_code or "", tax_code=form.tax_code,
        agency=form.agency, address=form.address, email=case.contact, phone=form.phone, ivan_code=rules.ivan_code,
        ivan_name=rules.ivan_name)


def _stop_payload(rules: Rules, case: Case, now: datetime) -> StopPayload:
    form = case.form
    provider = case.provider or PORTAL
    return StopPayload(
        place=rules.place(form.province), date=_day(now), unit_name=form.name, unit_code=form.unit_code or "", tax_code=form.tax_code,
        agency=form.agency, address=form.address, ivan_code=provider, ivan_name=provider_name(provider), stop_date=_day(now),
        reason=form.stop_reason, reason_text=form.stop_reason_text)


def _day(now: datetime) -> str:
    return now.astimezone(VIETNAM).strftime("%d/%m/%Y")


# --- signed, filed, answered ------------------------------------------------------------------------------------


def _signed(state: State, fact: e.DossierSigned) -> Decided | None:
    if not (isinstance(state, Signing) and _about(state.filing, fact)):
        return None  # an attempt that was replaced meanwhile: its signature is never used
    case = replace(state.case, filed=True)
    form = case.form
    asked = e.FilingAsked(
        enrolment=case.enrolment, dossier=fact.dossier, attempt=fact.attempt, kind=fact.kind, unit_code=form.unit_code or "",
        unit_name=form.name, tax_code=form.tax_code, agency=form.agency, document=fact.document, sha256=fact.sha256,
        mailbox=case.mailbox, contact=case.contact)
    filed = Filed(case, state.filing)
    return filed, [asked, _progress(filed)]


def _received(rules: Rules, state: State, fact: e.DossierReceived, now: datetime) -> Decided | None:
    if isinstance(state, AwaitingCode | AwaitingStopMail | Activating) and _about(state.filing, fact):
        return replace(state, filing=state.filing.numbered(fact.transaction, fact.number)), []
    if isinstance(state, Waiting) and state.cause == "filing-uncertain" and state.filing is not None and _about(state.filing, fact):
        return _await_mail(rules, state.case, state.filing.numbered(fact.transaction, fact.number), now)
    if not (isinstance(state, Filed) and _about(state.filing, fact)):
        return None
    filing = state.filing.numbered(fact.transaction, fact.number)
    if state.code is not None:
        return _activate(state.case, filing, state.code)
    return _await_mail(rules, state.case, filing, now)


def _await_mail(rules: Rules, case: Case, filing: Filing, now: datetime) -> Decided:
    stop = filing.kind == "stop"
    state = AwaitingStopMail(case, filing) if stop else AwaitingCode(case, filing)
    wait = rules.stop_mail_wait if stop else rules.activation_mail_wait
    due = e.ReminderDue(
        enrolment=case.enrolment, name="stop-mail" if stop else "activation-mail", dossier=filing.dossier, attempt=filing.attempt)
    return state, [Remind(due.name, now + wait, due), _progress(state)]


def _agency_decided(rules: Rules, state: State, fact: e.DossierDecided, now: datetime) -> Decided | None:
    if not isinstance(state, Filed | AwaitingStopMail | AwaitingCode | Waiting) or state.filing is None or not _about(state.filing, fact):
        return None
    if isinstance(state, Waiting) and state.cause != "filing-uncertain":
        return None
    filing = state.filing.numbered(None, fact.number)
    if fact.accepted:
        if isinstance(state, Filed | Waiting):
            return _await_mail(rules, state.case, filing, now)
        return replace(state, filing=filing), []
    return _refused(rules, state.case, filing, fact.code, fact.text, now)


def _refused(rules: Rules, case: Case, filing: Filing, code: str, text: str, now: datetime) -> Decided:
    said = " – ".join(part for part in (code, text or rules.rejections.text(code)) if part)
    match rules.rejections.treatment(code, text):
        case Treatment.AGAIN_NOW:
            case = replace(case, system_errors=case.system_errors + 1)
            if case.system_errors >= rules.system_tries:
                return _wait(case, "system-error", said, filing)
            return _prepare(rules, case, filing.again(), now)
        case Treatment.ALREADY_STOPPED if filing.kind == "stop":
            return _stopped(rules, case, filing, now)
        case Treatment.STOP_PROVIDER if filing.kind == "register":
            return _stop_first(rules, case, filing, provider_in(text) or _declared(case), said, now)
        case Treatment.STOP_PORTAL if filing.kind == "register":
            return _stop_first(rules, case, filing, PORTAL, said, now)
        case Treatment.ASK_PROVIDER:
            return _wait(case, "provider", said, filing)
        case Treatment.FIX_CERTIFICATE:
            return _wait(case, "certificate", said, filing)
        case Treatment.FIX_DATA:
            return _wait(case, "data", said, filing)
        case _:
            return _wait(case, "unknown-code", said, filing)


def _declared(case: Case) -> str | None:
    return case.form.current_provider if case.form.current_provider != PORTAL else None


def _stop_first(rules: Rules, case: Case, refused: Filing, provider: str | None, said: str, now: datetime) -> Decided:
    """Refused because another provider holds the unit (A7): stop it, then register from the refused dossier."""
    if provider is None:
        return _wait(case, "provider", said, refused)
    if provider in case.stopped:
        return _wait(case, "still-held", said, refused)
    case, stop = replace(case, provider=provider).open("stop", supersedes=refused.dossier)
    return _prepare(rules, case, stop, now)


def _stopped(rules: Rules, case: Case, stop: Filing, now: datetime) -> Decided:
    """Nobody is in the way any more: register, from the refused dossier where there is one (A19, A20), signed anew (A21)."""
    stopped = (*case.stopped, case.provider) if case.provider else case.stopped
    case, filing = replace(case, provider=None, stopped=stopped).open("register", supersedes=stop.supersedes)
    return _prepare(rules, case, filing, now)


# --- mails ------------------------------------------------------------------------------------------------------


def _stop_result(rules: Rules, state: State, fact: e.StopResultArrived, now: datetime) -> Decided | None:
    """A mail about any attempt of the stop under way counts, also a late one of an earlier attempt (A15)."""
    if not isinstance(state, Signing | Filed | AwaitingStopMail | Waiting) or state.filing is None:
        return None
    if state.filing.kind != "stop" or state.filing.dossier != fact.dossier:
        return None
    if fact.accepted:
        return _stopped(rules, state.case, state.filing, now)
    if isinstance(state, Waiting) or state.filing.attempt != fact.attempt:
        return None
    return _wait(state.case, "stop-refused", fact.text, state.filing)


def _code_arrived(state: State, fact: e.ActivationCodeArrived) -> Decided | None:
    code = Code(fact.code, fact.expires_at)
    if not isinstance(state, Filed | AwaitingCode | Activating | Waiting) or state.filing is None:
        return None
    if state.filing.dossier != fact.dossier or code.ref in state.case.tried:
        return None
    match state:
        case Filed():
            return replace(state, code=code), []
        case AwaitingCode():
            return _activate(state.case, state.filing, code)
        case Activating():
            return replace(state, newer=code), []
        case Waiting(cause="activation-mail-missing" | "code-expired" | "wrong-code" | "filing-uncertain"):
            return _activate(state.case, state.filing, code)
    return None


def _activate(case: Case, filing: Filing, code: Code) -> Decided:
    case = replace(case, tried=(*case.tried, code.ref))
    asked = e.ActivationAsked(
        enrolment=case.enrolment, dossier=filing.dossier, attempt=filing.attempt, unit_code=case.form.unit_code or "",
        number=filing.transaction, code=code.ref, go=len(case.tried), expires_at=code.expires_at)
    state = Activating(case, filing, code)
    return state, [asked, _progress(state)]


def _fetch(case: Case, filing: Filing) -> Decided:
    case = replace(case, rosters=case.rosters + 1)
    state = Fetching(case, filing)
    return state, [e.RosterAsked(enrolment=case.enrolment, unit_code=case.form.unit_code or "", go=case.rosters), _progress(state)]


def _activation(rules: Rules, state: State, fact: e.ActivationAnswered, now: datetime) -> Decided | None:
    if not (isinstance(state, Activating) and _about(state.filing, fact) and fact.go == len(state.case.tried)):
        return None
    case, filing = state.case, state.filing
    said = " – ".join(part for part in (fact.code, fact.text) if part)
    match fact.outcome:
        case "activated":
            return _fetch(case, filing)
        case "wrong-code" | "expired" if state.newer is not None:
            return _activate(case, filing, state.newer)
        case "wrong-code":
            case = replace(case, wrong_codes=case.wrong_codes + 1)
            if case.wrong_codes >= rules.wrong_codes:
                return _wait(case, "wrong-code", said, filing)
            return _await_mail(rules, case, filing, now)
        case "expired":
            return _anew(rules, case, filing, "code-expired", said, now)
        case "unknown":
            return _wait(case, "activation-uncertain", said, filing)
        case _:
            return _wait(case, "wrong-code", said, filing)


def _anew(rules: Rules, case: Case, filing: Filing, cause: str, said: str, now: datetime) -> Decided:
    """A new attempt of the same dossier, while its bound lasts; then a person."""
    case = replace(case, unanswered=case.unanswered + 1, wrong_codes=0)
    if case.unanswered >= rules.attempts:
        return _wait(case, cause, said, filing)
    return _prepare(rules, case, filing.again(), now)


def _reminded(rules: Rules, state: State, fact: e.ReminderDue, now: datetime) -> Decided | None:
    """A timer names its attempt: one that was overtaken changes nothing."""
    if fact.name == "stop-mail" and isinstance(state, AwaitingStopMail) and _about(state.filing, fact):
        return _anew(rules, state.case, state.filing, "stop-mail-missing", "", now)
    if fact.name == "activation-mail" and isinstance(state, AwaitingCode) and _about(state.filing, fact):
        return _anew(rules, state.case, state.filing, "activation-mail-missing", "", now)
    return None


# --- people -----------------------------------------------------------------------------------------------------


def _answered(rules: Rules, state: Waiting, fact: e.EnrolmentAnswered, now: datetime) -> Decided | None:
    if fact.answer not in CAUSES[state.cause].answers:
        return None
    case, filing = state.case, state.filing
    match fact.answer, fact.value:
        case "unit-code", str(code):
            return _begin(rules, replace(case, form=case.form.model_copy(update={"unit_code": code})), now)
        case "profile", str(profile):
            case = replace(case, profile=UUID(profile))
            return _prepare(rules, case, filing.again(), now) if filing else _begin(rules, case, now)
        case "provider", str(provider) if filing:
            refused = filing.dossier if filing.kind == "register" else filing.supersedes
            case, stop = replace(case, provider=provider, stopped=()).open("stop", supersedes=refused)
            return _prepare(rules, case, stop, now)
        case "filed", value if filing:
            return _await_mail(rules, case, filing.numbered(value, None), now)
        case "continue", _ if state.cause in ("stop-mail-missing", "stop-refused") and filing:
            return _stopped(rules, case, filing, now)
        case "continue", _ if state.cause == "activation-uncertain" and filing:
            return _fetch(case, filing)
        case "continue", _ if state.cause == "roster-failed" and filing:
            return _enrolled(case, filing, None)
        case "retry", _ if state.cause == "roster-failed" and filing:
            return _fetch(case, filing)
        case ("retry" | "not-filed"), _ if filing:
            case = replace(case, system_errors=0, unanswered=0, wrong_codes=0)
            return _prepare(rules, case, filing.again(), now)
    return None


def _cancelled(state: State) -> Decided | None:
    if not isinstance(state, OPEN):
        return None
    cancelled = Cancelled(state.case, state.filing)
    return cancelled, [_progress(cancelled)]


def _wait(case: Case, cause: str, text: str, filing: Filing | None = None) -> Decided:
    state = Waiting(case, cause, text, filing)
    return state, [_progress(state)]


def _enrolled(case: Case, filing: Filing, employees: int | None) -> Decided:
    state = Enrolled(case, filing, employees)
    return state, [_progress(state)]


# --- what everybody may know ------------------------------------------------------------------------------------

_STAGES: dict[str, Stage] = {
    "signing": Stage.SIGNING,
    "filed": Stage.FILED,
    "awaiting-stop-mail": Stage.AWAITING_STOP_MAIL,
    "awaiting-code": Stage.AWAITING_CODE,
    "activating": Stage.ACTIVATING,
    "fetching": Stage.FETCHING_EMPLOYEES,
    "enrolled": Stage.ENROLLED,
    "waiting": Stage.WAITING_FOR_PERSON,
    "cancelled": Stage.CANCELLED,
}


def stage_of(state: State) -> Stage:
    """Where a state stands in the words users see."""
    if isinstance(state, New):
        return Stage.REQUESTED
    filing = state.filing
    if isinstance(state, Signing | Filed) and filing is not None and filing.kind == "stop":
        return Stage.STOPPING
    return _STAGES[state.at]


def _progress(state: State) -> Fact:
    assert not isinstance(state, New)
    case, filing = state.case, state.filing
    waiting = state if isinstance(state, Waiting) else None
    cause = CAUSES[waiting.cause] if waiting else None
    message = f"{cause.text}{': ' + waiting.text if waiting.text else ''}. {cause.cure}." if waiting and cause else ""
    return e.EnrolmentProgressed(
        enrolment=case.enrolment, request=case.request, batch=case.batch, row=case.row, stage=stage_of(state),
        unit_code=case.form.unit_code, kind=filing.kind if filing else None, attempt=filing.attempt if filing else None,
        number=filing.number if filing else None, cause=waiting.cause if waiting else None, message=message, filed=case.filed,
        employees=state.employees if isinstance(state, Enrolled) else None)
