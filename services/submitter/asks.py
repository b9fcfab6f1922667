"""What the submitter asks itself: calls that follow from calls. They wait in lanes, never on a topic."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from schemas.envelope import Fact
from schemas.units import Kind


class RepliesWanted(Fact):
    """Ask until the agency has decided."""

    TYPE: ClassVar[str] = "vn.hoso.call.replies.v1"

    enrolment: UUID
    dossier: UUID
    attempt: int
    kind: Kind
    transaction: str
    number: str | None = None
    sha256: str = ""
    """Of the filed bytes: a reply about others is not ours."""
    warned: bool = False
    """A reply was not believed, and that was told."""


class CodeSpent(Fact):
    """Destroy a code: it was used, or it has expired."""

    TYPE: ClassVar[str] = "vn.hoso.call.code-spent.v1"

    code: UUID


class RosterReplaced(Fact):
    """Destroy a roster: a newer one has taken its place."""

    TYPE: ClassVar[str] = "vn.hoso.call.roster-replaced.v1"

    document: UUID
