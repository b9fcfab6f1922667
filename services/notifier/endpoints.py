"""What people set up for outgoing messages: who is told by mail, and where webhooks go. Every change names its actor."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from hoso.domain.identifiers import BadValue, read_email
from hoso.runtime.failures import HosoError
from hoso.setup.failures import NotSetUp, no_tenant
from services.notifier.ports import Pool, Vault
from services.notifier.signing import new_secret
from services.notifier.words import Language

MAX_ADDRESSES = 20
MAX_ENDPOINTS = 10


class Endpoints:
    """Mails and webhooks of tenants. `tenant` None in a look-up: the operator."""

    def __init__(self, pool: Pool, vault: Vault, new_id: Callable[[], UUID]) -> None:
        self._pool = pool
        self._vault = vault
        self._new_id = new_id

    # --- mails --------------------------------------------------------------------------------------------------

    async def tell(
        self,
        tenant: str,
        addresses: Sequence[str],
        *,
        to_unit: bool,
        language: Language,
        gather: timedelta,
        actor: str,
    ) -> None:
        """Who is told of milestones and tasks, in which language, gathered over how long. Raises HosoError."""
        try:
            read = sorted({read_email(one).value.lower() for one in addresses})
        except BadValue as error:
            raise HosoError(str(error)) from error
        if len(read) > MAX_ADDRESSES:
            raise HosoError(f"at most {MAX_ADDRESSES} addresses: use a mailing list of your own")
        if not timedelta(0) <= gather <= timedelta(days=1):
            raise HosoError("mails are gathered over at most a day")
        async with self._pool.acquire() as tx, tx.transaction():
            await _must_be(tx, tenant)
            await tx.execute(
                "insert into notifier.setting(tenant, addresses, to_unit, language, gather, actor) values ($1, $2, $3, $4, $5, $6) "
                "on conflict (tenant) do update set addresses = excluded.addresses, to_unit = excluded.to_unit, "
                "language = excluded.language, gather = excluded.gather, actor = excluded.actor, at = now()",
                tenant,
                read,
                to_unit,
                language,
                gather,
                actor,
            )
            await _audit(tx, actor, tenant, "notify.set", addresses=read, to_unit=to_unit, language=language)

    async def told(self, tenant: str | None) -> list[dict[str, Any]]:
        """Who is told, and how many mails wait or were refused."""
        async with self._pool.acquire() as db:
            rows = await db.fetch(
                "select s.tenant, s.addresses, s.to_unit, s.language, s.gather, "
                "(select count(*) from notifier.mail m where m.tenant = s.tenant and m.state = 'waiting') as waiting, "
                "(select count(*) from notifier.mail m where m.tenant = s.tenant and m.state = 'refused') as refused "
                "from notifier.setting s where $1::text is null or s.tenant = $1 order by s.tenant",
                tenant,
            )
        return [dict(row) for row in rows]

    # --- webhooks -----------------------------------------------------------------------------------------------

    async def add(self, tenant: str, url: str, actor: str) -> tuple[UUID, str]:
        """A new endpoint, told from now on; its id and its secret, which is shown this once. `url` was read before."""
        id_, secret = self._new_id(), new_secret()
        sealed = await self._vault.put(tenant, id_, "secret", secret.encode())
        async with self._pool.acquire() as tx, tx.transaction():
            await _must_be(tx, tenant)
            known = await tx.fetch(
                "select url from notifier.endpoint where tenant = $1 and not removed for update", tenant
            )
            if url in [row["url"] for row in known]:
                raise NotSetUp(
                    f"{url} đã được khai báo; xem `hoso webhook list`.",
                    f"{url} is told already; see `hoso webhook list`",
                )
            if len(known) >= MAX_ENDPOINTS:
                raise NotSetUp(
                    f"Mỗi khách hàng có nhiều nhất {MAX_ENDPOINTS} webhook; bỏ bớt một webhook trước.",
                    f"at most {MAX_ENDPOINTS} webhooks a tenant; remove one first",
                )
            await tx.execute(
                "insert into notifier.endpoint(endpoint, tenant, url, secret, cursor, actor) "
                "values ($1, $2, $3, $4, coalesce((select next from notifier.head where tenant = $2), 0), $5)",
                id_,
                tenant,
                url,
                sealed,
                actor,
            )
            await _audit(tx, actor, tenant, "webhook.add", endpoint=id_, url=url)
        return id_, secret

    async def webhooks(self, tenant: str | None) -> list[dict[str, Any]]:
        """All endpoints, how far each is and how it does; never their secrets."""
        async with self._pool.acquire() as db:
            rows = await db.fetch(
                "select e.endpoint, e.tenant, e.url, e.cursor, e.failing_since, e.status, e.error, e.delivered_at, e.disabled_at, "
                "coalesce((select next from notifier.head h where h.tenant = e.tenant), 0) - e.cursor + (select count(*) "
                "from notifier.delivery d where d.endpoint = e.endpoint and d.state = 'waiting') as behind, "
                "(select count(*) from notifier.delivery d where d.endpoint = e.endpoint and d.state = 'refused') as refused "
                "from notifier.endpoint e where not e.removed and ($1::text is null or e.tenant = $1) order by e.tenant, e.at",
                tenant,
            )
        return [dict(row) for row in rows]

    async def remove(self, id_: UUID, actor: str, tenant: str | None = None) -> None:
        """Tell an endpoint no more, and destroy its secret. Raises HosoError."""
        async with self._pool.acquire() as tx, tx.transaction():
            row = await _locked(tx, id_, tenant)
            await tx.execute("update notifier.endpoint set removed = true where endpoint = $1", id_)
            await _drop(tx, id_)
            await _audit(tx, actor, row["tenant"], "webhook.remove", endpoint=id_, url=row["url"])
        await self._vault.erase(id_, "secret")

    async def replay(self, id_: UUID, after: int | None, actor: str, tenant: str | None = None) -> int:
        """Tell again everything after a cursor; None: from the first event that was not delivered. Also switches on again.

        Returns the cursor. Raises HosoError."""
        async with self._pool.acquire() as tx, tx.transaction():
            row = await _locked(tx, id_, tenant)
            if after is None:
                first = await tx.fetchval(
                    "select min(n) from notifier.delivery where endpoint = $1 and generation = $2 and state <> 'delivered'",
                    id_,
                    row["generation"],
                )
                after = row["cursor"] if first is None else first - 1
            end = await tx.fetchval("select next from notifier.head where tenant = $1", row["tenant"]) or 0
            if not 0 <= after <= end:
                raise NotSetUp(
                    f"Không có vị trí {after}: sự kiện cuối là {end}.",
                    f"there is no cursor {after}: the last event is {end}",
                )
            await tx.execute(
                "update notifier.endpoint set cursor = $2, generation = generation + 1, disabled_at = null, failing_since = null "
                "where endpoint = $1",
                id_,
                after,
            )
            await _drop(tx, id_)
            await _audit(tx, actor, row["tenant"], "webhook.replay", endpoint=id_, after=after)
        return int(after)

    async def with_secret(self, id_: UUID, tenant: str | None = None) -> tuple[str, str]:
        """An endpoint's address and secret, for a test. Raises HosoError."""
        async with self._pool.acquire() as tx, tx.transaction():
            row = await _locked(tx, id_, tenant)
        return row["url"], (await self._vault.get(row["secret"])).decode()


async def events_after(db: Any, tenant: str, after: int, limit: int) -> list[str]:
    """A tenant's public events after a cursor, oldest first, each as JSON text with its own `cursor`."""
    rows = await db.fetch(
        "select body from notifier.event where tenant = $1 and n > $2 order by n limit $3", tenant, after, limit
    )
    return [row["body"] for row in rows]


async def switched_off(db: Any, tenant: str | None) -> list[dict[str, Any]]:
    """Endpoints that were switched off because they failed too long."""
    rows = await db.fetch(
        "select endpoint, generation, tenant, url, disabled_at, error from notifier.endpoint "
        "where disabled_at is not null and not removed and ($1::text is null or tenant = $1) order by disabled_at",
        tenant,
    )
    return [dict(row) for row in rows]


async def _locked(tx: Any, id_: UUID, tenant: str | None) -> Any:
    row = await tx.fetchrow(
        "select * from notifier.endpoint where endpoint = $1 and not removed and ($2::text is null or tenant = $2) for update",
        id_,
        tenant,
    )
    if row is None:
        raise NotSetUp(
            f"Không có webhook {id_}; xem `hoso webhook list`.", f"there is no webhook {id_}; see `hoso webhook list`"
        )
    return row


async def _drop(tx: Any, id_: UUID) -> None:
    await tx.execute("update notifier.delivery set state = 'dropped' where endpoint = $1 and state = 'waiting'", id_)


async def _must_be(tx: Any, tenant: str) -> None:
    if not await tx.fetchval("select 1 from store.tenant where name = $1 and not removed", tenant):
        raise no_tenant(tenant)


async def _audit(tx: Any, actor: str, tenant: str, what: str, **detail: Any) -> None:
    await tx.execute(
        "insert into store.audit(actor, tenant, what, detail) values ($1, $2, $3, $4)",
        actor,
        tenant,
        what,
        json.dumps(detail, default=str),
    )
