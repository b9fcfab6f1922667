"""The topics of a cluster beside the table: what is missing, harmless, destructive, impossible; and who may do what."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hoso.kafka.access import Right, rights
from hoso.kafka.topics import DAY_MS, Copies, Found, Wanted, altered, differences, every, wanted
from hoso.runtime.failures import HosoError
from schemas.topics import TOPICS, topic_named

ROW = topic_named("agency.replied")
SHOULD = wanted(ROW, Copies(3, 2))


def there(own: dict[str, str] | None = None, **changed: Any) -> Found:
    """The topic as it should be, but for `changed`."""
    settings = {**SHOULD.settings, "segment.bytes": "1073741824", **(own or {})}
    return replace(Found(SHOULD.name, SHOULD.partitions, SHOULD.copies, settings, own or {}), **changed)


def kinds(found: Found | None, should: Wanted = SHOULD) -> list[tuple[str, str]]:
    return [(one.what, one.kind) for one in differences([should], {} if found is None else {found.name: found})]


@pytest.mark.parametrize(
    ("brokers", "asked", "told"),
    [
        (1, (None, None), Copies(1, 1)),
        (2, (None, None), Copies(1, 1)),
        (3, (None, None), Copies(3, 2)),
        (9, (None, None), Copies(3, 2)),
        (3, (1, None), Copies(1, 1)),
        (5, (5, 3), Copies(5, 3)),
        (2, (2, None), Copies(2, 1)),
    ],
)
def test_copies_go_by_the_number_of_brokers(brokers: int, asked: Any, told: Copies) -> None:
    assert Copies.of(brokers, *asked) == told


@pytest.mark.parametrize("asked", [(4, None), (3, 4), (1, 2)])
def test_more_copies_than_brokers_or_than_copies_are_refused(asked: Any) -> None:
    with pytest.raises(HosoError):
        Copies.of(3, *asked)


def test_what_is_as_it_should_be_differs_in_nothing() -> None:
    assert kinds(there()) == []
    assert kinds(there({"segment.ms": "1000"})) == []
    assert kinds(None) == [("topic", "missing")]


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (there(partitions=1), ("partitions", "impossible")),
        (there(partitions=12), ("partitions", "impossible")),
        (there(copies=1), ("copies", "impossible")),
        (there(copies=5), ("copies", "impossible")),
        (there({"retention.ms": str(7 * DAY_MS)}), ("retention.ms", "harmless")),
        (there({"retention.ms": str(30 * DAY_MS)}), ("retention.ms", "destructive")),
        (there({"retention.ms": "-1"}), ("retention.ms", "destructive")),
        (there({"cleanup.policy": "compact"}), ("cleanup.policy", "destructive")),
        (there({"min.insync.replicas": "1"}), ("min.insync.replicas", "harmless")),
        (there({"min.insync.replicas": "3"}), ("min.insync.replicas", "destructive")),
    ],
)
def test_every_difference_has_its_kind(found: Found, told: tuple[str, str]) -> None:
    assert kinds(found) == [told]


def test_retention_for_ever_is_not_shorter_than_any() -> None:
    should = replace(SHOULD, settings={**SHOULD.settings, "retention.ms": "-1"})
    assert kinds(there(), should) == [("retention.ms", "harmless")]


def test_settings_that_somebody_made_stay() -> None:
    found = there({"segment.ms": "1000", "retention.ms": "5"})
    changes = differences([SHOULD], {SHOULD.name: found})
    assert altered(SHOULD, found, changes) == {"segment.ms": "1000", "retention.ms": str(14 * DAY_MS)}


def test_every_topic_has_its_dead_letters_beside_it_and_strangers_choose_no_codec_for_us() -> None:
    made = {one.name: one for one in every([ROW.name, "enrolment.requests.acme"], Copies(1, 1))}
    assert set(made) == {
        ROW.name,
        "enrolment.requests.acme",
        *(f"{ROW.name}.{group}.dlq" for group in ROW.consumers),
        "enrolment.requests.acme.hoso.intake.dlq",
    }
    assert made["enrolment.requests.acme"].settings["compression.type"] == "uncompressed"
    assert "compression.type" not in made[ROW.name].settings
    assert {one.partitions for name, one in made.items() if name.endswith(".dlq")} == {1}
    with pytest.raises(KeyError):
        every(["somebody.elses"], Copies(1, 1))


# --- rights -----------------------------------------------------------------------------------------------------


def may(user: str, tenants: tuple[str, ...] = ("acme",)) -> set[tuple[str, str]]:
    return {(r.operation, f"{r.resource}:{r.name}{'*' * r.prefixed}") for r in rights(list(tenants)) if r.user == user}


def test_a_producing_system_writes_its_own_topic_and_reads_the_answers() -> None:
    assert may("acme", ("acme", "globex")) == {
        ("WRITE", "topic:enrolment.requests.acme"),
        ("READ", "topic:enrolment.progressed"),
        ("READ", "group:acme.*"),
    }


def test_a_tenant_cannot_become_one_of_our_groups() -> None:
    assert ("READ", "group:hoso.*") not in may("hoso", ("hoso",))


def test_only_the_relay_writes_and_only_readers_read() -> None:
    for group in {group for topic in TOPICS for group in topic.consumers}:
        assert {operation for operation, _ in may(group)} <= {"READ", "DESCRIBE"}
        assert ("READ", f"group:{group}") in may(group)
    assert {operation for operation, _ in may("hoso.relay")} == {"WRITE"}
    assert {f"topic:{topic.name}" for topic in TOPICS} < {resource for _, resource in may("hoso.relay")}
    assert ("READ", "topic:enrolment.requests.*") in may("hoso.intake")
    assert ("READ", "topic:agency.asked") in may("hoso.submitter")
    assert ("READ", "topic:mail.received") not in may("hoso.submitter")


def test_one_user_for_all_services_has_all_their_rights_and_no_right_twice() -> None:
    each, one = rights(["acme"]), rights(["acme"], "svc")
    assert {r.user for r in one} == {"svc", "acme"}
    assert {(r.operation, r.resource, r.name, r.prefixed) for r in each} == {
        (r.operation, r.resource, r.name, r.prefixed) for r in one
    }
    assert len(one) == len(set(one)) < len(each) == len(set(each))


def test_a_right_as_a_command_and_on_the_wire() -> None:
    right = Right("acme", "READ", "group", "acme.", prefixed=True)
    assert right.command("k:9092") == (
        "kafka-acls.sh --bootstrap-server k:9092 --command-config admin.properties --add --allow-principal 'User:acme' "
        "--operation READ --group 'acme.' --resource-pattern-type prefixed"
    )
    assert right.on_the_wire() == (3, "acme.", 4, "User:acme", "*", 3, 3)
