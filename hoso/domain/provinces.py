"""The provinces: 34 since mid-2025, the 63 before them as other names of them (domain.md §10).

Both lists carry the days they were in force. Trap: the same code means another province over time (15 was Yên Bái, now Lào Cai).
A bare code of that sort is a question (BadValue naming both) unless it comes with a name, with “(cũ)” or “(mới)”, or with the
day it was written (`on`); where both lists agree nobody is asked.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources
from typing import Any

from hoso.domain.identifiers import BadValue, Reading, fold

_LIST = re.compile(r"\((cũ|cu|mới|moi|old|new)\)", re.IGNORECASE)
_PREFIX = re.compile(r"^(tỉnh|tinh|thành phố|thanh pho|tp\.?|t\.)\s*(?=\S{2})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Province:
    """One of the 34."""

    code: str
    name: str

    @property
    def short_name(self) -> str:
        """The name without "Tỉnh" or "Thành phố"."""
        return _PREFIX.sub("", self.name)


@dataclass(frozen=True, slots=True)
class Agency:
    """One social-insurance office."""

    code: str
    name: str


@dataclass(frozen=True, slots=True)
class _Atlas:
    now: dict[str, Province]
    by_name: dict[str, tuple[str, str | None]]
    """folded name -> (code of the 34, the old name when the name is no longer in use)."""
    old: dict[str, tuple[str, str]]
    """old code -> (old name, code of the 34 it went into)."""
    moved: dict[str, str]
    """code of the 34 -> what the same code meant before, where that was another province."""
    since: date
    """The first day of the 34."""


def _data(file: str) -> dict[str, Any]:
    text = (resources.files("hoso.domain") / "data" / file).read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def _folded(name: str) -> str:
    return fold(_PREFIX.sub("", name.strip()))


@cache
def _atlas() -> _Atlas:
    now: dict[str, Province] = {}
    by_name: dict[str, tuple[str, str | None]] = {}
    new = _data("provinces_34.json")
    for row in new["provinces"]:
        now[row["code"]] = Province(row["code"], row["name"])
        for name in (row["name"], *row.get("aliases", ())):
            by_name[_folded(name)] = (row["code"], None)
    old: dict[str, tuple[str, str]] = {}
    old_code_of: dict[str, str] = {}
    for row in _data("provinces_63.json")["provinces"]:
        old[row["code"]] = (row["name"], row["merged_into_34"])
        old_code_of[_folded(row["name"])] = row["code"]
        for name in (row["name"], *row.get("aliases", ())):
            by_name.setdefault(_folded(name), (row["merged_into_34"], row["name"]))
    moved = {
        code: old[code][0]
        for code, province in now.items()
        if code in old and old_code_of.get(_folded(province.name), code) != code
    }
    return _Atlas(now, by_name, old, moved, date.fromisoformat(new["valid_from"]))


def provinces() -> tuple[Province, ...]:
    """The 34, by code."""
    return tuple(_atlas().now.values())


def province_of(code: str) -> Province:
    """The province with this code of the 34. Raises KeyError."""
    return _atlas().now[code]


def read_province(text: str, on: date | None = None) -> Reading:
    """The code of one of the 34, from its name, its code, "01 - Hà Nội", or an old name or code (with a note).

    `on`: the day the text was written, when it is known; a bare code is then read in the list of that day. "15 (cũ)" and
    "15 (mới)" say the same in the text itself.
    """
    atlas = _atlas()
    list_said = _LIST.search(text)
    if list_said:
        text, on = _LIST.sub("", text), date.min if fold(list_said[1]) in ("cu", "old") else date.max
    digits = "".join(re.findall(r"\d+", text))
    name = re.sub(r"[\d()]", " ", text).strip(" -–:.,")
    if len(digits) > 2 or not (digits or name):
        raise _unknown(text)
    digits = digits.zfill(2) if digits else ""
    if not name:
        return _by_code(digits, atlas, on)
    found = atlas.by_name.get(_folded(name)) or atlas.by_name.get(fold(name))
    if found is None:
        raise _unknown(text)
    code, old_name = found
    if digits and digits != code and not (digits in atlas.old and atlas.old[digits][1] == code):
        raise BadValue(
            f"“{text}”: mã {digits} không phải mã của {name}.", f"Chỉ ghi tên tỉnh, hoặc ghi mã {code} cho {name}."
        )
    if old_name is None:
        return Reading(code)
    return Reading(code, (f"{old_name} nay thuộc {atlas.now[code].name}; hồ sơ ghi theo tên mới.",))


def _by_code(code: str, atlas: _Atlas, on: date | None) -> Reading:
    if code in atlas.moved and on is None:
        raise BadValue(
            f"Mã tỉnh {code} không rõ nghĩa: trước {atlas.since:%m/%Y} là {atlas.moved[code]}, nay là {atlas.now[code].name}.",
            f"Ghi tên tỉnh thay cho mã, ví dụ “{atlas.now[code].short_name}”, hoặc ghi “{code} (cũ)” hay “{code} (mới)”.",
        )
    if code in atlas.now and (code not in atlas.moved or on is None or on >= atlas.since):
        return Reading(code)
    if code in atlas.old:
        old_name, merged = atlas.old[code]
        return Reading(
            merged, (f"Mã tỉnh {code} ({old_name}) là mã cũ; nay thuộc {atlas.now[merged].name} ({merged}).",)
        )
    raise _unknown(code)


def _unknown(text: str) -> BadValue:
    return BadValue(
        f"Không có tỉnh/thành phố nào tên là “{text}”.",
        "Chọn một trong 34 tỉnh/thành phố ở trang “Danh mục” của mẫu, ví dụ Hà Nội.",
    )


# --- agencies ---------------------------------------------------------------------------------------------------

_OFFICE = re.compile(r"^\s*(bhxh|bảo hiểm xã hội)?\s*(cơ sở|quận|huyện|thị xã|q\.|h\.)?\s*", re.IGNORECASE)


@cache
def hanoi_agencies() -> tuple[Agency, ...]:
    """The offices of Hanoi with 5-digit codes; other provinces' offices are not published (domain.md §10)."""
    rows = _data("hanoi_agencies.json")["agencies"]
    return tuple(Agency(row["code"], row["name"]) for row in rows if len(row["code"]) == 5)


@cache
def _agency_names() -> dict[str, str]:
    return {fold(_OFFICE.sub("", agency.name)): agency.code for agency in hanoi_agencies()}


def agency_named(text: str) -> str | None:
    """The code of the Hanoi office that `text` names, with or without "BHXH Quận"; None when there is none."""
    return _agency_names().get(fold(_OFFICE.sub("", text)))


def agency_fits(agency: str, province: str) -> bool:
    """Whether the province part of a 5-digit agency code is `province`, or an old one that went into it."""
    part = agency[1:3]
    atlas = _atlas()
    return part == province or (part in atlas.old and atlas.old[part][1] == province)
