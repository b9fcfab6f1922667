"""What a container is told, as one machine without containers reads it."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from compose.plan import NotGiven, Places, read

TOLD = """
services:
  b:
    image: registry.example/x/hoso:1
    network_mode: service:a
    command: [run, --listen, "0.0.0.0:80", --smtp-port, "25", "http://a:81/x", c-2:9, /data/file, /database]
    environment: {KEY: "${SECRET:?needed}", PLAIN: "a"}
    volumes: ["store:/data", "./conf:/etc/conf:ro"]
    depends_on: {a: {condition: service_healthy}, c: {condition: service_completed_successfully}}
    healthcheck: {test: [CMD, ask]}
  c-2: {image: y:1, depends_on: [b]}
  c: {image: y:1, restart: on-failure}
  a: {image: z:1}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "compose.yaml"
    made.write_text(TOLD)
    return made


def test_services_come_after_those_they_wait_for(file: Path) -> None:
    found = read({"SECRET": "s"}, file)
    assert list(found) == ["c", "a", "b", "c-2"]
    assert found["b"].after == {"a": "healthy", "c": "completed_successfully"}
    assert found["c-2"].after == {"b": "started"}
    assert (found["b"].kind, found["b"].health, found["c"].ends, found["b"].ends) == ("hoso", ["ask"], True, False)


def test_services_that_wait_for_one_another_are_refused(file: Path) -> None:
    file.write_text(TOLD.replace("c: {image: y:1,", "c: {image: y:1, depends_on: [b],"))
    with pytest.raises(ValueError, match="wait for one another"):
        read({"SECRET": "s"}, file)


def test_what_is_not_given_is_named(file: Path) -> None:
    assert read({"SECRET": "s"}, file)["b"].environment == {"KEY": "s", "PLAIN": "a"}
    with pytest.raises(NotGiven, match="SECRET"):
        read({}, file)


def test_addresses_and_folders_are_those_of_this_machine(file: Path, tmp_path: Path) -> None:
    found = read({"SECRET": "s"}, file)
    numbers = count(5001)
    places = Places(found, tmp_path, lambda: next(numbers))
    words = places.words(found["b"].command, found["b"])
    assert words == [
        "run",
        "--listen",
        "127.0.0.1:5001",
        "--smtp-port",
        "5002",
        "http://127.0.0.1:5003/x",
        "127.0.0.1:5004",
        f"{tmp_path}/volumes/store/file",
        "/database",
    ]
    assert places.port("a", 80) == 5001  # they share a network
    assert places.port("c", 80) == 5005
    places.set("c-2", 10, 99)
    assert places.said("c-2:10,c-2:101,x.c-2:10", found["a"]) == "127.0.0.1:99,127.0.0.1:5006,x.c-2:10"
