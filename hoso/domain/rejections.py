"""What an agency's code means for us. Codes are data (`data/rejections.json`), not ifs: nobody publishes the list."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from typing import Any


class Treatment(StrEnum):
    """What follows a refusal."""

    STOP_PROVIDER = "stop-provider"
    """Another I-VAN holds the unit: stop it, then register again (A8)."""
    STOP_PORTAL = "stop-portal"
    """The state portal holds it (A9)."""
    ALREADY_STOPPED = "already-stopped"
    """The stop was not needed: go on (A18)."""
    AGAIN_NOW = "again-now"
    """A system error: file a new attempt at once, bounded (A17)."""
    FIX_CERTIFICATE = "fix-certificate"
    """A person mends the certificate (A16)."""
    FIX_DATA = "fix-data"
    """A person mends the row."""
    ASK_PROVIDER = "ask-provider"
    """A person says which provider holds the unit."""
    DUPLICATE = "duplicate"
    """The agency says it has this filing already: find out which, file nothing."""
    WRONG_CODE = "wrong-code"
    CODE_EXPIRED = "code-expired"
    ALREADY_ACTIVE = "already-active"
    PAPER = "paper"
    """The agency takes this first-time dossier on paper only (B21)."""
    HOLD = "hold"
    """Nobody knows: a person decides."""


@dataclass(frozen=True, slots=True)
class Rejections:
    """The table: by code first, then by words of the text, else HOLD."""

    codes: Mapping[str, tuple[Treatment, str]]
    texts: Sequence[tuple[Sequence[str], Treatment]]

    def treatment(self, code: str, text: str) -> Treatment:
        if code in self.codes:
            return self.codes[code][0]
        folded = fold(text)
        for words, treatment in self.texts:
            if all(word in folded for word in words):
                return treatment
        return Treatment.HOLD

    def text(self, code: str) -> str:
        """What the code means, in Vietnamese; empty when unknown."""
        return self.codes[code][1] if code in self.codes else ""


def fold(text: str) -> str:
    """Lower case without diacritics, single spaces: for comparing Vietnamese wording."""
    plain = unicodedata.normalize("NFD", text.lower().replace("đ", "d"))
    return " ".join("".join(c for c in plain if not unicodedata.combining(c)).split())


def rejections(*extra: dict[str, Any]) -> Rejections:
    """The shipped table, rows of `extra` added or put in place of ours. Raises ValueError on an unknown treatment."""
    tables = [json.loads(files("hoso.domain").joinpath("data/rejections.json").read_text("utf-8")), *extra]
    codes = {
        row["code"]: (Treatment(row["treatment"]), row.get("text", "")) for t in tables for row in t.get("codes", [])
    }
    texts = [
        (tuple(row["contains"]), Treatment(row["treatment"])) for t in reversed(tables) for row in t.get("texts", [])
    ]
    return Rejections(codes, texts)
