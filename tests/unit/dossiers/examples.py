"""One made-up unit, as each dossier kind writes it."""

from __future__ import annotations

from datetime import date
from hashlib import sha256
from typing import Any
from uuid import UUID

from hoso.dossiers.catalog import KINDS
from hoso.dossiers.form import SigningCertificate
from schemas.units import Attachment, Change, ChangePayload, FirstCodePayload, FirstTime, RegisterPayload, StopPayload

CERTIFICATE = SigningCertificate("0A1B2C", "Tổ chức chứng thực THỬ", date(2026, 1, 1), date(2027, 12, 31))

REGISTER: dict[str, Any] = {
    "place": "Hà Nội",
    "date": "22/11/2026",
    "unit_name": "Công ty TNHH Đèn lồng Hội An – chi nhánh Ô Chợ Dừa",
    "unit_code": "TZ1234Z",
    "tax_code": "0101234567-001",
    "agency": "00101",
    "address": "Số 12, ngõ 34 đường Láng Hạ, phường Ô Chợ Dừa, thành phố Hà Nội",
    "email": "ketoan@denlong.example",
    "phone": "024 3999 0000",
    "ivan_code": "00110",
    "ivan_name": "Công ty Cổ phần MISA",
}
STOP: dict[str, Any] = {
    **{key: REGISTER[key] for key in ("place", "date", "unit_name", "unit_code", "tax_code", "agency", "address")},
    "ivan_code": "VSS",
    "ivan_name": "Cổng thông tin BHXH Việt Nam",
    "stop_date": "22/11/2026",
    "reason": "CHUYEN_DOI_NHA_CUNG_CAP",
    "reason_text": "",
}
CHANGE: dict[str, Any] = {
    **REGISTER,
    "changes": (
        Change(field="unit_code", old="", new="TZ1234Z"),
        Change(field="email", old="cu@denlong.example", new="ketoan@denlong.example"),
        Change(field="certificate", old="0A1B2B", new="0A1B2C"),
    ),
}
LICENCE = b"%PDF-1.4\n" + bytes(range(256)) + b"\n%%EOF\n"
ATTACHMENT = Attachment(
    name="giấy phép ĐKKD.PDF",
    media="pdf",
    size=len(LICENCE),
    sha256=sha256(LICENCE).hexdigest(),
    document=UUID("5a1e0000-0000-4000-8000-000000000001"),
)
FIRST_TIME: dict[str, Any] = {
    "representative": "Nguyễn Thị Hồng Ửng",
    "licence_number": "0101234567-001",
    "licence_place": "Sở Tài chính thành phố Hà Nội",
    "licence_date": "02/11/2026",
    "licensed_address": "Số 1 phố Ỷ Lan, phường Ô Chợ Dừa, thành phố Hà Nội",
    "business": "Sản xuất đèn lồng",
    "attachments": (ATTACHMENT,),
}
FIRST_CODE: dict[str, Any] = {
    **{key: value for key, value in REGISTER.items() if key != "unit_code"},
    "province": "01",
    "agency_name": "BHXH cơ sở Ba Đình",
    "contact_name": "Trần Văn Ước",
}
PARTS = {str(ATTACHMENT.document): LICENCE, "TK3-TS.xml": b"<TK3-TS>signed</TK3-TS>"}
"""What round 1 of a first-time dossier is written from."""

FILES = {"register": ("register",), "change": ("change",), "stop": ("stop",), "first_code": ("tk3_ts", "first_code")}
"""Kind -> its golden examples, one a round."""


def payload(kind: str, **changes: Any) -> Any:
    """The example's payload. A field of `FirstTime` may be changed like one of the payload's own."""
    if kind == "register":
        return RegisterPayload(**REGISTER | changes)
    if kind == "change":
        return ChangePayload(**CHANGE | changes)
    if kind == "stop":
        return StopPayload(**STOP | changes)
    first = {key: changes.pop(key) for key in tuple(changes) if key in FirstTime.model_fields}
    return FirstCodePayload(**FIRST_CODE | changes, first_time=FirstTime(**FIRST_TIME | first))


def xml(kind: str, number: int = 0, **changes: Any) -> bytes:
    """The one document of a round, unsigned."""
    (document,) = KINDS[kind].documents(payload(kind, **changes), CERTIFICATE, number, PARTS)
    return document.xml
