"""How one mail of the agency is written, as it is kept with the mail."""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Look:
    """How one mail is written. Stored as JSON with the mail, so that a second try writes the same words."""

    kind: str
    name: str
    unit_code: str = ""
    code: str = ""
    number: str = ""
    refused: str = ""
    bare: bool = False
    charset: str = "utf-8"
    quoted: bool = False
    nfd: bool = False
    mislabelled: bool = False
    multipart: bool = False
    unsigned: bool = False
    forged: str = ""
    tax_code: str = ""
    granted: str = ""
    """The unit code that a unit-code-result brings."""
    layout: int = 0
    """Of a result: 0 a letter, 1 a table."""
    plain: bool = False
    junk: bool = False

    def dumped(self) -> str:
        """JSON of what differs from an ordinary mail."""
        return json.dumps(
            {slot: getattr(self, slot) for slot in self.__slots__ if getattr(self, slot)}, ensure_ascii=False
        )
