"""What was gathered for one recipient as one mail. Pure: the same notices give the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.header import Header
from email.message import Message
from email.mime.text import MIMEText
from email.policy import compat32
from email.utils import format_datetime, parseaddr
from typing import Any
from uuid import UUID, uuid5

from hoso.domain.causes import CAUSES
from services.notifier.english import CAUSES_EN
from services.notifier.words import LETTER, MAILS, SIGNATURES, STAGES, WARNINGS, Language, pick

VIETNAM = timezone(timedelta(hours=7))
LINES = 50
"""At most so many lines of each part; the rest is counted."""
SMTP_WIRE = compat32.clone(linesep="\r\n")
_SPACE = UUID("3d1f1b0a-2f5f-5f5b-8d0e-52a9b1a7c4e1")


@dataclass(frozen=True, slots=True)
class Line:
    """One notice, with who it is about."""

    event: UUID
    what: str
    word: str
    at: datetime
    enrolment: UUID | None = None
    unit_code: str | None = None
    name: str = ""
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail ready to be sent."""

    message_id: str
    body: bytes


def letter(lines: Sequence[Line], recipient: str, sender: str, language: Language, now: datetime) -> Letter:
    """One mail of all these notices. Its Message-ID is made from theirs, so the same mail again is the same mail."""
    latest = _latest(lines)
    tasks = [line for line in latest if line.what in ("task", "signature", "mail", "webhook")]
    warnings = [line for line in latest if line.what == "warning"]
    news = [line for line in latest if line.what == "stage"]
    parts = [
        _part("tasks", [_task(line, language) for line in tasks], language),
        _part("warnings", [_warning(line, language) for line in warnings], language),
        _part("news", _news(news, language), language),
    ]
    subjects = []
    if tasks or warnings:
        subjects.append(pick(LETTER["subject-tasks"], language).format(tasks=len(tasks) + len(warnings)))
    if news:
        subjects.append(pick(LETTER["subject-news"], language).format(news=len({line.enrolment for line in news})))
    domain = parseaddr(sender)[1].rpartition("@")[2] or "hoso.invalid"
    message_id = f"<{uuid5(_SPACE, recipient + ''.join(str(line.event) for line in lines))}@{domain}>"
    text = [pick(LETTER["greeting"], language), *(part for part in parts if part)]
    if tasks:
        text.append(pick(LETTER["how"], language))
    text.append("-- \n" + pick(LETTER["end"], language))
    # The older classes: EmailMessage of 3.11 loses blanks where it folds a Vietnamese subject.
    message: Message[Any, Any] = MIMEText("\n\n".join(text) + "\n", "plain", "utf-8")
    message["From"] = sender
    message["To"] = recipient
    message["Subject"] = Header(f"[hoso] {', '.join(subjects)}", "utf-8")
    message["Date"] = format_datetime(now)
    message["Message-ID"] = message_id
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's robot answers
    return Letter(message_id, message.as_bytes(policy=SMTP_WIRE))


def _latest(lines: Sequence[Line]) -> list[Line]:
    """Of each enrolment only its newest stage or task: what it has left behind is no news, and no task any more."""
    newest: dict[UUID, Line] = {}
    for line in lines:
        if line.enrolment is not None and line.what in ("stage", "task"):
            there = newest.get(line.enrolment)
            if there is None or there.at <= line.at:
                newest[line.enrolment] = line
    kept = [
        line
        for line in lines
        if line.enrolment is None or line.what not in ("stage", "task") or newest[line.enrolment] is line
    ]
    return sorted(kept, key=lambda line: (line.until or datetime.max.replace(tzinfo=VIETNAM), line.at))


def _part(name: str, entries: Sequence[str], language: Language) -> str:
    if not entries:
        return ""
    shown = [f"{number}. {entry}" for number, entry in enumerate(entries[:LINES], 1)]
    if len(entries) > LINES:
        shown.append(pick(LETTER["more"], language).format(count=len(entries) - LINES))
    return "\n".join([f"{pick(LETTER[name], language)} ({len(entries)})", *shown])


def _task(line: Line, language: Language) -> str:
    if line.what == "signature":
        said = pick(SIGNATURES.get(line.word, (line.word, line.word)), language)
    elif line.what == "mail":
        said = pick(MAILS.get(line.word, (line.word, line.word)), language)
    elif line.what == "webhook":
        return pick(LETTER["webhook-off"], language).format(url=line.word)
    elif language == "en":
        said = CAUSES_EN.get(line.word, line.word)
    else:
        cause = CAUSES.get(line.word)
        said = f"{cause.text}. {cause.cure}." if cause else line.word
    return _about(line, said, language)


def _warning(line: Line, language: Language) -> str:
    return _about(line, pick(WARNINGS.get(line.word, (line.word, line.word)), language), language)


def _about(line: Line, said: str, language: Language) -> str:
    entry = said if line.enrolment is None else f"{_who(line, language)}: {said}"
    if line.until is not None:
        until = f"{line.until.astimezone(VIETNAM):%d/%m/%Y %H:%M}"
        entry += "\n   " + pick(LETTER["until"], language).format(until=until)
    return entry


def _news(lines: Sequence[Line], language: Language) -> list[str]:
    """One line a unit, in the order of the way."""
    order = {stage: place for place, stage in enumerate(STAGES)}
    return [
        f"{_who(line, language)}: {pick(STAGES[line.word], language)}"
        for line in sorted(lines, key=lambda line: (-order[line.word], line.unit_code or "", line.name))
    ]


def _who(line: Line, language: Language) -> str:
    named = " ".join(part for part in (line.unit_code, line.name) if part)
    return " ".join(named.split())[:200] or pick(LETTER["nameless"], language)
