"""A log partition is a Kafka partition: the hash is Kafka's own."""

from __future__ import annotations

from collections import Counter
from uuid import UUID, uuid4

import pytest
from aiokafka.partitioner import murmur2 as theirs
from hypothesis import given
from hypothesis import strategies as st

from hoso.log.partitions import murmur2, partition_of

# The vectors of Apache Kafka's own UtilsTest.testMurmur2, there as signed 32-bit numbers.
VECTORS = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize("data", list(VECTORS), ids=lambda d: d.decode())
def test_kafkas_own_vectors(data: bytes) -> None:
    assert murmur2(data) == VECTORS[data] & 0xFFFFFFFF


@given(st.binary(max_size=80))
def test_the_same_as_the_client_computes(data: bytes) -> None:
    assert murmur2(data) == theirs(data) & 0xFFFFFFFF


@given(st.uuids(), st.integers(1, 64))
def test_a_unit_lies_where_kafkas_default_partitioner_puts_its_key(unit: UUID, partitions: int) -> None:
    assert partition_of(unit, partitions) == (theirs(str(unit).encode()) & 0x7FFFFFFF) % partitions


def test_units_spread_over_all_partitions() -> None:
    spread = Counter(partition_of(uuid4(), 8) for _ in range(4000))
    assert sorted(spread) == list(range(8))
    assert min(spread.values()) > 300
