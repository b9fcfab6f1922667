"""What people do to an enrolment: ask for a unit, mend it, answer what it waits for, give it up. Pure.

An answer fits when the cause asks for it (`causes.py`) and its value can be used; any other changes nothing and is noted.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime, timedelta
from uuid import UUID

from hoso.domain.causes import CAUSES
from hoso.domain.identifiers import BadValue, read_unit_code
from hoso.domain.moves import (
    Decided,
    activate,
    activated,
    await_mail,
    begin,
    change,
    changes_of,
    coded,
    effective,
    enrolled,
    fetch,
    granted,
    mended,
    prepare,
    stop,
    stopped,
    treated,
    turned_down,
    wait,
)
from hoso.domain.rejections import Treatment
from hoso.domain.states import (
    OPEN,
    AgencyReview,
    Agreed,
    Cancelled,
    Case,
    Code,
    Enrolled,
    New,
    State,
    Stopped,
    Waiting,
    refusal_of,
    stands,
)
from hoso.domain.told import Rules, progress, refusal
from schemas import events as e
from schemas.units import PORTAL, Change, UnitForm

_MENDABLE = ("data", "first-code-refused", "change-refused", "no-unit-code", "paper-form")
"""Causes under which the row itself, sent again and corrected, is the answer."""
_CODE_LASTS = timedelta(hours=24)


# --- requests ---------------------------------------------------------------------------------------------------


def requested(rules: Rules, state: State, fact: e.EnrolmentRequested, now: datetime) -> Decided:
    """A unit is asked for: anew, once more, or with other data."""
    case = _asked_for(rules, fact)
    if isinstance(state, New):
        if fact.form.purpose == "change":
            return state, [refusal(fact, "not-enrolled")]
        return begin(rules, case, now)
    old = state.case
    if fact.request in (old.request, *old.superseded):
        return state, []  # the very same request, told again
    case = replace(case, superseded=(*old.superseded, old.request))
    if isinstance(state, Enrolled):
        return _changed(rules, state, case, fact, now)
    if fact.form.purpose == "change":
        return state, [refusal(fact, "not-enrolled", old)]
    if isinstance(state, Stopped) and case.form == old.form:
        return state, [refusal(fact, "already-stopped")]
    if isinstance(state, Cancelled | Stopped):
        # The unit goes on counting: no dossier id, code or name of a call is ever used a second time.
        return begin(rules, _counting_on(case, old), now)
    if fact.form.purpose == "stop" and old.form.purpose != "stop":
        return _stop_of_open(rules, state, case, fact, now)
    case = _amended(case, old)
    if (case.form, case.profile, case.foreign) == (old.form, old.profile, old.foreign):
        return state, [refusal(fact, "already-open", old)]
    if isinstance(state, Waiting) and state.cause in _MENDABLE and old.filed and not stands(state):
        case = replace(_counting_on(case, old), filed=True, stopped=old.stopped, member=old.member)
        case = replace(case, employees=old.employees, changes=old.changes, agreed=old.agreed)
        case = replace(case, provider=case.provider or old.provider)
        return mended(rules, case, state.filing, now)
    if isinstance(state, Waiting) and state.cause == "paper-code" and case.form.unit_code is not None:
        return begin(rules, replace(_counting_on(case, old), filed=True), now)  # the row brings the code
    if old.filed or old.member:  # of a unit on the service only the change under way is open
        return state, [refusal(fact, "already-filed", old)]
    return begin(rules, case, now)  # nothing was filed; a signature under way belongs to an attempt nobody will file


def _asked_for(rules: Rules, fact: e.EnrolmentRequested) -> Case:
    provider = fact.form.current_provider if fact.form.current_provider != rules.ivan_code else None
    return Case(
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
        own_address=fact.own_address,
    )


def _counting_on(case: Case, old: Case) -> Case:
    return replace(
        case,
        dossiers=old.dossiers,
        tried=old.tried,
        rosters=old.rosters,
        looks=old.looks,
        earlier=old.earlier,
    )


def _amended(case: Case, old: Case) -> Case:
    """The new data in the old enrolment. What a person has answered stays where the row says nothing."""
    form = _with_code(case.form, old)
    same_address = form.email == old.form.email
    return replace(
        case,
        enrolment=old.enrolment,
        dossiers=old.dossiers,
        earlier=old.earlier,
        turn=old.turn,
        form=form,
        mailbox=old.mailbox if same_address else case.mailbox,
        contact=old.contact if same_address else case.contact,
        own_address=old.own_address if same_address else case.own_address,
        profile=old.profile if case.profile is None and form.tax_code == old.form.tax_code else case.profile,
    )


def _with_code(form: UnitForm, old: Case) -> UnitForm:
    """The row as it reads for a unit that got its code after the row was written."""
    if form.unit_code is not None or old.form.unit_code is None:
        return form
    return form.model_copy(update={"unit_code": old.form.unit_code, "first_time": None})


def _stop_of_open(rules: Rules, state: State, case: Case, fact: e.EnrolmentRequested, now: datetime) -> Decided:
    """A stop asked for while the unit is being registered: only when that was refused for another provider (A7)."""
    assert not isinstance(state, New)
    held = isinstance(state, Waiting) and state.cause in ("provider", "still-held")
    if not (held and case.provider and state.filing):
        return state, [refusal(fact, "stop-not-allowed", state.case)]
    old = replace(state.case, superseded=(*state.case.superseded, fact.request), stopped=())
    refused_one = state.filing.dossier if state.filing.kind == "register" else state.filing.supersedes
    return stop(rules, old, case.provider, refused_one, now)


def _changed(rules: Rules, state: Enrolled, case: Case, fact: e.EnrolmentRequested, now: datetime) -> Decided:
    """Other data of an enrolled unit: what a change dossier can tell the agency is told, the rest is refused (§3.5)."""
    old = state.case
    form, was = _with_code(case.form, old), old.form
    case = replace(case, form=form)
    if form.purpose == "stop":
        return state, [refusal(fact, "stop-not-allowed", old)]
    same_address = form.email == was.email
    case = replace(
        _counting_on(case, old),
        provider=None,
        member=True,
        employees=state.employees,
        agreed=Agreed(was, old.contact, old.mailbox, old.own_address, old.profile),
        mailbox=old.mailbox if same_address else case.mailbox,
        contact=old.contact if same_address else case.contact,
        own_address=old.own_address if same_address else case.own_address,
    )
    changes = list(changes_of(case))
    if case.profile is not None and case.profile != old.profile:
        # what is new of them is known when it is signed: the signer writes it
        changes.append(Change(field="method", old=state.filing.method or "", new=""))
        changes.append(Change(field="certificate", old=state.filing.certificate or "", new=""))
    other = {
        "email",
        "phone",
        "profile",
        "purpose",
        "current_provider",
        "stop_reason",
        "stop_reason_text",
        "first_time",
    }
    other |= {"contact_name", "branch_id"}
    if not changes or form.model_dump(exclude=other) != was.model_dump(exclude=other):
        return state, [refusal(fact, "already-enrolled", old)]
    case = replace(case, profile=case.profile or old.profile)
    return change(rules, case, tuple(changes), now)


def replaced(rules: Rules, state: State, fact: e.CertificateReplaced, now: datetime) -> Decided | None:
    """The unit signs with another certificate from now on: the agency is told (§3.5)."""
    if not isinstance(state, Enrolled) or state.case.profile != fact.profile or not fact.changes:
        return None
    case = replace(state.case, member=True, employees=state.employees)
    return change(rules, case, fact.changes, now)


# --- answers ----------------------------------------------------------------------------------------------------


def answered(rules: Rules, state: Waiting, fact: e.EnrolmentAnswered, now: datetime) -> Decided | None:
    """A person answered."""
    if fact.answer not in CAUSES[state.cause].answers or fact.cause not in (None, state.cause):
        return None
    case, filing = state.case, state.filing
    match fact.answer, (fact.value or "").strip():
        case "data", _ if fact.form is not None:
            return mended(rules, _with_form(case, fact), filing, now)
        case "unit-code", value if (code := _unit_code(value)) is not None:
            if filing is not None and filing.kind == "first_code":
                return coded(rules, replace(case, foreign=False), code, now)
            form = case.form.model_copy(update={"unit_code": code, "first_time": None})
            return begin(rules, replace(case, form=form, foreign=False), now)
        case "sent", value if _channel_and_day(value):
            return wait(replace(case, filed=True), "paper-code", value)
        case "profile", value if (profile := _uuid(value)) is not None:
            case = replace(case, profile=profile)
            return prepare(rules, case, filing.again(), now) if filing else begin(rules, case, now)
        case "provider", value if _is_provider(value) and value != rules.ivan_code:
            if filing is None:
                return begin(rules, replace(case, provider=value), now)
            refused_one = filing.dossier if filing.kind == "register" else filing.supersedes
            return stop(rules, replace(case, stopped=()), value, refused_one, now)
        case "treatment", value if filing and (refused := refusal_of(state)) and value in set(Treatment):
            following = treated(rules, case, filing, Treatment(value), refused, now)
            return None if getattr(following[0], "cause", None) == state.cause else following
        case _ if filing is not None:
            return _about_filing(rules, state, fact, now)
    if fact.answer == "not-filed" and state.cause == "earlier-filing":
        return begin(rules, replace(case, earlier=False), now)
    return None


def _about_filing(rules: Rules, state: Waiting, fact: e.EnrolmentAnswered, now: datetime) -> Decided | None:
    """The answers that are about the attempt that waits."""
    case, filing, value = state.case, state.filing, (fact.value or "").strip()
    assert filing is not None
    match fact.answer:
        case "address" if fact.contact and fact.mailbox:
            case = replace(case, contact=fact.contact, mailbox=fact.mailbox, own_address=fact.own_address)
            return prepare(rules, _fresh(case), filing.again(), now)
        case "filed":
            filing = filing.numbered(value, None)
            return activate(case, filing, state.code) if state.code else await_mail(rules, case, filing, now)
        case "activation-code" if fact.code is not None and fact.code not in case.tried:
            code = Code(fact.code, filing.attempt, (fact.arrived_at or now) + _CODE_LASTS)
            return activate(case, filing, code)
        case "activated":
            return activated(rules, case, filing, now)
        case "accepted" if filing.kind == "change":
            return effective(case, filing)
        case "accepted" if (unit_code := _unit_code(value)) is not None:
            return granted(case, filing, unit_code)
        case "refused":
            return turned_down(case, filing, value or fact.reason)
        case "continue":
            return _continued(rules, state, now)
        case "retry" if state.cause == "roster-failed":
            return fetch(case, filing)
        case "not-filed" if state.cause == "earlier-filing":
            return begin(rules, replace(case, earlier=False), now)
        case "retry" | "not-filed":
            return prepare(rules, _fresh(case), filing.again(), now)
    return None


def _continued(rules: Rules, state: Waiting, now: datetime) -> Decided | None:
    """As if what was awaited had happened."""
    case, filing = state.case, state.filing
    assert filing is not None
    if filing.kind == "stop":
        return stopped(rules, case, filing, now)
    match state.cause:
        case "activation-uncertain":
            return activated(rules, case, filing, now)
        case "roster-failed":
            return enrolled(case, filing, case.employees)
        case "officer-late":
            review = AgencyReview(case, filing, rules.workdays.after(now, rules.officer_days))
            return review, [progress(review)]
        case "change-late":
            return await_mail(rules, case, filing, now)
    return None


def _fresh(case: Case) -> Case:
    return replace(case, system_errors=0, unanswered=0, wrong_codes=0)


def _with_form(case: Case, fact: e.EnrolmentAnswered) -> Case:
    """The mended row; the unit stays the unit it is."""
    assert fact.form is not None
    form = fact.form.model_copy(update={"unit_code": case.form.unit_code or fact.form.unit_code})
    if form.unit_code is not None:
        form = form.model_copy(update={"first_time": None})
    if fact.contact and fact.mailbox:
        case = replace(case, contact=fact.contact, mailbox=fact.mailbox, own_address=fact.own_address)
    return replace(case, form=form)


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


def _channel_and_day(value: str) -> bool:
    """ "post 2026-03-02" or "one-stop 2026-03-02" (B22)."""
    channel, _, day = value.partition(" ")
    with suppress(ValueError):
        return channel in ("post", "one-stop") and date.fromisoformat(day) is not None
    return False


# --- giving up --------------------------------------------------------------------------------------------------


def cancelled(state: State) -> Decided | None:
    """Given up. A unit that is on the service stays there: only its change is given up."""
    if not isinstance(state, OPEN):
        return None
    assert not isinstance(state, New)
    case = replace(state.case, earlier=stands(state))
    if case.member and state.filing is not None:
        return enrolled(_as_agreed(state.case, stands(state)), state.filing, case.employees)
    end = Cancelled(case, state.filing)
    return end, [progress(end)]


def _as_agreed(case: Case, stood: bool) -> Case:
    """What the agency knows of the unit holds again, unless the change may have reached it all the same."""
    if case.agreed is not None and not stood:
        known = case.agreed
        case = replace(case, form=known.form, contact=known.contact, mailbox=known.mailbox, profile=known.profile)
        case = replace(case, own_address=known.own_address)
    return replace(case, changes=(), agreed=None)
