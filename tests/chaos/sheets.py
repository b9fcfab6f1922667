"""Made-up sheets: the same seed makes the same rows. Several tenants, companies that share a mailbox or a name, every flow.

The third to fifth characters of a unit code choose what the simulated agency does (simulator/README.md).
"""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

HEADERS = {
    "unit_code": "Mã đơn vị", "branch_id": "Mã chi nhánh", "name": "Tên đơn vị", "tax_code": "Mã số thuế", "province": "Tỉnh/Thành phố",
    "address": "Địa chỉ", "email": "Email", "phone": "Điện thoại", "current_provider": "Nhà cung cấp hiện tại",
}  # fmt: skip

ENDING = [
    "C00",
    "C01",
    "C02",
    "C03",
    "C04",
    "C05",
    "C06",
    "C07",
    "C08",
    "C09",
    "U01",
    "U03",
    "U05",
    "U15",
    "S01",
    "S02",
    "S04",
    "S07",
    "T01",
    "T03",
    "T04",
    "T05",
    "T06",
    "T07",
    "T08",
    "F01",
    "F02",
    "F03",
    "F13",
    "F04",
    "F05",
    "F15",
    "F25",
    "F06",
    "F07",
    "F08",
    "F18",
    "F28",
    "F38",
    "F48",
    "F58",
    "F09",
    "F19",
    "F29",
    "F11",
    "F12",
    "F22",
    "F32",
    "P01",
    "P02",
    "P03",
    "P04",
    "P05",
    "P06",
    "P07",
    "P08",
    "M01",
    "M02",
    "M03",
    "M13",
    "M23",
    "M04",
    "M05",
    "M06",
    "M07",
    "M10",
    "M11",
]
"""Flows that end within some hours of the world's time. F16 (a false duplicate, always) is asked about for as long as the patience lasts, 24 real hours."""
DAYS = ["S09", "T02", "T09", "M08", "M09", "M12", "M14"]
"""Flows that need days of the world's time, or every try there is."""
PROVIDERS = ("00001", "00020", "00030", "00040", "00050", "00060", "00100", "00114")
PLACES = (
    "Hà Nội",
    "Hải Phòng",
    "Nghệ An",
    "TP Huế",
    "Đà Nẵng",
    "Gia Lai",
    "Đồng Nai",
    "Thành phố Hồ Chí Minh",
    "Cần Thơ",
    "An Giang",
)
NAMES = ("Công ty TNHH Hoa Ban", "Công ty Cổ phần Sông Xanh Thẳm", "Công ty TNHH Trăng Non", "Hợp tác xã Chè Sương Sớm")


@dataclass(frozen=True, slots=True)
class Tenant:
    """Whose rows they are, the mailbox of made-up rows, and the tax codes they have keys for (with the employer's name)."""

    name: str
    mailbox: str
    employers: tuple[tuple[str, str], ...]
    mailboxes: tuple[str, ...] = ()
    """More mailboxes."""
    profiles: tuple[tuple[str, str, str], ...] = ()
    """More keys: name, tax code, employer."""
    contact_mode: str = "shared"
    """`own`: every enrolment has an address of its own."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of somebody's sheet."""

    tenant: str
    fields: dict[str, str]


def tax_code(serial: int) -> str:
    """The serial-th made-up tax code with a right check digit (domain.md §4.7)."""
    weights = (31, 29, 23, 19, 17, 13, 7, 5, 3)
    while True:
        nine = f"9{serial:08d}"
        tenth = 10 - sum(w * int(d) for w, d in zip(weights, nine, strict=True)) % 11
        if tenth < 10:
            return f"{nine}{tenth}"
        serial += 1000


def tenants(count: int = 3) -> list[Tenant]:
    """Tenants with the same company names: neither a name nor a mailbox tells whose unit it is."""
    made = []
    for n in range(count):
        employers = tuple((tax_code(100 * n + k), NAMES[k % len(NAMES)]) for k in range(3))
        made.append(Tenant(f"khach-{n + 1}", f"bhxh@khach{n + 1}.example", employers))
    return made


class Maker:
    """Makes rows, in an order that the seed shuffles. Makers whose `first` is far apart make no unit code twice."""

    def __init__(self, seed: int, owners: Sequence[Tenant], *, first: int = 0) -> None:
        self._random = random.Random(seed)
        self._owners = list(owners)
        self._count = first

    def rows(self, count: int, *, days: bool) -> list[Row]:
        """`count` rows: every flow at least once when there is room, straight ones for the rest, some wrong ones."""
        flows = [*ENDING, *(DAYS if days else ())]
        made = [self.row(flow) for flow in flows[: count - 4]]
        provided = [("C00", True), ("C02", True), ("C01", True), ("T05", True)]
        made += [self.row(flow, provider=named) for flow, named in provided[: max(0, count - len(made) - 4)]]
        again = self._random.choices(flows, k=(count - len(made)) // 4) if days else []
        made += [self.row(flow) for flow in again if flow not in DAYS]
        while len(made) < count - 4:
            made.append(self.row(""))
        self._random.shuffle(made)
        return made + self._odd(made)[: count - len(made)]

    def _odd(self, made: list[Row]) -> list[Row]:
        """A unit that another tenant has already, the same row twice, a wrong tax code, one without a unit code."""
        held, twice = made[0], made[1]
        other = next(o for o in self._owners if o.name != held.tenant) if len(self._owners) > 1 else self._owners[0]
        foreign = {**self._plain(other, "").fields, "unit_code": held.fields["unit_code"]}
        wrong = self.row("")
        wrong.fields["tax_code"] = "9001234569"
        bare = self.row("")
        bare.fields["branch_id"] = f"CN-{bare.fields.pop('unit_code')}"
        return [Row(other.name, foreign), Row(twice.tenant, dict(twice.fields)), wrong, bare]

    def row(self, flow: str, *, provider: bool = False) -> Row:
        """A row of a flow, for the next tenant in turn."""
        row = self._plain(self._owners[self._count % len(self._owners)], flow)
        if provider:
            row.fields["current_provider"] = provider_of(row.fields["unit_code"], flow)
        return row

    def _plain(self, owner: Tenant, flow: str) -> Row:
        n = self._count
        self._count += 1
        last = "ABCDEGHK"[n % 8]
        letters = "ABDEGHKLMN"
        digits = f"{n // 100 % 10}{n // 10 % 10}{n % 10}"
        head = "TZ"[0] + letters[n // 1000 % 10]
        code = (
            f"{head}{digits[0]}{digits[1:]}{n * 7 % 10}{last}"
            if not flow
            else f"{letters[n // 10 % 10]}{letters[n % 10]}{flow}{n // 100 % 10}{last}"
        )
        tax, name = owner.employers[n % len(owner.employers)]
        branch = f"{name} - Chi nhánh {PLACES[n % len(PLACES)]}" if n % 3 else name
        return Row(owner.name, {
            "unit_code": code, "branch_id": "", "name": branch, "tax_code": tax, "province": PLACES[n % len(PLACES)],
            "address": f"Số {n + 1} đường Hùng Vương", "email": owner.mailbox, "phone": "0912345678", "current_provider": "",
        })  # fmt: skip


def provider_of(unit_code: str, flow: str) -> str:
    """The provider that the agency has the unit with, as a row says it."""
    return "Cổng BHXH" if flow in ("C02", "C05", "T22") else PROVIDERS[sum(map(ord, unit_code)) % len(PROVIDERS)]


def sheet(rows: Sequence[Row]) -> bytes:
    """Rows of one tenant as a CSV file."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(HEADERS.values())
    for row in rows:
        writer.writerow([row.fields.get(key, "") for key in HEADERS])
    return out.getvalue().encode("utf-8-sig")


def sheets(rows: Sequence[Row], size: int) -> Iterator[tuple[str, bytes, int]]:
    """Rows in their order, cut into sheets of one tenant each: tenant, file, rows."""
    for at in range(0, len(rows), size):
        part = rows[at : at + size]
        for tenant in dict.fromkeys(row.tenant for row in part):
            own = [row for row in part if row.tenant == tenant]
            yield tenant, sheet(own), len(own)
