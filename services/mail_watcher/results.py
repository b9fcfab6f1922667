"""The result of a dossier in a mail: which kind it is about, how it ended, and the unit code that it grants.

The unit code stands behind an anchor phrase ("mã đơn vị"). Of what stands there only one token of the usual shape is
taken (domain.md §4.7); several, another shape, or letters that only look like the alphabet's are left to a person.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from services.mail_watcher.outcome import Outcome, outcome, spoken
from services.mail_watcher.phrases import KindOfMail, Phrases
from services.mail_watcher.readings import (
    FIRST_TIME,
    ChangeResultMail,
    Keys,
    Reading,
    StopResultMail,
    UnclearMail,
    UnitCodeResultMail,
)

UNIT_CODE_SHAPE = re.compile(r"[A-Z]{2}[A-Z0-9][0-9]{3}[A-Z]")
"""The working rule of domain.md §4.7. ASCII only."""
SHORTEST, MOST_TOKENS = 5, 20

_FILL = re.compile(
    r"(?: ?\([^()]{0,60}\))?(?:[ :=\-–.|\"'“”]*(?:cua|duoc|moi|vua|da|quy|don vi|cap|bhxh|bao hiem xa hoi|la|cho|so|"
    r"nhu sau|tham gia)\b)*[ :=\-–.|\"'“”(\[*]*"
)
_TOKEN = re.compile(r"\w+(?:[-./@_]\w+)*")


@dataclass(frozen=True, slots=True)
class Page:
    """One body, ready to be searched."""

    lines: Sequence[str]
    folded: Sequence[str]
    under_labels: Sequence[str]
    """What stands beside or below the labels of a unit code, also in tables."""
    disguised: Collection[str]
    """Words that only became plain letters and digits when invisible or foreign forms of them were taken out."""


def result_of(
    subject: str, page: Page, keys: Keys, phrases: Phrases
) -> tuple[KindOfMail, Outcome] | UnclearMail | None:
    """The one kind of dossier whose result this is; None when it speaks of none."""
    mail = spoken(subject, page.lines)
    found = [(kind, said) for kind in phrases.kinds if (said := outcome(kind, mail)) is not None]
    if any(said.in_subject for _, said in found):
        found = [(kind, said) for kind, said in found if said.in_subject]
    told = [(kind, said) for kind, said in found if said.accepted is not None]
    if len(told) > 1:
        return UnclearMail("it speaks of the results of several kinds of dossiers", keys)
    if told:
        return told[0]
    return next(((kind, said) for kind, said in found if said.why), found[0] if found else None)


def reading_of(kind: KindOfMail, said: Outcome, page: Page, keys: Keys) -> Reading | None:
    """What a mail about `kind` says; None when there is no result in it."""
    if kind.about == "unit-code-result":
        return _unit_code(kind, said, page, keys)
    if said.accepted is None:
        return UnclearMail(said.why, keys, kind.about) if said.why else None
    if kind.about == "stop-result":
        return StopResultMail(keys, said.accepted, said.text)
    return ChangeResultMail(keys, said.accepted, said.text)


def _unit_code(kind: KindOfMail, said: Outcome, page: Page, keys: Keys) -> Reading | None:
    def unclear(why: str) -> UnclearMail:
        return UnclearMail(why, keys, kind.about)

    tokens = dict.fromkeys(_tokens(kind, page))
    if said.accepted is None:
        return unclear(said.why) if said.why else None
    if not said.accepted:
        if tokens:
            return unclear("it refuses a unit code and names one")
        return UnitCodeResultMail(keys, False, None, said.text)
    if not tokens:
        return unclear("it says that a unit code was given and none can be read in it")
    if len(tokens) > 1:
        return unclear("it names several unit codes")
    (code,) = tokens
    if not UNIT_CODE_SHAPE.fullmatch(code) or code in page.disguised:
        return unclear("the unit code in it has an unusual shape")
    return UnitCodeResultMail(keys, True, code, said.text)


def _tokens(kind: KindOfMail, page: Page) -> Iterator[str]:
    """Whatever looks like a unit code behind an anchor, usual or not."""
    for value in page.under_labels:
        yield from _first(value, value)
    if kind.anchor.plain is None:
        return
    seen = 0
    for at, folded in enumerate(page.folded):
        for anchor in kind.anchor.plain.finditer(folded):
            seen += 1
            if seen > MOST_TOKENS:
                return
            gap = _FILL.match(folded, anchor.end())
            start = gap.end() if gap else anchor.end()
            if start < len(folded):
                yield from _first(page.lines[at][start:], folded[start:])
            elif at + 1 < len(page.lines):
                yield from _first(page.lines[at + 1], page.folded[at + 1])


def _first(value: str, folded: str) -> Iterator[str]:
    """The word at the beginning, when it can be meant as a code: with a digit in it, or in capitals only."""
    gap = _FILL.match(folded)
    found = _TOKEN.match(value, gap.end() if gap else 0)
    if found is None:
        return
    token = found.group()
    capitals = token.isalpha() and token == token.upper() and 6 <= len(token) <= 8
    if len(token) >= SHORTEST and token != FIRST_TIME and (capitals or any(letter.isdigit() for letter in token)):
        yield token
