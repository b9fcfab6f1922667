"""Who may do what on the cluster: the least each service and each producing system needs, by the table in schemas/topics.py. Pure.

Every service is a Kafka user named as its group (`hoso.intake`), the relay is `hoso.relay`, whoever reads lag is `hoso.ops`,
trends are `hoso.trends`, a producing system is named as its tenant. Rights are only given, never taken away. WRITE and READ imply DESCRIBE.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from hoso.kafka.topics import dlq_of
from schemas.topics import REQUESTS, TOPICS, topics_read_by

Resource = Literal["topic", "group"]
Operation = Literal["READ", "WRITE", "CREATE", "DESCRIBE"]
RELAY, OPS, TRENDS = "hoso.relay", "hoso.ops", "hoso.trends"
_RESOURCES = {"topic": 2, "group": 3}
_OPERATIONS = {"READ": 3, "WRITE": 4, "CREATE": 5, "DESCRIBE": 8}
_LITERAL, _PREFIXED, _ALLOW = 3, 4, 3
_REQUESTS = REQUESTS.name.removesuffix("<tenant>")


@dataclass(frozen=True, slots=True)
class Right:
    """One user may do one thing with one topic or group, or with all whose name begins so."""

    user: str
    operation: Operation
    resource: Resource
    name: str
    prefixed: bool = False

    def __str__(self) -> str:
        return f"{self.user} {self.operation} {self.resource} {self.name}{'*' if self.prefixed else ''}"

    def command(self, bootstrap: str) -> str:
        """The same for Kafka's own tool."""
        pattern = " --resource-pattern-type prefixed" if self.prefixed else ""
        return (
            f"kafka-acls.sh --bootstrap-server {bootstrap} --command-config admin.properties --add "
            f"--allow-principal 'User:{self.user}' --operation {self.operation} --{self.resource} '{self.name}'{pattern}"
        )

    def on_the_wire(self) -> tuple[int, str, int, str, str, int, int]:
        """Resource, name, pattern, principal, host, operation, permission."""
        return (
            _RESOURCES[self.resource],
            self.name,
            _PREFIXED if self.prefixed else _LITERAL,
            f"User:{self.user}",
            "*",
            _OPERATIONS[self.operation],
            _ALLOW,
        )


def rights(tenants: Sequence[str], user: str = "") -> list[Right]:
    """All rights. `user`: one user for all services instead of one each; producing systems keep their own."""
    found = [*_of_relay(), *_of_services(), *_of_lag(), *_of_trends()]
    if user:
        found = [Right(user, r.operation, r.resource, r.name, r.prefixed) for r in found]
    return list(dict.fromkeys([*found, *(right for tenant in tenants for right in _of_tenant(tenant))]))


def _of_relay() -> Iterable[Right]:
    for topic in TOPICS:
        yield Right(RELAY, "WRITE", "topic", topic.name)
        for group in topic.consumers:
            yield Right(RELAY, "WRITE", "topic", dlq_of(topic.name, group))
    yield Right(RELAY, "WRITE", "topic", _REQUESTS, prefixed=True)


def _of_services() -> Iterable[Right]:
    for group in dict.fromkeys(group for topic in TOPICS for group in topic.consumers):
        yield Right(group, "READ", "group", group)
        for topic in topics_read_by(group):
            yield Right(group, "READ", "topic", topic.name)
    for group in REQUESTS.consumers:
        yield Right(group, "READ", "topic", _REQUESTS, prefixed=True)


def _of_lag() -> Iterable[Right]:
    yield Right(OPS, "DESCRIBE", "group", "hoso.", prefixed=True)
    for topic in TOPICS:
        yield Right(OPS, "READ", "topic", topic.name)
    yield Right(OPS, "READ", "topic", _REQUESTS, prefixed=True)


def _of_trends() -> Iterable[Right]:
    yield Right(TRENDS, "READ", "group", TRENDS, prefixed=True)
    for topic in TOPICS:
        yield Right(TRENDS, "READ", "topic", topic.name)
    own: Sequence[Operation] = ("CREATE", "READ", "WRITE")
    for operation in own:
        yield Right(TRENDS, operation, "topic", TRENDS, prefixed=True)


def _of_tenant(tenant: str) -> Iterable[Right]:
    yield Right(tenant, "WRITE", "topic", f"{_REQUESTS}{tenant}")
    yield Right(tenant, "READ", "topic", "enrolment.progressed")
    if tenant != "hoso":  # "hoso." begins the names of our own groups
        yield Right(tenant, "READ", "group", f"{tenant}.", prefixed=True)
