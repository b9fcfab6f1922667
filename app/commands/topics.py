"""`hoso topics`: the topics, in the database and in Kafka; and putting requests onto a tenant's."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.opening import Actor, audit, read_bytes, reading, settings, working
from app.commands.showing import Json, as_json, listed, negative, say, table, warn
from app.words import text

if TYPE_CHECKING:
    from app.house import House
    from hoso.kafka.connection import Broker
    from hoso.kafka.topics import Difference, Found, Wanted
    from hoso.settings import Settings

app = typer.Typer(no_args_is_help=True, help="The topics, in the database and in Kafka; and requests onto a tenant's.")
CopiesGiven = Annotated[
    int | None,
    typer.Option(
        "--copies", min=1, max=9, help="Brokers that keep each event. Default: 3 when there are three brokers, else 1."
    ),
]
InSync = Annotated[
    int | None,
    typer.Option(
        "--in-sync", min=1, max=9, help="Copies that must have an event before it counts. Default: 2, with one copy 1."
    ),
]


@app.command("list")
def list_(json_: Json = False) -> None:
    """Every topic: partitions, events so far, who reads it, what it is about. With Kafka also its copies there.

    Example: hoso topics list
    """

    async def job(db: Any, known: Settings) -> list[dict[str, Any]]:
        from app import log_views
        from schemas.topics import TOPICS, topic_named

        made = await log_views.heads(db)
        names = [t.name for t in TOPICS] + sorted(set(made) - {t.name for t in TOPICS})
        there = await _there(known, names) if known.on_kafka else None
        rows = []
        for name in names:
            topic, head = topic_named(name), made.get(name, {})
            row = {
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
            if there is not None:
                row["copies"] = there[name].copies if name in there else 0
            rows.append(row)
        return rows

    rows = reading(job)
    copies = ("copies",) if rows and "copies" in rows[0] else ()
    listed(rows, ("topic", "partitions", *copies, "events", "at", "days", "public", "about"), json_)


async def _there(known: Settings, names: list[str]) -> dict[str, Found]:
    from hoso.kafka.admin import administered
    from hoso.kafka.connection import Broker

    async with administered(Broker.of_settings(known)) as admin:
        return await admin.topics(names)


# --- Kafka as the table says ------------------------------------------------------------------------------------


@app.command("diff")
def diff(copies: CopiesGiven = None, in_sync: InSync = None, json_: Json = False) -> None:
    """What differs in Kafka from the table of topics. Exit 1 when anything does.

    Example: hoso topics diff
    """
    broker, names = _kafka(), _names()
    _, _, found = asyncio.run(_compared(broker, names, copies, in_sync))
    if json_:
        as_json([_row(one) for one in found])
    for one in found if not json_ else ():
        say(_told(one))
    if found:
        negative()
    if not json_:
        say(text("topic.same"))


@app.command("apply")
def apply(
    copies: CopiesGiven = None,
    in_sync: InSync = None,
    yes: Annotated[bool, typer.Option("--yes", help="Also what may lose events, such as a shorter retention.")] = False,
) -> None:
    """Make the topics that are missing in Kafka, and give all of them the settings of the table. Safe to repeat.

    The number of partitions and of copies is never changed: that is refused, and exit 2.

    Example: hoso topics apply
    """
    from hoso.kafka.admin import administered
    from hoso.kafka.topics import altered
    from hoso.runtime.failures import HosoError

    broker, names = _kafka(), _names()

    async def job() -> list[Difference]:
        should, there, found = await _compared(broker, names, copies, in_sync)
        missing = {one.topic for one in found if one.kind == "missing"}
        changes = [one for one in found if one.kind == "harmless" or (one.kind == "destructive" and yes)]
        changed = {one.topic for one in changes}
        async with administered(broker) as admin:
            await admin.make([topic for topic in should if topic.name in missing])
            await admin.alter({t.name: altered(t, there[t.name], changes) for t in should if t.name in changed})
        for one in found:
            if one.kind == "missing":
                say(text("topic.made", topic=one.topic, should=one.should))
            elif one in changes:
                say(text("topic.altered", topic=one.topic, what=one.what, now=one.is_, should=one.should))
        return [one for one in found if one.kind != "missing" and one not in changes]

    refused = asyncio.run(job())
    if refused:
        raise HosoError("; ".join(_refusal(one) for one in refused))
    say(text("topic.same"))


async def _compared(
    broker: Broker, names: list[str], copies: int | None, in_sync: int | None
) -> tuple[list[Wanted], dict[str, Found], list[Difference]]:
    """What should be, what is, and what differs."""
    from hoso.kafka.admin import administered
    from hoso.kafka.topics import differences

    async with administered(broker) as admin:
        should, there = await admin.planned(names, len(broker.servers), copies, in_sync)
    return should, there, differences(should, there)


def _kafka() -> Broker:
    """Raises HosoError when the log is PostgreSQL alone."""
    from hoso.kafka.connection import Broker
    from hoso.runtime.failures import HosoError

    if not settings().on_kafka:
        raise HosoError(text("topic.no-kafka"))
    return Broker.of_settings(settings())


def _names() -> list[str]:
    """The topics of the table, and one for each tenant this database knows."""
    from schemas.topics import REQUESTS, TOPICS

    async def job(db: Any, _: Settings) -> list[str]:
        prefix = REQUESTS.name.removesuffix("<tenant>")
        rows = await db.fetch("select distinct topic from log.head where topic like $1 order by 1", f"{prefix}%")
        return [row["topic"] for row in rows]

    return [topic.name for topic in TOPICS] + reading(job)


def _row(one: Difference) -> dict[str, str]:
    return {"topic": one.topic, "what": one.what, "kind": one.kind, "is": one.is_, "should": one.should}


def _told(one: Difference) -> str:
    name = "topic.missing" if one.kind == "missing" else f"topic.{one.what}"
    return text(
        name if one.kind == "missing" or one.what in ("partitions", "copies") else "topic.setting",
        topic=one.topic,
        what=one.what,
        now=one.is_,
        should=one.should,
    )


def _refusal(one: Difference) -> str:
    what = one.what if one.kind == "impossible" else "setting"
    return text(f"topic.refused-{what}", topic=one.topic, what=one.what, now=one.is_, should=one.should)


# --- rights -----------------------------------------------------------------------------------------------------


@app.command("acls")
def acls(
    apply_: Annotated[bool, typer.Option("--apply", help="Grant them; without it they are only shown.")] = False,
    user: Annotated[
        str, typer.Option("--user", metavar="NAME", help="One Kafka user for all services, instead of one each.")
    ] = "",
    commands: Annotated[
        bool, typer.Option("--commands", help="As commands of Kafka's own kafka-acls.sh, one a line.")
    ] = False,
    json_: Json = False,
) -> None:
    """Who needs which rights in Kafka: services by group, producing systems by tenant. Rights are given, never taken.

    Example: hoso topics acls --commands > acls.sh
    """
    from hoso.kafka.access import rights
    from schemas.topics import tenant_of

    broker = _kafka()
    found = rights([tenant_of(name) for name in _names() if tenant_of(name)], user)
    if apply_:
        asyncio.run(_grant(broker, found))
        say(text("topic.granted", count=len(found)))
        return
    rows = [
        {"user": r.user, "operation": r.operation, "resource": r.resource, "name": r.name + "*" * r.prefixed}
        for r in found
    ]
    if json_:
        as_json(rows)
    elif commands:
        for one in found:
            say(one.command(broker.servers[0]))
    else:
        table(rows, ("user", "operation", "resource", "name"))


async def _grant(broker: Broker, found: list[Any]) -> None:
    from hoso.kafka.admin import administered

    async with administered(broker) as admin:
        await admin.allow(found)


# --- a topic that was lost --------------------------------------------------------------------------------------


@app.command("resend")
def resend(
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="From hoso topics list.")],
    all_: Annotated[bool, typer.Option("--all", help="Everything the outbox still holds.")] = False,
    start: Annotated[
        int | None, typer.Option("--from-offset", min=0, help="From this offset of each partition (hoso-off) on.")
    ] = None,
    actor: Actor = "",
    json_: Json = False,
) -> None:
    """Fill a topic of Kafka again from the outbox, after it was deleted or emptied. Readers drop what they have seen.

    The relay does it. First make the topic: hoso topics apply. A public topic: stop the relay, run this, apply, start the relay.

    Example: hoso topics resend agency.replied --all
    """
    broker = _kafka()
    if all_ == (start is not None):
        raise typer.BadParameter(text("topic.from"))
    from schemas.topics import topic_named

    try:
        known = topic_named(topic)
    except KeyError as error:
        raise typer.BadParameter(text("topic.unknown", topic=topic)) from error
    if known.strangers and all_:
        raise typer.BadParameter(text("topic.requests-again", topic=topic))

    async def job(own: House) -> tuple[list[Any], list[Any]]:
        from app.edge import announce
        from hoso.kafka.resend import Held, carried, held, lost, must_begin_before, no_relay
        from hoso.kafka.resend import resend as put_back

        async with own.db.pool.acquire() as tx, contextlib.AsyncExitStack() as locked:
            there = Held({}, {})
            if known.public:
                await locked.enter_async_context(no_relay(tx, topic))
                source = str(await tx.fetchval("select id from log.source"))
                there = await held(broker, topic, await carried(tx, topic), source)
            async with tx.transaction():
                rows = await put_back(tx, known, start or 0, there.ends)
                must_begin_before(topic, rows, there.begins)
                events = sum(row.events for row in rows)
                await audit(tx, actor, None, "topic.resend", topic=topic, start=start or 0, events=events)
                gone = [] if known.strangers else await lost(tx, topic)
        await announce(own.db.pool, {topic, "topics"})
        return rows, gone

    rows, gone = working(job)
    for one in gone:
        group, part, off, first = one
        warn(text("topic.lost", topic=topic, part=part, group=group, off=off, last=first - 1))
    if json_:
        as_json([{"partition": row.part, "offset": row.off, "events": row.events} for row in rows])
    else:
        said = "topic.resent-requests" if known.strangers else "topic.resent"
        say(text(said, topic=topic, count=sum(row.events for row in rows)))


# --- requests ---------------------------------------------------------------------------------------------------


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

    Example: hoso topics publish enrolment.requests.acme request.json
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
