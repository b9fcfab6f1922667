"""How intake is wired: the desk, the API, the batch worker, and one consumer group.

The group `hoso.intake` reads `enrolment.progressed` (what became of requests), `registry.asked` (turns and unit codes) and the
tenants' request topics.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from fastapi import FastAPI

from hoso.runtime.steps import Lane, Service
from schemas.topics import REQUESTS, topics_read_by
from services.intake.attachments import Files
from services.intake.batches import Batches
from services.intake.big_bodies import BigBodies
from services.intake.desk import Desk
from services.intake.gather import Gatherer
from services.intake.handlers import LANE, REGISTRY_LANE, News, handle
from services.intake.http import build_app
from services.intake.judging import Judge
from services.intake.org import Organisation
from services.intake.performers import AdmitRequest
from services.intake.ports import Admitter, Clock, Keys, Pool, Setup, SheetStore, UnitRegistry
from services.intake.projection import Projection
from services.intake.reasons import REASONS, StopReasons
from services.intake.rooms import Rooms
from services.intake.turns import AskRegistry

GROUP = "hoso.intake"


@dataclass(frozen=True, slots=True)
class Needs:
    """What intake is given by whoever starts it."""

    pool: Pool
    log: Admitter
    clock: Clock
    registry: UnitRegistry
    setup: Setup
    keys: Keys
    sheets: SheetStore
    new_id: Callable[[], UUID]
    reasons: StopReasons = REASONS
    bodies: BigBodies = field(default_factory=BigBodies)


@dataclass(frozen=True, slots=True)
class Intake:
    """The parts: serve `app`, run `batches.run(until)`, give `consumer` to the kernel."""

    app: FastAPI
    batches: Batches
    consumer: Service[News]


def intake(needs: Needs) -> Intake:
    """Intake of every tenant: the API serves each that has a key, the consumer each one's request topic."""
    desk = Desk(needs.registry, needs.setup, needs.new_id)
    gatherer = Gatherer(needs.pool, desk, needs.log, needs.clock)
    organisation = Organisation(needs.pool)
    judge = Judge(organisation, needs.reasons)
    batches = Batches(needs.pool, desk, needs.log, needs.sheets, needs.clock, judge)
    rooms = Rooms(
        needs.pool,
        desk,
        gatherer,
        batches,
        needs.sheets,
        needs.keys,
        needs.clock,
        needs.new_id,
        Files(needs.pool, needs.sheets),
        organisation,
        judge,
        needs.bodies,
    )
    lane = Lane(
        AdmitRequest(needs.pool, desk, needs.log, judge),
        at_once=8,
        harmless=True,  # the desk is in our own database and knows a key it has seen: nothing is taken twice
    )
    registry = Lane(
        AskRegistry(needs.pool, needs.registry),
        at_once=8,
        keep_trying=timedelta(days=365),  # somebody waits for the answer, and nobody else can give it
        tries=1_000,
        harmless=True,
    )
    lanes = {LANE: lane, REGISTRY_LANE: registry}
    consumer = Service(GROUP, (*topics_read_by(GROUP), REQUESTS), Projection(), handle, lanes)
    return Intake(build_app(rooms), batches, consumer)
