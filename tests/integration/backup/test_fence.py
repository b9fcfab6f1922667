"""The fence in the kernel: while a restore is open, deeds start unsure, and questions do not notice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from app.recovery import DEEDS, close_recovery, open_recovery, standing
from hoso.store.postgres import Database
from hoso.store.vault import KeyRing, Vault
from schemas.events import DossierReceived
from services.submitter.gateway import Dossier, Receipt
from tests.integration.submitter.stage import QUICK, Agency, Stage
from tests.support.waiting import eventually


class Forgotten(Agency):
    """Knows nothing by the bytes of today, and `found` when asked for all."""

    async def find(self, dossier: Dossier, key: str) -> Sequence[Receipt]:
        found = await super().find(dossier, key)
        return () if dossier.sha256 else found


@pytest.fixture
def stage(db: Database, tmp_path: Path) -> Stage:
    """Not running yet."""
    KeyRing.make(tmp_path / "vault.key")
    return Stage(db, Vault(db.pool, KeyRing.read(tmp_path / "vault.key")), Forgotten())


async def restored(db: Database) -> None:
    async with db.pool.acquire() as tx, tx.transaction():
        await open_recovery(tx, "test")


async def test_a_call_asked_for_the_first_time_is_looked_for_before_it_is_made(stage: Stage) -> None:
    await restored(stage.db)
    async with stage.open():
        await stage.say(await stage.filing())
        (received,) = [fact for fact in await stage.answered() if isinstance(fact, DossierReceived)]
    assert received.transaction == "GD1"
    assert [bool(dossier.sha256) for dossier, _ in stage.agency.looked] == [True, False]
    assert len(stage.agency.filed) == 1
    assert (await stage.outcomes())[:2] == ["absent", "ended"]


async def test_what_is_found_is_never_made_again(stage: Stage) -> None:
    stage.agency.found = [Receipt("received", "GD9", sha256="ab" * 32)]
    await restored(stage.db)
    async with stage.open():
        await stage.say(await stage.filing())
        await stage.answered()
    assert stage.agency.filed == []
    (row,) = await stage.ledger()
    assert (row["transaction"], row["sha256"], row["found_again"]) == ("GD9", "ab" * 32, True)


async def test_absent_is_no_proof_before_the_restore_is_as_old_as_the_transport_bound(stage: Stage) -> None:
    """What the dead machine wrote last may still arrive."""
    await restored(stage.db)
    async with stage.open(replace(QUICK, transport_bound=timedelta(minutes=6))):
        await stage.say(await stage.filing())

        async def looked() -> bool:
            return len(stage.agency.looked) >= 2

        await eventually(looked, "a look")
    assert stage.agency.filed == []


async def test_open_calls_become_unsure_and_lose_no_patience(stage: Stage, db: Database) -> None:
    """Calls that waited in the backup: nobody knows whether they were made since. Their patience stood still."""
    insert = (
        "insert into log.call(id, grp, lane, tenant, subject, name, type, correlation, cause, body, ready, due, not_before, asked_at, give_up_at, owner) "
        "select gen_random_uuid(), 'g', lane, 't', gen_random_uuid(), lane, 'x', gen_random_uuid(), gen_random_uuid(), '', true, now(), now(), "
        "now() - interval '3 days', now() - interval '2 days', case when lane like 'signer%' then gen_random_uuid() end "
        "from unnest($1::text[]) as lane"
    )
    await db.pool.execute("update log.position set moved_at = now() - interval '3 days'")
    await db.pool.execute(insert, [*DEEDS, "signer.sign", "notifier.mail"])
    await restored(db)
    rows = {
        r["lane"]: r
        for r in await db.pool.fetch(
            "select lane, unsure, owner, give_up_at > now() as patient, deadline from log.call"
        )
    }
    assert {lane: r["unsure"] for lane, r in rows.items()} == {
        "agency.submit": True,
        "agency.activate": True,
        "signer.sign": True,
        "notifier.mail": False,
    }
    assert all(r["owner"] is None and r["patient"] for r in rows.values())
    async with db.pool.acquire() as tx, tx.transaction():
        held = await close_recovery(tx, "test", anyway=True)
    assert held is not None
    assert held.unsure == {"agency.activate": 1, "agency.submit": 1}
    assert await standing(db.pool) is not None
    await db.pool.execute("delete from log.call")
    async with db.pool.acquire() as tx, tx.transaction():
        await close_recovery(tx, "test")
    assert await standing(db.pool) is None
