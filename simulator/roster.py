"""The employees of a unit: 0 to 40 made-up persons, always the same for one unit code (domain.md §4.9)."""

from __future__ import annotations

import random
from collections.abc import Collection


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FAMILY = _words("Nguyễn Trần Lê Phạm Hoàng Huỳnh Phan Vũ Võ Đặng Bùi Đỗ Hồ Ngô Dương Lý")
MIDDLE = _words("Văn Thị Hữu Đức Ngọc Minh Thanh Quốc Thu Xuân")
GIVEN = _words("An Bình Chi Dũng Giang Hà Hương Khánh Lan Long Mai Nam Oanh Phúc Quỳnh Sơn Tâm Thảo Tuấn Uyên Vinh Yến")
JOBS = ("Nhân viên", "Kế toán", "Thủ kho", "Lái xe", "Kỹ thuật viên", "Trưởng nhóm", "Bảo vệ", "Quản lý chi nhánh")
STATES = ("Đang tham gia", "Đang tham gia", "Đang tham gia", "Đang tham gia", "Nghỉ thai sản", "Nghỉ không lương")


ODDITIES = frozenset({"DOUBLES", "CHANGING", "EMPTY", "MANY", "GROWING"})
MANY = 450


def employees(unit_code: str, oddities: Collection[str] = (), fetches: int = 0) -> list[dict[str, str]]:
    """All employees of a unit, in the agency's order. `fetches` is how often the roster was begun before."""
    chance = random.Random(f"roster {unit_code}")
    few = chance.randint(0, 40)
    number = 0 if "EMPTY" in oddities else MANY if "MANY" in oddities else max(few, 5) if oddities else few
    everybody = [_person(chance, unit_code, at) for at in range(number)]
    if "CHANGING" not in oddities or not everybody:
        return everybody
    later = random.Random(f"later {unit_code}")
    for fetch in range(fetches):
        everybody[1] = {**everybody[1], "chuc_vu": f"{JOBS[fetch % len(JOBS)]} (bậc {fetch + 2})"}
        everybody = [*everybody[1:], _person(later, unit_code, number + fetch)]
    return everybody


def page(everybody: list[dict[str, str]], number: int, size: int, oddities: Collection[str]) -> dict[str, object]:
    """One page. DOUBLES: each page begins with the last employee of the page before. GROWING: after the first page
    somebody stands before all others, so every later page begins with the last employee of the one before."""
    begin, total = (number - 1) * size, len(everybody)
    if "DOUBLES" in oddities:
        begin = (number - 1) * max(1, size - 1)
    if "GROWING" in oddities and number > 1:
        total, begin = total + 1, begin - 1
    return {"TotalRecords": total, "page": number, "employees": everybody[begin : begin + size]}


def _person(chance: random.Random, unit_code: str, at: int) -> dict[str, str]:
    pick = chance.random
    middle = MIDDLE[int(pick() * len(MIDDLE))]
    return {
        "id": f"{unit_code}-{at + 1:03}",
        "ho_ten": f"{FAMILY[int(pick() * len(FAMILY))]} {middle} {GIVEN[int(pick() * len(GIVEN))]}",
        "ma_so_bhxh": f"{int(pick() * 10**10):010}",
        "ngay_sinh": f"{1962 + int(pick() * 44)}-{1 + int(pick() * 12):02}-{1 + int(pick() * 28):02}",
        "gioi_tinh": "Nữ" if middle in ("Thị", "Thu") or pick() < 0.3 else "Nam",
        "chuc_vu": JOBS[int(pick() * len(JOBS))],
        "tinh_trang": STATES[int(pick() * len(STATES))],
        "ngay_bat_dau": f"{2008 + int(pick() * 18)}-{1 + int(pick() * 12):02}-01",
        # nobody needs these: they are here to be dropped unread
        "cccd": f"0{(at * 7919 + sum(map(ord, unit_code))) % 10**11:011}",
        "luong": str(5_000_000 + at * 10_000),
    }
