"""04/ĐK-IVAN: a unit registers with this I-VAN (domain.md §4.1; the layout is decided in §5.1)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hoso.dossiers.form import SLOT, Document, Form, Signed, SigningCertificate, hoso, one_round
from schemas.units import RegisterPayload

LABELS = {
    "DIADIEM": "Địa điểm",
    "NGAY_LAP": "Ngày lập",
    "TEN_DVI": "Tên đơn vị",
    "MA_DVI": "Mã đơn vị",
    "MST": "Mã số thuế",
    "MA_COQUAN": "Mã cơ quan BHXH",
    "DIACHI_LHE": "Địa chỉ liên hệ",
    "EMAIL": "Thư điện tử",
    "DIEN_THOAI": "Điện thoại",
    "TEN_THUTUC": "Thủ tục",
    "MA_IVAN": "Mã I-VAN",
    "TEN_IVAN": "Tên I-VAN",
    "SERIAL": "Số chứng thư số",
    "SUBJECT": "Tổ chức chứng thực",
    "BEGIN": "Hiệu lực từ",
    "END": "Hiệu lực đến",
}


def xml(payload: RegisterPayload, certificate: SigningCertificate) -> bytes:
    """The dossier, canonical and unsigned. Raises InvalidDossier when a character has no place in XML."""
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
    )


def documents(
    payload: RegisterPayload, certificate: SigningCertificate, number: int, signed: Signed
) -> Sequence[Document]:
    """The one document of the one round."""
    return (Document("04_DK-IVAN.xml", xml(payload, certificate), SLOT),)


FORM: Form[RegisterPayload] = Form(
    kind="register",
    title="04/ĐK-IVAN",
    procedure="04_DK-IVAN",
    rounds=one_round,
    documents=documents,
    schemas={"Hoso": Path(__file__).with_name("register.xsd")},
    labels=LABELS,
)
