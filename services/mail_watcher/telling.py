"""What is told of a mail that waits for a person, and when it waits no more. Pure."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from schemas.events import MailCandidate, MailSettled, MailUndecided
from services.mail_watcher.candidates import Decided, KnownMail
from services.mail_watcher.matching import Expectation, Foreign, Matched, Several
from services.mail_watcher.readings import OtherMail, UnclearMail, about
from services.mail_watcher.secret import Secret

GRACE = timedelta(minutes=10)
"""How long a mail that nobody waits for stays quiet, on the world's clock: most such mails are a race."""
MOST_CANDIDATES = 20
MAX_SUBJECT = 200

_CODE_LIKE = re.compile(r"\w{8,}")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of one mail."""

    state: str
    why: str
    chosen: Expectation | None = None
    candidates: tuple[Expectation, ...] = ()
    told: str = ""
    """Digest of what stands told of it as undecided."""
    fact: MailUndecided | MailSettled | None = None


def masked(subject: str, code: Secret | None) -> str:
    """A subject that may be shown: no code, and nothing that could be one."""
    if code is not None:
        letters = [re.escape(letter) for letter in code.reveal()]
        subject = re.sub(r"\s*".join(letters), "X" * len(letters), subject, flags=re.IGNORECASE)
    hidden = _CODE_LIKE.sub(lambda m: "X" * len(m.group()) if re.search(r"\d", m.group()) else m.group(), subject)
    hidden = re.sub(r"(?<!\w)[A-Z]{10}(?!\w)", "X" * 10, hidden)
    return hidden[:MAX_SUBJECT]


def outcome_of(mail: KnownMail, decided: Decided, now: datetime, code_valid: timedelta, note: str = "") -> Outcome:
    """What becomes of `mail` by a verdict. `now` is the world's time; `note` is for a mail that is matched."""
    match decided.verdict:
        case Matched(chosen):
            fact = None
            if mail.told:
                how: Literal["assigned", "matched"] = "assigned" if decided.assigned else "matched"
                fact = MailSettled(mail=mail.id, how=how, enrolment=chosen.enrolment)
            return Outcome("matched", note, chosen, fact=fact)
        case Several(candidates, why):
            unreadable = not candidates or isinstance(mail.reading, UnclearMail | OtherMail)
            return _waiting(mail, "undecided", why, "unreadable" if unreadable else "several", candidates, code_valid)
        case Foreign() if mail.state == "undecided":
            return _waiting(mail, "undecided", mail.why, "unreadable", (), code_valid)
        case Foreign() if mail.state == "quarantined":
            return _waiting(mail, "quarantined", mail.why, "quarantined", (), code_valid)
        case Foreign():
            return Outcome("other", "")
    why = "nobody waits for it yet"
    if mail.told or (mail.parked_at is not None and now - mail.parked_at >= GRACE):
        return _waiting(mail, "parked", why, "nobody", (), code_valid)
    return Outcome("parked", why)


def _waiting(
    mail: KnownMail,
    state: str,
    why: str,
    word: Literal["several", "nobody", "quarantined", "unreadable"],
    candidates: tuple[Expectation, ...],
    code_valid: timedelta,
) -> Outcome:
    kind = about(mail.reading)
    fact = MailUndecided(
        mail=mail.id,
        mailbox=mail.mailbox,
        why=word,
        kind=kind,
        candidates=tuple(_candidate(c) for c in _newest_of_each(candidates)[:MOST_CANDIDATES]),
        subject=mail.subject,
        arrived_at=mail.arrived_at,
        until=mail.arrived_at + code_valid if kind == "activation" else None,
    )
    digest = hashlib.sha256(fact.model_dump_json().encode()).hexdigest()[:16]
    return Outcome(state, why, None, candidates, digest, fact if digest != mail.told else None)


def _newest_of_each(candidates: tuple[Expectation, ...]) -> list[Expectation]:
    """One attempt an enrolment, the newest; those filed last first."""
    newest: dict[UUID, Expectation] = {}
    for one in sorted(candidates, key=lambda c: (c.since, c.attempt)):
        newest[one.enrolment] = one
    return sorted(newest.values(), key=lambda c: (c.since, str(c.dossier)), reverse=True)


def _candidate(one: Expectation) -> MailCandidate:
    return MailCandidate(
        enrolment=one.enrolment,
        dossier=one.dossier,
        attempt=one.attempt,
        unit_name=one.unit_name,
        unit_code=one.unit_code,
    )
