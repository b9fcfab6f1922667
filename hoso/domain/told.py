"""What the enrolment tells: the fields of its forms, and where it stands in the words users see. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from hoso.domain.causes import CAUSES, REFUSED
from hoso.domain.providers import provider_name
from hoso.domain.rejections import Rejections
from hoso.domain.states import Case, Enrolled, Filed, Filing, New, Signing, State, Waiting
from schemas import events as e
from schemas.units import PORTAL, RegisterPayload, Stage, StopPayload

VIETNAM = timezone(timedelta(hours=7))


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


# --- forms ------------------------------------------------------------------------------------------------------


def payload(rules: Rules, case: Case, filing: Filing, now: datetime) -> RegisterPayload | StopPayload:
    """The fields of the form this filing is: copied from the case, dated today in Vietnam."""
    return _register(rules, case, now) if filing.kind == "register" else _stop(rules, case, now)


def _register(rules: Rules, case: Case, now: datetime) -> RegisterPayload:
    form = case.form
    return RegisterPayload(
        place=rules.place(form.province),
        date=_day(now),
        unit_name=form.name,
        unit_code=form.unit_code or "",
        tax_code=form.tax_code,
        agency=form.agency,
        address=form.address,
        email=case.contact,
        phone=form.phone,
        ivan_code=rules.ivan_code,
        ivan_name=rules.ivan_name,
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
    )


def refusal(fact: e.EnrolmentRequested, old: Case, why: str) -> e.EnrolmentProgressed:
    """The answer to a request that the unit's enrolment does not take; it names that enrolment."""
    return e.EnrolmentProgressed(
        enrolment=old.enrolment,
        request=fact.request,
        batch=fact.batch,
        row=fact.row,
        stage=Stage.REFUSED_REQUEST,
        unit_code=fact.form.unit_code,
        cause=why,
        message=f"{REFUSED[why]} (hồ sơ đăng ký {old.enrolment})",
        filed=old.filed,
    )
