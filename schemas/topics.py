"""The topics, as data. Topic creation, documentation and access lists are made from this one table.

Key of every topic = the unit (UUID), so one unit's events stay in order. Partition counts are chosen when a topic is
made and never change: a log partition is a Kafka partition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from schemas import events as e
from schemas.envelope import Fact

PARTITIONS = 8


@dataclass(frozen=True, slots=True)
class Topic:
    """One row of the table. `retention_days` holds only after every group has read; internal topics are hoso's own."""

    name: str
    facts: tuple[type[Fact], ...]
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    about: str
    partitions: int = PARTITIONS
    retention_days: int = 14
    cleanup: Literal["delete", "compact"] = "delete"
    """What Kafka does with old records; no topic of ours is compacted, for every event counts, not only a unit's last one."""
    public: bool = False
    strangers: bool = False
    """Others write here: what cannot be handled is a dead letter, for no unit of ours waits behind it."""


TOPICS: Sequence[Topic] = (
    Topic(
        "enrolment.requested",
        (e.EnrolmentRequested, e.EnrolmentAnswered, e.EnrolmentCancelled, e.CertificateReplaced, e.EmployeesRequested),
        ("hoso.intake", "hoso.ops-cli", "hoso.enrolment"),
        ("hoso.enrolment", "hoso.ops", "hoso.notifier"),
        "validated requests, people's answers and cancellations",
    ),
    Topic(
        "dossier.prepared",
        (e.DossierPrepared,),
        ("hoso.enrolment",),
        ("hoso.signer", "hoso.ops"),
        "attempts to put into XML and sign",
    ),
    Topic(
        "dossier.signed",
        (e.DossierSigned, e.SigningRefused, e.SignatureAwaited),
        ("hoso.signer",),
        ("hoso.enrolment", "hoso.ops", "hoso.notifier"),
        "signed attempts, those that could not be signed, and those that wait for somebody",
    ),
    Topic(
        "agency.asked",
        (e.FilingAsked, e.ActivationAsked, e.StatusAsked, e.RosterAsked),
        ("hoso.enrolment",),
        ("hoso.submitter", "hoso.ops"),
        "what the agency is to be asked",
    ),
    Topic(
        "agency.replied",
        (
            e.DossierReceived,
            e.DossierDecided,
            e.FilingUncertain,
            e.ActivationAnswered,
            e.StatusAnswered,
            e.RosterFetched,
            e.RosterFailed,
        ),
        ("hoso.submitter",),
        ("hoso.enrolment", "hoso.ops"),
        "what the agency said",
    ),
    Topic(
        "mail.expected",
        (e.MailExpected, e.MailNumbered, e.MailAssigned),
        ("hoso.submitter", "hoso.ops-cli"),
        ("hoso.mail-watcher", "hoso.ops"),
        "attempts about which a mail may come",
    ),
    Topic(
        "mail.received",
        (e.ActivationCodeArrived, e.StopResultArrived, e.ChangeResultArrived, e.UnitCodeResultArrived),
        ("hoso.mail-watcher",),
        ("hoso.enrolment", "hoso.ops"),
        "codes and results out of the mailboxes",
    ),
    Topic(
        "mail.undecided",
        (e.MailUndecided, e.MailSettled),
        ("hoso.mail-watcher", "hoso.ops-cli"),
        ("hoso.ops", "hoso.notifier"),
        "mails that wait for a person; their key is the mail, for their unit is not known",
    ),
    Topic(
        "registry.asked",
        (e.TurnAsked, e.TurnEnded, e.UnitCodeGranted),
        ("hoso.enrolment",),
        ("hoso.intake", "hoso.ops"),
        "what only the registry of all units can answer",
    ),
    Topic(
        "registry.answered",
        (e.TurnGranted, e.UnitCodeNoted),
        ("hoso.intake",),
        ("hoso.enrolment", "hoso.ops"),
        "what the registry said",
    ),
    Topic(
        "enrolment.reminded",
        (e.ReminderDue,),
        ("hoso.enrolment",),
        ("hoso.enrolment", "hoso.ops"),
        "timers that rang",
    ),
    Topic(
        "enrolment.progressed",
        (e.EnrolmentProgressed, e.EnrolmentWarned, e.RequestRefused, e.NoteTaken),
        ("hoso.enrolment", "hoso.intake", "hoso.ops"),
        ("hoso.intake", "hoso.ops", "hoso.notifier"),
        "where every enrolment stands",
        public=True,
    ),
)

REQUESTS = Topic(
    "enrolment.requests.<tenant>",
    (e.EnrolUnit,),
    ("producing systems",),
    ("hoso.intake",),
    "requests from producing systems; the tenant is the topic's, never the payload's",
    public=True,
    strangers=True,
)
"""The pattern of the one topic a tenant: made by `hoso tenant add`."""

TOPIC_OF: dict[type[Fact], Topic] = {fact: topic for topic in TOPICS for fact in topic.facts}
"""Each kind of fact travels on exactly one topic, so a handler need not name it."""


def topic_named(name: str) -> Topic:
    """The row for `name`, also for one tenant's request topic. Raises KeyError."""
    prefix = REQUESTS.name.removesuffix("<tenant>")
    if name.startswith(prefix) and len(name) > len(prefix):
        return Topic(
            name, REQUESTS.facts, REQUESTS.producers, REQUESTS.consumers, REQUESTS.about, public=True, strangers=True
        )
    for topic in TOPICS:
        if topic.name == name:
            return topic
    raise KeyError(name)


def tenant_of(topic: str) -> str:
    """The tenant a request topic belongs to; empty for every other topic."""
    prefix = REQUESTS.name.removesuffix("<tenant>")
    return topic.removeprefix(prefix) if topic.startswith(prefix) else ""


def topics_read_by(group: str) -> tuple[Topic, ...]:
    """The topics `group` subscribes to, in table order."""
    return tuple(topic for topic in TOPICS if group in topic.consumers)
