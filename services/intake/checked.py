"""What checking a row finds: errors and notes of its cells, in Vietnamese, and the form when there is no error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hoso.domain.identifiers import BadValue, Reading
from schemas.units import UnitForm
from services.intake.columns import header_of


@dataclass(frozen=True, slots=True)
class CellError:
    """What is wrong in one cell and how to mend it, in Vietnamese. `column` is a key, or "" for the whole row."""

    column: str
    message_vi: str
    cure_vi: str

    def __str__(self) -> str:
        where = f"{header_of(self.column)}: " if self.column else ""
        return f"{where}{self.message_vi} {self.cure_vi}".rstrip()


@dataclass(frozen=True, slots=True)
class CellNote:
    """Something the sender should know although the row is taken."""

    column: str
    message_vi: str

    def __str__(self) -> str:
        return f"{header_of(self.column)}: {self.message_vi}" if self.column else self.message_vi


@dataclass(frozen=True, slots=True)
class Checked:
    """The outcome: a form, or errors. Never both, never neither."""

    form: UnitForm | None
    errors: tuple[CellError, ...] = ()
    notes: tuple[CellNote, ...] = ()
    attachments: tuple[str, ...] = ()
    """Names of files that the row wants to go with it; the desk finds them."""
    org_unit: str = ""
    """The unit's id in the organisation feed."""


@dataclass(slots=True)
class Check:
    """Collects what the cells of one row say."""

    raw: dict[str, str]
    errors: list[CellError] = field(default_factory=list)
    notes: list[CellNote] = field(default_factory=list)

    def fail(self, column: str, message: str, cure: str) -> None:
        self.errors.append(CellError(column, message, cure))

    def note(self, column: str, message: str) -> None:
        self.notes.append(CellNote(column, message))

    def read(self, column: str, reader: Callable[[str], Reading]) -> str:
        """The cell as `reader` understands it; "" when it is empty or wrong."""
        text = self.raw[column]
        if not text:
            return ""
        try:
            reading = reader(text)
        except BadValue as bad:
            self.fail(column, bad.message, bad.cure)
            return ""
        self.notes += [CellNote(column, note) for note in reading.notes]
        return reading.value
