"""The list of texts an Excel file keeps apart from its cells, in as few bytes as it needs.

The library would build a list of Python strings: 100 MB for a hundred thousand units. Here they lie one behind the other in UTF-8 and
are cut out when a cell asks; only the text is kept, not its formatting.
"""

from __future__ import annotations

from array import array
from typing import Any
from xml.parsers import expat

from services.intake.cells import SheetError

MOST_PENDING = 200_000
"""Elements within one text: what a parser has to hold at once."""
_DOCTYPE = ("Tệp Excel chứa khai báo DOCTYPE, không an toàn.", "Lưu lại thành .xlsx bằng Excel rồi gửi lại.")
_FORMATS = ("Tệp Excel có quá nhiều định dạng trong một ô.", "Lưu lại thành .xlsx bằng Excel rồi gửi lại.")


class Texts:
    """Texts by number. Reading it is all it can do."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._ends = array("Q")

    def add(self, text: str) -> None:
        """One more."""
        self._bytes += text.encode("utf-8", "surrogatepass")
        self._ends.append(len(self._bytes))

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, number: int) -> str:
        """Raises IndexError: a cell may ask for anything."""
        if not 0 <= number < len(self._ends):
            raise IndexError(number)
        start = self._ends[number - 1] if number else 0
        return self._bytes[start : self._ends[number]].decode("utf-8", "surrogatepass")


def read_texts(stream: Any) -> Texts:
    """The texts of a part `sharedStrings.xml`. Raises SheetError for entities and bombs, ExpatError for broken XML."""
    texts = Texts()
    pieces: list[str] = []
    pending = phonetic = 0
    within = False

    def refuse(*_: Any) -> None:
        raise SheetError(*_DOCTYPE)

    def start(name: str, _: dict[str, str]) -> None:
        nonlocal pending, phonetic, within
        local = name.rpartition(":")[2]
        pending += 1
        if pending > MOST_PENDING:
            raise SheetError(*_FORMATS)
        if local == "rPh":
            phonetic += 1
        within = local == "t" and not phonetic

    def end(name: str) -> None:
        nonlocal pending, phonetic, within
        local = name.rpartition(":")[2]
        within = False
        if local == "rPh":
            phonetic -= 1
        elif local == "si":
            texts.add("".join(pieces).replace("x005F_", ""))  # as the library does: a written-out _x…_ stays one
            pieces.clear()
            pending = 0

    def data(text: str) -> None:
        if within:
            pieces.append(text)

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, data
    parser.ParseFile(stream)
    return texts
