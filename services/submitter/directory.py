"""Looking up a unit's code (B25): asked by a person, one unit at a time, of a directory that the deployment names.

The public portal has such a page behind a CAPTCHA; no program of ours asks it (domain.md §8).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

import aiohttp

from hoso.runtime.failures import HosoError

MAX_BYTES, MOST, LONGEST = 500_000, 50, 300


class DirectoryAway(HosoError):
    """The look-up cannot be asked, or its answer cannot be read."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A unit that may be the one looked for. Nobody has checked that it is."""

    unit_code: str
    name: str
    tax_code: str
    agency: str = ""
    agency_name: str = ""
    address: str = ""


class UnitDirectory(Protocol):
    """Who has which unit code."""

    async def look_up(self, tax_code: str, name: str = "") -> Sequence[Candidate]:
        """Units of a tax code, narrowed by a part of their name; at most 50, none when none is known. Raises DirectoryAway."""
        ...


class HttpUnitDirectory:
    """`GET /v1/units` of docs/gateway.md; one connection a question."""

    def __init__(self, url: str, timeout: timedelta = timedelta(seconds=10)) -> None:
        self._url = url.rstrip("/")
        self._timeout = aiohttp.ClientTimeout(total=timeout.total_seconds())

    async def look_up(self, tax_code: str, name: str = "") -> Sequence[Candidate]:
        query = {"tax_code": tax_code, **({"name": name} if name else {})}
        try:
            async with (
                aiohttp.ClientSession(timeout=self._timeout, auto_decompress=False) as session,
                session.get(
                    f"{self._url}/v1/units",
                    params=query,
                    allow_redirects=False,
                    headers={"Accept-Encoding": "identity"},
                ) as answer,
            ):
                body = await answer.content.read(MAX_BYTES + 1)
                while len(body) <= MAX_BYTES and (more := await answer.content.read(MAX_BYTES + 1 - len(body))):
                    body += more
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise DirectoryAway(
                f"Không hỏi được nơi tra cứu mã đơn vị ({self._url}): {type(error).__name__} {error}; kiểm tra HOSO_UNIT_DIRECTORY và đường mạng"
            ) from error
        if status != 200:
            raise DirectoryAway(
                f"Nơi tra cứu mã đơn vị ({self._url}) trả lời {status}; kiểm tra mã số thuế đã nhập và HOSO_UNIT_DIRECTORY"
            )
        return _candidates(body)


def _candidates(body: bytes) -> Sequence[Candidate]:
    try:
        if len(body) > MAX_BYTES:
            raise ValueError("too long")
        units = json.loads(body)["units"]
        return [_candidate(unit) for unit in units[:MOST]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DirectoryAway(
            f"Câu trả lời của nơi tra cứu mã đơn vị không đọc được ({error!r:.100}); kiểm tra HOSO_UNIT_DIRECTORY"
        ) from error


def _candidate(unit: dict[str, Any]) -> Candidate:
    def text(name: str) -> str:
        said = "".join(sign if sign.isprintable() else " " for sign in str(unit.get(name) or ""))
        return said[:LONGEST].strip()

    return Candidate(
        text("ma_don_vi").upper(),
        text("ten_don_vi"),
        text("ma_so_thue"),
        text("ma_co_quan"),
        text("ten_co_quan"),
        text("dia_chi"),
    )
