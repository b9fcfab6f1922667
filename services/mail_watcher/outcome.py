"""Whether a mail says that a dossier was accepted or refused. The agency's wording is not published, so ordinary ones
are taken (`phrases.py`).

Sentence by sentence, without diacritics: what is only a condition or only a receipt is taken out, refusals are looked
for before successes ("không thành công" contains "thành công"), and a success inside the reason of a refusal does not
count. A mail is about a kind of dossier when its subject says so; without that, a stop may be named anywhere, and a change
or a unit code in the sentence that tells the outcome or shortly before it, for other mails mention them in passing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.mail_watcher.phrases import KindOfMail
from services.mail_watcher.text import fold

MAX_SAID = 500
NEAR = 2
"""How many sentences after its topic an outcome may stand."""

_REFUSED = re.compile(
    r"(?:khong|chua|ko) (?:the )?(?:duoc )?(?:co quan bhxh |co quan bao hiem xa hoi )?"
    r"(?:thanh cong|chap nhan|chap thuan|phe duyet|duyet|dong y|thuc hien duoc|hop le|du dieu kien|giai quyet|ngung"
    r"|hoan thanh|hoan tat)"
    r"|\btu choi\b|that bai|bi tra lai|bi huy|bi loi"
)
_ACCEPTED = re.compile(
    r"thanh cong|duoc (?:co quan \w+ )?(?:chap nhan|chap thuan|phe duyet|duyet|dong y)"
    r"|\bchap nhan|\bchap thuan"
    r"|(?:da|duoc) (?:giai quyet|hoan thanh|hoan tat)|(?:da|co quan \w+) dong y"
)
_NEGATED = re.compile(r"\b(?:khong|chua|ko)\b[^,.;:]{0,40}$")
_RECEIPT = re.compile(
    r"(?:tiep nhan|da nhan|nop|gui|ky so)"
    r"(?: (?:ho so|to khai|yeu cau|dang ky|de nghi)[^.;,]{0,60}?)?(?: da)? thanh cong"
    r"|(?:nop|gui|ky nop)[^.;,]{0,80}thanh cong|thanh cong tiep nhan"
)
_CONDITION = re.compile(r"\b(?:nếu|trường hợp|khi|để|neu(?! tren| o tren| ro)|truong hop)\b[^,]*(?:,|$)", re.IGNORECASE)
"""With its diacritics: without them nếu is also nêu (nêu trên), and để is also đề (đề nghị)."""
_REASON = re.compile(r"\bly do\b|\bnguyen nhan\b")
_WAITING = re.compile(r"tiep nhan|da nhan|dang (?:duoc )?xu ly|cho (?:ket qua|xu ly)|da (?:gui|nop)")
_SENTENCE = re.compile(r"(?<=[.;!?])\s+")
_ADVICE = re.compile(
    r"^\W*(?:de nghi|vui long|xin |luu y|ghi chu|(?:quy )?don vi (?:can|vui long|co the|thuc hien)|moi thac mac|tran trong"
    r"|(?:email|thu) (?:nay|dien tu nay)|chi tiet|hotline|moi (?:quy )?don vi)"
)
"""What people are asked to do next; it may name other dossiers."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a mail says about one kind of dossier. `accepted` None: nothing, or both; `why` then says so."""

    accepted: bool | None
    text: str
    in_subject: bool
    why: str = ""


@dataclass(slots=True)
class _Found:
    refusals: list[str] = field(default_factory=list)
    successes: list[str] = field(default_factory=list)
    reasoned: bool = False
    waiting: bool = False


@dataclass(frozen=True, slots=True)
class Spoken:
    """A mail sentence by sentence, each with its folded copy."""

    subject: tuple[str, str]
    sentences: Sequence[tuple[str, str]]


def spoken(subject: str, lines: Sequence[str]) -> Spoken:
    """A subject and the lines of a body."""
    parts = [part for line in lines for part in _SENTENCE.split(line) if part]
    return Spoken((subject, fold(subject)), [(part, fold(part)) for part in parts])


def outcome(kind: KindOfMail, mail: Spoken) -> Outcome | None:
    """What the mail says about such a dossier; None when it does not speak of one."""
    in_subject = kind.topic.found(*mail.subject)
    topics = [_names_topic(kind, *sentence) for sentence in mail.sentences]
    if not in_subject and not any(topics):
        return None
    sentences = [sentence for sentence, _ in mail.sentences]
    anywhere = in_subject or kind.about == "stop-result"
    found = _Found()
    for at, sentence in enumerate([*sentences, mail.subject[0]]):
        near = any(topics[max(0, at - NEAR) : at + 1]) if at < len(sentences) else in_subject
        if anywhere or near:
            _weigh(kind, sentence, found)
    if found.refusals and found.successes:
        return Outcome(None, "", in_subject, "it says both that it was done and that it was refused")
    if found.refusals:
        return Outcome(False, _said([*found.refusals, *_reasons(sentences)]), in_subject)
    if found.successes:
        return Outcome(True, _said(found.successes), in_subject)
    quiet = found.waiting or found.reasoned or not in_subject
    return Outcome(None, "", in_subject, "" if quiet else "it speaks of a dossier and its outcome cannot be read")


def _names_topic(kind: KindOfMail, sentence: str, folded: str) -> bool:
    if not kind.topic.found(sentence, folded):
        return False
    return kind.about == "stop-result" or not _ADVICE.search(folded) or bool(_ACCEPTED.search(folded))


def _weigh(kind: KindOfMail, sentence: str, found: _Found) -> None:
    """Add what one sentence says to `found`."""
    told = _CONDITION.sub(" ", sentence)
    plain = fold(told)
    found.waiting = found.waiting or _WAITING.search(plain) is not None
    plain = _RECEIPT.sub(" ", plain)
    reason = _REASON.search(plain)
    if any(pattern.search(plain) for pattern in (_REFUSED, kind.refused.plain) if pattern):
        found.refusals.append(sentence)
    rest = _REFUSED.sub(" ", plain)
    if kind.refused.plain:
        rest = kind.refused.plain.sub(" ", rest)
    hits = [hit for pattern in (_ACCEPTED, kind.accepted.plain) if pattern and (hit := pattern.search(rest))]
    if not hits:
        return
    first = min(hits, key=lambda hit: hit.start())
    if reason and reason.start() < first.start():
        found.reasoned = True
    elif _NEGATED.search(rest, max(0, first.start() - 50), first.start()):
        found.refusals.append(sentence)
        found.successes.append(sentence)  # a denial that no phrase knows: for a person
    else:
        found.successes.append(sentence)


def _reasons(sentences: Sequence[str]) -> list[str]:
    """The reason as it came: from where it begins up to the next advice."""
    for at, sentence in enumerate(sentences):
        if _REASON.search(fold(sentence)):
            kept = [sentence]
            for later in sentences[at + 1 :]:
                if _ADVICE.search(fold(later)):
                    break
                kept.append(later)
            return kept
    return []


def _said(sentences: Sequence[str]) -> str:
    return " ".join(dict.fromkeys(sentence.strip() for sentence in sentences))[:MAX_SAID]
