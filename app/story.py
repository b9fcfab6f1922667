"""One enrolment as a story: what happened in order, who or what caused it, with the agency's replies as they came. Pure.

Made of the timeline ops keeps, so `hoso enrolment show`, its JSON and `GET /v1/enrolments/{id}/timeline` tell the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from app.telling import KINDS, STEPS, told, when
from app.words import Language
from schemas import events as e

_PEOPLE = {
    one.TYPE
    for one in (
        e.EnrolmentRequested,
        e.EnrolmentAnswered,
        e.EnrolmentCancelled,
        e.CertificateReplaced,
        e.MailAssigned,
        e.EmployeesRequested,
    )
}
_AGENCY = {
    one.TYPE for one in (e.DossierReceived, e.DossierDecided, e.ActivationAnswered, e.StatusAnswered, e.RosterFetched)
}
_MAILBOX = {
    one.TYPE
    for one in (
        e.ActivationCodeArrived,
        e.StopResultArrived,
        e.ChangeResultArrived,
        e.UnitCodeResultArrived,
        e.MailUndecided,
        e.MailSettled,
    )
}
WHO: dict[str, tuple[str, str]] = {
    "agency": ("cơ quan BHXH", "the agency"),
    "mailbox": ("hộp thư", "the mailbox"),
    "clock": ("đồng hồ", "the clock"),
    "hoso": ("hoso", "hoso"),
}


def story(chosen: Language, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The timeline, oldest first, each with `who`, `text`, `details` (lines as they came) and `because` (what it answers)."""
    facts = [json.loads(row["data"]) if isinstance(row["data"], str) else dict(row["data"]) for row in rows]
    at = {row["event"]: row for row in rows}
    shown: list[dict[str, Any]] = []
    before: Mapping[str, Any] | None = None
    for row, fact in zip(rows, facts, strict=True):
        cause = at.get(row["cause"]) if row["cause"] is not None else None
        shown.append(
            {
                "n": row["n"],
                "at": row["at"],
                "type": row["type"],
                "event": row["event"],
                "cause": row["cause"],
                "who": _who(chosen, row["type"], fact),
                "text": told(chosen, row["type"], fact),
                "details": details(chosen, row["type"], fact),
                "because": cause["at"] if cause is not None and not _follows(row, cause, before) else None,
                "data": fact,
            }
        )
        before = row
    return shown


def _follows(row: Mapping[str, Any], cause: Mapping[str, Any], before: Mapping[str, Any] | None) -> bool:
    """Whether an entry plainly comes of what is above it: it answers that, or the same as that, or both are of one second."""
    return before is not None and (
        row["cause"] in (before["event"], before["cause"])
        or cause["at"].replace(microsecond=0) == row["at"].replace(microsecond=0)
    )


def _who(chosen: Language, type_: str, fact: Mapping[str, Any]) -> str:
    place = 1 if chosen == "en" else 0
    if type_ in _PEOPLE:
        return str(fact.get("actor") or "?")
    if type_ in _AGENCY and fact.get("go") != 0:
        return WHO["agency"][place]
    if type_ in _MAILBOX:
        return WHO["mailbox"][place]
    return WHO["clock" if type_ == e.ReminderDue.TYPE else "hoso"][place]


def details(chosen: Language, type_: str, fact: Mapping[str, Any]) -> list[str]:
    """What the sentence does not show as it came: the agency's code and words, each step of its reply, what ends when."""
    place = 1 if chosen == "en" else 0
    lines: list[str] = []
    if type_ in _AGENCY | _MAILBOX | {e.SigningRefused.TYPE, e.FilingUncertain.TYPE, e.RosterFailed.TYPE}:
        code, text = str(fact.get("code") or ""), str(fact.get("text") or "")
        if type_ == e.ActivationCodeArrived.TYPE:
            code = ""  # a reference into the vault, nobody's words
        if text and text not in told(chosen, type_, fact):
            lines.append(" | ".join(part for part in (code, text) if part))
    for step in fact.get("steps") or ():
        moment = when(step["at"]) if step.get("at") else ""
        lines.append(" · ".join(part for part in (step["step"], step["result"], step["code"], moment) if part))
    if type_ == e.EnrolmentProgressed.TYPE and fact.get("until"):
        lines.append(f"{('hạn', 'until')[place]} {when(fact['until'])}")
    if type_ == e.EnrolmentProgressed.TYPE and fact.get("answers"):
        lines.append(f"{('trả lời được', 'can be answered')[place]}: {', '.join(fact['answers'])}")
    if fact.get("mail"):
        lines.append(f"{('thư', 'mail')[place]} {fact['mail']}")
    if fact.get("supersedes"):
        lines.append(f"{('thay hồ sơ', 'in place of dossier')[place]} {fact['supersedes']}")
    for change in fact.get("changes") or (fact.get("payload") or {}).get("changes") or ():
        lines.append(f"{change['field']}: {change['old']} → {change['new']}")
    return lines


def attempts(chosen: Language, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Every attempt of every dossier in order: when it was prepared, signed (how, by which certificate), filed, and the outcome."""
    place = 1 if chosen == "en" else 0
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for row in rows:
        fact = json.loads(row["data"]) if isinstance(row["data"], str) else row["data"]
        if "dossier" not in fact or "attempt" not in fact:
            continue
        key = (fact["dossier"], fact["attempt"])
        if row["type"] == e.DossierPrepared.TYPE:
            kind = fact["payload"]["kind"]
            found[key] = {
                "dossier": fact["dossier"],
                "attempt": fact["attempt"],
                "kind": kind,
                "kind_text": KINDS[kind][place] if kind in KINDS else kind,
                "prepared_at": row["at"],
            }
        elif key in found:
            found[key].update(_step(row["type"], row["at"], fact))
    return list(found.values())


def _step(type_: str, at: datetime, fact: Mapping[str, Any]) -> dict[str, Any]:
    if type_ == e.DossierSigned.TYPE:
        certificate = {
            "certificate_serial": fact["certificate_serial"],
            "certificate_subject": fact.get("certificate_subject"),
        }
        return {
            "signed_at": at,
            "method": fact["method"],
            **certificate,
            "certificate_sha256": fact["certificate_sha256"],
        }
    if type_ == e.FilingAsked.TYPE:
        return {"filed_at": at}
    if type_ == e.DossierReceived.TYPE:
        number = {"number": fact["number"]} if fact.get("number") else {}
        return {"received_at": at, "transaction": fact["transaction"], **number}
    if type_ == e.MailNumbered.TYPE:
        return {"number": fact["number"]}
    if type_ == e.DossierDecided.TYPE:
        return {"decided_at": at, "accepted": fact["accepted"], "code": fact["code"], "text": fact.get("text", "")}
    if type_ in (e.SigningRefused.TYPE, e.FilingUncertain.TYPE):
        return {"failed_at": at, "code": fact.get("code", ""), "text": fact.get("text", "")}
    if type_ in (e.StopResultArrived.TYPE, e.ChangeResultArrived.TYPE):
        return {"mail_at": at, "mail_accepted": fact["accepted"], "mail_text": fact.get("text", "")}
    if type_ == e.UnitCodeResultArrived.TYPE:
        return {"mail_at": at, "mail_accepted": fact["granted"], "mail_text": fact.get("text", "")}
    if type_ == e.ActivationCodeArrived.TYPE:
        return {"code_at": at, "code_until": fact["expires_at"]}
    if type_ == e.ActivationAnswered.TYPE:
        return {"activation": fact["outcome"], "activation_at": at}
    return {}


def outcome(chosen: Language, attempt: Mapping[str, Any]) -> str:
    """What became of an attempt, in a few words; the agency's code and words as they came."""
    place = 1 if chosen == "en" else 0
    said: list[str] = []
    if "decided_at" in attempt:
        word = STEPS["accepted" if attempt["accepted"] else "refused"][place]
        said.append(" ".join(part for part in (word, attempt["code"], attempt["text"]) if part))
    elif "failed_at" in attempt:
        said.append(" ".join(part for part in (STEPS["failed"][place], attempt["code"], attempt["text"]) if part))
    if "mail_at" in attempt:
        word = STEPS["mail-accepted" if attempt["mail_accepted"] else "mail-refused"][place]
        said.append(" ".join(part for part in (word, attempt["mail_text"]) if part))
    if "activation" in attempt:
        said.append(STEPS.get(attempt["activation"], (attempt["activation"],) * 2)[place])
    elif "code_at" in attempt:
        said.append(STEPS["code"][place])
    return "; ".join(said) or STEPS["under-way"][place]
