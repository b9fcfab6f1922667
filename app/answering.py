"""Answers of people, wherever they come from: what answering stands on, and what a person gave made into `Said`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from app.adapters import IntakeSetUp
from app.edge import Edge
from app.house import House
from app.mending import mended_row
from app.world import world_clock
from hoso.domain.rejections import Treatment
from services.intake.reasons import REASONS, StopReasons, read_reasons
from services.ops import task_views
from services.ops.answers import Answers
from services.ops.deciding import Deciding
from services.ops.said import Log, Means, Said


def means_of(own: House, log: Log, now: Callable[[], datetime]) -> Means:
    """What answering stands on in this house."""
    return Means(own.db.pool, own.registry, IntakeSetUp(own.set_up), own.vault, log, now, own.settings.ivan_code)


class Desk:
    """Takes answers to enrolments and to tasks; a mended row is judged as a row before it is one."""

    def __init__(self, means: Means, reasons: StopReasons = REASONS) -> None:
        """`reasons`: those a row may give for a stop."""
        self._means = means
        self._reasons = reasons
        self.answers = Answers(means)
        self._deciding = Deciding(means, self.answers)

    @classmethod
    async def of_command(cls, own: House) -> tuple[Desk, Edge]:
        """For a command; call `announce` of the edge afterwards."""
        clock = await world_clock(own.db.pool)
        edge = Edge(own.db.pool, own.settings.environment, clock)
        return cls(means_of(own, edge, clock.now), read_reasons(own.settings.stop_reasons)), edge

    async def answer(
        self,
        enrolment: UUID,
        said: Said,
        fields: Mapping[str, Any] | None = None,
        *,
        actor: str,
        tenant: str | None = None,
    ) -> Any:
        """Answer an enrolment; `fields`: mended columns. Raises Unanswerable."""
        said = await self._with_row(enrolment, said, fields, tenant)
        return await self.answers.answer(enrolment, said, actor=actor, tenant=tenant)

    async def answer_task(
        self,
        task: UUID,
        said: Said,
        fields: Mapping[str, Any] | None = None,
        *,
        actor: str,
        tenant: str | None = None,
    ) -> Any:
        """Answer a task. Raises Unanswerable."""
        async with self._means.pool.acquire() as db:
            found = await task_views.task(db, task, tenant)
        if found is not None and found.enrolment is not None and found.ended_at is None:
            said = await self._with_row(found.enrolment, said, fields, tenant)
        return await self._deciding.answer(task, said, actor=actor, tenant=tenant)

    async def _with_row(
        self, enrolment: UUID, said: Said, fields: Mapping[str, Any] | None, tenant: str | None
    ) -> Said:
        if said.answer != "data" or fields is None:
            return said
        async with self._means.pool.acquire() as db:
            return replace(said, form=await mended_row(db, enrolment, tenant, fields, self._reasons))


def for_all(said: Said, code: str | None) -> str:
    """How a treatment is given to an unknown code for every case: the row of the file HOSO_REJECTIONS names; "" when none."""
    if said.answer != "treatment" or said.value not in [one.value for one in Treatment]:
        return ""
    return f'{{"codes": [{{"code": "{code or "…"}", "treatment": "{said.value}"}}]}}'
