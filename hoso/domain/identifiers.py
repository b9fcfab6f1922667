"""The identifiers people type into a sheet: cleaned, checked, and written one way (domain.md §4.7).

Every reader takes text and returns a `Reading` (the value as hoso keeps it, and notes about what was mended), or raises
`BadValue` with a Vietnamese sentence that says what is wrong and one that says how to mend it.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date


class BadValue(Exception):
    """A value nobody can use: `message` says what is wrong, `cure` how to mend it; both in Vietnamese."""

    def __init__(self, message: str, cure: str) -> None:
        super().__init__(f"{message} {cure}")
        self.message = message
        self.cure = cure


@dataclass(frozen=True, slots=True)
class Reading:
    """A usable value, and what the sender should know about it."""

    value: str
    notes: tuple[str, ...] = ()


_ZERO_WIDTH = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))
_UNPRINTABLE = {"Cc", "Cf", "Cs", "Co", "Cn"}


def clean(text: str) -> str:
    """`text` in NFC, trimmed, every run of white space one blank, zero-width characters gone; else exactly as given.

    Raises BadValue for control, direction and unassigned characters: XML cannot carry them or people cannot see them.
    """
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    text = " ".join(unicodedata.normalize("NFC", text.translate(_ZERO_WIDTH)).split())
    if not text.isprintable():
        for place, sign in enumerate(text, start=1):
            if unicodedata.category(sign) in _UNPRINTABLE:
                raise BadValue(
                    f"Ký tự thứ {place} là ký tự điều khiển không nhìn thấy (U+{ord(sign):04X}).",
                    "Xoá trắng ô rồi gõ lại nội dung bằng tay.",
                )
    return text


def clean_name(text: str) -> str:
    """A unit's name as the licence has it: NFC, nothing changed but what nobody can see.

    White space around it goes, zero-width characters go, and what only looks like a blank (no-break space, tab, line break in
    the cell) becomes one blank. Blanks inside stay, also two in a row: the agency and its mails compare by this text.
    Raises BadValue as `clean` does.
    """
    text = unicodedata.normalize("NFC", text.translate(_ZERO_WIDTH)).strip().replace("\r\n", "\n")
    text = "".join(" " if sign.isspace() else sign for sign in text)
    clean(text)
    return text


def fold(text: str) -> str:
    """What is left of `text` for comparing: lower-case letters and digits without diacritics."""
    bare = unicodedata.normalize("NFD", text.casefold()).replace("đ", "d")
    return "".join(sign for sign in bare if sign.isalnum())


# --- tax code (MST) ---------------------------------------------------------------------------------------------

_TAX_WEIGHTS = (31, 29, 23, 19, 17, 13, 7, 5, 3)
_TAX_CODE = re.compile(r"[0-9]{10}([0-9]{3})?")


def tax_check_digit(first_nine: str) -> int | None:
    """The tenth digit that belongs to nine digits; None when no tax code starts with them (the rest would be 10)."""
    rest = 10 - sum(w * int(d) for w, d in zip(_TAX_WEIGHTS, first_nine, strict=True)) % 11
    return None if rest == 10 else rest


def _is_tax_code(digits: str) -> bool:
    return bool(_TAX_CODE.fullmatch(digits)) and tax_check_digit(digits[:9]) == int(digits[9])


def read_tax_code(text: str) -> Reading:
    """An MST as `NNNNNNNNNN` or `NNNNNNNNNN-NNN`. A leading zero that a spreadsheet ate is put back, with a note."""
    digits = re.sub(r"[\s.\-–_]", "", text)
    if not (digits.isascii() and digits.isdigit()):
        raise BadValue(
            f"Mã số thuế “{text}” có ký tự không phải chữ số.", "Nhập 10 chữ số, hoặc 13 chữ số dạng 0101234567-001."
        )
    notes: tuple[str, ...] = ()
    if len(digits) in (9, 12) and not digits.startswith("0") and _is_tax_code("0" + digits):
        digits = "0" + digits
        notes = (f"Mã số thuế “{text}” bị mất số 0 ở đầu; đã hiểu là {digits[:10]}.",)
    if len(digits) not in (10, 13):
        raise BadValue(
            f"Mã số thuế “{text}” có {len(digits)} chữ số; mã số thuế có 10 hoặc 13 chữ số.",
            "Đối chiếu với giấy đăng ký thuế; định dạng ô là Văn bản (Text) để không mất số 0 ở đầu.",
        )
    if not _is_tax_code(digits):
        raise BadValue(
            f"Mã số thuế “{text}” sai chữ số kiểm tra (chữ số thứ 10).",
            "Đối chiếu từng chữ số với giấy đăng ký thuế của đơn vị.",
        )
    return Reading(digits if len(digits) == 10 else f"{digits[:10]}-{digits[10:]}", notes)


# --- unit code, agency code -------------------------------------------------------------------------------------

_UNIT_CODE = re.compile(r"[A-Z]{2}[A-Z0-9][0-9]{3}[A-Z]")
_OTHER_CODE = re.compile(r"[A-Z0-9]{6,8}")


def read_unit_code(text: str) -> Reading:
    """A mã đơn vị in upper case. The working rule is inferred (domain.md §4.7): other 6-8 character codes only get a note."""
    code = re.sub(r"[\s.\-]", "", text).upper()
    if _UNIT_CODE.fullmatch(code):
        return Reading(code)
    if _OTHER_CODE.fullmatch(code):
        return Reading(code, (f"Mã đơn vị “{code}” có dạng lạ (thường là 7 ký tự như TZ1234Z); hãy kiểm tra lại.",))
    raise BadValue(
        f"“{text}” không phải mã đơn vị BHXH (7 chữ cái và chữ số không dấu, ví dụ TZ1234Z).",
        "Tra mã trên Cổng thông tin BHXH Việt Nam; đơn vị chưa có mã thì để trống và điền “Mã chi nhánh”.",
    )


def read_agency_code(text: str) -> Reading:
    """A mã cơ quan BHXH: 5 digits, `0` + province + office. Eaten leading zeros are put back, with a note."""
    digits = text.strip()
    if digits.isascii() and digits.isdigit():
        if len(digits) == 5 and digits.startswith("0"):
            return Reading(digits)
        if 3 <= len(digits) <= 4 and not digits.startswith("0"):
            padded = digits.zfill(5)
            return Reading(padded, (f"Mã cơ quan BHXH “{text}” bị mất số 0 ở đầu; đã hiểu là {padded}.",))
    raise BadValue(
        f"“{text}” không phải mã cơ quan BHXH.",
        "Nhập mã 5 chữ số bắt đầu bằng 0 (ví dụ 00101 là BHXH Quận Ba Đình, Hà Nội), hoặc để trống.",
    )


# --- dates ------------------------------------------------------------------------------------------------------

_DATE = re.compile(r"([0-9]{1,2})[/.\- ]([0-9]{1,2})[/.\- ]([0-9]{4})")
_ISO_DATE = re.compile(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})([T ]00:00(:00)?)?")


def read_date(text: str) -> Reading:
    """A day as dd/MM/yyyy, from day-month-year with any of / . - or from yyyy-MM-dd."""
    found, iso = _DATE.fullmatch(text.strip()), _ISO_DATE.fullmatch(text.strip())
    try:
        if found:
            day = date(int(found[3]), int(found[2]), int(found[1]))
        elif iso:
            day = date(int(iso[1]), int(iso[2]), int(iso[3]))
        else:
            raise ValueError
        if not 1900 <= day.year <= 2100:
            raise ValueError
    except ValueError:
        raise BadValue(f"“{text}” không phải ngày.", "Ghi ngày/tháng/năm, ví dụ 05/03/2026.") from None
    return Reading(day.strftime("%d/%m/%Y"))


# --- phone, e-mail ----------------------------------------------------------------------------------------------

_MOBILE = re.compile(r"0[35789][0-9]{8}")
_LANDLINE = re.compile(r"02[0-9]{9}")
_HOTLINE = re.compile(r"1[89]00[0-9]{4}([0-9]{2})?")


def read_phone(text: str) -> Reading:
    """A Vietnamese number, digits only, `+84` written as `0`. A leading zero that was eaten is put back, with a note."""
    bare = re.sub(r"[\s.\-–()]", "", text)
    bare = re.sub(r"^(\+|00)?84(?=[235789]\d{8,9}$)", "0", bare)
    notes: tuple[str, ...] = ()
    if re.fullmatch(r"[35789][0-9]{8}|2[0-9]{9}", bare) and not text.strip().startswith("+"):
        bare = "0" + bare
        notes = (f"Số điện thoại “{text}” bị mất số 0 ở đầu; đã hiểu là {bare}.",)
    if any(shape.fullmatch(bare) for shape in (_MOBILE, _LANDLINE, _HOTLINE)):
        return Reading(bare, notes)
    if re.search(r"[,;/]|\bhoặc\b", text):
        raise BadValue(f"“{text}” có nhiều số điện thoại.", "Chỉ ghi một số.")
    raise BadValue(
        f"“{text}” không phải số điện thoại Việt Nam.",
        "Nhập số di động 10 chữ số (09xxxxxxxx), số cố định có mã vùng (024xxxxxxxx) hoặc dạng +84.",
    )


_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])")
_YAHOO = re.compile(r"(^|\.)(yahoo\.[a-z.]+|ymail\.com|rocketmail\.com)$")


def read_email(text: str) -> Reading:
    """One address, its domain in lower case. A Yahoo address gets a note: the agency's codes often do not arrive there."""
    address = text.strip().removeprefix("mailto:")
    if address.count("@") > 1 or re.search(r"[;,\s]", address):
        raise BadValue(f"“{text}” có nhiều địa chỉ hoặc có khoảng trắng.", "Chỉ ghi một địa chỉ thư điện tử.")
    if not address.isascii():
        raise BadValue(f"Địa chỉ “{text}” có chữ có dấu.", "Gõ lại địa chỉ không dấu, ví dụ ketoan@congty.vn.")
    local, at, domain = address.rpartition("@")
    domain = domain.lower()
    if not at or len(local) > 64 or len(address) > 254 or not _LOCAL.fullmatch(local) or not _DOMAIN.fullmatch(domain):
        raise BadValue(f"“{text}” không phải địa chỉ thư điện tử.", "Nhập dạng ten@tenmien, ví dụ ketoan@congty.vn.")
    notes: tuple[str, ...] = ()
    if _YAHOO.search(domain):
        notes = ("Hộp thư Yahoo hay không nhận được mã kích hoạt của cơ quan BHXH; nên dùng hộp thư khác.",)
    return Reading(f"{local}@{domain}", notes)
