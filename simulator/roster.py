"""The employees of a unit: 0 to 40 made-up persons, always the same for one unit code (domain.md §4.9)."""

from __future__ import annotations

import random


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FAMILY = _words("Nguyễn Trần Lê Phạm Hoàng Huỳnh Phan Vũ Võ Đặng Bùi Đỗ Hồ Ngô Dương Lý")
MIDDLE = _words("Văn Thị Hữu Đức Ngọc Minh Thanh Quốc Thu Xuân")
GIVEN = _words("An Bình Chi Dũng Giang Hà Hương Khánh Lan Long Mai Nam Oanh Phúc Quỳnh Sơn Tâm Thảo Tuấn Uyên Vinh Yến")
JOBS = ("Nhân viên", "Kế toán", "Thủ kho", "Lái xe", "Kỹ thuật viên", "Trưởng nhóm", "Bảo vệ", "Quản lý chi nhánh")
STATES = ("Đang tham gia", "Đang tham gia", "Đang tham gia", "Đang tham gia", "Nghỉ thai sản", "Nghỉ không lương")


def employees(unit_code: str) -> list[dict[str, str]]:
    """All employees of a unit, in the agency's order."""
    chance = random.Random(f"roster {unit_code}")
    return [_person(chance, unit_code, at) for at in range(chance.randint(0, 40))]


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
    }
