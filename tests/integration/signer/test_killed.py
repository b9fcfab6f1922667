"""The signer killed in its own process at every point of waiting: nobody is asked twice, nothing is signed twice."""

from __future__ import annotations

import asyncio
from pathlib import Path

from schemas.events import DossierSigned
from tests.integration.cli.command import Cli
from tests.integration.signer.stage import Stage
from tests.support.waiting import eventually

ASKING = ["signer-sign.after-claim", "signer-sign.before-commit", "signer-sign.after-commit"]
WAITING = [f"signer-await.{place}" for place in ("after-claim", "before-outcome", "before-commit", "after-commit")]


async def test_killed_at_every_point_of_two_rounds(stage: Stage, url: str, tmp_path: Path) -> None:
    points = tmp_path / "points"
    points.mkdir()
    cli = Cli(url, tmp_path / "var")
    profile = await stage.phone()
    asks = [await stage.attempt(profile, "first_code") for _ in range(2)]
    await stage.prepare(*asks)

    async def killed_at(point: str) -> None:
        (points / point).write_text("kill")
        running = await cli.run("signer", HOSO_POINTS=str(points), HOSO_AGENT_HTTP="127.0.0.1:0")
        assert await asyncio.wait_for(running.process.wait(), 30) == -9, f"{point} was never passed"
        await stage.db.pool.execute("delete from log.member where grp = 'hoso.signer'")  # as its supervisor does

    async def approved_until(count: int, rounds: int) -> None:
        running = await cli.run("signer", HOSO_AGENT_HTTP="127.0.0.1:0")
        try:

            async def look() -> bool:
                # Killed often, it waits long between its tries: that time passes here at once.
                await stage.db.pool.execute("update log.call set not_before = now() where not_before > now()")
                await stage.db.pool.execute("select pg_notify('hoso', 'clock')")
                prompts = await stage.esign.prompts()
                shown = sum(len(prompt["documents"]) for prompt in prompts)
                if rounds == 1 and shown == count:
                    return True
                await stage.esign.answer("approve")
                return len(await stage.of(DossierSigned)) == count

            await eventually(look, f"round {rounds}", 60)
        finally:
            assert await running.stop() == 0

    for point in [*ASKING, *WAITING]:
        await killed_at(point)
    await approved_until(2, rounds=1)
    await stage.esign.answer("approve")
    for point in WAITING:
        await killed_at(point)
    await approved_until(2, rounds=2)

    signed = await stage.of(DossierSigned)
    assert {one.dossier for one in signed} == {ask.dossier for ask in asks}
    assert {one.rounds for one in signed} == {2}
    documents = [one["id"] for prompt in await stage.esign.prompts() for one in prompt["documents"]]
    assert len(documents) == len(set(documents)) == 4, "each of the four documents was on a phone once"


async def test_killed_before_the_number_was_kept_it_is_learned_from_the_services_message(
    stage: Stage, url: str, tmp_path: Path
) -> None:
    """Without the message nothing would be asked for a quarter of an hour: tests/contract/signing/test_misa_esign.py."""
    points = tmp_path / "points"
    points.mkdir()
    (points / "esign.after-answer").write_text("kill")
    cli = Cli(url, tmp_path / "var")
    await stage.prepare(await stage.attempt(await stage.phone()))
    running = await cli.run("signer", HOSO_POINTS=str(points), HOSO_AGENT_HTTP="127.0.0.1:0")
    assert await asyncio.wait_for(running.process.wait(), 30) == -9
    await stage.db.pool.execute("delete from log.member where grp = 'hoso.signer'")

    running = await cli.run("signer", HOSO_AGENT_HTTP="127.0.0.1:0", HOSO_ESIGN_MESSAGES="127.0.0.1:0")
    try:
        await stage.esign.webhook(running.facts["esign_messages"])
        (wait,) = await stage.awaited()
        assert "MISA eSign chưa trả lời" in wait.text
        assert await stage.esign.answer("approve") == 1
        (signed,) = await stage.ended()
    finally:
        assert await running.stop() == 0
    assert isinstance(signed, DossierSigned)
    assert len(await stage.esign.prompts()) == 1


async def test_killed_before_the_request_it_is_asked_once_its_prompt_would_have_expired(
    stage: Stage, url: str, tmp_path: Path
) -> None:
    points = tmp_path / "points"
    points.mkdir()
    (points / "esign.before-request").write_text("kill")
    cli = Cli(url, tmp_path / "var")
    await stage.prepare(await stage.attempt(await stage.phone()))
    running = await cli.run("signer", HOSO_POINTS=str(points), HOSO_AGENT_HTTP="127.0.0.1:0")
    assert await asyncio.wait_for(running.process.wait(), 30) == -9
    await stage.db.pool.execute("delete from log.member where grp = 'hoso.signer'")
    async with stage.running():
        (wait,) = await stage.awaited()
        assert "MISA eSign chưa trả lời" in wait.text
        assert await stage.esign.prompts() == [], (
            "it may have been sent: nothing is asked before that prompt has expired"
        )
        await stage.db.pool.execute("update signer.prompt set lost_at = asked_at")  # a quarter of an hour later
        await stage.esign.habit("approve")
        (signed,) = await stage.ended()
    assert isinstance(signed, DossierSigned)
    assert len(await stage.esign.prompts()) == 1
