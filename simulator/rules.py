"""What the agency knows by rule: identifiers, provinces, providers. There is no register of companies behind it."""

from __future__ import annotations

import re
import unicodedata


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


UNIT_CODE = re.compile(r"[A-Z]{2}[A-Z0-9]\d{3}[A-Z]")
AGENCY = re.compile(r"0(\d{2})(\d{2})?")
EMAIL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,24}")
WORDS = re.compile(r"(?<![A-Z0-9])[A-Z]\d\d(?![A-Z0-9])")
"""What may be the name of a magic family within a text in upper case."""
WEIGHTS = (31, 29, 23, 19, 17, 13, 7, 5, 3)

PROVINCES = _words(
    "01 02 04 06 08 10 11 12 14 15 17 19 20 22 24 25 26 27 30 31 33 34 35 36 37 38 40 42 44 45 46 48 49 51 52 54 "
    "56 58 60 62 64 66 67 68 70 72 74 75 77 79 80 82 83 84 86 87 89 91 92 93 94 95 96"
)
"""Provinces in agency codes: today's 34 and the 63 before them, because office codes seem to stay (domain.md §10)."""

PROVIDERS = {
    "00001": "Công ty Cổ phần TS24",
    "00020": "Tổng công ty dịch vụ viễn thông VNPT-Vinaphone",
    "00030": "Công ty cổ phần công nghệ tin học EFY Việt Nam",
    "00040": "Công ty Thái Sơn",
    "00050": "Tập đoàn Viễn thông Quân đội - Viettel",
    "00060": "Công ty cổ phần Bkav",
    "00100": "Công ty cổ phần Cyberlotus",
    "00114": "Công ty TNHH Quốc tế Lâm Hồng Quân",
}
"""Some of the public list of I-VANs: who a unit may already be registered with."""

PORTAL = "VSS"
UNKNOWN_PROVIDER = "?"
"""A unit whose provider the agency will not name; a stop that names anybody is taken."""


def tax_code_valid(code: str) -> bool:
    """Whether a MST has 10 digits, or 13 as `NNNNNNNNNN-NNN`, and the right check digit (domain.md §4.7)."""
    if re.fullmatch(r"\d{10}(-?\d{3})?", code, re.ASCII) is None:
        return False
    tenth = 10 - sum(weight * int(digit) for weight, digit in zip(WEIGHTS, code, strict=False)) % 11
    return tenth < 10 and tenth == int(code[9])


def agency_known(code: str) -> bool:
    """Whether an agency code is one of a province's office: `0`, province, office (domain.md §4.7)."""
    shape = AGENCY.fullmatch(code)
    return shape is not None and shape[1] in PROVINCES


def email_valid(address: str) -> bool:
    """Whether a text is exactly one e-mail address."""
    return EMAIL.fullmatch(address) is not None and ".." not in address


def folded(text: str) -> str:
    """Lower case without accents, for comparing names."""
    flat = unicodedata.normalize("NFD", text.lower().replace("đ", "d"))
    return " ".join("".join(c for c in flat if not unicodedata.combining(c)).split())


def provider_of(unit_code: str) -> str:
    """The I-VAN code of the provider that a unit with another provider has: always the same for one unit code."""
    return sorted(PROVIDERS)[sum(map(ord, unit_code)) % len(PROVIDERS)]


def another_provider(unit_code: str) -> str:
    """A provider that the unit is not with, as CE007 would name it."""
    codes = sorted(PROVIDERS)
    code = codes[(codes.index(provider_of(unit_code)) + 1) % len(codes)]
    return f"{PROVIDERS[code]} (mã {code})"


def names_provider(actual: str, code: str, name: str) -> bool:
    """Whether a stop form's MA_IVAN and TEN_IVAN name the provider that the unit has."""
    if actual == UNKNOWN_PROVIDER:
        return True
    if code:
        return code == actual
    if actual == PORTAL:
        return "cong" in folded(name)
    return folded(PROVIDERS.get(actual, actual)) == folded(name)


def agency_name(code: str) -> str:
    """What the office of an agency code is called."""
    return f"Bảo hiểm xã hội (mã {code})" if code else ""


def who(tax_code: str, name: str) -> str:
    """How the agency tells employers without a unit code apart: tax code and folded name."""
    return f"{tax_code} {folded(name)}"
