"""05/SĐ-IVAN: a unit changes what the agency knows of it: its code, contact, certificate or way of signing (§3.5).

That the form exists and where it is signed is found; its body is not published. The fields of the 04 with old and new
value of each change are [inferred] (domain.md §4.3); the element names DS_THAYDOI/THAYDOI{TRUONG, CU, MOI} and the words
for what changes are [invented].
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hoso.dossiers import register
from hoso.dossiers.form import SLOT, Document, Form, Signed, SigningCertificate, hoso, one_round
from hoso.dossiers.writing import elements
from schemas.units import Change, ChangePayload

LABELS = {
    **register.LABELS,
    "DS_THAYDOI": "Các nội dung thay đổi",
    "THAYDOI": "Nội dung thay đổi",
    "TRUONG": "Tên nội dung thay đổi",
    "CU": "Thông tin cũ",
    "MOI": "Thông tin mới",
}

FIELDS = {
    "unit_code": "MA_DVI",
    "email": "EMAIL",
    "phone": "DIEN_THOAI",
    "certificate": "CHUNG_THU_SO",
    "method": "PHUONG_THUC_KY",
}
"""`Change.field` -> TRUONG [invented]: the 04's own element where it has one."""


def xml(payload: ChangePayload, certificate: SigningCertificate) -> bytes:
    """The dossier, canonical and unsigned; MA_DVI, EMAIL and DIEN_THOAI are the new ones. Raises InvalidDossier when a
    character has no place in XML."""
    changes = "".join(f"<THAYDOI>{_written(change)}</THAYDOI>" for change in payload.changes)
    return hoso(
        (
            ("DIADIEM", payload.place),
            ("NGAY_LAP", payload.date),
            ("TEN_DVI", payload.unit_name),
            ("MA_DVI", payload.unit_code),
            ("MST", payload.tax_code),
            ("MA_COQUAN", payload.agency or ""),
            ("DIACHI_LHE", payload.address),
            ("EMAIL", payload.email),
            ("DIEN_THOAI", payload.phone),
            ("TEN_THUTUC", payload.procedure),
            ("MA_IVAN", payload.ivan_code),
            ("TEN_IVAN", payload.ivan_name),
        ),
        certificate,
        f"<DS_THAYDOI>{changes}</DS_THAYDOI>",
    )


def documents(
    payload: ChangePayload, certificate: SigningCertificate, number: int, signed: Signed
) -> Sequence[Document]:
    """The one document of the one round."""
    return (Document("05_SD-IVAN.xml", xml(payload, certificate), SLOT),)


def _written(change: Change) -> str:
    return elements((("TRUONG", FIELDS[change.field]), ("CU", change.old), ("MOI", change.new)))


FORM: Form[ChangePayload] = Form(
    kind="change",
    title="05/SĐ-IVAN",
    procedure="05_SD-IVAN",
    rounds=one_round,
    documents=documents,
    schemas={"Hoso": Path(__file__).with_name("change.xsd")},
    labels=LABELS,
)
