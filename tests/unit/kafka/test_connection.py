"""HOSO_LOG that cannot be understood is said in a sentence, and no password is in it."""

from __future__ import annotations

import pytest

from hoso.kafka.connection import Broker
from hoso.runtime.failures import SettingsError


@pytest.mark.parametrize(
    "url",
    [
        "kafka+sasl://me:s3cret@kafka1:9092",
        "kafka+sasl://me:s3cret@kafka1:9092,you:s3cret@kafka2:9092",
        "kafka+sasl://kafka1:9092?password=s3cret",
        "me:s3cret@kafka1:9092",
        "kafka://me:s3cret@kafka1:9092",
        "kafka://me:x,s3cret@kafka1:9092",
        "kafka://me:s3cret,x@kafka1:9092",
    ],
)
def test_no_password_is_told(url: str) -> None:
    with pytest.raises(SettingsError) as told:
        Broker.of(url)
    assert "s3cret" not in str(told.value)
    assert ":9092" in str(told.value)


def test_what_is_no_broker_is_named() -> None:
    with pytest.raises(SettingsError, match="'kafka2' is no broker"):
        Broker.of("kafka://kafka1:9092,kafka2")
