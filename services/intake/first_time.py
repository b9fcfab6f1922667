"""A unit that takes part for the first time: the columns its TK3-TS wants (domain.md §4.4). Pure."""

from __future__ import annotations

from typing import Literal

from hoso.domain.identifiers import fold, read_date
from schemas.units import FirstTime
from services.intake.checked import Check
from services.intake.columns import COLUMN
from services.intake.columns_first_time import FIRST_TIME

Payment = Literal["MONTHLY", "QUARTERLY", "HALF_YEARLY"]
Delivery = Literal["ELECTRONIC", "POST", "OFFICE"]

MAX_NAMES = 10
"""Files of one dossier."""
_YES = frozenset(("co", "x", "v", "yes", "y", "true", "1", "dung", "landau", "thamgialandau"))
_NO = frozenset(("", "khong", "no", "n", "false", "0", "sai"))
_NEEDED = {
    "representative": "họ tên người đại diện theo pháp luật",
    "licence_number": "số quyết định thành lập hoặc số giấy phép kinh doanh",
    "licence_place": "nơi cấp giấy phép",
    "licence_date": "ngày cấp, ví dụ 05/03/2026",
    "contact_name": "họ tên người liên hệ",
}
_PAYMENTS: dict[str, Payment] = {
    **dict.fromkeys(("", "monthly", "hangthang", "hangthang1", "thang", "1thang", "1"), "MONTHLY"),
    **dict.fromkeys(("quarterly", "3thang", "3thangmotlan", "quy", "hangquy", "3"), "QUARTERLY"),
    **dict.fromkeys(("halfyearly", "6thang", "6thangmotlan", "nuanam", "6"), "HALF_YEARLY"),
}
_DELIVERIES: dict[str, Delivery] = {
    **dict.fromkeys(("", "electronic", "bandientu", "dientu", "email", "thudientu"), "ELECTRONIC"),
    **dict.fromkeys(("post", "buudien", "quabuudien", "buuchinh", "bangiayquabuudien"), "POST"),
    **dict.fromkeys(("office", "taicoquanbhxh", "taicoquan", "tructiep", "motcua", "taibophanmotcua"), "OFFICE"),
}


def is_first_time(check: Check) -> bool:
    """Whether the row says that its unit never took part."""
    text = fold(check.raw["first_time"])
    if text not in _YES | _NO or (not text and check.raw["first_time"]):
        check.fail("first_time", f"Không hiểu “{check.raw['first_time']}”.", "Ghi “Có” hoặc “Không”, hoặc để trống.")
    return text in _YES


def first_time_form(check: Check) -> FirstTime:
    """The columns of such a unit; every missing one is named. Whether its files are there, the desk finds out."""
    faulty = {error.column for error in check.errors}
    if check.raw["unit_code"]:
        check.fail(
            "first_time",
            f"Đơn vị tham gia lần đầu thì chưa có mã đơn vị, nhưng dòng này ghi mã “{check.raw['unit_code']}”.",
            "Đơn vị đã có mã: để trống “Tham gia lần đầu”. Đơn vị chưa có mã: để trống “Mã đơn vị”.",
        )
    for key, what in _NEEDED.items():
        if not check.raw[key] and key not in faulty:
            check.fail(key, "Thiếu dữ liệu, bắt buộc khi tham gia lần đầu.", f"Ghi {what}.")
    if not attachment_names(check) and "attachments" not in faulty:
        check.fail(
            "attachments",
            "Đơn vị tham gia lần đầu phải kèm ít nhất một tệp (giấy phép kinh doanh).",
            "Gửi tệp bằng `hoso sheet submit --attachments THƯ-MỤC` rồi ghi tên tệp ở cột này, ví dụ giay-phep.pdf.",
        )
    payment, delivery = _PAYMENTS.get(fold(check.raw["payment"])), _DELIVERIES.get(fold(check.raw["result"]))
    if payment is None:
        check.fail(
            "payment", f"Không có phương thức đóng “{check.raw['payment']}”.", "Ghi: hằng tháng, 3 tháng hoặc 6 tháng."
        )
    if delivery is None:
        check.fail(
            "result",
            f"Không có cách nhận kết quả “{check.raw['result']}”.",
            "Ghi: bản điện tử, bưu điện hoặc tại cơ quan BHXH.",
        )
    return FirstTime(
        representative=check.raw["representative"],
        representative_title=check.raw["representative_title"] or "Giám đốc",
        licence_number=check.raw["licence_number"],
        licence_place=check.raw["licence_place"],
        licence_date=check.read("licence_date", read_date),
        licensed_address=check.raw["licensed_address"],
        unit_type=check.raw["unit_type"] or "Doanh nghiệp",
        business=check.raw["business"],
        payment=payment or "MONTHLY",
        result=delivery or "ELECTRONIC",
    )


def attachment_names(check: Check) -> tuple[str, ...]:
    """The names in the column, each once, in order."""
    names = tuple(dict.fromkeys(name.strip() for name in check.raw["attachments"].split(";") if name.strip()))
    if len(names) > MAX_NAMES:
        check.fail("attachments", f"Có {len(names)} tệp; nhiều nhất là {MAX_NAMES}.", "Gộp bớt các tệp.")
    return names


def unused(check: Check) -> list[str]:
    """Columns filled in although the unit does not take part for the first time."""
    return [c.key for c in FIRST_TIME if c.key != "first_time" and check.raw[c.key] and c.key in COLUMN]
