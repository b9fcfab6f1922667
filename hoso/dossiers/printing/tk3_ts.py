"""TK3-TS on paper: the form a unit posts or hands in where the electronic way is not open, and the print of a filed one."""

from __future__ import annotations

from datetime import datetime

from reportlab.platypus import Flowable

from hoso.dossiers.first_code import contact
from hoso.dossiers.form import SigningCertificate
from hoso.dossiers.printing import sheet
from hoso.dossiers.printing.faces import marked
from hoso.dossiers.printing.ivan import SIGNED, UNSIGNED
from hoso.dossiers.printing.sheet import Type
from schemas.units import FirstCodePayload

EDITION = "(Theo Quyết định số 595/QĐ-BHXH)"
RESULTS = {
    "ELECTRONIC": "bản điện tử qua thư điện tử đã khai",
    "POST": "qua bưu điện theo địa chỉ liên hệ",
    "OFFICE": "tại cơ quan BHXH",
}


def printed(payload: FirstCodePayload, certificate: SigningCertificate | None, signed_at: datetime | None) -> bytes:
    """The form; without a certificate the paper one, which says nothing of electronic signatures."""
    first = payload.first_time
    office = payload.agency_name or f"Cơ quan Bảo hiểm xã hội {payload.place}"
    wanted = (
        f"Đăng ký tham gia BHXH, BHYT, BHTN lần đầu, đề nghị cấp mã số đơn vị; nhận kết quả {RESULTS[first.result]}"
    )
    files = "; ".join(one.name for one in first.attachments)

    def story(of: Type) -> list[Flowable]:
        there: list[Flowable] = [of.gap(5.2), of.centred(f"<b>{marked(first.representative)}</b>")]
        if certificate is not None and signed_at is not None:
            there = sheet.seal(of, payload.unit_name, certificate, signed_at)
        # only the representative signs electronically (domain.md §5.1: one signature at TK3-TS/Cky)
        clerk: sheet.Box = ("", "", ())
        if certificate is None:
            clerk = (
                "NGƯỜI LẬP BIỂU",
                "(Ký, ghi rõ họ tên)",
                (of.gap(5.2), of.centred(f"<b>{marked(contact(payload))}</b>")),
            )
        return [
            *sheet.head(of, "BẢO HIỂM XÃ HỘI<br/>VIỆT NAM", "Mẫu TK3-TS", EDITION),
            *sheet.title(of, "TỜ KHAI", "ĐƠN VỊ THAM GIA, ĐIỀU CHỈNH", "BẢO HIỂM XÃ HỘI, BẢO HIỂM Y TẾ"),
            of.centred(f"Kính gửi: <b>{marked(office)}</b>"),
            of.gap(0.8),
            sheet.item(of, "[01]. Tên đơn vị", payload.unit_name),
            sheet.columns(
                of, (0.5, 0.5), [("[02]. Mã số đơn vị", payload.unit_code)], [("[03]. Mã số thuế", payload.tax_code)]
            ),
            sheet.item(of, "[04]. Địa chỉ đăng ký kinh doanh", first.licensed_address or payload.address),
            sheet.item(of, "[05]. Địa chỉ giao dịch hoặc liên hệ", payload.address),
            sheet.item(
                of, "[06]. Loại hình đơn vị", ", ngành nghề: ".join(filter(None, (first.unit_type, first.business)))
            ),
            sheet.columns(
                of, (0.4, 0.6), [("[07]. Số điện thoại", payload.phone)], [("[08]. Địa chỉ email", payload.email)]
            ),
            sheet.item(of, "&nbsp;&nbsp;&nbsp;&nbsp;&nbsp;&nbsp;Người liên hệ", contact(payload)),
            sheet.heading(of, "[09]. Quyết định thành lập/Giấy phép đăng ký kinh doanh"),
            sheet.columns(of, (0.6, 0.4), [("[09.1]. Số", first.licence_number)], [("ngày cấp", first.licence_date)]),
            sheet.item(of, "[09.2]. Nơi cấp", first.licence_place),
            sheet.ticks(
                of,
                "[10]. Phương thức đóng khác",
                ("03 tháng một lần", first.payment == "QUARTERLY"),
                ("06 tháng một lần", first.payment == "HALF_YEARLY"),
            ),
            sheet.item(of, "[11]. Nội dung thay đổi, yêu cầu", wanted),
            sheet.item(of, "[12]. Hồ sơ kèm theo (nếu có)", files),
            of.gap(1.0),
            sheet.place_and_date(of, payload.place, payload.date),
            of.gap(0.3),
            sheet.boxes(
                of,
                clerk,
                (
                    f"ĐẠI DIỆN ĐƠN VỊ<br/>{marked(first.representative_title.upper())}",
                    "(Ký số)" if certificate is not None else "(Ký, ghi rõ họ tên và đóng dấu)",
                    there,
                ),
            ),
        ]

    foot = "" if certificate is None else SIGNED if signed_at is not None else UNSIGNED
    return sheet.on_one_page(story, f"TK3-TS {marked(payload.tax_code)}", foot)
