"""The new release over the data of the one before, with calls in flight: everybody finishes, nobody is filed twice.

The release before is the commit before, or what the variable PREVIOUS names.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from demo.keys import Authority
from tests.chaos.arena import Arena
from tests.chaos.sheets import Maker, Tenant, sheets, tenants
from tests.integration.backup.dying import command, everybody_killed
from tests.integration.cli.command import ROOT
from tests.support.waiting import eventually

ROWS = 16


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """The tree of the release before."""
    name = os.environ.get("PREVIOUS", "HEAD~1")
    packed = subprocess.run(["git", "archive", "--format=tar", name], cwd=ROOT, capture_output=True)
    if (
        packed.returncode
    ):  # in CI too: a checkout may come without its history, and nothing on the machine can bring it back
        pytest.skip(f"no commit {name} is here to upgrade from (no git, or a shallow clone: git fetch --unshallow)")
    tree = tmp_path / "before"
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as tar:
        tar.extractall(tree, filter="data")
    return tree


class Upgraded(Arena):
    """A world whose hoso is the release before until it is started again."""

    def __init__(self, folder: Path, owners: list[Tenant], tree: Path) -> None:
        super().__init__(folder, owners)
        self._tree = tree
        words = "from hoso.settings import Settings; import json; print(json.dumps(list(Settings.model_fields)))"
        known = subprocess.run(
            [sys.executable, "-c", words],
            env={**os.environ, "PYTHONPATH": str(tree)},
            cwd=tree,
            capture_output=True,
            check=True,
        )
        self._known = {f"HOSO_{name.upper()}" for name in json.loads(known.stdout)}

    def then(self) -> dict[str, str]:
        """The settings that the release before knows."""
        return {name: value for name, value in self.world.environment().items() if name in self._known}

    async def start_hoso(self) -> None:
        environment = {**self.then(), "PYTHONPATH": str(self._tree)}
        self.world.start("hoso", "app.main", "up", environment=environment)
        await self.world.until_up()

    async def _set_up(self, post: Mapping[str, Any]) -> None:
        authority = Authority()
        secret = self.world.folder / "secret"
        for tenant in self.tenants:
            await self._said("tenant", "add", tenant.name)
            secret.write_text(self.world.boxes[tenant.mailbox])
            box = ("--host", "127.0.0.1", "--port", str(post["boxes"][tenant.mailbox]["port"]), "--tls", "none")
            await self._said("mailbox", "add", tenant.name, tenant.mailbox, *box, "--password-file", str(secret))
            for tax_code, employer in tenant.employers:
                key = self.world.folder / f"{tax_code}.p12"
                key.write_bytes(await asyncio.to_thread(authority.pkcs12, tax_code, employer, self.pin))
                secret.write_text(self.pin)
                words = ("--pkcs12", str(key), "--password-file", str(secret))
                await self._said("profile", "add", tenant.name, f"MST {tax_code}", *words)
                key.unlink()
            secret.unlink()
            self.keys[tenant.name] = (await self._said("key", "add", tenant.name, "chaos")).strip()

    async def _said(self, *words: str) -> str:
        ended = await command(self.then(), *words, tree=self._tree)
        assert ended.status == 0, ended.err
        return ended.out

    def stopped(self) -> bool:
        """Somebody stopped at the point and holds a call that the agency has heard of."""
        return any(self.points.glob("taken-agency-submit.after-write-*"))


async def test_the_new_release_finishes_what_the_one_before_began(before: Path, tmp_path: Path) -> None:
    world = Upgraded(tmp_path / "world", tenants(1), before)
    world.world.folder.mkdir()
    maker = Maker(11, world.tenants)
    rows = [*(maker.row(flow) for flow in ("T01", "C02", "C07", "S01")), *(maker.row("") for _ in range(ROWS - 4))]
    try:
        await world.start()
        (world.points / "agency-submit.after-write").write_text("stop")
        for tenant, data, _ in sheets(rows, 1000):
            await world.hand_in(tenant, data)

        async def in_flight() -> bool:
            return world.stopped()

        await eventually(in_flight, "a call in flight", 40)
        await everybody_killed(world)
        (world.world.folder / "hoso" / "up.json").unlink()
        world.world.start_hoso()
        await world.world.until_up()
        assert await world.until_working(60) < 60
        assert await world.until_ended(90), "not everything ended on the new release"
        found = await world.judge()
        assert found.everything == []
        assert (found.rows, found.open) == (ROWS, 0)
        assert found.enrolled + found.waiting_for_person == found.accepted
        assert found.enrolled >= ROWS - 4
    finally:
        await world.end()
