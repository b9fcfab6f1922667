"""Whether a mail says that a stop was done or refused. The agency's wording is not published, so ordinary ones are
taken.

Sentence by sentence, without diacritics: what is only a condition or only a receipt is taken out, refusals are looked
for before successes ("không thành công" contains "thành công"), and a success inside the reason of a
refusal does not count.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from services.mail_watcher.text import fold

MAX_SAID = 500

_TOPIC = re.compile(
    r"\bngung\b|\bng-ivan|\b06/ng|cham dut (?:su dung|dich vu|giao dich|dang ky|viec)"
    r"|huy dang ky (?:su dung|giao dich|dich vu)"
)
_TOPIC_MARKED = re.compile(r"\bdừng (?:sử dụng|dịch vụ|giao dịch|đăng ký|tham gia)|đăng ký dừng")
"""With its diacritics, because without them it is also đúng and dùng."""
_REFUSED = re.compile(
    r"(?:khong|chua|ko) (?:the )?(?:duoc )?(?:co quan bhxh |co quan bao hiem xa hoi )?"
    r"(?:thanh cong|chap nhan|chap thuan|phe duyet|duyet|dong y|thuc hien duoc|hop le|du dieu kien|giai quyet|ngung"
    r"|hoan thanh|hoan tat)"
    r"|\btu choi\b|that bai|bi tra lai|bi huy|bi loi"
)
_ACCEPTED = re.compile(
    r"thanh cong|(?:da|duoc) (?:duoc )?ngung|duoc (?:co quan \w+ )?(?:chap nhan|chap thuan|phe duyet|duyet|dong y)"
    r"|\bchap nhan|\bchap thuan"
    r"|(?:da|duoc) (?:giai quyet|hoan thanh|hoan tat)|(?:da|co quan \w+) dong y"
    r"|xac nhan (?:viec )?(?:da )?ngung|da cham dut"
)
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


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a mail that speaks of a stop says about it. `accepted` None: nothing, or both; `why` then says so."""

    accepted: bool | None
    text: str
    in_subject: bool
    why: str = ""


def _about_stop(line: str, folded: str) -> bool:
    return bool(_TOPIC.search(folded) or _TOPIC_MARKED.search(line.lower()))


def _sentences(lines: Sequence[str]) -> list[str]:
    return [part for line in lines for part in _SENTENCE.split(line) if part]


def stop_outcome(subject: str, lines: Sequence[str]) -> Outcome | None:
    """What the mail says about a stop; None when it does not speak of one."""
    in_subject = _about_stop(subject, fold(subject))
    if not in_subject and not any(_about_stop(line, fold(line)) for line in lines):
        return None
    refusals: list[str] = []
    successes: list[str] = []
    reasoned = waiting = False
    for sentence in _sentences([*lines, subject]):
        plain = fold(_CONDITION.sub(" ", sentence))
        waiting = waiting or _WAITING.search(plain) is not None
        plain = _RECEIPT.sub(" ", plain)
        reason = _REASON.search(plain)
        refused = _REFUSED.search(plain, 0, reason.start() if reason else len(plain)) or _REFUSED.search(plain)
        if refused:
            refusals.append(sentence)
        accepted = _ACCEPTED.search(_REFUSED.sub(" ", plain))
        if accepted and reason and reason.start() < accepted.start():
            reasoned = True
        elif accepted:
            successes.append(sentence)
    if refusals and successes:
        return Outcome(None, "", in_subject, "it says both that the stop was done and that it was refused")
    if refusals:
        reasons = [line for line in _sentences(lines) if _REASON.search(fold(line))]
        return Outcome(False, _said([*refusals, *reasons]), in_subject)
    if successes:
        return Outcome(True, _said(successes), in_subject)
    quiet = waiting or reasoned or not in_subject
    return Outcome(None, "", in_subject, "" if quiet else "it speaks of a stop and its outcome cannot be read")


def _said(sentences: Sequence[str]) -> str:
    return " ".join(dict.fromkeys(sentence.strip() for sentence in sentences))[:MAX_SAID]
