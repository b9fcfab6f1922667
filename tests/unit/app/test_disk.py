"""What happens when the disk fills up."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response

from app.disk import free_mib
from app.room import RoomNeeded
from app.supervisor import watch_disk


def test_free_space_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    assert free_mib(tmp_path / "not" / "yet") == pytest.approx(free_mib(tmp_path), abs=200)


async def test_low_is_told_once_until_there_was_room(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    room = iter([500, 150, 90, 300, 120, 120])

    def free(_: Path) -> int:
        left = next(room, None)
        if left is None:
            raise asyncio.CancelledError
        return left

    with caplog.at_level(logging.ERROR), contextlib.suppress(asyncio.CancelledError):
        await watch_disk(tmp_path, 0, free)
    assert [record.getMessage().split()[1] for record in caplog.records] == ["150", "120"]


@pytest.mark.parametrize(
    ("method", "path", "free", "status"),
    [
        ("POST", "/v1/batches", 99, 503),
        ("POST", "/v1/enrolments/", 99, 503),
        ("POST", "/v1/enrolments", 100, 202),
        ("POST", "/v1/enrolments/x/answers", 99, 202),  # what is under way may end
        ("GET", "/v1/enrolments", 99, 202),
    ],
)
async def test_nothing_new_is_taken_without_room(method: str, path: str, free: int, status: int) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    scope = {"type": "http", "method": method, "path": path, "headers": []}
    await RoomNeeded(Response(status_code=202), lambda: free)(scope, receive, send)
    assert sent[0]["status"] == status
    if status == 503:
        problem = json.loads(sent[1]["body"])
        assert problem["type"] == "urn:hoso:problem:no-room"
        assert "99 MiB" in problem["detail"]
