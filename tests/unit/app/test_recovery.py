"""Which lanes a restore fences."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

from app.backup import without_password
from app.recovery import DEEDS
from hoso.domain.rejections import rejections
from services.intake.handlers import LANE as ADMIT
from services.signer import service as signer
from services.submitter import service as submitter


def test_every_lane_that_is_not_harmless_is_fenced() -> None:
    """A lane of deeds that a restore does not know would do them twice."""
    bounds = submitter.Bounds(*[timedelta(seconds=1)] * 4)
    needs = cast(Any, SimpleNamespace(gateway=None, vault=None, filings=None, rejections=rejections(), now=None))
    lanes = submitter.service(needs, bounds).lanes | signer.service(cast(Any, None), cast(Any, None)).lanes
    assert ADMIT not in lanes
    assert {name for name, lane in lanes.items() if not lane.harmless} == set(DEEDS)


def test_a_password_is_not_shown_to_others_on_the_machine() -> None:
    assert without_password("postgresql://hoso:pa%40ss@db:5432/hoso?sslmode=require") == (
        "postgresql://hoso@db:5432/hoso?sslmode=require",
        "pa@ss",
    )
    assert without_password("postgresql://hoso@/hoso?host=/run/pg&password=s") == (
        "postgresql://hoso@/hoso?host=/run/pg",
        "s",
    )
    assert without_password("postgresql://hoso@/hoso?host=/tmp/x") == ("postgresql://hoso@/hoso?host=/tmp/x", "")
