"""When the kernel stops a service, and when a lane stops asking."""

from __future__ import annotations

from uuid import uuid4

import pytest

from hoso.runtime.consumer import Brake, Braked, Hold, is_lost
from hoso.runtime.lanes import Circuit

ERROR, OTHER = Hold("KeyError", "a"), Hold("ValueError", "b")


def test_ten_units_of_a_few_are_a_release_that_is_wrong() -> None:
    brake, units = Brake(), [uuid4() for _ in range(10)]
    for unit in units[:9]:
        brake.check({unit}, {unit: ERROR})
    with pytest.raises(Braked, match="10 of 10 units within a minute: KeyError"):
        brake.check({units[9]}, {units[9]: ERROR})


def test_ten_units_of_a_thousand_are_their_data_and_eleven_are_not() -> None:
    brake, units = Brake(), {uuid4() for _ in range(1000)}
    held = list(units)[:11]
    brake.check(units, dict.fromkeys(held[:10], ERROR))
    with pytest.raises(Braked, match="11 of 1000"):
        brake.check(units, {held[10]: ERROR})


def test_units_are_counted_not_events() -> None:
    brake, unit = Brake(), uuid4()
    for _ in range(50):
        brake.check({unit}, {unit: ERROR})


def test_each_class_of_error_is_counted_by_itself() -> None:
    brake = Brake()
    for reason in (ERROR, OTHER):
        for _ in range(9):
            unit = uuid4()
            brake.check({unit}, {unit: reason})


def test_a_circuit_opens_after_twenty_transient_failures_in_a_row() -> None:
    circuit = Circuit()
    for _ in range(19):
        circuit.note("transient")
    circuit.note("ended")
    for _ in range(19):
        circuit.note("transient")
    assert not circuit.open
    assert circuit.room(50) == 50
    circuit.note("transient")
    assert circuit.open
    assert [circuit.room(50), circuit.room(50), circuit.room(0)] == [1, 0, 0], "one probe, then nobody for a second"


@pytest.mark.parametrize("word", ["ended", "not-yet", "unknown"])
def test_whoever_was_reached_closes_it_and_the_time_it_was_open_is_known(word: str) -> None:
    circuit = Circuit()
    for _ in range(25):
        circuit.note("transient")
    circuit.note(word)
    assert not circuit.open
    assert circuit.room(50) == 50
    assert circuit.stood_still > 0


@pytest.mark.parametrize("word", ["gave-up", "absent", "absent-early", "inconclusive"])
def test_what_says_nothing_of_the_weather_leaves_it_open(word: str) -> None:
    circuit = Circuit()
    for _ in range(20):
        circuit.note("transient")
    circuit.note(word)
    assert circuit.open


def test_a_database_that_went_away_is_told_from_data_it_will_never_take() -> None:
    import asyncpg
    from asyncpg.exceptions import _base

    assert is_lost(ConnectionResetError())
    assert is_lost(asyncpg.InterfaceError("connection is closed"))
    assert is_lost(asyncpg.InternalClientError("cannot switch to state 15"))
    assert is_lost(asyncpg.exceptions.AdminShutdownError(""))
    assert is_lost(asyncpg.DiskFullError(""))
    assert is_lost(asyncpg.DeadlockDetectedError(""))
    assert not is_lost(_base.DataError("invalid input for query argument $1"))
    assert not is_lost(asyncpg.UniqueViolationError(""))
    assert not is_lost(KeyError("x"))
