"""The two ways of signing: approved on a phone at a remote service, or by a USB token at somebody's workstation (domain.md §5)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from demo.keys import Authority
from demo.signing import Workstation, module
from tests.contract.signing.esign import CLIENT, CLIENT_KEY, Certificate, Esign, esign
from tests.e2e.looks import a_tax_code, eventually, own_profile, signers, tasks, told
from tests.e2e.scene import Branch, Scene
from tests.support.needs import absent


class Phone:
    """A director with a phone: an account at the simulated signing service, and a profile of it."""

    def __init__(self, service: Esign, profile: str, tax_code: str, certificate: Certificate) -> None:
        self.service, self.profile, self.tax_code, self.certificate = service, profile, tax_code, certificate


@contextlib.asynccontextmanager
async def phone(scene: Scene) -> AsyncIterator[Phone]:
    """The service as a process, a person there with a second factor, and a signing profile declared over HTTP."""
    folder = scene.town.arena.world.folder / f"esign-{uuid4().hex[:8]}"
    async with esign(folder, "--lifetime", "900") as service:
        await service.clock(await scene.now())
        user, tax_code = f"giamdoc-{uuid4().hex[:6]}@demo.example", a_tax_code()
        [certificate] = await service.person(user, {"tax_code": tax_code}, two_factor=True)
        wish = {"name": f"eSign {tax_code}", "user": user, "password": "mật khẩu", "host": service.url}
        wish |= {"client_id": CLIENT, "client_key": CLIENT_KEY}
        status, said = await scene.http("demo", "POST", "/v1/profiles/esign", wish)
        assert (status, said["type"].rpartition("/")[2].rpartition(":")[2]) == (409, "code-needed"), said
        wish["code"] = await service.otp(user)
        status, said = await scene.http("demo", "POST", "/v1/profiles/esign", wish)
        assert status == 201, said
        assert said["tax_codes"] == [tax_code]
        assert int(said["serial"], 16) == int(certificate.serial, 16)
        yield Phone(service, wish["name"], tax_code, certificate)


async def signature_tasks(scene: Scene, *branches: Branch) -> list[dict[str, Any]]:
    """The open tasks that say whose signature is awaited."""
    found = {task["enrolment"]: task for task in await tasks(scene, "demo") if task["cause"].startswith("signature-")}
    return [found[branch.enrolment] for branch in branches if branch.enrolment in found]


async def _awaited(scene: Scene, cause: str, *branches: Branch) -> None:
    async def all_of_them() -> bool:
        return [task["cause"] for task in await signature_tasks(scene, *branches)] == [cause] * len(branches)

    assert await eventually(all_of_them), await scene.story(branches[0])


# --- on a phone -------------------------------------------------------------------------------------------------


@pytest.mark.statement("A11", "B10", "B12")
async def test_many_dossiers_wait_for_minutes_and_are_signed_by_one_approval_on_a_phone(scene: Scene) -> None:
    async with phone(scene) as director:
        branches = [scene.branch(tax_code=director.tax_code) for _ in range(3)]
        await scene.sheet(*branches)
        await _awaited(scene, "signature-approval", *branches)
        await scene.pass_time(timedelta(minutes=8))
        await director.service.clock(await scene.now())
        await scene.settled(branches[0])
        assert [scene.filings(branch) for branch in branches] == [[], [], []]
        assert [one["state"] for one in await director.service.prompts()] == ["PENDING"]

        assert await director.service.answer("approve") == 1
        for branch in branches:
            await scene.until(branch, "enrolled")
        [prompt] = await director.service.prompts()
        assert len(prompt["documents"]) == 3

    for branch in branches:
        assert scene.filings(branch) == ["register accepted"]
        [used] = scene.town.agency("select serial from certificates where sha256 = ?", signers(scene, branch)[0])
        assert int(used["serial"], 16) == int(director.certificate.serial, 16)
        assert await told(scene, branch, "bằng misa_esign")
        assert await told(scene, branch, "chờ phê duyệt")
    assert await signature_tasks(scene, *branches) == []


@pytest.mark.statement("B12", "A11")
async def test_a_first_time_dossier_is_approved_twice_and_says_which_of_the_two(scene: Scene) -> None:
    async with phone(scene) as director:
        await scene.attach("demo")
        branch = await scene.ask(scene.newcomer(tax_code=director.tax_code))
        await _awaited(scene, "signature-approval", branch)
        assert "1/2" in (await signature_tasks(scene, branch))[0]["text"]
        assert await director.service.answer("approve") == 1

        async def second_round() -> bool:
            return any("2/2" in task["text"] for task in await signature_tasks(scene, branch))

        assert await eventually(second_round)
        assert scene.filings(branch) == []
        assert await director.service.answer("approve") == 1
        assert await eventually(lambda: bool(scene.filings(branch)))
        names = [one["name"] for prompt in await director.service.prompts() for one in prompt["documents"]]
        assert [name.endswith("(TK3-TS.xml)") for name in names] == [True, False]

        await director.service.habit("approve")  # the change with the granted code
        await scene.until(branch, "enrolled")
    assert scene.filings(branch) == ["first_code accepted", "change accepted"]


@pytest.mark.statement("A11", "B10")
async def test_who_declines_is_not_asked_again_until_a_person_says_so(scene: Scene) -> None:
    async with phone(scene) as director:
        branch = await scene.ask(scene.branch(tax_code=director.tax_code))
        await _awaited(scene, "signature-approval", branch)
        await director.service.answer("decline")
        waiting = await scene.until(branch, "waiting-for-person", "signing")
        assert "HOSO-SIGN-DECLINED" in waiting["message"]
        assert scene.filings(branch) == []
        await scene.pass_time(timedelta(minutes=30))
        await scene.settled(branch)
        assert len(await director.service.prompts()) == 1

        await scene.answer(branch, "retry")
        await _awaited(scene, "signature-approval", branch)
        assert await director.service.answer("approve") == 1
        await scene.until(branch, "enrolled")
        assert len(await director.service.prompts()) == 2
    assert scene.filings(branch) == ["register accepted"]


@pytest.mark.statement("A11", "B10")
async def test_a_unit_that_goes_over_from_a_key_file_to_remote_signing_tells_the_agency(scene: Scene) -> None:
    async with phone(scene) as director:
        name, _ = await own_profile(scene, employer=director.tax_code)
        branch = await scene.ask(scene.branch(tax_code=director.tax_code, profile=name))
        await scene.until(branch, "enrolled")
        await director.service.habit("approve")

        await scene.ask(branch, profile=director.profile)
        assert await eventually(lambda: scene.filings(branch) == ["register accepted", "change accepted"])
        await scene.until(branch, "enrolled")

    fields = scene.town.agency("select field from changes where unit_code = ?", branch.unit_code)
    assert {row["field"] for row in fields} == {"CHUNG_THU_SO", "PHUONG_THUC_KY"}
    [held] = scene.town.agency("select serial, method from registered where unit_code = ?", branch.unit_code)
    assert int(held["serial"], 16) == int(director.certificate.serial, 16)


# --- with a USB token -------------------------------------------------------------------------------------------


class Desk(Workstation):
    """A workstation that can be switched off and on, and whose token can be pulled out."""

    def switch_off(self) -> None:
        """Nobody is there any more."""
        process = self.world.processes[f"workstation-{self.number}"]
        self.words = list(process.args)[2:]  # type: ignore[arg-type]
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)

    def switch_on(self) -> None:
        """It runs again, as it was."""
        self.world.start(f"workstation-{self.number}", *map(str, self.words), environment=self._environment())

    @property
    def tokens(self) -> Path:
        return self.folder / "tokens"


@contextlib.asynccontextmanager
async def desk(scene: Scene) -> AsyncIterator[tuple[Desk, str]]:
    """A workstation with a token in it that signs whatever comes; and the token's tax code."""
    library = module()
    if library is None:
        absent("softhsm2 is not installed: apt-get install softhsm2")
    arena, tax_code = scene.town.arena, a_tax_code()
    station = Desk(arena.world, library, int(tax_code[-4:]))
    await asyncio.to_thread(station.plug_in, Authority(), tax_code, "Công ty TNHH Hoa Ban")
    status, code = await scene.town.cli("agent-code", "new", "demo", f"USB {tax_code}", "--json")
    assert status == 0, code
    address = arena.up()["services"]["signer"]["agents"]
    await asyncio.to_thread(station.enrol, address, json.loads(code)["code"])
    try:
        yield station, tax_code
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(arena.world.processes[f"workstation-{station.number}"].pid, signal.SIGKILL)


@pytest.mark.statement("B11", "A11")
async def test_a_dossier_waits_for_a_workstation_that_is_away_and_says_so_then_it_is_signed(scene: Scene) -> None:
    async with desk(scene) as (station, tax_code):
        first = await scene.ask(scene.branch(tax_code=tax_code))
        await scene.until(first, "enrolled")
        station.switch_off()
        async with scene.town.arena.open() as own:  # a minute of silence
            await own.db.pool.execute("update signer.agent set seen_at = now() - interval '2 minutes'")

        branch = await scene.ask(scene.branch(tax_code=tax_code))
        await _awaited(scene, "signature-agent-offline", branch)
        assert await told(scene, branch, "máy giữ USB Token chưa kết nối")
        assert scene.filings(branch) == []

        station.switch_on()
        await scene.until(branch, "enrolled")

    assert scene.filings(branch) == ["register accepted"]
    assert await told(scene, branch, "bằng agent")
    [used] = scene.town.agency("select subject from certificates where sha256 = ?", signers(scene, branch)[0])
    assert f"MST:{tax_code}" in used["subject"]
    assert signers(scene, branch) == signers(scene, first)


@pytest.mark.statement("B11")
async def test_a_dossier_waits_while_the_token_is_pulled_out_and_is_signed_when_it_is_back(scene: Scene) -> None:
    async with desk(scene) as (station, tax_code):
        [token] = station.tokens.iterdir()
        drawer = token.rename(station.folder / "drawer")
        branch = await scene.ask(scene.branch(tax_code=tax_code))
        await _awaited(scene, "signature-token-absent", branch)
        assert scene.filings(branch) == []

        drawer.rename(token)
        await scene.until(branch, "enrolled")
    assert scene.filings(branch) == ["register accepted"]
