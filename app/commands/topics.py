"""`hoso topic`: the topics, and putting requests onto a tenant's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.opening import Actor, audit, read_bytes, reading, working
from app.commands.showing import Json, as_json, listed, say
from app.words import text

if TYPE_CHECKING:
    from app.house import House
    from hoso.settings import Settings

app = typer.Typer(no_args_is_help=True, help="The topics, and putting requests onto a tenant's.")


@app.command("list")
def list_(json_: Json = False) -> None:
    """Every topic: partitions, events so far, who reads it, what it is about.

    Example: hoso topic list
    """

    async def job(db: Any, _: Settings) -> list[dict[str, Any]]:
        from app import log_views
        from schemas.topics import TOPICS, topic_named

        made = await log_views.heads(db)
        names = [t.name for t in TOPICS] + sorted(set(made) - {t.name for t in TOPICS})
        rows = []
        for name in names:
            topic, head = topic_named(name), made.get(name, {})
            rows.append(
                {
                    "topic": name,
                    "partitions": head.get("partitions", 0),
                    "events": head.get("events", 0),
                    "at": head.get("at"),
                    "days": topic.retention_days,
                    "public": topic.public,
                    "groups": head.get("groups") or [],
                    "about": topic.about,
                    "types": [fact.TYPE for fact in topic.facts],
                }
            )
        return rows

    listed(reading(job), ("topic", "partitions", "events", "at", "days", "public", "about"), json_)


@app.command("publish")
def publish(
    topic: Annotated[
        str, typer.Argument(metavar="TOPIC", help="enrolment.requests.TENANT; the tenant is the topic's.")
    ],
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help='JSON: {"request": "…", "fields": {…}}, or a list of them.')
    ],
    actor: Actor = "",
    json_: Json = False,
) -> None:
    """Put requests onto a tenant's topic, as a producing system does. Fields: hoso sheet template --columns.

    The same request key again is the same request.

    Example: hoso topic publish enrolment.requests.acme request.json
    """
    from app.requests import read_requests

    tenant, asks = read_requests(topic, read_bytes(file), actor)

    async def job(own: House) -> list[dict[str, Any]]:
        from app.edge import announce
        from app.requests import append_requests

        async with own.db.pool.acquire() as tx, tx.transaction():
            await audit(tx, actor, tenant, "topic.publish", topic=topic, requests=len(asks))
            rows = await append_requests(tx, tenant, asks, own.settings.environment)
        await announce(own.db.pool, {topic})
        return rows

    rows = working(job)
    if json_:
        as_json(rows)
    else:
        say(text("topic.published", count=len(rows), topic=topic))
