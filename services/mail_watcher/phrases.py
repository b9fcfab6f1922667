"""The agency's words as data. No text of a result mail is public (domain.md §6.1), so the table holds ordinary ones and
an operator adds what his mails say, without a release.

`phrases.json` and a file of the same shape: kind of mail → list → phrases. A phrase is looked for as whole words, without
case and diacritics; a topic that begins with `=` only with its diacritics (dừng is not đúng). Lists are added up, never
replaced.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from services.mail_watcher.readings import About
from services.mail_watcher.text import clean, fold

KINDS: tuple[About, ...] = ("stop-result", "change-result", "unit-code-result")
LISTS = ("topic", "accepted", "refused", "anchor")
SHORTEST, LONGEST, MOST = 3, 200, 500
Table = Mapping[str, Mapping[str, Sequence[str]]]


class BadPhrases(Exception):
    """The file of phrases cannot be used: {0}."""


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """One list: what is looked for without diacritics, and what only with them."""

    plain: re.Pattern[str] | None
    marked: re.Pattern[str] | None

    def found(self, line: str, folded: str) -> bool:
        """Whether a clean line (and its folded copy) holds one of them."""
        return bool((self.plain and self.plain.search(folded)) or (self.marked and self.marked.search(line.lower())))


@dataclass(frozen=True, slots=True, eq=False)
class KindOfMail:
    """How one kind of mail speaks."""

    about: About
    topic: Words
    accepted: Words
    refused: Words
    anchor: Words
    """What stands before a code that is given to a unit."""


@dataclass(frozen=True, slots=True, eq=False)
class Phrases:
    """The table, ready to be searched. Two are never equal: compare by identity."""

    kinds: tuple[KindOfMail, ...]


def _pattern(phrases: Sequence[str]) -> re.Pattern[str] | None:
    """Whole words, the longest first, so that a longer phrase is not cut short."""
    if not phrases:
        return None
    ordered = sorted(dict.fromkeys(phrases), key=lambda phrase: (-len(phrase), phrase))
    return re.compile(r"(?<!\w)(?:" + "|".join(re.escape(phrase) for phrase in ordered) + r")(?!\w)")


def _words(phrases: Sequence[str]) -> Words:
    tidy = [(phrase.startswith("="), clean(phrase.removeprefix("="))) for phrase in phrases]
    return Words(
        _pattern([fold(phrase) for marked, phrase in tidy if not marked]),
        _pattern([phrase.lower() for marked, phrase in tidy if marked]),
    )


def made(*tables: Table) -> Phrases:
    """One table of several."""
    return Phrases(
        tuple(
            KindOfMail(
                about, *(_words([p for table in tables for p in table.get(about, {}).get(name, ())]) for name in LISTS)
            )
            for about in KINDS
        )
    )


def checked(given: Any) -> Table:
    """What an operator's file says. Raises BadPhrases with the place."""
    if not isinstance(given, dict):
        raise BadPhrases("it is no JSON object of kind → list → phrases")
    count = 0
    for about, lists in given.items():
        if about not in KINDS:
            raise BadPhrases(f"no kind of mail is called {about!r}; there are {', '.join(KINDS)}")
        if not isinstance(lists, dict) or set(lists) - set(LISTS):
            raise BadPhrases(f"{about} holds lists called {', '.join(LISTS)} and nothing else")
        for name, phrases in lists.items():
            if not isinstance(phrases, list) or not all(isinstance(phrase, str) for phrase in phrases):
                raise BadPhrases(f"{about}.{name} is no list of texts")
            for phrase in phrases:
                if not SHORTEST <= len(clean(phrase.removeprefix("="))) <= LONGEST or "\n" in phrase:
                    raise BadPhrases(f"{about}.{name}: a phrase has {SHORTEST} to {LONGEST} characters on one line")
            if name != "topic" and any(phrase.startswith("=") for phrase in phrases):
                raise BadPhrases(f"{about}.{name}: only a topic may begin with =")
            count += len(phrases)
    if count > MOST:
        raise BadPhrases(f"it holds more than {MOST} phrases")
    return given


def _own() -> Table:
    return checked(json.loads(files("services.mail_watcher").joinpath("phrases.json").read_text("utf-8")))


@cache
def standard() -> Phrases:
    """The table that comes with the code."""
    return made(_own())


def extended(text: str) -> Phrases:
    """The table with the phrases of an operator's file. Raises BadPhrases."""
    try:
        given = json.loads(text)
    except ValueError as error:
        raise BadPhrases(f"it is no JSON ({error})") from None
    return made(_own(), checked(given))
