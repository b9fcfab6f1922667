"""The process manager: decides each unit's next step. It asks nobody: everything it wants it says on the log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import Field, TypeAdapter

from hoso.domain.decisions import Rules
from hoso.domain.states import New, State
from hoso.runtime.steps import Service
from hoso.store.states import JsonStates
from schemas.topics import topics_read_by
from services.enrolment.handlers import handler

GROUP = "hoso.enrolment"
STATE: TypeAdapter[State] = TypeAdapter(Annotated[State, Field(discriminator="at")])


def service(rules: Callable[[], Rules]) -> Service[State]:
    """Wired: what it reads, what it keeps, what it decides."""
    return Service(GROUP, topics_read_by(GROUP), JsonStates("enrolment.state", STATE, New), handler(rules), {})
