"""What is done before anything starts: tables, topics, the log's days."""

from __future__ import annotations

from app.switching import switch
from app.words import text
from hoso.log.postgres import create_days, create_topics
from hoso.runtime.clock import Setting, WorldClock
from hoso.settings import Settings
from hoso.store import migrations
from hoso.store.postgres import Database
from schemas.topics import TOPICS


async def prepare(settings: Settings, url: str) -> list[str]:
    """Migrate and make the topics; what `hoso migrate` and `hoso up` do before anything starts. Raises HosoError."""
    for other in {settings.vault_database, settings.registry_database, settings.clock_database} - {"", url}:
        own = await Database.open(other, name="hoso-migrate", size=1, quick=1)
        async with own.pool.acquire() as tx, tx.transaction():
            await migrations.migrate(tx, settings.environment)
        await own.close()
    db = await Database.open(url, name="hoso-migrate", size=2, quick=1)
    try:
        async with db.pool.acquire() as tx, tx.transaction():
            applied = await migrations.migrate(tx, settings.environment)
            await create_topics(tx, TOPICS)
            history = [Setting(*row) for row in await tx.fetch("select anchor, base, rate from log.clock order by n")]
            await create_days(tx, WorldClock(history).now())
            switched = await switch(tx, settings.on_kafka)
        if settings.on_kafka:
            from app.kafka import make_topics

            await make_topics(
                settings, [r["topic"] for r in await db.pool.fetch("select distinct topic from log.head")]
            )
        to = [text("log.switched", to="Kafka" if settings.on_kafka else "PostgreSQL")] if switched else []
        return [f"{m.part} {m.version}" for m in applied] + to
    finally:
        await db.close()
