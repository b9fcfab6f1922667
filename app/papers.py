"""Printed forms: the TK3-TS of a unit whose province takes paper only (B22), and a picture of every dossier that was prepared."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from hoso.domain.states import Case
from hoso.domain.told import Rules, first_code
from hoso.dossiers.form import SigningCertificate
from hoso.dossiers.printing import bundle, printed
from hoso.dossiers.safexml import parse
from schemas.events import DossierPrepared, DossierSigned
from services.ops import views
from services.ops.said import Unanswerable

PAPER_LANE = ("paper-form", "paper-code")
MOST = 500
"""Forms in one file."""


@dataclass(frozen=True, slots=True)
class Paper:
    """One printed form."""

    name: str
    pdf: bytes


class Papers:
    """Prints what the events say. `rules`: ours, for the I-VAN's name on the form."""

    def __init__(self, rules: Rules, vault: Any) -> None:
        self._rules = rules
        self._vault = vault

    async def of(self, db: Any, enrolment: UUID, tenant: str | None, now: datetime) -> Paper:
        """The newest dossier of the enrolment; where there is none, the paper form. Raises Unanswerable."""
        found = await views.find(db, str(enrolment), tenant)
        if not found:
            raise Unanswerable(
                "not-found",
                "Không có hồ sơ đăng ký này, hoặc nó không thuộc về bạn.",
                f"there is no enrolment {enrolment}; see `hoso enrolment list`",
            )
        events = await views.timeline(db, enrolment)
        prepared = [event for event in events if event["type"] == DossierPrepared.TYPE]
        if prepared:
            return await self._dossier(DossierPrepared.model_validate_json(prepared[-1]["data"]), events)
        return await self._paper_form(db, found[0], now)

    async def waiting(self, db: Any, tenant: str | None, now: datetime) -> Paper:
        """The paper forms of all units that wait for theirs to be sent, as one file, at most `MOST`. Raises Unanswerable."""
        rows = await views.listing(db, stage=views.WAITING, tenant=tenant, limit=100_000)
        rows = [row for row in rows if row["cause"] == "paper-form"][:MOST]
        if not rows:
            raise Unanswerable("nothing", "Không có tờ khai giấy nào chờ in.", "no paper form waits to be printed")
        forms = [await self._paper_form(db, row, now) for row in rows]
        return Paper("TK3-TS.pdf", bundle([form.pdf for form in forms]))

    async def _paper_form(self, db: Any, row: dict[str, Any], now: datetime) -> Paper:
        form = await views.form_of(db, row["unit"], row["enrolment"])
        if form is None or form.first_time is None:
            raise Unanswerable(
                "nothing",
                "Đăng ký này chưa có tờ khai nào.",
                "nothing was prepared for this enrolment, and it does not apply for a first code",
            )
        case = Case(row["enrolment"], "", form, row["enrolment"], form.email, None)
        return Paper(f"TK3-TS {form.row_key}.pdf", printed(first_code(self._rules, case, now)))

    async def _dossier(self, fact: DossierPrepared, events: list[dict[str, Any]]) -> Paper:
        signed = [
            (DossierSigned.model_validate_json(event["data"]), event["at"])
            for event in events
            if event["type"] == DossierSigned.TYPE
        ]
        mine = [(one, at) for one, at in signed if (one.dossier, one.attempt) == (fact.dossier, fact.attempt)]
        name = f"{fact.kind} {fact.payload.unit_code or fact.payload.tax_code} {fact.attempt}.pdf"
        if not mine:
            return Paper(name, printed(fact.payload))
        one, at = mine[0]
        certificate = _certificate(await self._vault.get(one.document))
        return Paper(name, printed(fact.payload, certificate, at.astimezone(UTC) if certificate else None))


def _certificate(xml: bytes) -> SigningCertificate | None:
    """What the signed dossier prints of its certificate (TTCKY); the envelope of first-time forms prints none."""
    found = parse(xml).find("NoiDung/TTCKY")
    if found is None:
        return None
    said = {field.tag: field.text or "" for field in found}
    begin, end = (date(*map(int, reversed(said[key].split("/")))) for key in ("BEGIN", "END"))
    return SigningCertificate(said["SERIAL"], said["SUBJECT"], begin, end)
