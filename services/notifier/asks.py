"""What the notifier asks itself. The asks wait in lanes, never on a topic."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from schemas.envelope import Fact


class SendMail(Fact):
    """Send a mail that was gathered and written down."""

    TYPE: ClassVar[str] = "vn.hoso.call.send-mail.v1"

    mail: UUID


class Deliver(Fact):
    """Tell one endpoint of one public event."""

    TYPE: ClassVar[str] = "vn.hoso.call.deliver.v1"

    endpoint: UUID
    generation: int
    n: int
