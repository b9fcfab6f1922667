"""What an employer declares about one unit, and the small vocabularies that events share."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict

PORTAL = "VSS"
"""The state portal counts as a provider (CE044); it has no I-VAN code."""

Kind = Literal["register", "stop"]
"""Dossier kinds: `register` 04/ĐK-IVAN, `stop` 06/NG-IVAN (domain.md §4)."""

StopReason = Literal["CHUYEN_DOI_NHA_CUNG_CAP", "HET_HAN_DICH_VU", "NGUNG_HOAT_DONG", "DANG_KY_NHAM", "KHAC"]


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
    AWAITING_CODE = "awaiting-code"
    ACTIVATING = "activating"
    FETCHING_EMPLOYEES = "fetching-employees"
    ENROLLED = "enrolled"
    WAITING_FOR_PERSON = "waiting-for-person"
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
