"""How a unit without a code applies for one: electronically or on paper, by province and date. Configuration, not ifs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from importlib.resources import files
from typing import Any, Literal, get_args

from hoso.domain.provinces import province_of
from hoso.domain.workdays import VIETNAM

Channel = Literal["electronic", "paper"]


@dataclass(frozen=True, slots=True)
class Route:
    """From `begins` on, units of `province` (one of the 34) go this way."""

    province: str
    begins: date
    channel: Channel


@dataclass(frozen=True, slots=True)
class Routes:
    """The table. A province without a row that has begun goes by paper."""

    rows: Sequence[Route]

    def channel(self, province: str, now: datetime) -> Channel:
        """The way on that day in Vietnam: the latest row that has begun, of two of one day the later written."""
        today = now.astimezone(VIETNAM).date()
        begun = [row for row in self.rows if row.province == province and row.begins <= today]
        return sorted(begun, key=lambda row: row.begins)[-1].channel if begun else "paper"


def routes(*extra: dict[str, Any]) -> Routes:
    """The shipped table and rows of `extra` after it. Raises ValueError that names the row."""
    shipped = json.loads(files("hoso.domain").joinpath("data/routes.json").read_text("utf-8"))
    return Routes([_route(row) for table in (shipped, *extra) for row in table.get("first_code", [])])


def _route(row: dict[str, Any]) -> Route:
    try:
        route = Route(province_of(str(row["province"])).code, date.fromisoformat(row["from"]), row["channel"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"route {row}: needs province (two digits), from (yyyy-mm-dd), channel: {error}") from error
    if route.channel not in get_args(Channel):
        raise ValueError(f"route {row}: channel is {' or '.join(get_args(Channel))}")
    return route
