"""From a prepared dossier to a signed one: the signer's own process, the operator's commands, a workstation, a token."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from hoso.log.postgres import Bell
from hoso.runtime.ids import uuid7
from hoso.runtime.outgoing import Cause, Source, write
from hoso.runtime.steps import Tell
from hoso.store.postgres import Database
from schemas.events import DossierPrepared
from schemas.units import RegisterPayload
from tests.contract.agent.house import tls
from tests.contract.agent.tokens import PIN, Reader
from tests.contract.signing.pki import employer
from tests.integration.cli.command import Cli
from tests.support.waiting import eventually
from tests.unit.dossiers.test_forms import REGISTER

ROOT = Path(__file__).parents[3]


@pytest.fixture
def cli(url: str, tmp_path: Path) -> Cli:
    return Cli(url, tmp_path / "var")


async def told(db: Database, type_: str) -> Sequence[dict[str, Any]]:
    """The data of all events of a type, in order."""
    rows = await db.pool.fetch(
        "select convert_from(body, 'UTF8') as body from log.event where type = $1 order by at", type_
    )
    return [json.loads(row["body"])["data"] for row in rows]


async def test_a_dossier_waits_for_a_workstation_and_is_signed_by_its_token(
    cli: Cli, db: Database, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    owner = employer(
        "MST:0101234567", key="token", not_before=now - timedelta(days=1), not_after=now + timedelta(days=99)
    )
    reader = Reader.made(tmp_path / "reader")
    await asyncio.to_thread(reader.plug_in, owner, "token")
    certificate, key = tls(tmp_path)
    pin = tmp_path / "pin"
    pin.write_text(PIN)
    pin.chmod(0o600)

    def agent(*words: str) -> tuple[list[str], dict[str, str]]:
        environment = {**reader.env, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
        return [sys.executable, "-m", "agent", "--state", str(tmp_path / "state"), *words], environment

    assert (await cli("tenant", "add", "acme", "--title", "ACME")).status == 0
    signer = await cli.run(
        "signer",
        HOSO_AGENT_HTTP="127.0.0.1:0",
        HOSO_AGENT_TLS_CERTIFICATE=str(certificate),
        HOSO_AGENT_TLS_KEY=str(key),
    )
    running: list[subprocess.Popen[bytes]] = []
    try:
        address = signer.facts["agents"]
        assert address.startswith("https://127.0.0.1:")
        code = (await cli("agent-code", "new", "acme", "main")).out.strip()
        words, environment = agent(
            "enrol", "--server", address, "--ca", str(certificate), "--module", reader.spy, "--pin-file", str(pin)
        )
        done = await asyncio.to_thread(
            lambda: subprocess.run(words, env=environment, input=code.encode(), capture_output=True)
        )
        assert done.returncode == 0, done.stderr.decode()
        (known,) = (await cli("agent-code", "list", "--json")).json
        assert (known["tenant"], known["profile"], known["what"], known["status"]) == ("acme", "main", "agent", "ready")
        profile = await db.pool.fetchval("select id from store.profile")
        assert (await cli("profile", "test", "acme", "main")).status == 0
        await db.pool.execute("update signer.agent set seen_at = now() - interval '2 minutes'")
        away = await cli("profile", "test", "acme", "main")
        assert (away.status, "hoso-agent run" in away.out) == (1, True)

        ask = DossierPrepared(
            enrolment=uuid4(), dossier=uuid4(), attempt=1, payload=RegisterPayload(**REGISTER), profile=profile
        )
        await prepare(db, ask)
        (waits,) = await eventually(
            lambda: told(db, "vn.hoso.dossier.signature-awaited.v1"), "the dossier to say that it waits", 20
        )
        assert waits["reason"] == "agent-offline"
        assert "hoso-agent run" in waits["text"]

        words, environment = agent("run", "--approve-all", "--pin-file", str(pin), "--wait", "2")
        running.append(subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL))
        (signed,) = await eventually(lambda: told(db, "vn.hoso.dossier.signed.v1"), "the signature", 30)
        assert (signed["method"], signed["certificate_serial"]) == ("agent", "0A1B2C")
    finally:
        for process in running:
            process.kill()
            process.wait()
        assert await signer.stop() == 0


async def prepare(db: Database, ask: DossierPrepared) -> None:
    source = Source("hoso.enrolment", "test", {})
    cause = Cause(uuid7(), "acme", ask.enrolment, None)
    async with db.pool.acquire() as tx, tx.transaction():
        words = await write(tx, source, [(cause, Tell(ask))], datetime.now(UTC))
    await db.pool.execute("select pg_notify($1, $2)", Bell.CHANNEL, " ".join(sorted(words)))


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"HOSO_AGENT_HTTP": "0.0.0.0:0"}, "without TLS"),
        ({"HOSO_AGENT_TLS_CERTIFICATE": "/nowhere.crt"}, "go together"),
        (
            {"HOSO_AGENT_TLS_CERTIFICATE": "/nowhere.crt", "HOSO_AGENT_TLS_KEY": "/nowhere.key"},
            "cannot be used together",
        ),
    ],
)
async def test_a_desk_beyond_this_machine_needs_tls(cli: Cli, environment: dict[str, str], said: str) -> None:
    ended = await cli("run", "signer", **environment)
    assert ended.status == 2
    assert said in ended.err


async def test_codes_are_listed_and_revoked_by_command(cli: Cli) -> None:
    assert (await cli("agent-code", "list")).status == 1
    assert (await cli("agent-code", "new", "nobody", "main")).status != 0
    await cli("tenant", "add", "acme", "--title", "ACME")
    made = (await cli("agent-code", "new", "acme", "main", "--json")).json
    (listed,) = (await cli("agent-code", "list", "--tenant", "acme", "--json")).json
    assert (listed["id"], listed["what"]) == (made["id"], "code")
    assert made["code"] not in json.dumps(listed)
    assert (await cli("agent-code", "revoke", made["id"])).status == 0
    assert (await cli("agent-code", "list")).status == 1
    assert (await cli("agent-code", "revoke", made["id"])).status != 0


async def test_hoso_agent_is_the_workstations_program(cli: Cli) -> None:
    ended = await cli("agent", "--state", str(cli.var / "agent"), "status", "--json")
    assert (ended.status, json.loads(ended.out)["enrolled"]) == (1, False)
    assert "reset-pin-suspect" in (await cli("agent", "--help")).out
    assert os.listdir(cli.var / "agent") == ["agent.db"]


async def test_a_token_in_the_server_is_declared_by_command_and_signs(cli: Cli, db: Database, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    owner = employer(
        "MST:0101234567", key="token", not_before=now - timedelta(days=1), not_after=now + timedelta(days=99)
    )
    reader = Reader.made(tmp_path / "reader")
    await asyncio.to_thread(reader.plug_in, owner, "token")
    pin = tmp_path / "pin"
    pin.write_text(PIN)
    pin.chmod(0o600)
    environment = {name: reader.env[name] for name in ("SOFTHSM2_CONF", "PKCS11SPY", "PKCS11SPY_OUTPUT")}
    environment["TMPDIR"] = str(tmp_path)
    await cli("tenant", "add", "acme", "--title", "ACME")
    added = await cli(
        "profile", "add-token", "acme", "hsm", "--module", reader.spy, "--pin-file", str(pin), **environment
    )
    assert added.status == 0, added.err
    assert (await cli("profile", "test", "acme", "hsm", **environment)).status == 0
    assert reader.count("C_Login") == 0

    signer = await cli.run("signer", **environment)
    try:
        profile = await db.pool.fetchval("select id from store.profile where backend = 'pkcs11'")
        ask = DossierPrepared(
            enrolment=uuid4(), dossier=uuid4(), attempt=1, payload=RegisterPayload(**REGISTER), profile=profile
        )
        await prepare(db, ask)
        (signed,) = await eventually(lambda: told(db, "vn.hoso.dossier.signed.v1"), "the signature", 30)
        assert (signed["method"], signed["certificate_serial"]) == ("pkcs11", "0A1B2C")
    finally:
        assert await signer.stop() == 0
