"""The employer's own organisation, as its feed tells it (B6): a tree of units, upserted by their id there.

What is told of a unit replaces what was known of it. The tree stays a tree: an unknown parent and a cycle are refused, item by item,
the others are taken. The same feed again changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hoso.domain.identifiers import (
    BadValue,
    Reading,
    clean,
    clean_name,
    read_email,
    read_phone,
    read_tax_code,
    read_unit_code,
)
from hoso.domain.provinces import read_province
from hoso.runtime.steps import Tx
from services.intake.checked import CellError
from services.intake.columns import COLUMN, header_of
from services.intake.ports import Pool

MOST = 5_000
"""Units in one call."""
_LONGEST_ID = 64
_READERS: dict[str, Callable[[str], Reading]] = {
    "tax_code": read_tax_code,
    "unit_code": read_unit_code,
    "province": read_province,
    "email": read_email,
    "phone": read_phone,
}
FIELDS = ("unit_code", "name", "tax_code", "province", "agency", "address", "email", "phone", "contact_name", "profile")
"""What a feed may say of a unit beside its id and its parent's: columns of the sheet, which its rows may then leave empty."""


@dataclass(frozen=True, slots=True)
class OrgUnit:
    """One unit of the feed."""

    id: str
    parent: str | None
    fields: dict[str, str]


@dataclass(slots=True)
class Item:
    """One item of a feed and what became of it: added, changed, unchanged or refused."""

    id: str
    unit: OrgUnit | None
    errors: list[CellError] = field(default_factory=list)
    outcome: str = ""

    def refuse(self, column: str, message: str, cure: str) -> None:
        """It is not taken, for this reason."""
        self.errors.append(CellError(column, message, cure))
        self.unit = None
        self.outcome = "refused"


@dataclass(frozen=True, slots=True)
class Organisation:
    """All tenants' trees."""

    pool: Pool

    async def upsert(self, tenant: str, given: Sequence[Any], actor: str, now: datetime) -> list[Item]:
        """Take a feed: one answer an item, in order. All that is taken is taken at once."""
        items = read_items(given)
        async with self.pool.acquire() as tx, tx.transaction():
            await tx.execute("select pg_advisory_xact_lock(hashtextextended('org/' || $1, 4046))", tenant)
            rows = await tx.fetch("select id, parent from intake.org_unit where tenant = $1", tenant)
            keep_the_tree(items, {row["id"]: row["parent"] for row in rows})
            ids = [item.id for item in items if item.unit is not None]
            known = {unit.id: unit for unit in await _units(tx, tenant, ids)}
            changed = [item.unit for item in items if item.unit is not None and _judged(item, known)]
            if changed:
                await _write(tx, tenant, changed, actor, now)
        return items

    async def fields(self, tx: Tx, tenant: str, ids: Iterable[str]) -> dict[str, Mapping[str, str]]:
        """What is known of each of these units: column key -> text."""
        wanted = sorted(set(ids))
        return {unit.id: unit.fields for unit in await _units(tx, tenant, wanted)} if wanted else {}

    async def page(self, tenant: str, after: str, limit: int) -> list[dict[str, Any]]:
        """Units by id, after `after`."""
        async with self.pool.acquire() as db:
            rows = await db.fetch(
                "select id, parent, fields, at from intake.org_unit where tenant = $1 and id > $2 order by id limit $3",
                tenant,
                after,
                limit,
            )
        return [
            {"id": r["id"], "parent": r["parent"], **json.loads(r["fields"]), "at": r["at"].isoformat()} for r in rows
        ]


def read_items(given: Sequence[Any]) -> list[Item]:
    """Every item judged alone. Pure."""
    items: list[Item] = []
    seen: set[str] = set()
    for one in given:
        item = _read(one)
        if item.unit is not None and item.id in seen:
            item.refuse("id", f"Mã “{item.id}” có hai lần trong một lần gửi; lần đầu được nhận.", "Giữ một lần.")
        seen.add(item.id)
        items.append(item)
    return items


def _read(one: Any) -> Item:
    if not isinstance(one, dict) or not all(isinstance(key, str) for key in one):
        item = Item("", None)
        item.refuse("", "Không phải một đơn vị.", 'Gửi đối tượng dạng {"id": "HN-07", "parent": "HN", "name": "…"}.')
        return item
    texts: dict[str, str] = {}
    item = Item("", None)
    for key, value in one.items():
        if value is None or value == "":
            continue
        if key not in ("id", "parent", *FIELDS):
            item.refuse(
                "", f"Không có trường “{key[:40]}”.", f"Chỉ dùng id, parent và: {', '.join(FIELDS)}. Bỏ trường này."
            )
        elif not isinstance(value, str):
            item.refuse(key, "Giá trị phải là chuỗi.", "Gửi trong dấu nháy kép.")
        else:
            _take(item, texts, key, value)
    item.id = texts.pop("id", "")
    if not item.id and not any(error.column == "id" for error in item.errors):
        item.refuse("id", "Thiếu mã của đơn vị.", "Gửi id: mã cố định của đơn vị trong cơ cấu tổ chức.")
    if "name" not in texts and not any(error.column == "name" for error in item.errors):
        item.refuse("name", "Thiếu tên đơn vị.", "Gửi name đúng như trên giấy phép kinh doanh.")
    if not item.errors:
        item.unit = OrgUnit(item.id, texts.pop("parent", None), texts)
    return item


def _take(item: Item, texts: dict[str, str], key: str, value: str) -> None:
    longest = COLUMN[key].longest if key in COLUMN else _LONGEST_ID
    try:
        text = clean_name(value) if key == "name" else clean(value)
        if len(text) > longest:
            item.refuse(key, f"Dài {len(text)} ký tự; nhiều nhất là {longest}.", "Rút ngắn nội dung.")
        elif text:
            if key in _READERS:
                _READERS[key](text)
            texts[key] = text
    except BadValue as bad:
        item.refuse(key, bad.message, bad.cure)


def keep_the_tree(items: Sequence[Item], parents: Mapping[str, str | None]) -> None:
    """Refuse what would hang in the air or go round in a circle, given the tree as it stands (id -> parent). Pure.

    An item that is refused stays as it was; so its own children in this feed are judged again without it.
    """
    while True:
        after = {**parents, **{item.id: item.unit.parent for item in items if item.unit is not None}}
        whole: set[str] = set()
        wrong = [item for item in items if item.unit is not None and not _hangs_well(item, after, whole)]
        if not wrong:
            return


def _hangs_well(item: Item, after: Mapping[str, str | None], whole: set[str]) -> bool:
    """Whether the way up from the item ends at a root; else the item is refused. `whole`: known to end at one."""
    assert item.unit is not None
    parent = item.unit.parent
    if parent is not None and parent not in after:
        item.refuse(
            "parent", f"Không có đơn vị cha “{parent}”.", "Gửi đơn vị cha trước hoặc cùng lúc, hoặc sửa parent."
        )
        return False
    way: dict[str, None] = {}
    at: str | None = item.id
    while at is not None and at not in whole:
        if at in way:
            if at != item.id:
                return True  # the circle is others' fault; they are refused, and this one is judged again
            shown = " → ".join((*way, at))
            item.refuse("parent", f"Cơ cấu thành vòng: {shown[:300]}.", "Sửa parent để cơ cấu là một cây.")
            return False
        way[at] = None
        at = after.get(at)
    whole.update(way)
    return True


def _judged(item: Item, known: Mapping[str, OrgUnit]) -> bool:
    """Says in the item whether it is new, and returns whether anything is to be written."""
    before = known.get(item.id)
    item.outcome = "added" if before is None else "unchanged" if before == item.unit else "changed"
    return item.outcome != "unchanged"


async def _units(db: Tx, tenant: str, ids: Sequence[str]) -> list[OrgUnit]:
    rows = await db.fetch(
        "select id, parent, fields from intake.org_unit where tenant = $1 and id = any($2::text[])", tenant, ids
    )
    return [OrgUnit(row["id"], row["parent"], json.loads(row["fields"])) for row in rows]


async def _write(tx: Tx, tenant: str, units: Sequence[OrgUnit], actor: str, now: datetime) -> None:
    await tx.execute(
        "insert into intake.org_unit(tenant, id, parent, fields, actor, at) "
        "select $1, i, p, f, $5, $6 from unnest($2::text[], $3::text[], $4::jsonb[]) as t(i, p, f) "
        "on conflict (tenant, id) do update set parent = excluded.parent, fields = excluded.fields, "
        "actor = excluded.actor, at = excluded.at",
        tenant,
        [unit.id for unit in units],
        [unit.parent for unit in units],
        [json.dumps(unit.fields, ensure_ascii=False) for unit in units],
        actor,
        now,
    )


def shown(item: Item) -> dict[str, Any]:
    """An item as the API answers it."""
    errors = [
        {"column": e.column, "field": header_of(e.column), "message": e.message_vi, "cure": e.cure_vi}
        for e in item.errors
    ]
    return {"id": item.id, "outcome": item.outcome, "errors": errors}
