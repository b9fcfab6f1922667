"""PAGE-B I: units that never took part apply for a code, electronically in Hanoi, on paper elsewhere (domain.md §2.2)."""

from __future__ import annotations

import pytest

from tests.e2e.scene import Scene


@pytest.mark.statement("B3", "B14", "B17", "B20")
async def test_a_newcomer_in_hanoi_gets_its_code_by_mail_and_is_enrolled(scene: Scene) -> None:
    await scene.attach("demo", "giay-phep.pdf")
    branch = await scene.ask(scene.newcomer())
    await scene.until(branch, "agency-review")
    assert scene.filings(branch) == ["first_code open"]

    done = await scene.until(branch, "enrolled")

    assert scene.filings(branch) == ["first_code accepted", "change accepted"]
    assert scene.mails(branch)[:2] == ["activation", "unit-code-result"]
    assert done["employees"] == 0
