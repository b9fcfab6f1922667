"""What the routes of set-up, tasks, events and attachments stand on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.answering import Desk
    from hoso.settings import Settings
    from hoso.setup.registry import SetUp
    from hoso.store.vault import Vault
    from services.intake.ports import Keys


@dataclass(frozen=True, slots=True)
class Counter:
    """One intake's."""

    set_up: SetUp
    desk: Desk
    keys: Keys
    pool: Any
    settings: Settings
    now: Callable[[], datetime]
    """The world's time."""
    vault: Vault
