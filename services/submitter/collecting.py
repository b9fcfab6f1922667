"""Many questions about replies, asked as one."""

from __future__ import annotations

import asyncio

from services.submitter.gateway import AgencyGateway, Receipt

AT_ONCE = 200


class ReplyCollector:
    """Gathers questions about replies for a moment and asks for up to 200 at once."""

    def __init__(self, gateway: AgencyGateway, window: float = 0.01) -> None:
        self._gateway = gateway
        self._window = window
        self._asked: dict[str, asyncio.Future[Receipt | None]] = {}
        self._asking: set[asyncio.Task[None]] = set()

    async def reply(self, transaction: str) -> Receipt | None:
        """Where one filing stands; None when the agency does not know it (yet)."""
        future = self._asked.get(transaction)
        if future is None:
            future = self._asked[transaction] = asyncio.get_running_loop().create_future()
            if len(self._asked) in (1, AT_ONCE):
                task = asyncio.create_task(self._ask(0 if len(self._asked) == AT_ONCE else self._window))
                self._asking.add(task)
                task.add_done_callback(self._asking.discard)
        return await asyncio.shield(future)

    async def _ask(self, wait: float) -> None:
        await asyncio.sleep(wait)
        asked, self._asked = self._asked, {}
        for start in range(0, len(asked), AT_ONCE):
            names = list(asked)[start : start + AT_ONCE]
            try:
                found = await self._gateway.replies(names)
            except Exception as error:
                for name in names:
                    if not asked[name].done():
                        asked[name].set_exception(error)
                        asked[name].exception()
                continue
            for name in names:
                if not asked[name].done():
                    asked[name].set_result(found.get(name))
