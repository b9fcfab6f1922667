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
    AgencyReview,
    AwaitingCode,
    AwaitingResult,
    AwaitingStopMail,
    AwaitingTurn,
    Case,
    Code,
    Enrolled,
    Fetching,
    Filing,
    NotingCode,
    Signing,
    State,
    Stopped,
    Waiting,
)
from hoso.domain.told import Rules, payload, progress
from schemas import events as e
from schemas.envelope import Fact
from schemas.units import PORTAL, Change


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
        return _first_code(rules, case, now)
    if case.profile is None:
        return wait(case, "no-profile", f"Mã số thuế {case.form.tax_code}")
    if case.form.purpose == "stop" and case.provider is None:
        return wait(case, "provider", "")
    case, filing = case.open("stop" if case.provider else "register")
    return prepare(rules, case, filing, now)


def _first_code(rules: Rules, case: Case, now: datetime) -> Decided:
    """A unit that never took part applies for its code, electronically or on paper (B3, B21)."""
    if case.form.first_time is None:
        return wait(case, "no-unit-code", "")
    if rules.routes.channel(case.form.province, now) == "paper":
        return wait(case, "paper-form", "")
    if case.profile is None:
        return wait(case, "no-profile", f"Mã số thuế {case.form.tax_code}")
    case, filing = case.open("first_code")
    return prepare(rules, case, filing, now)


def prepare(rules: Rules, case: Case, filing: Filing, now: datetime) -> Decided:
    """Have an attempt put into XML and signed, always anew (A21). A first-time dossier waits for its turn before."""
    if case.profile is None:
        return wait(case, "no-profile", f"Mã số thuế {case.form.tax_code}", filing)
    if filing.kind == "first_code" and not case.own_address and case.turn != filing.dossier:
        return _take_turn(case, filing)
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


def _take_turn(case: Case, filing: Filing) -> Decided:
    """All first-time mails say DKTGLD: of one name and mailbox one dossier waits at a time (domain.md §6.2).

    A dossier asks once: one that gave its turn back goes on as a new dossier."""
    if filing.attempt > 1:
        case, filing = case.open("first_code", supersedes=filing.dossier)
    state = AwaitingTurn(replace(case, turn=filing.dossier), filing)
    before = [e.TurnEnded(enrolment=case.enrolment, dossier=case.turn)] if case.turn else []
    asked = e.TurnAsked(
        enrolment=case.enrolment,
        dossier=filing.dossier,
        mailbox=case.mailbox,
        contact=case.contact,
        unit_name=case.form.name,
    )
    return state, [*before, asked, progress(state)]


def mended(rules: Rules, case: Case, filing: Filing | None, now: datetime) -> Decided:
    """The row was mended: a new dossier in place of the refused one (A20, B18)."""
    if filing is None or (filing.kind == "first_code" and case.form.first_time is None):
        return begin(rules, case, now)
    if filing.kind == "register" and case.provider:
        if case.provider not in case.stopped:
            return stop(rules, case, case.provider, filing.dossier, now)
        case = replace(case, provider=None)
    if filing.kind == "change":
        case = replace(case, changes=changes_of(case))
        if not case.changes:
            return effective(case, filing)  # mended back to what the agency knows
    case, following = case.open(filing.kind, supersedes=filing.dossier)
    return prepare(rules, case, following, now)


def change(rules: Rules, case: Case, changes: tuple[Change, ...], now: datetime) -> Decided:
    """Tell the agency what is new about a unit that has its code (B20, domain.md §3.5)."""
    case, filing = replace(case, changes=changes).open("change")
    return prepare(rules, case, filing, now)


def changes_of(case: Case) -> tuple[Change, ...]:
    """What a change under way changes, by the row as it is now: contact and telephone against what the agency knows."""
    if case.agreed is None:
        return case.changes
    agreed, form = case.agreed, case.form
    contact = [Change(field="email", old=agreed.contact, new=case.contact)] if case.contact != agreed.contact else []
    phone = [Change(field="phone", old=agreed.form.phone, new=form.phone)] if form.phone != agreed.form.phone else []
    return (*contact, *phone, *(one for one in case.changes if one.field not in ("email", "phone")))


def anew(rules: Rules, case: Case, filing: Filing, cause: str, said: str, now: datetime) -> Decided:
    """A new attempt of the same dossier, while its bound lasts; then a person."""
    case = replace(case, unanswered=case.unanswered + 1, unsettled=True, wrong_codes=0)
    if case.unanswered >= rules.attempts:
        return wait(case, cause, said, filing)
    return prepare(rules, case, filing.again(), now)


# --- filed, refused ---------------------------------------------------------------------------------------------


def await_mail(rules: Rules, case: Case, filing: Filing, now: datetime) -> Decided:
    """The agency has the attempt: its mail says what comes next (A14, A22)."""
    state: AwaitingStopMail | AwaitingCode | AwaitingResult
    match filing.kind:
        case "stop":
            state = AwaitingStopMail(case, filing, now + rules.stop_mail_wait)
        case "change":
            state = AwaitingResult(case, filing, rules.workdays.after(now, rules.officer_days))
        case _:
            state = AwaitingCode(case, filing, now + rules.activation_mail_wait)
    return state, [progress(state)]


def refused(rules: Rules, case: Case, filing: Filing, code: str, text: str, now: datetime) -> Decided:
    """The agency refused the attempt: its code says what follows (domain.md §7)."""
    treatment = rules.rejections.treatment(code, text)
    following, answers = treated(rules, case, filing, treatment, (code, text), now)
    if isinstance(following, Waiting):
        following = replace(following, refusal=(code, text))
    return following, answers


def treated(
    rules: Rules, case: Case, filing: Filing, treatment: Treatment, refusal: tuple[str, str], now: datetime
) -> Decided:
    """What a treatment does to the refused attempt, whoever chose it: the table or a person."""
    code, text = refusal
    said = " – ".join(part for part in (code, text or rules.rejections.text(code)) if part)
    match treatment:
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
        case Treatment.ASK_PROVIDER if filing.kind in ("register", "stop"):
            return wait(case, "provider", said, filing)
        case Treatment.FIX_CERTIFICATE:
            return wait(case, "certificate", said, filing)
        case Treatment.FIX_DATA:
            return wait(case, _mendable(filing), said, filing)
        case Treatment.PAPER if filing.kind == "first_code":
            return wait(case, "paper-form", said)
        case Treatment.DUPLICATE:
            return wait(case, "duplicate", said, filing)
        case _:
            return wait(case, "unknown-code", said, filing)


def _mendable(filing: Filing) -> str:
    """The cause under which a person mends the row of a refused dossier."""
    return {"first_code": "first-code-refused", "change": "change-refused"}.get(filing.kind, "data")


def turned_down(case: Case, filing: Filing, text: str) -> Decided:
    """The agency refused in a mail: its words are all there is, a person mends what they name (B18)."""
    return wait(case, _mendable(filing), text, filing)


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
    case = replace(case, provider=None, stopped=done)
    if case.form.purpose == "stop":
        end = Stopped(case, filing)
        return end, [progress(end)]
    case, registration = case.open("register", supersedes=filing.supersedes)
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
        kind=filing.kind,
    )
    state = Activating(case, filing, code, asked=asked)
    return state, [go, progress(state)]


def activated(rules: Rules, case: Case, filing: Filing, now: datetime) -> Decided:
    """The code was taken: the unit is on the service, or its first-time dossier goes to the officer (B14)."""
    if filing.kind != "first_code":
        return fetch(case, filing)
    state = AgencyReview(case, filing, rules.workdays.after(now, rules.officer_days))
    return state, [progress(state)]


def granted(case: Case, filing: Filing, unit_code: str) -> Decided:
    """The unit has a code (B17): the registry says whether it is the unit's alone."""
    state = NotingCode(case, filing, unit_code)
    return state, [e.UnitCodeGranted(enrolment=case.enrolment, unit_code=unit_code), progress(state)]


def coded(rules: Rules, case: Case, unit_code: str, now: datetime) -> Decided:
    """The granted code is the unit's: the agency is told by a change dossier (B19, B20)."""
    form = case.form.model_copy(update={"unit_code": unit_code, "first_time": None})
    return change(rules, replace(case, form=form), (Change(field="unit_code", old="", new=unit_code),), now)


def effective(case: Case, filing: Filing) -> Decided:
    """The change took effect: a unit new on the service has its employees fetched, any other is where it was."""
    case = replace(case, changes=(), agreed=None)
    return enrolled(case, filing, case.employees) if case.member else fetch(case, filing)


def look(case: Case, filing: Filing) -> tuple[Case, e.StatusAsked]:
    """Ask where the filing stands; each question once."""
    case = replace(case, looks=case.looks + 1)
    return case, e.StatusAsked(
        enrolment=case.enrolment,
        dossier=filing.dossier,
        attempt=filing.attempt,
        kind=filing.kind,
        unit_code=case.form.unit_code or "",
        transaction=filing.transaction,
        go=case.looks,
    )


def fetch(case: Case, filing: Filing) -> Decided:
    """The unit is activated: fetch its employees (B29)."""
    case, asked = _ask_roster(case)
    state = Fetching(case, filing)
    return state, [asked, progress(state)]


def fetch_again(state: Enrolled) -> Decided:
    """Somebody wants the employees as they are now; the unit stays enrolled meanwhile."""
    case, asked = _ask_roster(state.case)
    return replace(state, case=case, counting=True), [asked]


def _ask_roster(case: Case) -> tuple[Case, e.RosterAsked]:
    case = replace(case, rosters=case.rosters + 1)
    return case, e.RosterAsked(enrolment=case.enrolment, unit_code=case.form.unit_code or "", go=case.rosters)


def enrolled(case: Case, filing: Filing, employees: int | None) -> Decided:
    """Done."""
    state = Enrolled(replace(case, member=True, employees=employees), filing, employees)
    return state, [progress(state)]


def recounted(state: Enrolled, employees: int) -> Decided:
    """The employees of an enrolled unit, once more."""
    state = Enrolled(replace(state.case, employees=employees), state.filing, employees)
    return state, [progress(state).model_copy(update={"refreshed": True})]


# --- people -----------------------------------------------------------------------------------------------------


def wait(case: Case, cause: str, text: str, filing: Filing | None = None, code: Code | None = None) -> Decided:
    """A person has to decide; the progress says what and how."""
    state = Waiting(case, cause, text, filing, code)
    return state, [progress(state)]
