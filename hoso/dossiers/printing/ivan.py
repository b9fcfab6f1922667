"""04/ĐK-IVAN, 05/SĐ-IVAN and 06/NG-IVAN on paper: one head, one foot, what differs between."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from reportlab.platypus import Flowable

from hoso.dossiers.form import SigningCertificate
from hoso.dossiers.printing import sheet
from hoso.dossiers.printing.faces import marked
from hoso.dossiers.printing.sheet import Type
from hoso.dossiers.stop import REASONS
from schemas.units import PORTAL, ChangePayload, RegisterPayload, StopPayload

EDITION = "Giao dịch điện tử trong lĩnh vực BHXH"
UNSIGNED = "Bản in để xem: hồ sơ chưa được ký số."
SIGNED = "Bản in của hồ sơ điện tử; bản có giá trị là tệp XML đã ký số."

CHANGED = {
    "unit_code": "Mã đơn vị",
    "email": "Thư điện tử",
    "phone": "Điện thoại",
    "certificate": "Chứng thư số",
    "method": "Phương thức ký số",
}
METHODS = {
    "pkcs12": "Tệp chứng thư số",
    "pkcs11": "USB Token",
    "agent": "USB Token",
    "misa_esign": "Ký số từ xa MISA eSign",
}
"""The ways of signing as people know them; any other is printed as it is."""

_Signed = tuple[SigningCertificate | None, datetime | None]


def register(payload: RegisterPayload, certificate: SigningCertificate | None, signed_at: datetime | None) -> bytes:
    """The 04/ĐK-IVAN."""

    def middle(of: Type) -> list[Flowable]:
        return [
            *_declared(of, payload),
            sheet.item(of, "7. Đăng ký thực hiện thủ tục", payload.procedure),
            sheet.item(of, "8. Tổ chức I-VAN", f"{payload.ivan_name} (mã {payload.ivan_code})"),
            sheet.heading(of, "9. Chứng thư số sử dụng"),
            of.gap(0.3),
            *sheet.certificate_table(of, certificate),
        ]

    lines = ("TỜ KHAI", "ĐĂNG KÝ SỬ DỤNG DỊCH VỤ I-VAN")
    return _form("04/ĐK-IVAN", lines, payload, middle, (certificate, signed_at))


def change(payload: ChangePayload, certificate: SigningCertificate | None, signed_at: datetime | None) -> bytes:
    """The 05/SĐ-IVAN."""
    rows = [
        (str(at), CHANGED[one.field], _said(one.field, one.old), _said(one.field, one.new))
        for at, one in enumerate(payload.changes, 1)
    ]

    def middle(of: Type) -> list[Flowable]:
        heads = ("STT", "Nội dung", "Thông tin cũ", "Thông tin mới")
        return [
            *_declared(of, payload),
            sheet.item(of, "7. Thủ tục", payload.procedure),
            sheet.item(of, "8. Tổ chức I-VAN", f"{payload.ivan_name} (mã {payload.ivan_code})"),
            sheet.heading(of, "9. Nội dung thay đổi, bổ sung"),
            of.gap(0.3),
            sheet.grid(of, (0.07, 0.23, 0.35, 0.35), heads, rows),
            of.gap(0.3),
            sheet.heading(of, "10. Chứng thư số sử dụng"),
            of.gap(0.3),
            *sheet.certificate_table(of, certificate),
        ]

    lines = ("TỜ KHAI", "THAY ĐỔI, BỔ SUNG THÔNG TIN SỬ DỤNG DỊCH VỤ I-VAN")
    return _form("05/SĐ-IVAN", lines, payload, middle, (certificate, signed_at))


def stop(payload: StopPayload, certificate: SigningCertificate | None, signed_at: datetime | None) -> bytes:
    """The 06/NG-IVAN."""
    code = "" if payload.ivan_code == PORTAL else f" (mã {payload.ivan_code})"

    def middle(of: Type) -> list[Flowable]:
        return [
            sheet.item(of, "1. Tên người sử dụng lao động", payload.unit_name),
            sheet.columns(of, (0.5, 0.5), [("2. Mã đơn vị", payload.unit_code)], [("3. Mã số thuế", payload.tax_code)]),
            sheet.item(of, "4. Cơ quan BHXH quản lý (mã)", payload.agency or ""),
            sheet.item(of, "5. Địa chỉ liên hệ", payload.address),
            sheet.item(of, "6. Nhà cung cấp dịch vụ đề nghị ngừng", f"{payload.ivan_name}{code}"),
            sheet.item(of, "7. Ngừng sử dụng dịch vụ từ ngày", payload.stop_date),
            sheet.item(of, "8. Lý do ngừng", payload.reason_text.strip() or REASONS[payload.reason]),
            sheet.heading(of, "9. Chứng thư số sử dụng"),
            of.gap(0.3),
            *sheet.certificate_table(of, certificate),
        ]

    return _form("06/NG-IVAN", ("TỜ KHAI", "NGỪNG SỬ DỤNG DỊCH VỤ I-VAN"), payload, middle, (certificate, signed_at))


def _declared(of: Type, payload: RegisterPayload | ChangePayload) -> list[Flowable]:
    """What 04 and 05 say of the unit."""
    return [
        sheet.item(of, "1. Tên người sử dụng lao động", payload.unit_name),
        sheet.columns(of, (0.5, 0.5), [("2. Mã đơn vị", payload.unit_code)], [("3. Mã số thuế", payload.tax_code)]),
        sheet.item(of, "4. Cơ quan BHXH quản lý (mã)", payload.agency or ""),
        sheet.item(of, "5. Địa chỉ liên hệ", payload.address),
        sheet.columns(of, (0.36, 0.64), [("6. Điện thoại", payload.phone)], [("Thư điện tử", payload.email)]),
    ]


def _form(
    number: str,
    lines: tuple[str, str],
    payload: RegisterPayload | ChangePayload | StopPayload,
    middle: Callable[[Type], list[Flowable]],
    signed: _Signed,
) -> bytes:
    certificate, at = signed

    def story(of: Type) -> list[Flowable]:
        there = [] if certificate is None or at is None else sheet.seal(of, payload.unit_name, certificate, at)
        return [
            *sheet.head(of, "", f"Mẫu số: {number}", EDITION),
            *sheet.title(of, *lines),
            of.centred(f"Kính gửi: <b>Cơ quan Bảo hiểm xã hội {marked(payload.place)}</b>"),
            of.gap(0.8),
            *middle(of),
            of.gap(0.9),
            of.text("Người sử dụng lao động chịu trách nhiệm trước pháp luật về tính chính xác của nội dung đã khai."),
            of.gap(0.9),
            sheet.place_and_date(of, payload.place, payload.date),
            of.gap(0.3),
            sheet.boxes(
                of,
                # whether the I-VAN still signs is not known (domain.md §4.1): its box stays, as the form has it
                ("TỔ CHỨC I-VAN", "(Ký số)", ()),
                ("NGƯỜI SỬ DỤNG LAO ĐỘNG", "(Ký số)", there),
            ),
        ]

    return sheet.on_one_page(story, f"{number} {marked(payload.unit_code)}", SIGNED if at is not None else UNSIGNED)


def _said(field: str, value: str) -> str:
    return METHODS.get(value, value) if field == "method" else value or "(chưa có)"
