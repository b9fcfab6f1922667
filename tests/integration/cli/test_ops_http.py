"""/health of a service that wants a token."""

from __future__ import annotations

import aiohttp

from tests.integration.cli.command import Cli


async def test_any_header_is_an_answer(cli: Cli) -> None:
    ops = await cli.run("ops", HOSO_OPS_TOKEN="geheim")
    async with aiohttp.ClientSession() as session:
        for given, status in (("Bearer geheim", 200), ("Bearer gehéim", 401), ("", 401), ("Bearer khoá", 401)):
            async with session.get(ops.facts["ops"] + "/health", headers={"Authorization": given}) as answer:
                assert answer.status == status
    assert await ops.stop() == 0
