"""Where Kafka is and how it is spoken to: HOSO_LOG and the HOSO_KAFKA_… settings as what aiokafka takes.

kafka://host:port,…            plain, for loopback and closed networks
kafka+ssl://host:port,…        TLS; HOSO_KAFKA_CA, and HOSO_KAFKA_CERT with HOSO_KAFKA_KEY where the broker wants one of ours
kafka+sasl-ssl://host:port,…   TLS and SCRAM-SHA-512: HOSO_KAFKA_USER, HOSO_KAFKA_PASSWORD_FILE
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from aiokafka.errors import GroupAuthorizationFailedError, KafkaError, KafkaTimeoutError, TopicAuthorizationFailedError

from hoso.runtime.failures import HosoError, SettingsError
from hoso.store.postgres import redacted

if TYPE_CHECKING:
    from hoso.settings import Settings

log = logging.getLogger(__name__)
T = TypeVar("T")

PROTOCOLS = {"kafka": "PLAINTEXT", "kafka+ssl": "SSL", "kafka+sasl-ssl": "SASL_SSL"}
SESSION_MS = 6_000
"""A copy that is gone is noticed after so long; the broker's own floor."""
FLOOD_S = 30.0
CLOSED = 5
"""So many connections closed one after the other are no broker that starts, but one that wants TLS and got none."""
LOGGERS = (
    "aiokafka",
    "aiokafka.conn",
    "aiokafka.client",
    "aiokafka.cluster",
    "aiokafka.consumer.fetcher",
    "aiokafka.consumer.group_coordinator",
    "aiokafka.consumer.consumer",
    "aiokafka.producer.sender",
    "aiokafka.producer.producer",
    "aiokafka.producer.message_accumulator",
)


@dataclass(frozen=True, slots=True)
class Broker:
    """A cluster and our way in."""

    servers: tuple[str, ...]
    protocol: str = "PLAINTEXT"
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    user: str = ""
    password_file: Path | None = None

    @classmethod
    def of(
        cls,
        url: str,
        *,
        ca: Path | None = None,
        certificate: Path | None = None,
        key: Path | None = None,
        user: str = "",
        password_file: Path | None = None,
    ) -> Broker:
        """What a URL and the settings beside it name. Raises SettingsError."""
        scheme, slashes, rest = url.partition("://")
        servers = tuple(part.strip() for part in rest.rstrip("/").split(",") if part.strip())
        if not slashes or scheme not in PROTOCOLS or not servers:
            shown = redacted(url) if slashes else url.rpartition("@")[2]
            raise SettingsError(
                f"HOSO_LOG={shown} is no log: write `postgres`, or kafka://host:port[,host:port], kafka+ssl://… or kafka+sasl-ssl://…"
            )
        for server in servers:
            if "@" in rest or not server.rpartition(":")[2].isdigit():
                shown = rest.rpartition("@")[2] if "@" in rest else server  # a password may have commas in it
                raise SettingsError(
                    f"HOSO_LOG: '{shown}' is no broker: write host:port; a user goes into HOSO_KAFKA_USER"
                )
        broker = cls(servers, PROTOCOLS[scheme], ca, certificate, key, user, password_file)
        if broker.protocol == "SASL_SSL" and (not user or password_file is None):
            raise SettingsError("HOSO_LOG=kafka+sasl-ssl://… needs HOSO_KAFKA_USER and HOSO_KAFKA_PASSWORD_FILE")
        if (certificate is None) != (key is None):
            raise SettingsError("HOSO_KAFKA_CERT and HOSO_KAFKA_KEY belong together: set both, or neither")
        broker.arguments()
        return broker

    @classmethod
    def of_settings(cls, settings: Settings) -> Broker:
        """The cluster that HOSO_LOG names. Raises SettingsError."""
        return cls.of(
            settings.log,
            ca=settings.kafka_ca,
            certificate=settings.kafka_cert,
            key=settings.kafka_key,
            user=settings.kafka_user,
            password_file=settings.kafka_password_file,
        )

    def arguments(self) -> dict[str, Any]:
        """What every aiokafka client takes. Raises SettingsError when a file cannot be read."""
        made: dict[str, Any] = {
            "bootstrap_servers": list(self.servers),
            "security_protocol": self.protocol,
            "retry_backoff_ms": 200,
            "metadata_max_age_ms": 10_000,
            "request_timeout_ms": 20_000,
        }
        if self.protocol != "PLAINTEXT":
            made["ssl_context"] = self._context()
        if self.protocol == "SASL_SSL":
            made |= {
                "sasl_mechanism": "SCRAM-SHA-512",
                "sasl_plain_username": self.user,
                "sasl_plain_password": _password(self.password_file),
            }
        return made

    def _context(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=str(self.ca) if self.ca else None)
            if self.certificate and self.key:
                context.load_cert_chain(str(self.certificate), str(self.key))
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(
                f"HOSO_KAFKA_CA, HOSO_KAFKA_CERT or HOSO_KAFKA_KEY cannot be used ({error}): they are PEM files"
            ) from error
        return context


def _password(file: Path | None) -> str:
    try:
        word = file.read_text("utf-8").strip() if file else ""
    except OSError as error:
        raise SettingsError(f"HOSO_KAFKA_PASSWORD_FILE={file} cannot be read ({error.strerror})") from error
    if not word:
        raise SettingsError(f"HOSO_KAFKA_PASSWORD_FILE={file} is empty: write the password of HOSO_KAFKA_USER into it")
    return word


async def connected(
    start: Callable[[], Awaitable[T]],
    broker: Broker,
    drained: asyncio.Event | None = None,
    *,
    most: float | None = None,
) -> T | None:
    """Start a client; while no broker answers, again with back-off (0.2 to 5 s), said once a minute. None: drained meanwhile.

    Raises HosoError when the broker answers and does not let us in, or when `most` seconds have passed.
    """
    pause, told, began, closed = 0.2, 0.0, time.monotonic(), 0
    names = ",".join(broker.servers)
    heard = _Heard()
    for name in LOGGERS:  # before what keeps them from flooding: a filter of the parent does not see a child's records
        logging.getLogger(name).filters.insert(0, heard)
    try:
        while drained is None or not drained.is_set():
            heard.refused, heard.closed = "", False
            try:
                return await start()
            except KafkaError as error:
                if isinstance(error, TopicAuthorizationFailedError | GroupAuthorizationFailedError):
                    raise
                closed = closed + 1 if heard.closed else 0
                if heard.refused or closed >= CLOSED:
                    why = heard.refused or "it closes what we open"
                    raise HosoError(
                        f"Kafka at {names} does not let us in ({why}): mend HOSO_KAFKA_USER, HOSO_KAFKA_PASSWORD_FILE, "
                        "HOSO_KAFKA_CA or the kind of HOSO_LOG (kafka://, kafka+ssl://, kafka+sasl-ssl://)"
                    ) from error
                if not error.retriable and not isinstance(error, KafkaTimeoutError):
                    raise HosoError(f"Kafka at {names} cannot be used ({error!r}): look at its log") from error
                if most is not None and time.monotonic() - began > most:
                    raise HosoError(f"no Kafka answers at {names}; is it running, is HOSO_LOG right?") from error
                if time.monotonic() - told > 60 or not told:
                    log.warning("no Kafka answers yet; going on trying", extra={"address": names})
                    told = time.monotonic()
            await _wait(drained, pause)
            pause = min(pause * 2, 5.0)
        return None
    finally:
        for name in LOGGERS:
            logging.getLogger(name).removeFilter(heard)


async def _wait(drained: asyncio.Event | None, pause: float) -> None:
    if drained is None:
        await asyncio.sleep(pause)
        return
    try:
        await asyncio.wait_for(drained.wait(), pause)
    except TimeoutError:
        return


class _Heard(logging.Filter):
    """aiokafka tells why a log-in failed only in its log: this keeps that word."""

    SIGNS = ("Authentication", "SASL", "certificate", "SSL", "wrong version number", "handshake")

    def __init__(self) -> None:
        super().__init__()
        self.refused = ""
        self.closed = False

    def filter(self, record: logging.LogRecord) -> bool:
        said = record.getMessage()
        if any(sign.lower() in said.lower() for sign in self.SIGNS):
            self.refused = said.rpartition(": ")[2].strip(". ")[:200] or said[:200]
        self.closed = self.closed or said.endswith(" closed")
        return True


class _Flood(logging.Filter):
    """Lets the same kind of library warning through once in a while: an absent broker is one fact, not hundreds."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[object, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now = time.monotonic()
        key = (record.name, record.msg if isinstance(record.msg, str) else type(record.msg))
        if now - self._last.get(key, -FLOOD_S) < FLOOD_S:
            return False
        self._last[key] = now
        return True


def quiet() -> None:
    """Keep aiokafka's loggers from flooding."""
    for name in LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(one, _Flood) for one in logger.filters):
            logger.addFilter(_Flood())
        logger.setLevel(logging.WARNING)
