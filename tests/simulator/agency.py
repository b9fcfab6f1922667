"""The simulated agency as a real process, a mailbox that really receives its mails, and a caller."""

from __future__ import annotations

import html
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import urlencode

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from lxml import etree

from tests.simulator.dossiers import Dossier

ROOT = Path(__file__).resolve().parents[2]
T = TypeVar("T")


def until(look: Callable[[], T | None], what: str, seconds: float = 15) -> T:
    """The first answer that is true. Fails after a deadline."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if isinstance(found, etree._Element) or found:
            assert found is not None
            return found
        time.sleep(0.01)  # a poll within a deadline
    raise AssertionError(f"{what}: not within {seconds} s")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Mailbox:
    """An SMTP server that keeps what it is given."""

    port: int
    mails: list[tuple[str, bytes]] = field(default_factory=list)
    refuses: str = ""

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.refuses and address.startswith(self.refuses):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.original_content
        assert content is not None
        self.mails.append((envelope.rcpt_tos[0], content))
        return "250 OK"

    def start(self) -> Controller:
        controller = Controller(self, hostname="127.0.0.1", port=self.port)
        controller.start()
        return controller

    def to(self, unit_code: str) -> list[bytes]:
        return [mail for address, mail in list(self.mails) if address.startswith(unit_code.lower() + "@")]


@dataclass
class Answer:
    """What the agency answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    def readable(self) -> bool:
        """Whether there is a note in it."""
        try:
            return bool(self.notes())
        except etree.XMLSyntaxError:
            return False

    def notes(self) -> list[etree._Element]:
        return list(etree.fromstring(self.body).iter("XACNHAN_GDICH"))

    def text(self, name: str) -> str:
        return self.notes()[0].findtext(f".//{name}") or ""

    def json(self) -> Any:
        return json.loads(self.body)


class Filing(Protocol):
    """What can be filed: a form of one document, or a first-time dossier."""

    def body(self) -> bytes: ...

    def sent_headers(self) -> dict[str, str]: ...


class Agency:
    """A running simulator and how one talks to it."""

    def __init__(self, folder: Path, smtp_port: int, *options: str) -> None:
        self.folder, self._smtp_port, self._options = folder, smtp_port, options
        self.process: subprocess.Popen[bytes] | None = None
        self.host, self.port = "127.0.0.1", 0

    def start(self) -> Agency:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "simulator.json").unlink(missing_ok=True)
        command = [sys.executable, "-m", "simulator", "--listen", f"127.0.0.1:{self.port}", "--data", str(self.folder)]
        command += ["--environment", "test", "--smtp", f"127.0.0.1:{self._smtp_port}", *self._options]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, stderr=log, stdout=log)
        ready = self.folder / "simulator.json"
        until(lambda: ready.exists() or self.process is None or self.process.poll() is not None, "ready")
        told = json.loads(ready.read_text())
        assert told["pid"] == self.process.pid
        self.port = int(told["url"].rpartition(":")[2])
        return self

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process is None:
            return 0
        os.kill(self.process.pid, number)
        status = self.process.wait(10)
        self.process = None
        return status

    def call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        timeout: float = 10,
    ) -> Answer:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers or {})
            reply = connection.getresponse()
            return Answer(reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read())
        finally:
            connection.close()

    def post(self, path: str, value: Any, method: str = "POST") -> Answer:
        return self.call(method, path, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def get(self, path: str, *query: tuple[str, str]) -> Answer:
        return self.call("GET", f"{path}?{urlencode(query)}" if query else path)

    def file(self, dossier: Filing, body: bytes | None = None, timeout: float = 10) -> Answer:
        return self.call("POST", "/v1/dossiers", body or dossier.body(), dossier.sent_headers(), timeout)

    def find(self, dossier: Dossier, sha256: str) -> list[etree._Element]:
        query = (("unit_code", dossier.unit_code), ("procedure", dossier.procedure), ("sha256", sha256))
        return self.get("/v1/dossiers", *query).notes()

    def reply(self, transaction: str) -> etree._Element:
        return self.get("/v1/replies", ("transaction", transaction)).notes()[0]

    def decided(self, transaction: str) -> etree._Element:
        """The reply once it is decided and numbered."""

        def look() -> etree._Element | None:
            note = self.reply(transaction)
            return note if note.findtext(".//KQUA") != "TIEP_NHAN" and note.findtext(".//SO_HSO") else None

        found = until(look, f"decision of {transaction}")
        assert found is not None
        return found

    def activate(self, transaction: str, unit_code: str, code: str) -> Answer:
        return self.post("/v1/activations", {"transaction": transaction, "unit_code": unit_code, "code": code})

    def ledger(self, unit_code: str = "") -> Any:
        return self.get("/ledger", *([("unit_code", unit_code)] if unit_code else [])).json()

    def jump(self, delta: timedelta) -> None:
        now = datetime.fromisoformat(self.get("/clock").json()["now"])
        self.post(
            "/clock", {"base": (now + delta).isoformat(), "anchor": datetime.now(UTC).isoformat(), "rate": 1}, "PUT"
        )


def text_of(raw: bytes) -> str:
    """The HTML text of a mail."""
    message: Message = message_from_bytes(raw)
    parts = [part for part in message.walk() if part.get_content_type() == "text/html"]
    payload = parts[0].get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode(parts[0].get_content_charset() or "utf-8")


def words_of(raw: bytes) -> str:
    """What a mail says in NFC, whether it is HTML or plain text."""
    part = next(part for part in message_from_bytes(raw).walk() if part.get_content_maintype() == "text")
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    text = unicodedata.normalize("NFC", payload.decode(part.get_content_charset() or "utf-8"))
    return html.unescape(re.sub(r"<[^>]+>", " ", text))


def subject_of(raw: bytes) -> str:
    """The subject of a mail."""
    return str(make_header(decode_header(str(message_from_bytes(raw)["Subject"]))))


def code_in(raw: bytes) -> str:
    """The activation code in a mail."""
    found = re.search(r">([A-Z0-9]{10})<", text_of(raw))
    assert found is not None
    return found[1]
