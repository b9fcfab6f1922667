"""What the enrolment tells: the fields of its forms, and where it stands in the words users see. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from hoso.domain.causes import CAUSES, REFUSED
from hoso.domain.providers import provider_name
from hoso.domain.rejections import Rejections
from hoso.domain.routes import Routes, routes
from hoso.domain.states import (
    Activating,
    AgencyReview,
    AwaitingCode,
    AwaitingResult,
    AwaitingStopMail,
    Case,
    Enrolled,
    Filed,
    Filing,
    New,
    Signing,
    State,
    Waiting,
)
from hoso.domain.workdays import VIETNAM, Workdays
from schemas import events as e
from schemas.units import PORTAL, ChangePayload, FirstCodePayload, Payload, RegisterPayload, Stage, StopPayload


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
    agency: Callable[[str], str] = field(default=lambda code: "")
    """The name of a social-insurance office, from its code; empty when it is not known."""
    routes: Routes = field(default_factory=routes)
    workdays: Workdays = field(default_factory=Workdays)
    officer_days: int = 3
    """Working days the agency has for an answer (domain.md §9)."""
    ladder: tuple[timedelta, ...] = (timedelta(hours=2), timedelta(hours=4))
    """After how long without a mail the agency is asked, and the contact told (domain.md §6.4)."""
    warn_left: tuple[timedelta, ...] = (timedelta(hours=12), timedelta(hours=4), timedelta(hours=1))
    """With how much time left of a code a warning goes out (A24)."""
    remind_after: tuple[timedelta, ...] = (timedelta(days=1), timedelta(days=3), timedelta(days=7))
    """After how long a task is reminded of."""
    paper_after: tuple[timedelta, ...] = (timedelta(days=7), timedelta(days=14), timedelta(days=28))
    """After how long without a code a posted form is reminded of."""
    newer_code_wait: timedelta = timedelta(minutes=10)
    """How long a newer code is awaited when the agency calls one expired that has time left."""


# --- forms ------------------------------------------------------------------------------------------------------


def payload(rules: Rules, case: Case, filing: Filing, now: datetime) -> Payload:
    """The fields of the form this filing is: copied from the case, dated today in Vietnam."""
    match filing.kind:
        case "register":
            return RegisterPayload(**_declared(rules, case, now))
        case "change":
            return ChangePayload(**_declared(rules, case, now), changes=case.changes)
        case "stop":
            return _stop(rules, case, now)
        case "first_code":
            return first_code(rules, case, now)


def _declared(rules: Rules, case: Case, now: datetime) -> dict[str, Any]:
    form = case.form
    return {
        "place": rules.place(form.province),
        "date": _day(now),
        "unit_name": form.name,
        "unit_code": form.unit_code or "",
        "tax_code": form.tax_code,
        "agency": form.agency,
        "address": form.address,
        "email": case.contact,
        "phone": form.phone,
        "ivan_code": rules.ivan_code,
        "ivan_name": rules.ivan_name,
    }


def first_code(rules: Rules, case: Case, now: datetime) -> FirstCodePayload:
    """The fields of a TK3-TS, to be filed or to be printed."""
    form = case.form
    assert form.first_time is not None, "a first-time dossier has its own fields"
    fields = _declared(rules, case, now)
    return FirstCodePayload(
        **fields,
        province=form.province,
        agency_name=rules.agency(form.agency) if form.agency else "",
        contact_name=form.contact_name or form.first_time.representative,
        first_time=form.first_time,
    )


def _stop(rules: Rules, case: Case, now: datetime) -> StopPayload:
    form = case.form
    provider = case.provider or PORTAL
    return StopPayload(
        place=rules.place(form.province),
        date=_day(now),
        unit_name=form.name,
        unit_code=form.unit_code or "",
        tax_code=form.tax_code,
        agency=form.agency,
        address=form.address,
        ivan_code=provider,
        ivan_name=provider_name(provider),
        stop_date=_day(now),
        reason=form.stop_reason,
        reason_text=form.stop_reason_text,
    )


def _day(now: datetime) -> str:
    return now.astimezone(VIETNAM).strftime("%d/%m/%Y")


# --- what everybody may know ------------------------------------------------------------------------------------

_STAGES: dict[str, tuple[Stage, int]] = {
    "awaiting-turn": (Stage.WAITING_FOR_TURN, 5),
    "signing": (Stage.SIGNING, 10),
    "filed": (Stage.FILED, 30),
    "awaiting-stop-mail": (Stage.AWAITING_STOP_MAIL, 35),
    "awaiting-code": (Stage.AWAITING_CODE, 50),
    "activating": (Stage.ACTIVATING, 70),
    "agency-review": (Stage.AGENCY_REVIEW, 75),
    "noting-code": (Stage.AGENCY_REVIEW, 80),
    "awaiting-result": (Stage.CHANGING, 85),
    "fetching": (Stage.FETCHING_EMPLOYEES, 90),
    "enrolled": (Stage.ENROLLED, 100),
    "stopped": (Stage.STOPPED, 100),
    "waiting": (Stage.WAITING_FOR_PERSON, 0),
    "cancelled": (Stage.CANCELLED, 100),
}
"""The word users see, and roughly how far along the way it is, in per cent."""


def stage_of(state: State) -> Stage:
    """Where a state stands in the words users see."""
    if isinstance(state, New):
        return Stage.REQUESTED
    filing = state.filing
    if isinstance(state, Signing | Filed) and filing is not None:
        if filing.kind == "stop":
            return Stage.STOPPING
        if filing.kind == "change":
            return Stage.CHANGING
    return _STAGES[state.at][0]


def progress(state: State) -> e.EnrolmentProgressed:
    """Where the enrolment stands now, and for a person: why it waits and what mends it."""
    assert not isinstance(state, New)
    case, filing = state.case, state.filing
    waiting = state if isinstance(state, Waiting) else None
    cause = CAUSES[waiting.cause] if waiting else None
    message = f"{cause.text}{': ' + waiting.text if waiting.text else ''}. {cause.cure}." if waiting and cause else ""
    return e.EnrolmentProgressed(
        enrolment=case.enrolment,
        request=case.request,
        batch=case.batch,
        row=case.row,
        stage=stage_of(state),
        unit_code=case.form.unit_code,
        kind=filing.kind if filing else None,
        attempt=filing.attempt if filing else None,
        number=filing.number if filing else None,
        cause=waiting.cause if waiting else None,
        message=message,
        filed=case.filed,
        employees=state.employees if isinstance(state, Enrolled) else None,
        answers=cause.answers if cause else (),
        until=_until(state),
        method=filing.method if filing else None,
        progress=max(_STAGES[state.at][1], 80) if filing and filing.kind == "change" else _STAGES[state.at][1],
    )


def _until(state: State) -> datetime | None:
    match state:
        case AwaitingStopMail() | AwaitingCode() | AgencyReview() | AwaitingResult():
            return state.until
        case Activating():
            return state.code.expires_at
        case Waiting(code=code) if code is not None:
            return code.expires_at
    return None


def warning(state: State, name: str, message: str, until: datetime | None) -> e.EnrolmentWarned:
    """Something runs out or does not come."""
    assert not isinstance(state, New)
    case = state.case
    fields = {"enrolment": case.enrolment, "request": case.request, "batch": case.batch, "row": case.row}
    return e.EnrolmentWarned.model_validate({**fields, "warning": name, "message": message, "until": until})


def refusal(fact: e.EnrolmentRequested, why: str, old: Case | None = None) -> e.EnrolmentProgressed:
    """The answer to a request that is not taken; it names the unit's enrolment where there is one."""
    named = f" (hồ sơ đăng ký {old.enrolment})" if old else ""
    return e.EnrolmentProgressed(
        enrolment=old.enrolment if old else fact.enrolment,
        request=fact.request,
        batch=fact.batch,
        row=fact.row,
        stage=Stage.REFUSED_REQUEST,
        unit_code=fact.form.unit_code,
        cause=why,
        message=f"{REFUSED[why]}{named}",
        filed=old.filed if old else False,
    )
