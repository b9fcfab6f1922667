"""States as JSON, in bulk, in the transaction of the batch."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from pydantic import TypeAdapter, ValidationError

from hoso.runtime.ids import uuid7
from hoso.store.postgres import Database
from hoso.store.states import JsonStates, NoStates


@dataclass(frozen=True, slots=True)
class Shape:
    name: str = ""
    counts: tuple[int, ...] = ()


async def test_states_are_there_for_every_subject_and_only_what_is_saved_is_kept(db: Database) -> None:
    states, one, two = JsonStates("kept", TypeAdapter(Shape), Shape), uuid7(), uuid7()
    async with db.pool.acquire() as tx:
        await tx.execute("create table kept(subject uuid primary key, body bytea not null)")
        assert await states.load(tx, [one, two]) == {one: Shape(), two: Shape()}
        await states.save(tx, {one: Shape("Đà Nẵng", (1, 2))})
        await states.save(tx, {one: Shape("Đà Nẵng", (1, 2, 3)), two: Shape("Huế")})
        assert await states.load(tx, [two, one]) == {one: Shape("Đà Nẵng", (1, 2, 3)), two: Shape("Huế")}
        assert await states.load(tx, []) == {}
        await tx.execute('update kept set body = \'{"counts": "no"}\' where subject = $1', one)
        with pytest.raises(ValidationError):
            await states.load(tx, [one])
    async with db.pool.acquire() as tx:
        assert await NoStates().load(tx, [one, two]) == {one: None, two: None}
