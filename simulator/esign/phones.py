"""Prompts on people's phones: shown, approved, declined or left alone until they expire; and the messages about them."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from base64 import b64encode
from dataclasses import dataclass
from typing import Any

import aiohttp

from simulator.esign.ledger import OPEN, Ledger
from simulator.esign.people import People

log = logging.getLogger(__name__)
LOOK_SECONDS = 0.05
ANSWERS = {"approve": "SUCCESS", "decline": "CANCELLED", "fail": "FAILED", "expire": "EXPIRED"}
STATES = {"SUCCESS": 0, "CANCELLED": 701, "FAILED": 702, "EXPIRED": 703}
"""State of a closed prompt -> errorCode of its answer [invented]."""


@dataclass(slots=True)
class Habit:
    """What people do with prompts when nobody tells them."""

    answer: str = ""
    """A key of ANSWERS; empty: nothing, until somebody says so or the prompt expires."""
    after_polls: int = 0
    after_seconds: float = 0.0
    """Of the world's clock. Both must have passed."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One document of a request to sign."""

    id: str
    name: str
    digest: bytes


class Phones:
    """All prompts of all people."""

    def __init__(self, ledger: Ledger, people: People, lifetime: float, habit: Habit) -> None:
        self._ledger, self._people = ledger, people
        self.lifetime = lifetime
        """Seconds of the world's clock after which a prompt can no longer be answered."""
        self.habit = habit
        self.webhook = ""
        self._http: aiohttp.ClientSession | None = None

    def show(self, person: str, client: str, alias: str, display: str, documents: list[Asked]) -> str:
        """A new prompt on somebody's phone, all of its documents in one approval; its number."""
        number, now = secrets.token_hex(12), self._ledger.now()
        insert = "insert into prompt(number, person, client, alias, display, opened, expires, state) values (?, ?, ?, ?, ?, ?, ?, ?)"
        row = (number, person, client, alias, display, now, now + self.lifetime, OPEN)
        self._ledger.together(
            [
                (insert, row),
                *(
                    (
                        "insert into document(prompt, position, id, name, digest) values (?, ?, ?, ?, ?)",
                        (number, position, one.id, one.name, one.digest),
                    )
                    for position, one in enumerate(documents)
                ),
            ]
        )
        certificate = self._people.certificate(person, alias)
        if certificate is not None and certificate["auto"]:
            self._decide(number, "approve")
        return number

    def answer(self, number: str, answer: str) -> bool:
        """Approve, decline, fail or expire; False when it is closed or unknown."""
        self.look()
        return self._decide(number, answer)

    def _decide(self, number: str, answer: str) -> bool:
        prompt = self._ledger.row("select * from prompt where number = ? and state = ?", number, OPEN)
        if prompt is None:
            return False
        state = ANSWERS[answer]
        closing = "update prompt set state = ?, closed = ? where number = ?"
        statements: list[tuple[str, tuple[Any, ...]]] = [(closing, (state, self._ledger.now(), number))]
        if state == "SUCCESS":
            for one in self._ledger.rows("select position, digest from document where prompt = ?", number):
                value = self._people.signature(prompt["alias"], one["digest"])
                signed = "update document set signature = ? where prompt = ? and position = ?"
                statements.append((signed, (value, number, one["position"])))
        self._ledger.together(statements)
        return True

    def polled(self, number: str) -> None:
        """Somebody asked how it stands."""
        self._ledger.write("update prompt set polls = polls + 1 where number = ?", number)

    def look(self) -> None:
        """What time and habit do to open prompts."""
        now, habit = self._ledger.now(), self.habit
        for row in self._ledger.rows("select * from prompt where state = ?", OPEN):
            if now >= row["expires"]:
                self._ledger.write(
                    "update prompt set state = 'EXPIRED', closed = expires where number = ?", row["number"]
                )
            elif habit.answer and row["polls"] >= habit.after_polls and now >= row["opened"] + habit.after_seconds:
                self._decide(row["number"], habit.answer)

    def status(self, number: str) -> dict[str, Any] | None:
        """How a prompt stands, as the service answers it; None: no such number."""
        self.look()
        prompt = self._ledger.row("select state from prompt where number = ?", number)
        if prompt is None:
            return None
        documents = self._ledger.rows("select id, signature from document where prompt = ? order by position", number)
        return {
            "transactionId": number,
            "status": prompt["state"],
            "errorCode": STATES.get(prompt["state"], 0),
            "signatures": [
                {"documentId": one["id"], "signature": b64encode(one["signature"]).decode() if one["signature"] else ""}
                for one in documents
            ],
        }

    # --- messages ---------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Look at the phones and send what was decided to the webhook, until cancelled."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=3)) as self._http:
            while True:
                self.look()
                self._write_messages()
                if self.webhook:
                    await self._send()
                await asyncio.sleep(LOOK_SECONDS)

    def _write_messages(self) -> None:
        for row in self._ledger.rows("select number, client from prompt where state <> ? and told = 0", OPEN):
            body = {
                "messageId": secrets.token_hex(8),
                "clientId": row["client"],
                "extraData": "",
                **(self.status(row["number"]) or {}),
            }
            fault = self._ledger.fire("webhook")
            insert = "insert into message(id, number, body, delivered) values (?, ?, ?, ?)"
            values = (body["messageId"], row["number"], json.dumps(body), {"never": 1, "twice": -1}.get(fault or "", 0))
            self._ledger.together([(insert, values), ("update prompt set told = 1 where number = ?", (row["number"],))])

    async def _send(self) -> None:
        assert self._http is not None
        for row in self._ledger.rows("select id, body from message where delivered < 1 order by rowid limit 20"):
            try:
                async with self._http.post(
                    self.webhook, data=row["body"], headers={"Content-Type": "application/json"}, allow_redirects=False
                ) as answer:
                    if answer.status < 300:
                        self._ledger.write("update message set delivered = delivered + 1 where id = ?", row["id"])
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                log.info("the webhook does not answer: %s", error)
                return
