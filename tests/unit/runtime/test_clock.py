"""Durations, deadlines, and one clock for the whole world."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hoso.runtime.clock import Setting, WorldClock, boottime, parse_duration, seconds_left

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2d", timedelta(days=2)),
        ("25h", timedelta(hours=25)),
        ("90m", timedelta(minutes=90)),
        ("30s", timedelta(seconds=30)),
        ("1d12h", timedelta(days=1.5)),
        (" 1.5h ", timedelta(minutes=90)),
    ],
)
def test_durations(text: str, expected: timedelta) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize("text", ["", "2", "d", "2x", "-1h", "1h30", "0s", "1..5h", "two days", "1 h"])
def test_what_is_no_duration_says_what_one_looks_like(text: str) -> None:
    with pytest.raises(ValueError, match=r"write 2d, 25h, 90m or 30s|could not convert"):
        parse_duration(text)


def test_without_settings_the_world_is_real() -> None:
    before = datetime.now(UTC)
    assert before <= WorldClock().now() <= datetime.now(UTC)
    assert WorldClock().world(START) == START


def test_a_jump_moves_what_comes_after_and_leaves_what_was_before() -> None:
    clock = WorldClock([Setting(START, START + timedelta(days=2), 1.0)])
    assert clock.world(START - timedelta(seconds=1)) == START - timedelta(seconds=1)
    assert clock.world(START) == START + timedelta(days=2)
    assert clock.world(START + timedelta(hours=1)) == START + timedelta(days=2, hours=1)


def test_each_setting_holds_until_the_next_and_a_rate_makes_days_pass_in_seconds() -> None:
    hour = timedelta(hours=1)
    clock = WorldClock([Setting(START, START, 3600.0), Setting(START + hour, START + timedelta(days=200), 1.0)])
    assert clock.world(START + timedelta(seconds=24)) == START + timedelta(days=1)
    assert clock.world(START + hour + hour) == START + timedelta(days=200) + hour


def test_setting_the_clock_replaces_its_history() -> None:
    clock = WorldClock([Setting(START, START + timedelta(days=2), 1.0)])
    clock.set([])
    assert clock.world(START + timedelta(hours=1)) == START + timedelta(hours=1)


def test_a_deadline_is_counted_from_boot() -> None:
    assert 9.5 < seconds_left(boottime() + 10) <= 10
    assert seconds_left(boottime() - 1) < 0
