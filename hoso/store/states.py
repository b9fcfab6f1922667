"""States kept as JSON, one row a unit, loaded and saved in bulk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar
from uuid import UUID

from pydantic import TypeAdapter

S = TypeVar("S")


class NoStates:
    """For a service that keeps none."""

    async def load(self, tx: Any, subjects: Sequence[UUID]) -> dict[UUID, None]:
        return dict.fromkeys(subjects)

    async def save(self, tx: Any, states: dict[UUID, None]) -> None:
        return None


class JsonStates(Generic[S]):
    """States of any shape pydantic knows, in a table (subject uuid primary key, body bytea not null).

    A state's shape carries its own version; an older one is lifted by the type's own validator.
    """

    def __init__(self, table: str, shape: TypeAdapter[S], initial: Callable[[], S]) -> None:
        self._shape = shape
        self._initial = initial
        self._select = f"select subject, body from {table} where subject = any($1)"
        self._upsert = (
            f"insert into {table}(subject, body) select * from unnest($1::uuid[], $2::bytea[]) "
            "on conflict (subject) do update set body = excluded.body"
        )

    async def load(self, tx: Any, subjects: Sequence[UUID]) -> dict[UUID, S]:
        found = {r["subject"]: self._shape.validate_json(r["body"]) for r in await tx.fetch(self._select, subjects)}
        return {s: found[s] if s in found else self._initial() for s in subjects}

    async def save(self, tx: Any, states: dict[UUID, S]) -> None:
        units = sorted(states)
        await tx.execute(self._upsert, units, [self._shape.dump_json(states[u]) for u in units])
