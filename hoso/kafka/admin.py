"""Asks a Kafka cluster what it has and tells it what to make: topics, their settings, access rights."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaConnectionError, KafkaError, for_code
from aiokafka.protocol.admin import CreateAclsRequest

from hoso.kafka.access import Right
from hoso.kafka.connection import Broker, connected
from hoso.kafka.topics import Copies, Found, Wanted, every
from hoso.runtime.failures import HosoError

PATIENCE_S = 10.0
_EXISTS, _NO_AUTHORIZER = 36, 54
_ON_TOPIC = 1
"""DescribeConfigs: where a setting comes from; 1 = set on the topic itself."""


@dataclass(slots=True)
class Admin:
    """The cluster, asked by somebody who may. Every method raises HosoError with what Kafka said."""

    _client: Any

    async def brokers(self) -> int:
        """How many brokers run now."""
        async with _said("the cluster cannot be described"):
            return len((await self._client.describe_cluster())["brokers"])

    async def topics(self, names: Sequence[str]) -> dict[str, Found]:
        """Those of `names` that are there."""
        async with _said("the topics cannot be read"):
            # All are listed: asked for a name, a cluster with auto.create.topics.enable would make it.
            listed = [t for t in await self._client.describe_topics() if t["topic"] in set(names)]
            configs = [ConfigResource(ConfigResourceType.TOPIC, t["topic"]) for t in listed]
            answers = await self._client.describe_configs(configs) if configs else []
        settings: dict[str, dict[str, str]] = {}
        own: dict[str, dict[str, str]] = {}
        for code, message, _, name, entries in (row for answer in answers for row in answer.resources):
            _check(code, f"the settings of {name} cannot be read", message)
            settings[name] = {entry[0]: entry[1] or "" for entry in entries}
            own[name] = {entry[0]: entry[1] or "" for entry in entries if entry[3] == _ON_TOPIC and not entry[4]}
        return {
            t["topic"]: Found(
                t["topic"],
                len(t["partitions"]),
                min((len(p["replicas"]) for p in t["partitions"]), default=0),
                settings[t["topic"]],
                own[t["topic"]],
            )
            for t in listed
        }

    async def planned(
        self, names: Sequence[str], servers: int, copies: int | None = None, in_sync: int | None = None
    ) -> tuple[list[Wanted], dict[str, Found]]:
        """What should be, and what is. Raises HosoError.

        A broker that is away for an hour makes no topic smaller: the cluster counts as large as the `servers` that are named,
        the brokers that run and the copies that topics have say it is.
        """
        there = await self.topics([topic.name for topic in every(names, Copies(1, 1))])
        brokers = max(servers, await self.brokers(), *(found.copies for found in there.values()))
        return every(names, Copies.of(brokers, copies, in_sync)), there

    async def make(self, topics: Sequence[Wanted]) -> None:
        """Make topics; one that somebody made meanwhile is left as it is."""
        if not topics:
            return
        asked = [NewTopic(t.name, t.partitions, t.copies, topic_configs=dict(t.settings)) for t in topics]
        async with _said("topics cannot be made"):
            answer = await self._client.create_topics(asked)
        for name, code, message in answer.topic_errors:  # a refusal raises nothing
            if code != _EXISTS:
                _check(code, f"topic {name} cannot be made", message)

    async def alter(self, settings: Mapping[str, Mapping[str, str]]) -> None:
        """Set the settings of topics; those left out go back to the broker's own."""
        if not settings:
            return
        asked = [ConfigResource(ConfigResourceType.TOPIC, name, dict(each)) for name, each in settings.items()]
        async with _said("settings of topics cannot be changed"):
            answers = await self._client.alter_configs(asked)
        for code, message, _, name in (row for answer in answers for row in answer.resources):
            _check(code, f"the settings of {name} cannot be changed", message)

    async def allow(self, rights: Sequence[Right]) -> None:
        """Grant rights; one that is there already stays."""
        client = self._client._client  # the admin client has no method for it, though the library knows the request
        for right in rights:
            async with _said("rights cannot be granted"):
                answer = await client.send(client.get_random_node(), CreateAclsRequest(*right.on_the_wire()))
            for code, message in answer.creation_responses:
                if code == _NO_AUTHORIZER:
                    raise HosoError("this cluster checks nobody's rights: set authorizer.class.name on its nodes first")
                _check(code, f"'{right}' cannot be granted", message)


@contextlib.asynccontextmanager
async def administered(broker: Broker) -> AsyncIterator[Admin]:
    """An admin's connection for one command. Raises HosoError when no broker answers within 10 s."""
    for name in ("aiokafka", "hoso.kafka"):  # a command says one sentence itself; where logs are kept, they still are
        logger = logging.getLogger(name)
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())
    client: Any = None

    async def start() -> bool:
        nonlocal client
        client = AIOKafkaAdminClient(**broker.arguments(), client_id="hoso-cli")
        try:
            await client.start()
        except BaseException:
            await client.close()
            raise
        return True

    await connected(start, broker, most=PATIENCE_S)
    try:
        yield Admin(client)
    finally:
        await client.close()


@contextlib.asynccontextmanager
async def _said(what: str) -> AsyncIterator[None]:
    try:
        yield
    except (KafkaError, KafkaConnectionError, TimeoutError) as error:
        raise HosoError(f"{what}: {type(error).__name__} {error}".strip()) from error


def _check(code: int, what: str, message: str | None) -> None:
    if code:
        raise HosoError(f"{what}: {message or for_code(code).__name__}")
