"""How `hoso enrolment show` tells one enrolment to people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from app.commands.checklists import lines
from app.commands.showing import VIETNAM, cell, say
from app.story import outcome
from app.words import cause_word, language, stage_word, text

if TYPE_CHECKING:
    from services.ops.checklist import Checklist


def tell(
    found: Sequence[Mapping[str, Any]],
    events: Sequence[Mapping[str, Any]],
    tried: Sequence[Mapping[str, Any]],
    tasks: Sequence[Mapping[str, Any]],
    made: Checklist,
    command: str,
) -> None:
    """Print it: where it stands, what to do, steps, attempts, tasks, then everything in order, by day."""
    _head(found, tasks, command)
    _title("story.checklist")
    for line in lines(made):
        say(line)
    if tried:
        _title("story.attempts")
        for place, attempt in enumerate(tried, 1):
            _attempt(place, attempt)
    if tasks:
        _title("story.tasks")
        for task in tasks:
            say(f" {_task(task)}")
    _title("story.happened")
    day = ""
    for event in events:
        local = event["at"].astimezone(VIETNAM)
        if f"{local:%d/%m/%Y}" != day:
            day = f"{local:%d/%m/%Y}"
            say(day)
        because = f"  ({text('story.because', at=_short(event['because'], day))})" if event["because"] else ""
        say(f"  {local:%H:%M:%S}  {event['who']:<14}  {_without(event['who'], event['text'])}{because}")
        for detail in event["details"]:
            for part in detail.splitlines():
                say(f"{'':28}│ {part}")


def _head(found: Sequence[Mapping[str, Any]], tasks: Sequence[Mapping[str, Any]], command: str) -> None:
    row = found[0]
    say(text("story.head", name=row["name"], unit_code=row["unit_code"] or "–"))
    for key in ("enrolment", "tenant", "number", "method", "employees", "opened_at", "changed_at"):
        if row[key] not in (None, ""):
            say(f"{text('col.' + key)}: {cell(row[key])}")
    say(text("story.stage", stage=stage_word(row["stage"])))
    if row["cause"]:
        say(f"{text('col.cause')}: {cause_word(row['cause'], row['message'])} [{row['cause']}]")
    if row["until"]:
        say(text("story.until", until=cell(row["until"])))
    for task in tasks:
        if task["ended_at"] is None and not str(task["about"]).startswith("decision:"):
            say(text("story.todo", cure=task["cure"]))
    if command:
        say(f"{text('col.command')}: {command}")
    if len(found) > 1:
        say(text("enrolment.others", ids=", ".join(str(one["enrolment"]) for one in found[1:])))


def _title(name: str) -> None:
    say()
    say(text(name))


def _attempt(place: int, attempt: Mapping[str, Any]) -> None:
    say(f" {text('story.attempt', place=place, kind=attempt['kind_text'], attempt=attempt['attempt'])}")
    if "signed_at" in attempt:
        subject = attempt["certificate_subject"] or ""
        said = text(
            "story.signed",
            at=cell(attempt["signed_at"]),
            method=attempt["method"],
            serial=attempt["certificate_serial"],
            subject=subject,
        )
        say(f"     {said.rstrip()}")
    if "filed_at" in attempt:
        say(
            "     "
            + text(
                "story.filed",
                at=cell(attempt["filed_at"]),
                transaction=attempt.get("transaction", "–"),
                number=attempt.get("number", "–"),
            )
        )
    say(f"     {text('story.outcome', outcome=outcome(language(), attempt))}")


def _task(task: Mapping[str, Any]) -> str:
    said = {
        "since": cell(task["since"]),
        "cause": task["cause"],
        "actor": task["actor"],
        "answer": task["answer"],
        "reason": f"({task['reason']})" if task["reason"] else "",
        "ended": cell(task["ended_at"]),
    }
    if task["ended_at"] is None:
        return text("story.task-open", since=said["since"], cause=said["cause"])
    if task["answer"] is None:
        return text("story.task-ended", since=said["since"], cause=said["cause"], ended=said["ended"])
    return " ".join(text("story.task-answered", **said).replace(" ,", ",").split())


def _short(at: Any, day: str) -> str:
    local = at.astimezone(VIETNAM)
    return f"{local:%H:%M:%S}" if f"{local:%d/%m/%Y}" == day else f"{local:%d/%m/%Y %H:%M:%S}"


def _without(who: str, said: str) -> str:
    """The sentence without the one who does it, when it begins with him: he stands beside it."""
    return said[len(who) :].lstrip() if said.lower().startswith(who.lower() + " ") else said
