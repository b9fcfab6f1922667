"""One row of a sheet, or one request: raw text in, a `UnitForm` or every error of the row at once out. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hoso.domain.identifiers import (
    BadValue,
    Reading,
    clean,
    fold,
    read_agency_code,
    read_email,
    read_phone,
    read_tax_code,
    read_unit_code,
)
from hoso.domain.providers import read_provider
from hoso.domain.provinces import agency_fits, agency_named, province_of, read_province
from schemas.units import StopReason, UnitForm
from services.intake.columns import COLUMN, COLUMNS, STOP_REASONS, header_of

DEFAULT_REASON: StopReason = "CHUYEN_DOI_NHA_CUNG_CAP"


@dataclass(frozen=True, slots=True)
class CellError:
    """What is wrong in one cell and how to mend it, in Vietnamese. `column` is a key, or "" for the whole row."""

    column: str
    message_vi: str
    cure_vi: str

    def __str__(self) -> str:
        where = f"{header_of(self.column)}: " if self.column else ""
        return f"{where}{self.message_vi} {self.cure_vi}".rstrip()


@dataclass(frozen=True, slots=True)
class CellNote:
    """Something the sender should know although the row is taken."""

    column: str
    message_vi: str

    def __str__(self) -> str:
        return f"{header_of(self.column)}: {self.message_vi}" if self.column else self.message_vi


@dataclass(frozen=True, slots=True)
class Checked:
    """The outcome: a form, or errors. Never both, never neither."""

    form: UnitForm | None
    errors: tuple[CellError, ...] = ()
    notes: tuple[CellNote, ...] = ()


@dataclass(slots=True)
class _Check:
    """Collects what the cells of one row say."""

    raw: dict[str, str]
    errors: list[CellError] = field(default_factory=list)
    notes: list[CellNote] = field(default_factory=list)

    def fail(self, column: str, message: str, cure: str) -> None:
        self.errors.append(CellError(column, message, cure))

    def read(self, column: str, reader: Callable[[str], Reading]) -> str:
        """The cell as `reader` understands it; "" when it is empty or wrong."""
        text = self.raw[column]
        if not text:
            return ""
        try:
            reading = reader(text)
        except BadValue as bad:
            self.fail(column, bad.message, bad.cure)
            return ""
        self.notes += [CellNote(column, note) for note in reading.notes]
        return reading.value


def validate(fields: Mapping[str, str], faults: tuple[CellError, ...] = ()) -> Checked:
    """Check one row. `fields`: column key -> text as it came; `faults`: what the sheet reader already found wrong.

    Unknown keys give a note. A cell with a fault is not judged again.
    """
    check = _cleaned(fields, faults)
    tried = {error.column for error in check.errors}
    for column in COLUMNS:
        if column.required and not check.raw[column.key] and column.key not in tried:
            check.fail(column.key, "Thiếu dữ liệu.", f"Điền cột này, ví dụ “{column.example}”.")
    unit_code = check.read("unit_code", read_unit_code)
    branch_id = check.raw["branch_id"]
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
    reason, reason_text = _reason(check)
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
    )
    return Checked(form, (), tuple(check.notes))


def fingerprint(form: UnitForm) -> str:
    """The same for the same data, whatever it was typed like: sha256 of the form, hex."""
    body = json.dumps(form.model_dump(mode="json"), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(body.encode()).hexdigest()


def _cleaned(fields: Mapping[str, str], faults: tuple[CellError, ...]) -> _Check:
    check = _Check(dict.fromkeys(COLUMN, ""), list(faults))
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
            value = clean(text)
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


def _email(check: _Check) -> str:
    email = check.read("email", read_email)
    again = check.raw["email_again"]
    if again and check.raw["email"] and again.casefold() != check.raw["email"].casefold():
        check.fail("email_again", f"“{again}” khác với cột Email.", "Gõ lại cho giống hệt cột Email, hoặc để trống.")
    return email


def _agency(check: _Check, province: str) -> str:
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


def _reason(check: _Check) -> tuple[StopReason, str]:
    text, detail = check.raw["stop_reason"], check.raw["stop_reason_text"]
    found: StopReason | None = DEFAULT_REASON if not text else None
    for code, label in STOP_REASONS.items():
        if fold(text) in (fold(code), fold(label)):
            found = code
    if fold(text) in ("chuyendoidonvicungcap", "chuyendoi", "doinhacungcap"):
        found = DEFAULT_REASON
    if found is None:
        choices = ", ".join(STOP_REASONS.values())
        check.fail("stop_reason", f"Không có lý do “{text}”.", f"Chọn một trong: {choices}.")
        return DEFAULT_REASON, detail
    if found == "KHAC" and not detail:
        check.fail("stop_reason_text", "Lý do ngừng là “Khác” nhưng chưa ghi nội dung.", "Ghi rõ lý do ở cột này.")
    return found, detail
