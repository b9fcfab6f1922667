"""06/NG-IVAN: a unit stops its present provider (domain.md §4.2; the layout is decided in §5.1)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hoso.dossiers.form import SLOT, Document, Form, Signed, SigningCertificate, hoso, one_round
from schemas.units import StopPayload, StopReason

LABELS = {
    "DIADIEM": "Địa điểm",
    "NGAY_LAP": "Ngày lập",
    "TEN_DVI": "Tên đơn vị",
    "MA_DVI": "Mã đơn vị",
    "MST": "Mã số thuế",
    "MA_COQUAN": "Mã cơ quan BHXH",
    "DIACHI_LHE": "Địa chỉ liên hệ",
    "MA_IVAN": "Mã nhà cung cấp cũ",
    "TEN_IVAN": "Tên nhà cung cấp cũ",
    "NGAY_NGUNG": "Ngày ngừng",
    "LYDO_NGUNG": "Lý do ngừng",
    "SERIAL": "Số chứng thư số",
    "SUBJECT": "Tổ chức chứng thực",
    "BEGIN": "Hiệu lực từ",
    "END": "Hiệu lực đến",
}

REASONS: dict[StopReason, str] = {
    "CHUYEN_DOI_NHA_CUNG_CAP": "Chuyển đổi đơn vị cung cấp",
    "HET_HAN_DICH_VU": "Hết hạn dịch vụ",
    "NGUNG_HOAT_DONG": "Ngừng hoạt động",
    "DANG_KY_NHAM": "Đăng ký nhầm",
    "KHAC": "",
}
"""What the form says when the payload has no words of its own. KHAC (other) must have some: the schema refuses none."""


def xml(payload: StopPayload, certificate: SigningCertificate) -> bytes:
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
            ("MA_IVAN", payload.ivan_code),
            ("TEN_IVAN", payload.ivan_name),
            ("NGAY_NGUNG", payload.stop_date),
            ("LYDO_NGUNG", payload.reason_text.strip() or REASONS[payload.reason]),
        ),
        certificate,
    )


def documents(payload: StopPayload, certificate: SigningCertificate, number: int, signed: Signed) -> Sequence[Document]:
    """The one document of the one round."""
    return (Document("06_NG-IVAN.xml", xml(payload, certificate), SLOT),)


FORM: Form[StopPayload] = Form(
    kind="stop",
    title="06/NG-IVAN",
    procedure="06_NG-IVAN",
    rounds=one_round,
    documents=documents,
    schemas={"Hoso": Path(__file__).with_name("stop.xsd")},
    labels=LABELS,
)
