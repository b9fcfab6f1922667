"""One row of a sheet, or one request: raw text in, a `UnitForm` or every error of the row at once out. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from hoso.domain.identifiers import (
    BadValue,
    clean,
    clean_name,
    fold,
    read_agency_code,
    read_email,
    read_phone,
    read_tax_code,
    read_unit_code,
)
from hoso.domain.providers import read_provider
from hoso.domain.provinces import agency_fits, agency_named, province_of, read_province
from schemas.units import FirstTime, Purpose, StopReason, UnitForm
from services.intake.checked import CellError, CellNote, Check, Checked
from services.intake.columns import COLUMN, COLUMNS
from services.intake.first_time import attachment_names, first_time_form, is_first_time, unused
from services.intake.reasons import DEFAULT, OTHER, REASONS, StopReasons

__all__ = ["CellError", "CellNote", "Checked", "fields_of", "fingerprint", "validate"]

_PURPOSES: dict[str, Purpose] = {
    **dict.fromkeys(("", "enrol", "dangky", "dangkymoi", "dangkysudung", "dangkydichvu"), "enrol"),
    **dict.fromkeys(("stop", "chingung", "ngung", "ngungdichvu", "dangkyngung", "chingungdichvu"), "stop"),
    **dict.fromkeys(("change", "thaydoi", "thaydoithongtin", "dieuchinh", "sudoi"), "change"),
}


def validate(fields: Mapping[str, str], faults: tuple[CellError, ...] = (), reasons: StopReasons = REASONS) -> Checked:
    """Check one row. `fields`: column key -> text as it came; `faults`: what the sheet reader already found wrong.

    Unknown keys give a note. A cell with a fault is not judged again. A first-time form comes without its files: `attachments`
    of the answer names them.
    """
    check = _cleaned(fields, faults)
    tried = {error.column for error in check.errors}
    for column in COLUMNS:
        if column.required and not check.raw[column.key] and column.key not in tried:
            check.fail(column.key, "Thiếu dữ liệu.", f"Điền cột này, ví dụ “{column.example}”.")
    unit_code = check.read("unit_code", read_unit_code)
    branch_id = check.raw["branch_id"] or check.raw["org_unit"]
    if not check.raw["unit_code"] and not branch_id and not tried & {"unit_code", "branch_id"}:
        check.fail(
            "unit_code",
            "Thiếu cả “Mã đơn vị” lẫn “Mã chi nhánh”.",
            "Điền mã đơn vị do BHXH cấp; đơn vị chưa có mã thì điền mã chi nhánh của doanh nghiệp.",
        )
    name = check.raw["name"]
    if name and not any(sign.isalpha() for sign in name):
        check.fail("name", f"“{name}” không phải tên đơn vị.", "Ghi tên đúng như trên giấy phép kinh doanh.")
    tax_code = check.read("tax_code", read_tax_code)
    province = check.read("province", read_province)
    email = _email(check)
    phone = check.read("phone", read_phone)
    agency = _agency(check, province)
    provider = check.read("current_provider", read_provider)
    reason, reason_text = _reason(check, reasons)
    purpose = _purpose(check, provider)
    first_time = _first_time(check, purpose)
    if check.errors:
        return Checked(None, tuple(_in_order(check.errors)), tuple(check.notes))
    form = UnitForm(
        unit_code=unit_code or None,
        branch_id=branch_id or None,
        name=name,
        tax_code=tax_code,
        province=province,
        agency=agency or None,
        address=check.raw["address"],
        email=email,
        phone=phone,
        contact_name=check.raw["contact_name"],
        current_provider=provider or None,
        stop_reason=reason,
        stop_reason_text=reason_text,
        profile=check.raw["profile"] or None,
        purpose=purpose,
        first_time=first_time,
    )
    names = attachment_names(check) if first_time is not None else ()
    return Checked(form, (), tuple(check.notes), names, check.raw["org_unit"])


def fields_of(form: UnitForm) -> dict[str, str]:
    """The row that gives this form: column key -> text. Empty columns are left out."""
    first = form.first_time
    said = {**(first.model_dump() if first is not None else {}), **form.model_dump()}
    said["first_time"] = "x" if first is not None else ""
    said["attachments"] = "; ".join(file.name for file in first.attachments) if first is not None else ""
    return {key: str(said[key]) for key in COLUMN if said.get(key) not in (None, "")}


_SEALED_AT = {"first_time": {"attachments": {"__all__": {"document"}}}}


def fingerprint(form: UnitForm) -> str:
    """The same for the same data, whatever it was typed like: sha256 of what is not default in the form, hex.

    Files count by their bytes, not by where they lie.
    """
    said = form.model_dump(mode="json", exclude=_SEALED_AT, exclude_defaults=True)
    body = json.dumps(said, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(body.encode()).hexdigest()


def _cleaned(fields: Mapping[str, str], faults: tuple[CellError, ...]) -> Check:
    check = Check(dict.fromkeys(COLUMN, ""), list(faults))
    bad = {fault.column for fault in faults}
    for key, text in fields.items():
        if key not in COLUMN:
            shown = key[:40]
            check.notes.append(CellNote("", f"Không có cột “{shown}”; đã bỏ qua."))
            continue
        if key in bad:
            continue
        longest = COLUMN[key].longest
        try:
            value = clean_name(text) if key == "name" else clean(text)
        except BadValue as error:
            check.fail(key, error.message, error.cure)
            continue
        if len(value) > longest:
            check.fail(key, f"Dài {len(value)} ký tự; nhiều nhất là {longest}.", "Rút ngắn nội dung.")
            continue
        check.raw[key] = value
    return check


def _in_order(errors: list[CellError]) -> list[CellError]:
    place = {column.key: number for number, column in enumerate(COLUMNS)}
    return sorted(errors, key=lambda error: place.get(error.column, len(place)))


def _email(check: Check) -> str:
    email = check.read("email", read_email)
    again = check.raw["email_again"]
    if again and check.raw["email"] and again.casefold() != check.raw["email"].casefold():
        check.fail("email_again", f"“{again}” khác với cột Email.", "Gõ lại cho giống hệt cột Email, hoặc để trống.")
    return email


def _agency(check: Check, province: str) -> str:
    text = check.raw["agency"]
    code = text.split(" ")[0].rstrip("-:")
    if text and not code.isdigit():
        named = agency_named(text)
        if named is not None and province in ("01", ""):
            return named
        if named is not None:
            place = province_of(province).name
            check.fail(
                "agency", f"“{text}” là cơ quan BHXH ở Hà Nội, còn đơn vị ở {place}.", "Ghi mã 5 chữ số, hoặc để trống."
            )
            return ""
        code = text
    agency = check.read("agency", lambda _: read_agency_code(code))
    if agency and province and not agency_fits(agency, province):
        check.notes.append(
            CellNote("agency", f"Mã cơ quan {agency} không thuộc {province_of(province).name}; hãy kiểm tra lại.")
        )
    return agency


def _purpose(check: Check, provider: str) -> Purpose:
    text = check.raw["purpose"]
    purpose = _PURPOSES.get(fold(text))
    if purpose is None or (text and not fold(text)):
        check.fail(
            "purpose", f"Không có yêu cầu “{text}”.", "Ghi “đăng ký”, “chỉ ngừng” hoặc “thay đổi”, hoặc để trống."
        )
        return "enrol"
    if purpose == "enrol":
        return purpose
    what = "Chỉ ngừng" if purpose == "stop" else "Thay đổi"
    faulty = {error.column for error in check.errors}
    if not check.raw["unit_code"] and "unit_code" not in faulty:
        check.fail("unit_code", f"Yêu cầu “{what}” cần mã đơn vị.", "Điền mã đơn vị do cơ quan BHXH cấp.")
    if purpose == "stop" and not provider and "current_provider" not in faulty:
        check.fail(
            "current_provider",
            "Yêu cầu “Chỉ ngừng” cần biết ngừng nhà cung cấp nào.",
            "Ghi nhà cung cấp đang dùng (ví dụ 00110 - MISA), hoặc “Cổng BHXH”.",
        )
    return purpose


def _first_time(check: Check, purpose: Purpose) -> FirstTime | None:
    if is_first_time(check):
        if purpose != "enrol":
            check.fail(
                "first_time",
                "Đơn vị tham gia lần đầu thì chưa có gì để ngừng hay thay đổi.",
                "Để trống “Yêu cầu”, hoặc để trống “Tham gia lần đầu”.",
            )
        return first_time_form(check)
    if keys := unused(check):
        check.note(keys[0], "Chỉ dùng khi “Tham gia lần đầu” là “Có”; đã bỏ qua.")
    if not check.raw["unit_code"]:
        check.note(
            "unit_code",
            "Chưa có mã đơn vị: hồ sơ được nhận và chờ người nhập mã. Đơn vị chưa từng tham gia BHXH thì ghi “Có” ở cột “Tham gia lần đầu”.",
        )
    return None


def _reason(check: Check, reasons: StopReasons) -> tuple[StopReason, str]:
    text, detail = check.raw["stop_reason"], check.raw["stop_reason_text"]
    if not text:
        return DEFAULT, detail
    found = reasons.named(text)
    if found is None:
        choices = ", ".join(reasons.labels)
        check.fail("stop_reason", f"Không có lý do “{text}”.", f"Chọn một trong: {choices}.")
        return DEFAULT, detail
    if found.filed == OTHER and not (detail or found.text):
        check.fail("stop_reason_text", "Lý do ngừng là “Khác” nhưng chưa ghi nội dung.", "Ghi rõ lý do ở cột này.")
    return found.filed, detail or found.text
