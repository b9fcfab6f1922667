"""The mailboxes that people declared: one whose password does not open leaves the others watched."""

from __future__ import annotations

import logging
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest

from app.mailboxes import Declared
from hoso.runtime.failures import HosoError
from hoso.settings import Settings
from hoso.setup.declarations import Mailbox, MailboxSettings

pytestmark = pytest.mark.asyncio


class SetUp:
    """Two mailboxes; the password of `damaged` does not open."""

    def __init__(self) -> None:
        self.all = [
            Mailbox(
                UUID(int=n), "t1", f"m{n}@x.example", "shared", MailboxSettings("imap.x.example", 993, "u"), UUID(int=n)
            )
            for n in (1, 2)
        ]
        self.damaged: UUID | None = UUID(int=1)

    async def mailboxes(self) -> list[Mailbox]:
        return self.all

    async def mailbox_with_password(self, id_: UUID) -> Mailbox | None:
        if id_ == self.damaged:
            raise HosoError("it does not open")
        return next(replace(mailbox, password="p") for mailbox in self.all if mailbox.id == id_)


async def test_one_password_that_does_not_open(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    set_up = SetUp()
    declared = Declared(cast(Any, SimpleNamespace(settings=Settings(), set_up=set_up)))
    for _ in range(3):
        assert [settings.id for settings in await declared()] == [UUID(int=2)]
    assert [record.getMessage() for record in caplog.records] == ["the mailbox is not watched: it does not open"]
    set_up.damaged = None
    assert [settings.id for settings in await declared()] == [UUID(int=1), UUID(int=2)]
