"""Whom hoso tells in the demo: a producing system that takes webhooks, and the mailbox of a person in charge."""

from __future__ import annotations

import base64
import contextlib
import email
import email.policy
import hmac
import json
import sqlite3
from pathlib import Path
from types import TracebackType

from aiohttp import web

NOTICES = "nguoi-phu-trach@demo.example"
"""The person in charge."""


class Producer:
    """A producing system on loopback: checks each webhook's signature, writes it down, answers 204."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.secret = ""
        self.url = ""
        self.taken = 0
        self.refused = 0
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Producer:
        app = web.Application(client_max_size=1024 * 1024)
        app.router.add_post("/hoso", self._take)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/hoso"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        said = f"{request.headers.get('webhook-id', '')}.{request.headers.get('webhook-timestamp', '')}.".encode()
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        wanted = "v1," + base64.b64encode(hmac.digest(key, said + body, "sha256")).decode()
        if not hmac.compare_digest(wanted, request.headers.get("webhook-signature", "")):
            self.refused += 1
            return web.Response(status=401)
        self.taken += 1
        with self._file.open("a", encoding="utf-8") as out:
            out.write(json.dumps(json.loads(body), ensure_ascii=False) + "\n")
        return web.Response(status=204)


def notices(spool: Path, folder: Path) -> int:
    """Every mail that hoso has sent to the person in charge, as files to read; how many."""
    folder.mkdir(exist_ok=True)
    with contextlib.closing(sqlite3.connect(f"file:{spool}?mode=ro", uri=True, timeout=10)) as db:
        mails = db.execute("select content from mails where box = ? order by id", (NOTICES,)).fetchall()
    for number, (content,) in enumerate(mails, start=1):
        (folder / f"{number:03}.eml").write_bytes(content)
        mail = email.message_from_bytes(content, policy=email.policy.default)
        body = mail.get_body(("plain",))
        text = body.get_content() if body is not None else ""
        (folder / f"{number:03}.txt").write_text(f"{mail['subject']}\n\n{text}", "utf-8")
    return len(mails)
