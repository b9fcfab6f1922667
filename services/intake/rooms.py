"""What the API stands on, and what a key may do there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from services.intake.attachments import Files
from services.intake.batches import Batches
from services.intake.big_bodies import BigBodies
from services.intake.desk import Desk
from services.intake.gather import Gatherer
from services.intake.judging import Judge
from services.intake.org import Organisation
from services.intake.ports import Clock, Keys, Pool, SheetStore

SUBMIT, READ = "submit", "read"


@dataclass(frozen=True, slots=True)
class Rooms:
    """The parts behind the routes."""

    pool: Pool
    desk: Desk
    gatherer: Gatherer
    batches: Batches
    sheets: SheetStore
    keys: Keys
    clock: Clock
    new_id: Callable[[], UUID]
    files: Files
    organisation: Organisation
    judge: Judge
    bodies: BigBodies
