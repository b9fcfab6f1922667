"""Printed forms: the TK3-TS of a unit whose province takes paper only (B22), and a picture of every dossier that was prepared."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, TypeVar
from uuid import UUID

from hoso.domain.states import Case
from hoso.domain.told import Rules, first_code
from hoso.dossiers.form import SigningCertificate
from hoso.dossiers.printing import bundle, printed
from hoso.dossiers.safexml import parse
from hoso.runtime.consumer import LOST
from hoso.runtime.failures import HosoError
from schemas.events import DossierPrepared, DossierSigned
from schemas.units import UnitForm
from services.ops import views
from services.ops.said import Unanswerable

PAPER_LANE = ("paper-form", "paper-code")
MOST = 200
"""Forms in one file."""

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Paper:
    """One printed form."""

    name: str
    pdf: bytes
    left: int = 0
    """Forms that had no place in this file."""
    next: UUID | None = None
    """Where they go on: the `after` of the next file."""
    left_out: tuple[UUID, ...] = ()
    """Enrolments whose form could not be printed."""


class Papers:
    """Prints what the events say. `rules`: ours, for the I-VAN's name on the form.

    A form at a time and on threads of its own, so that files of several tenants grow side by side and nothing else waits
    for them. No connection is held meanwhile.
    """

    def __init__(self, rules: Rules, vault: Any) -> None:
        self._rules = rules
        self._vault = vault
        self._threads = ThreadPoolExecutor(2, "printing")

    async def of(self, pool: Any, enrolment: UUID, tenant: str | None, now: datetime) -> Paper:
        """The newest dossier of the enrolment; where there is none, the paper form. Raises Unanswerable."""
        async with pool.acquire() as db:
            found = await views.find(db, str(enrolment), tenant)
            events = await views.timeline(db, enrolment) if found else []
            prepared = [event for event in events if event["type"] == DossierPrepared.TYPE]
            form = await views.form_of(db, found[0]["unit"], enrolment) if found and not prepared else None
        if not found:
            raise Unanswerable(
                "not-found",
                "Không có hồ sơ đăng ký này, hoặc nó không thuộc về bạn.",
                f"there is no enrolment {enrolment}; see `hoso enrolment list`",
            )
        try:
            if prepared:
                return await self._dossier(DossierPrepared.model_validate_json(prepared[-1]["data"]), events)
            return await self._paper_form(enrolment, form, now)
        except (HosoError, *LOST):
            raise
        except Exception as error:
            log.exception("a form could not be printed", extra={"enrolment": str(enrolment)})
            raise _unprintable([enrolment]) from error

    async def waiting(
        self, pool: Any, tenant: str | None, now: datetime, *, after: UUID | None = None, most: int = MOST
    ) -> Paper:
        """The paper forms of all units that wait for theirs to be sent, the oldest first, as one file of at most `most`.

        A form that cannot be printed is left out and named. Raises Unanswerable when there is none at all."""
        async with pool.acquire() as db:
            rows, left = await views.paper_forms(db, tenant, after, most)
        if not rows:
            raise Unanswerable("nothing", "Không có tờ khai giấy nào chờ in.", "no paper form waits to be printed")
        pdfs: list[bytes] = []
        left_out: list[UUID] = []
        for row in rows:
            try:
                async with pool.acquire() as db:
                    form = await views.form_of(db, row["unit"], row["enrolment"])
                pdfs.append((await self._paper_form(row["enrolment"], form, now)).pdf)
            except LOST:
                raise
            except Exception:  # whatever is wrong with one form, the others are printed
                log.exception("a form could not be printed", extra={"enrolment": str(row["enrolment"])})
                left_out.append(row["enrolment"])
        if not pdfs:
            raise _unprintable(left_out)
        last = rows[-1]["enrolment"] if left else None
        return Paper("TK3-TS.pdf", await self._aside(lambda: bundle(pdfs)), left, last, tuple(left_out))

    async def _aside(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def _paper_form(self, enrolment: UUID, form: UnitForm | None, now: datetime) -> Paper:
        if form is None or form.first_time is None:
            raise Unanswerable(
                "nothing",
                "Đăng ký này chưa có tờ khai nào.",
                "nothing was prepared for this enrolment, and it does not apply for a first code",
            )
        case = Case(enrolment, "", form, enrolment, form.email, None)
        pdf = await self._aside(lambda: printed(first_code(self._rules, case, now)))
        return Paper(f"TK3-TS {form.row_key}.pdf", pdf)

    async def _dossier(self, fact: DossierPrepared, events: list[dict[str, Any]]) -> Paper:
        signed = [
            (DossierSigned.model_validate_json(event["data"]), event["at"])
            for event in events
            if event["type"] == DossierSigned.TYPE
        ]
        mine = [(one, at) for one, at in signed if (one.dossier, one.attempt) == (fact.dossier, fact.attempt)]
        name = f"{fact.kind} {fact.payload.unit_code or fact.payload.tax_code} {fact.attempt}.pdf"
        if not mine:
            return Paper(name, await self._aside(lambda: printed(fact.payload)))
        one, at = mine[0]
        certificate = _certificate(await self._vault.get(one.document))
        signed_at = at.astimezone(UTC) if certificate else None
        return Paper(name, await self._aside(lambda: printed(fact.payload, certificate, signed_at)))


def _unprintable(enrolments: list[UUID]) -> Unanswerable:
    named = ", ".join(map(str, enrolments[:10]))
    return Unanswerable(
        "unprintable",
        f"Không in được tờ khai của hồ sơ đăng ký {named}. Kiểm tra dữ liệu của đơn vị rồi in lại; nếu vẫn vậy, báo người vận hành.",
        f"the form of {named} cannot be printed; why stands in the log",
    )


def _certificate(xml: bytes) -> SigningCertificate | None:
    """What the signed dossier prints of its certificate (TTCKY); the envelope of first-time forms prints none."""
    found = parse(xml).find("NoiDung/TTCKY")
    if found is None:
        return None
    said = {field.tag: field.text or "" for field in found}
    begin, end = (date(*map(int, reversed(said[key].split("/")))) for key in ("BEGIN", "END"))
    return SigningCertificate(said["SERIAL"], said["SUBJECT"], begin, end)
