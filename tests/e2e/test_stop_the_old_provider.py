"""PAGE-A: stop the old provider, then register (domain.md §2.1)."""

from __future__ import annotations

import pytest

from tests.e2e.scene import Scene


@pytest.mark.statement("A2", "A8", "A19", "A20")
async def test_refused_for_another_provider_the_unit_is_stopped_and_registered_again(scene: Scene) -> None:
    branch = await scene.ask(scene.branch("C00"))
    await scene.until(branch, "enrolled")

    assert scene.filings(branch) == ["register refused CE007", "stop accepted", "register accepted"]
    assert scene.active(branch)
    first, last = scene.town.agency(
        "select email, place, sha256 from filings where unit_code = ? and procedure = '04_DK-IVAN' order by received_world",
        branch.unit_code,
    )
    assert (first["email"], first["place"]) == (last["email"], last["place"])
    assert first["sha256"] != last["sha256"]  # signed anew


@pytest.mark.statement("A9")
async def test_refused_for_the_state_portal_the_portal_is_stopped(scene: Scene) -> None:
    branch = await scene.ask(scene.branch("C02"))
    await scene.until(branch, "enrolled")

    assert scene.filings(branch) == ["register refused CE044", "stop accepted", "register accepted"]


@pytest.mark.statement("A15")
async def test_stop_mail_never_comes_so_the_stop_is_filed_again(scene: Scene) -> None:
    branch = await scene.ask(scene.branch("T10"))
    await scene.until(branch, "enrolled")

    assert scene.filings(branch).count("stop accepted") == 3
    assert scene.mails(branch).count("stop-result") == 1
