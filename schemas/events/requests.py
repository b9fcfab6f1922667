"""What is asked of hoso, and what people answer."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import ConfigDict, WithJsonSchema

from schemas.envelope import Fact
from schemas.units import Change, UnitForm

# --- enrolment.requests.<tenant> (public) -------------------------------------------------------------------------


class EnrolUnit(Fact):
    """A producing system asks for one unit. Raw text, as the system has it: intake validates like a row of a sheet.

    Strangers write this, so nothing is taken for granted here: what does not fit is answered, not held."""

    TYPE: ClassVar[str] = "vn.hoso.enrolment.request.v1"

    model_config = ConfigDict(json_schema_extra={"required": ["request", "fields"]})

    request: Annotated[Any, WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 200})] = None
    """The producer's own key of the request, 1 to 200 characters; the same key again is the same request."""
    fields: Annotated[
        Any, WithJsonSchema({"type": "object", "additionalProperties": {"type": "string", "maxLength": 500}})
    ] = None
    """Column key -> text of at most 500 characters, the columns of the sheet (`hoso sheet template --columns`)."""
    actor: Annotated[Any, WithJsonSchema({"type": "string", "maxLength": 200})] = "topic"


class RequestUnfit(Fact):
    """What came in by Kafka is no request that can be taken; intake answers it with `RequestRefused`.

    Never written to a topic: hoso/kafka/strangers.py makes it of what others wrote there."""

    TYPE: ClassVar[str] = "vn.hoso.enrolment.request-unfit.v1"

    request: str
    errors: tuple[str, ...]


# --- enrolment.requested ------------------------------------------------------------------------------------------


class EnrolmentRequested(Fact):
    """A validated request to get one unit onto the service. Same unit again: amends, or is answered as refused."""

    TYPE: ClassVar[str] = "vn.hoso.enrolment.requested.v1"

    enrolment: UUID
    """The id this request would open; an open enrolment of the unit keeps its own."""
    request: str
    form: UnitForm
    mailbox: UUID
    contact: str
    """The address declared to the agency: the form's, or the enrolment's own (plus-address)."""
    profile: UUID | None = None
    """The signing profile; None = none fits, a person has to say which."""
    foreign: bool = False
    """True: the unit code is held by another tenant; waits for a person and says nothing of the holder."""
    own_address: bool = False
    """True: `contact` is this enrolment's own address, so its mails cannot be anybody else's."""
    actor: str
    batch: UUID | None = None
    row: int | None = None


PersonsAnswer = Literal[
    "retry",
    "continue",
    "data",
    "unit-code",
    "provider",
    "profile",
    "address",
    "filed",
    "not-filed",
    "activation-code",
    "activated",
    "treatment",
    "sent",
    "accepted",
    "refused",
]
"""retry: file anew · continue: go on as if the awaited thing had happened · data: the row was mended, file anew with
`form` · unit-code, provider, profile, address, treatment: with `value` · filed, not-filed: what became of a filing whose
outcome nobody knew · activation-code: with `code` · activated: done by hand on the portal · sent: the paper was handed in, `value` = "post|one-stop yyyy-mm-dd" · accepted, refused: what the agency decided, where no
gateway or mail says it; `value` = its words, for a granted code the code."""


class EnrolmentAnswered(Fact):
    """A person answered what an enrolment was waiting for."""

    TYPE: ClassVar[str] = "vn.hoso.enrolment.answered.v1"

    enrolment: UUID
    answer: PersonsAnswer
    value: str | None = None
    cause: str | None = None
    """The cause that was answered: an answer to another question than the one that stands changes nothing. None: any."""
    code: UUID | None = None
    """Vault reference of an activation code a person typed; the code itself never travels."""
    arrived_at: datetime | None = None
    """When its mail reached the person, as he says; the 24 hours start there."""
    form: UnitForm | None = None
    """The row as it is now, for `data`."""
    mailbox: UUID | None = None
    contact: str | None = None
    """The address to declare from now on and the mailbox it is read from, for `address`, and for `data` with another one."""
    own_address: bool = False
    reason: str = ""
    actor: str


class CertificateReplaced(Fact):
    """A signing profile has another certificate or another way of signing: an enrolled unit that signs with it files a
    change dossier (domain.md §3.5), else the agency would refuse its next signature. One event a unit."""

    TYPE: ClassVar[str] = "vn.hoso.enrolment.certificate-replaced.v1"

    enrolment: UUID
    profile: UUID
    changes: tuple[Change, ...]
    actor: str


class EmployeesRequested(Fact):
    """A person or a producing system asks for the employees of an enrolled unit as they are now (B29, "Cập nhật ngay")."""

    TYPE: ClassVar[str] = "vn.hoso.enrolment.employees-requested.v1"

    enrolment: UUID
    actor: str


class EnrolmentCancelled(Fact):
    """A person gave the enrolment up. What was begun at the agency runs to its outcome; nothing more is asked."""

    TYPE: ClassVar[str] = "vn.hoso.enrolment.cancelled.v1"

    enrolment: UUID
    actor: str
    reason: str = ""
