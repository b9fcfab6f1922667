"""What many tasks of a process ask at the same moment, asked at once: one statement instead of one each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar
from uuid import UUID

import asyncpg

from hoso.runtime.failures import HosoError
from hoso.store.vault import KeyRing, Sealing, Vault

Q = TypeVar("Q")
A = TypeVar("A")

AT_ONCE = 200


class Gathered(Generic[Q, A]):
    """One question under way; those that come meanwhile are the next one. Nobody waits for others to come.

    An exception of the question is everybody's who is in it. Who is cancelled leaves the others' answers alone.
    """

    def __init__(self, ask: Callable[[Sequence[Q]], Awaitable[Sequence[A]]]) -> None:
        """`ask` answers in order."""
        self._ask = ask
        self._waiting: list[tuple[Q, asyncio.Future[A]]] = []
        self._asking: asyncio.Task[None] | None = None

    async def answer(self, question: Q) -> A:
        future: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, future))
        if self._asking is None:
            self._asking = asyncio.create_task(self._work())
        return await future

    async def _work(self) -> None:
        try:
            while self._waiting:
                now, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
                try:
                    answers = await self._ask([question for question, _ in now])
                except Exception as error:
                    for _, future in now:
                        if not future.done():
                            future.set_exception(error)
                else:
                    for (_, future), given in zip(now, answers, strict=True):
                        if not future.done():
                            future.set_result(given)
        finally:
            self._asking = None
            for _, future in self._waiting:  # only when the loop ends under it
                future.cancel()


class GatheredVault(Vault):
    """The vault, for a process that seals, opens and destroys for many units at once."""

    def __init__(self, pool: asyncpg.Pool, keys: KeyRing) -> None:
        super().__init__(pool, keys)
        self._puts = Gathered(self._put_all)
        self._rows = Gathered(self._rows_all)
        self._ends = Gathered(self._destroy_all)

    async def put(self, tenant: str, scope: UUID, purpose: str, data: bytes) -> UUID:
        ref = await self._puts.answer(Sealing(tenant, scope, purpose, data))
        if isinstance(ref, HosoError):
            raise ref
        return ref

    async def _put_all(self, sealings: Sequence[Sealing]) -> Sequence[UUID | HosoError]:
        try:
            return await self.put_many(sealings)
        except HosoError as error:
            if len(sealings) == 1:
                return [error]
        return [
            found for one in sealings for found in await self._put_all([one])
        ]  # one's erased scope is one's trouble

    async def rows(self, refs: Sequence[UUID]) -> dict[UUID, Any]:
        found = [await self._rows.answer(ref) for ref in refs]
        return {ref: row for ref, row in zip(refs, found, strict=True) if row is not None}

    async def _rows_all(self, refs: Sequence[UUID]) -> Sequence[Any]:
        found = await super().rows(list(dict.fromkeys(refs)))
        return [found.get(ref) for ref in refs]

    async def destroy(self, *refs: UUID) -> None:
        for ref in refs:
            await self._ends.answer(ref)

    async def _destroy_all(self, refs: Sequence[UUID]) -> Sequence[None]:
        await super().destroy(*sorted(set(refs)))
        return [None] * len(refs)
