"""Migrations: plain SQL files, each applied once, in order, under one lock.

A part is a PostgreSQL schema with an owner: `<package>/schema.sql` is its version 1, `<package>/migrations/NNN_*.sql` follow.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from hoso.runtime.failures import HosoError, SchemaMismatch

PARTS: dict[str, str] = {
    "log": "hoso.log",
    "store": "hoso.store",
    "intake": "services.intake",
    "enrolment": "services.enrolment",
    "signer": "services.signer",
    "submitter": "services.submitter",
    "mail_watcher": "services.mail_watcher",
    "ops": "services.ops",
    "notifier": "services.notifier",
}
"""Schema name -> the package that owns it. Packages without a schema.sql own no tables."""


@dataclass(frozen=True, slots=True)
class Migration:
    part: str
    version: int
    sql: str


def known() -> list[Migration]:
    """Every migration this code knows, in the order they are applied."""
    found = []
    for part, package in PARTS.items():
        root = files(package)
        first = root.joinpath("schema.sql")
        if first.is_file():
            found.append(Migration(part, 1, first.read_text()))
        folder = root.joinpath("migrations")
        if folder.is_dir():
            for file in sorted(folder.iterdir(), key=lambda f: f.name):
                if file.name.endswith(".sql"):
                    found.append(Migration(part, int(file.name.split("_")[0]), file.read_text()))
    return found


_TABLE = """
create schema if not exists hoso;
create table if not exists hoso.migration(part text, version int, at timestamptz not null default now(), primary key(part, version));
create table if not exists hoso.installation(one bool primary key default true check (one), environment text not null);
"""


async def migrate(db: Any, environment: str) -> list[Migration]:
    """Bring the database to this code's version; returns what was applied. Refuses a database of another environment, a
    newer one, and one with tables of somebody else's under our names."""
    applied = []
    async with db.transaction():
        await db.execute("select pg_advisory_xact_lock(hashtext('hoso.migration'))")
        ours = await db.fetchval("select to_regclass('hoso.migration')")
        theirs = await db.fetchval(
            "select string_agg(nspname, ', ' order by 1) from pg_namespace where nspname = any($1)", list(PARTS)
        )
        if ours is None and theirs:
            raise HosoError(
                f"this database has schemas that hoso did not make ({theirs}): it is not ours; give HOSO_DATABASE an empty one"
            )
        await db.execute(_TABLE)
        await db.execute("insert into hoso.installation(environment) values ($1) on conflict do nothing", environment)
        await _same_environment(db, environment)
        done = {(r["part"], r["version"]) for r in await db.fetch("select part, version from hoso.migration")}
        _refuse_newer(done)
        for migration in known():
            if (migration.part, migration.version) not in done:
                await db.execute(migration.sql)
                await db.execute(
                    "insert into hoso.migration(part, version) values ($1, $2)", migration.part, migration.version
                )
                applied.append(migration)
    return applied


async def check(db: Any, environment: str) -> None:
    """Raises SchemaMismatch in one sentence unless the database is exactly as new as the code."""
    if await db.fetchval("select to_regclass('hoso.migration')") is None:
        raise SchemaMismatch("this database is empty: run `hoso migrate` (or `hoso up`, which does it)")
    done = {(r["part"], r["version"]) for r in await db.fetch("select part, version from hoso.migration")}
    _refuse_newer(done)
    missing = [f"{m.part} {m.version}" for m in known() if (m.part, m.version) not in done]
    if missing:
        raise SchemaMismatch(
            f"the database is older than this code (missing: {', '.join(missing)}): run `hoso migrate`"
        )
    await _same_environment(db, environment)


def _refuse_newer(done: set[tuple[str, int]]) -> None:
    newer = sorted(done - {(m.part, m.version) for m in known()})
    if newer:
        names = ", ".join(f"{part} {version}" for part, version in newer)
        raise SchemaMismatch(
            f"the database is newer than this code (it has: {names}): install the release that made it"
        )


async def _same_environment(db: Any, environment: str) -> None:
    theirs = await db.fetchval("select environment from hoso.installation")
    if theirs != environment:
        raise HosoError(
            f"this database belongs to the environment '{theirs}', this process runs in '{environment}': "
            "they are never mixed; mend HOSO_ENVIRONMENT or HOSO_DATABASE"
        )
