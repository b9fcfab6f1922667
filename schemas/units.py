"""What an employer declares about one unit, and the small vocabularies that events share."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

PORTAL = "VSS"
"""The state portal counts as a provider (CE044); it has no I-VAN code."""

Kind = Literal["register", "change", "stop", "first_code"]
"""Dossier kinds: `register` 04/ĐK-IVAN, `change` 05/SĐ-IVAN, `stop` 06/NG-IVAN, `first_code` TK3-TS (domain.md §4)."""

Purpose = Literal["enrol", "stop", "change"]
"""What a request wants of the unit: the whole way onto the service; only the stop of its provider (A4); only a change of
what the agency knows of an enrolled unit (§3.5)."""

StopReason = Literal["CHUYEN_DOI_NHA_CUNG_CAP", "HET_HAN_DICH_VU", "NGUNG_HOAT_DONG", "DANG_KY_NHAM", "KHAC"]


class Attachment(BaseModel):
    """A file that travels inside a first-time dossier as it is; nobody here opens it (domain.md §5.1)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    media: Literal["pdf", "docx", "xlsx"]
    """What its bytes are, not what its name says."""
    size: int
    sha256: str
    document: UUID
    """Vault reference."""


class FirstTime(BaseModel):
    """What a TK3-TS wants beyond the unit's own fields (domain.md §4.4), for a unit that never took part."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    representative: str
    representative_title: str = "Giám đốc"
    licence_number: str
    """Số quyết định thành lập hoặc giấy phép đăng ký kinh doanh."""
    licence_place: str
    licence_date: str
    """dd/MM/yyyy."""
    licensed_address: str = ""
    """The address on the licence; empty = the unit's address."""
    unit_type: str = "Doanh nghiệp"
    business: str = ""
    payment: Literal["MONTHLY", "QUARTERLY", "HALF_YEARLY"] = "MONTHLY"
    """Phương thức đóng: 1, 3 or 6 months [inferred: the screen's list is not published]."""
    result: Literal["ELECTRONIC", "POST", "OFFICE"] = "ELECTRONIC"
    attachments: tuple[Attachment, ...] = ()


class UnitForm(BaseModel):
    """One unit as declared and validated: text is NFC, codes are upper case, the province is one of the 34."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    unit_code: str | None = None
    branch_id: str | None = None
    name: str
    tax_code: str
    province: str
    agency: str | None = None
    address: str
    email: str
    phone: str
    contact_name: str = ""
    current_provider: str | None = None
    stop_reason: StopReason = "CHUYEN_DOI_NHA_CUNG_CAP"
    stop_reason_text: str = ""
    profile: str | None = None
    purpose: Purpose = "enrol"
    first_time: FirstTime | None = None
    """Set: the unit never took part and has no code (B9). Never together with `unit_code`."""

    @property
    def row_key(self) -> str:
        """The key of the row: the unit code, else the tenant's own branch id. Never a row number, name or tax code."""
        return self.unit_code or self.branch_id or ""


class Stage(StrEnum):
    """Where an enrolment stands, as users see it."""

    REQUESTED = "requested"
    SIGNING = "signing"
    FILED = "filed"
    STOPPING = "stopping"
    AWAITING_STOP_MAIL = "awaiting-stop-mail"
    WAITING_FOR_TURN = "waiting-for-turn"
    """Another first-time dossier of the same name waits in this mailbox: this one is not filed before that has its code."""
    AWAITING_CODE = "awaiting-code"
    ACTIVATING = "activating"
    AGENCY_REVIEW = "agency-review"
    """The officer has the first-time dossier and will give the unit its code (B14)."""
    CHANGING = "changing"
    """A change dossier is under way."""
    FETCHING_EMPLOYEES = "fetching-employees"
    ENROLLED = "enrolled"
    WAITING_FOR_PERSON = "waiting-for-person"
    STOPPED = "stopped"
    """Only the stop was asked for, and it is done."""
    CANCELLED = "cancelled"
    REFUSED_REQUEST = "refused-request"


class RegisterPayload(BaseModel):
    """The fields of a 04/ĐK-IVAN (domain.md §4.1) that do not depend on the certificate."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: Literal["register"] = "register"
    place: str
    date: str
    """dd/MM/yyyy, of the world's clock in Vietnam."""
    unit_name: str
    unit_code: str
    tax_code: str
    agency: str | None = None
    address: str
    email: str
    phone: str
    procedure: str = "Đăng ký sử dụng dịch vụ I-VAN"
    ivan_code: str
    ivan_name: str


class StopPayload(BaseModel):
    """The fields of a 06/NG-IVAN (domain.md §4.2)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: Literal["stop"] = "stop"
    place: str
    date: str
    unit_name: str
    unit_code: str
    tax_code: str
    agency: str | None = None
    address: str
    ivan_code: str
    """The provider being stopped: an I-VAN's code, or VSS for the state portal."""
    ivan_name: str
    stop_date: str
    reason: StopReason
    reason_text: str


class Change(BaseModel):
    """One thing a change dossier changes: what the agency knows, and what it shall know."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    field: Literal["unit_code", "email", "phone", "certificate", "method"]
    old: str
    new: str
    """Empty for `certificate` and `method`: the signer writes what it signs with, and leaves out what is as it was."""


class ChangePayload(BaseModel):
    """The fields of a 05/SĐ-IVAN: those of the 04, and old and new of what changes (domain.md §4.3 [inferred])."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: Literal["change"] = "change"
    place: str
    date: str
    unit_name: str
    unit_code: str
    tax_code: str
    agency: str | None = None
    address: str
    email: str
    phone: str
    procedure: str = "Thay đổi, bổ sung thông tin sử dụng dịch vụ I-VAN"
    ivan_code: str
    ivan_name: str
    changes: tuple[Change, ...]


class FirstCodePayload(BaseModel):
    """The fields of a first-time dossier: the form TK3-TS and the envelope around it (domain.md §4.4, §4.5)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: Literal["first_code"] = "first_code"
    place: str
    date: str
    unit_name: str
    unit_code: str = ""
    """Always empty: the unit has none yet."""
    tax_code: str
    province: str
    agency: str | None = None
    agency_name: str = ""
    address: str
    email: str
    phone: str
    contact_name: str
    ivan_code: str
    ivan_name: str
    first_time: FirstTime


Payload = Annotated[RegisterPayload | ChangePayload | StopPayload | FirstCodePayload, Field(discriminator="kind")]
"""The fields of one dossier, whatever its kind."""
