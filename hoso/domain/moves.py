"""The moves an enrolment makes, whatever event led to them: prepare, await a mail, stop first, activate, ask a person.

Each answers with the next state and with what to tell, to be reminded of and to forget. Pure. `decisions.py` says which
event in which state leads to which move.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from hoso.domain.providers import provider_in
from hoso.domain.rejections import Treatment
from hoso.domain.states import (
    Activating,
    AwaitingCode,
    AwaitingStopMail,
    Case,
    Code,
    Enrolled,
    Fetching,
    Filing,
    Signing,
    State,
    Waiting,
)
from hoso.domain.told import Rules, payload, progress
from schemas import events as e
from schemas.envelope import Fact
from schemas.units import PORTAL


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
Decided = tuple[State, Sequence[Answer]]


# --- prepare ----------------------------------------------------------------------------------------------------


def begin(rules: Rules, case: Case, now: datetime) -> Decided:
    """The first step that can be taken: a person where something is missing, else stop first, else register."""
    if case.earlier:
        return wait(case, "earlier-filing", "")
    if case.foreign:
        return wait(case, "unit-code-held", "")
    if case.form.unit_code is None:
        return wait(case, "no-unit-code", "")
    if case.profile is None:
        return wait(case, "no-profile", f"Mã số thuế {case.form.tax_code}")
    case, filing = case.open("stop" if case.provider else "register")
    return prepare(rules, case, filing, now)


def prepare(rules: Rules, case: Case, filing: Filing, now: datetime) -> Decided:
    """Have an attempt put into XML and signed, always anew (A21)."""
    assert case.profile is not None, "an enrolment without a profile does not begin"
    prepared = e.DossierPrepared(
        enrolment=case.enrolment,
        dossier=filing.dossier,
        attempt=filing.attempt,
        payload=payload(rules, case, filing, now),
        profile=case.profile,
        supersedes=filing.supersedes,
    )
    state = Signing(case, filing)
    return state, [prepared, progress(state)]


def anew(rules: Rules, case: Case, filing: Filing, cause: str, said: str, now: datetime) -> Decided:
    """A new attempt of the same dossier, while its bound lasts; then a person."""
    case = replace(case, unanswered=case.unanswered + 1, wrong_codes=0)
    if case.unanswered >= rules.attempts:
        return wait(case, cause, said, filing)
    return prepare(rules, case, filing.again(), now)


# --- filed, refused ---------------------------------------------------------------------------------------------


def await_mail(rules: Rules, case: Case, filing: Filing, now: datetime) -> Decided:
    """The agency has the attempt: its mail says what comes next (A14, A22)."""
    stop = filing.kind == "stop"
    until = now + (rules.stop_mail_wait if stop else rules.activation_mail_wait)
    state = AwaitingStopMail(case, filing, until) if stop else AwaitingCode(case, filing, until)
    return state, [reminder(state), progress(state)]


def reminder(state: AwaitingStopMail | AwaitingCode) -> Remind:
    """The timer of a state that waits for a mail; it names the attempt."""
    case, filing = state.case, state.filing
    due = e.ReminderDue(
        enrolment=case.enrolment,
        name="stop-mail" if isinstance(state, AwaitingStopMail) else "activation-mail",
        dossier=filing.dossier,
        attempt=filing.attempt,
    )
    return Remind(due.name, state.until, due)


def refused(rules: Rules, case: Case, filing: Filing, code: str, text: str, now: datetime) -> Decided:
    """The agency refused the attempt: its code says what follows (domain.md §7)."""
    said = " – ".join(part for part in (code, text or rules.rejections.text(code)) if part)
    match rules.rejections.treatment(code, text):
        case Treatment.AGAIN_NOW:
            case = replace(case, system_errors=case.system_errors + 1)
            if case.system_errors >= rules.system_tries:
                return wait(case, "system-error", said, filing)
            return prepare(rules, case, filing.again(), now)
        case Treatment.ALREADY_STOPPED if filing.kind == "stop":
            return stopped(rules, case, filing, now)
        case Treatment.STOP_PROVIDER if filing.kind == "register":
            return _stop_first(rules, case, filing, _named(rules, case, text), said, now)
        case Treatment.STOP_PORTAL if filing.kind == "register":
            return _stop_first(rules, case, filing, PORTAL, said, now)
        case Treatment.ASK_PROVIDER:
            return wait(case, "provider", said, filing)
        case Treatment.FIX_CERTIFICATE:
            return wait(case, "certificate", said, filing)
        case Treatment.FIX_DATA:
            return wait(case, "data", said, filing)
        case Treatment.DUPLICATE:
            return wait(case, "duplicate", said, filing)
        case _:
            return wait(case, "unknown-code", said, filing)


def _named(rules: Rules, case: Case, text: str) -> str | None:
    """The other provider: whom the agency names, else whom the row declares. Never ourselves, never the portal."""
    for provider in (provider_in(text), case.form.current_provider):
        if provider not in (None, PORTAL, rules.ivan_code):
            return provider
    return None


def _stop_first(
    rules: Rules, case: Case, refused_one: Filing, provider: str | None, said: str, now: datetime
) -> Decided:
    """Refused because another provider holds the unit (A7): stop it, then register from the refused dossier."""
    if provider is None:
        return wait(case, "provider", said, refused_one)
    if provider in case.stopped:
        return wait(case, "still-held", said, refused_one)
    return stop(rules, case, provider, refused_one.dossier, now)


def stop(rules: Rules, case: Case, provider: str, supersedes: UUID | None, now: datetime) -> Decided:
    """A new stop dossier for this provider."""
    case, filing = replace(case, provider=provider).open("stop", supersedes=supersedes)
    return prepare(rules, case, filing, now)


def stopped(rules: Rules, case: Case, filing: Filing, now: datetime) -> Decided:
    """Nobody is in the way any more: register, from the refused dossier where there is one (A19, A20)."""
    done = (*case.stopped, case.provider) if case.provider else case.stopped
    case, registration = replace(case, provider=None, stopped=done).open("register", supersedes=filing.supersedes)
    return prepare(rules, case, registration, now)


# --- activation -------------------------------------------------------------------------------------------------


def activate(case: Case, filing: Filing, code: Code, asked: tuple[str, str] | None = None) -> Decided:
    """Give the agency the code, under the name of the attempt it was mailed for. Each code once."""
    case = replace(case, tried=(*case.tried, code.ref))
    go = e.ActivationAsked(
        enrolment=case.enrolment,
        dossier=filing.dossier,
        attempt=code.attempt,
        unit_code=case.form.unit_code or "",
        number=filing.transaction_of(code.attempt),
        code=code.ref,
        go=len(case.tried),
        expires_at=code.expires_at,
    )
    state = Activating(case, filing, code, asked=asked)
    return state, [go, progress(state)]


def fetch(case: Case, filing: Filing) -> Decided:
    """The unit is activated: fetch its employees (B29)."""
    case = replace(case, rosters=case.rosters + 1)
    state = Fetching(case, filing)
    asked = e.RosterAsked(enrolment=case.enrolment, unit_code=case.form.unit_code or "", go=case.rosters)
    return state, [asked, progress(state)]


def enrolled(case: Case, filing: Filing, employees: int | None) -> Decided:
    """Done."""
    state = Enrolled(case, filing, employees)
    return state, [progress(state)]


# --- people -----------------------------------------------------------------------------------------------------


def wait(case: Case, cause: str, text: str, filing: Filing | None = None, code: Code | None = None) -> Decided:
    """A person has to decide; the progress says what and how."""
    state = Waiting(case, cause, text, filing, code)
    return state, [progress(state)]
