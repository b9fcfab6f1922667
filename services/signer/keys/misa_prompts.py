"""What people were asked at the remote service, in PostgreSQL: questions, the prompts they are in, hints.

A prompt's row is committed before the service is asked, so a crash leaves `asked` behind, and whoever finds it knows that the
phone may be showing it. A question is in one prompt at a time; it leaves that prompt only when the prompt was certainly never
shown, or can no longer be approved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import asyncpg

from hoso.runtime.ids import uuid7
from services.signer.keys.misa_wire import Wanted
from services.signer.keys.port import SignatureAsk

_DOCUMENTS = UUID("6f1d2c1e-53a4-4d0e-9a77-0c5f5b1f9e21")
"""Namespace of document ids."""


def document_id(name: str, position: int) -> str:
    """The id of one document of a question: the same whenever it is asked, 36 characters."""
    return str(uuid5(_DOCUMENTS, f"{name}:{position}"))


@dataclass(frozen=True, slots=True)
class Question:
    """One round of one attempt."""

    name: str
    digests: tuple[bytes, ...]
    documents: tuple[str, ...]
    names: tuple[str, ...]
    display: str
    signatures: tuple[bytes, ...] | None
    lost: int
    """How often the prompt it was in was lost."""
    age: timedelta
    """Real time since it was first asked."""

    @property
    def wanted(self) -> list[Wanted]:
        return [
            Wanted(id_, f"{self.display} ({name})", digest)
            for id_, name, digest in zip(self.documents, self.names, self.digests, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class Prompt:
    """One approval."""

    id: UUID
    state: str
    number: str | None
    asked_at: datetime
    lost_at: datetime
    """From then on a prompt of which nothing was heard can no longer be approved. World's time, as `asked_at`."""
    why: str
    hinted: str | None
    polls: int
    poll_in: timedelta
    """Real time until it is looked at again."""


class Prompts:
    """The questions and prompts of one profile with one certificate."""

    def __init__(self, pool: asyncpg.Pool, tenant: str, profile: UUID, certificate: bytes) -> None:
        """`certificate`: SHA-256 of the DER. `pool` flushes at commit: people see what follows from a row."""
        self._pool = pool
        self._tenant, self._profile, self._certificate = tenant, profile, certificate

    async def question(self, name: str, asks: Sequence[SignatureAsk]) -> tuple[Question, Prompt | None]:
        """The question as it was first asked, and the prompt it is in. Raises ValueError when it asks for other bytes."""
        row = await self._find(name)
        if row is None:
            await self._pool.execute(
                "insert into signer.question(tenant, name, profile, certificate, digests, documents, names, display) "
                "values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing",
                self._tenant,
                name,
                self._profile,
                self._certificate,
                [ask.digest for ask in asks],
                [document_id(name, position) for position in range(len(asks))],
                [ask.name for ask in asks],
                asks[0].display,
            )
            row = await self._find(name)
        if row is None or [ask.digest for ask in asks] != list(row["digests"]):
            raise ValueError(f"{name} was asked with other bytes")
        return _question(row), _prompt(row, "p_") if row["p_id"] is not None else None

    async def _find(self, name: str) -> Any:
        return await self._pool.fetchrow(
            "select q.*, now() - q.since as age, p.id as p_id, p.state as p_state, "
            "p.number as p_number, p.asked_at as p_asked_at, p.lost_at as p_lost_at, p.why as p_why, p.hinted as p_hinted, "
            "p.polls as p_polls, p.poll_at - now() as p_poll_in "
            "from signer.question q left join signer.prompt p on p.id = q.prompt where q.tenant = $1 and q.name = $2",
            self._tenant,
            name,
        )

    async def wanted(self, name: str) -> None:
        """Somebody still wants this to be asked."""
        await self._pool.execute(
            "update signer.question set seen_at = now() where tenant = $1 and name = $2", self._tenant, name
        )

    async def gather(
        self, first: str, client: str, at_most: int, now: datetime, lifetime: timedelta
    ) -> tuple[Prompt, list[Question]] | None:
        """A new prompt, committed, with `first` and whoever waits beside it, the oldest first, at most so many questions.
        None: somebody else is just taking `first`. `now`: the world's."""
        async with self._pool.acquire() as tx, tx.transaction():
            rows = await tx.fetch(
                "select *, now() - since as age from signer.question where profile = $1 and certificate = $2 and tenant = $3 "
                "and prompt is null and signatures is null and seen_at > now() - interval '2 minutes' "
                "order by name <> $4, since limit $5 for update skip locked",
                self._profile,
                self._certificate,
                self._tenant,
                first,
                at_most,
            )
            if not any(row["name"] == first for row in rows):
                return None
            made: Any = await tx.fetchrow(
                "insert into signer.prompt(id, tenant, profile, certificate, client, state, asked_at, lost_at) "
                "values ($1, $2, $3, $4, $5, 'asked', $6, $7) returning *, poll_at - now() as poll_in",
                uuid7(),
                self._tenant,
                self._profile,
                self._certificate,
                client,
                now,
                now + lifetime,
            )
            await tx.execute(
                "update signer.question set prompt = $1 where tenant = $2 and name = any($3)",
                made["id"],
                self._tenant,
                [row["name"] for row in rows],
            )
        return _prompt(made), [_question(row) for row in rows]

    async def documents(self, prompt: UUID) -> set[str]:
        """The ids of all documents in a prompt."""
        rows = await self._pool.fetch("select documents from signer.question where prompt = $1", prompt)
        return {id_ for row in rows for id_ in row["documents"]}

    async def numbered(self, prompt: UUID, number: str) -> bool:
        """The service said under which number it asks: only now it counts as asked. False: the number is another's."""
        try:
            return bool(
                await self._pool.fetchval(
                    "update signer.prompt set state = 'pending', number = $2, poll_at = now() + interval '1 second' "
                    "where id = $1 and state = 'asked' returning true",
                    prompt,
                    number,
                )
            )
        except asyncpg.UniqueViolationError:
            return False

    async def free(self, prompt: UUID, lost: bool) -> None:
        """Its questions may be asked anew: it was never shown, or (`lost`) can no longer be approved."""
        async with self._pool.acquire() as tx, tx.transaction():
            gone = await tx.fetchval(
                "update signer.prompt set state = 'lost' where id = $1 and state = 'asked' returning true", prompt
            )
            if gone:
                await tx.execute(
                    "update signer.question set prompt = null, lost = lost + $2 where prompt = $1", prompt, int(lost)
                )

    async def polling(self, prompt: UUID, waits: timedelta) -> bool:
        """Whether it is ours to look now; nobody else does for `waits` (real time)."""
        return bool(
            await self._pool.fetchval(
                "update signer.prompt set polls = polls + 1, poll_at = now() + $2 where id = $1 and state in ('asked', 'pending') "
                "and poll_at <= now() returning true",
                prompt,
                waits,
            )
        )

    async def soon(self, prompt: UUID) -> None:
        """Look again at once: the last look was none."""
        await self._pool.execute("update signer.prompt set poll_at = now() where id = $1", prompt)

    async def signed(self, prompt: UUID, signatures: dict[str, bytes]) -> None:
        """Everything in it is signed, by document id."""
        async with self._pool.acquire() as tx, tx.transaction():
            done = await tx.fetchval(
                "update signer.prompt set state = 'signed' where id = $1 and state = 'pending' returning true", prompt
            )
            rows = await tx.fetch("select tenant, name, documents from signer.question where prompt = $1", prompt)
            for row in rows if done else ():
                await tx.execute(
                    "update signer.question set signatures = $3 where tenant = $1 and name = $2",
                    row["tenant"],
                    row["name"],
                    [signatures[id_] for id_ in row["documents"]],
                )

    async def ended(self, prompt: UUID, state: str, why: str) -> None:
        """declined, expired or refused: whatever is in it has this answer."""
        await self._pool.execute(
            "update signer.prompt set state = $2, why = $3 where id = $1 and state in ('asked', 'pending')",
            prompt,
            state,
            why,
        )

    async def unhint(self, prompt: UUID) -> None:
        """The hint was wrong."""
        await self._pool.execute("update signer.prompt set hinted = null where id = $1", prompt)


def _question(row: Any) -> Question:
    return Question(
        row["name"],
        tuple(row["digests"]),
        tuple(row["documents"]),
        tuple(row["names"]),
        row["display"],
        None if row["signatures"] is None else tuple(row["signatures"]),
        row["lost"],
        row["age"],
    )


def _prompt(row: Any, prefix: str = "") -> Prompt:
    words = ("id", "state", "number", "asked_at", "lost_at", "why", "hinted", "polls", "poll_in")
    return Prompt(*(row[prefix + word] for word in words))
