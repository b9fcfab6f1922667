"""The employees of a unit: fetched page by page, compared with those before, sealed, and erased in time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from hoso.runtime.failures import Invalid, OutcomeUnknown, Transient
from hoso.runtime.steps import Call, Step, Tell, Try
from hoso.store.vault import Erased
from schemas.events import RosterAsked, RosterFailed, RosterFetched
from services.submitter.asks import RosterReplaced
from services.submitter.gateway import AgencyGateway
from services.submitter.ports import AWAY, Filings, Vault, opened

KEPT = ("id", "ho_ten", "ma_so_bhxh", "ngay_sinh", "gioi_tinh", "tinh_trang", "ngay_bat_dau")
"""What is kept of an employee: who it is and whether he takes part. Everything else the agency sends (address, wage, identity
card, phone, mail, post) is dropped unread: Law 91/2025 on personal data allows only what the purpose needs (domain.md §9)."""
PAGE, LIMIT, PAGES, PASSES, LONGEST = 200, 100_000, 2_000, 4, 200

Employee = dict[str, str]


@dataclass(frozen=True, slots=True)
class Difference:
    """Against the roster before."""

    added: int = 0
    changed: int = 0
    gone: int = 0


class FetchRoster:
    """Fetches all pages and seals them as one document. Asking again is harmless."""

    def __init__(self, gateway: AgencyGateway, vault: Vault, filings: Filings) -> None:
        self._gateway = gateway
        self._vault = vault
        self._filings = filings

    async def perform(self, ask: RosterAsked, this: Try) -> Sequence[Step]:
        if not (await self._gateway.capabilities()).roster:
            return self.give_up(ask, this, False, "Cổng này không cho lấy danh sách lao động")
        try:
            employees = await self._steady(ask.unit_code)
        except OutcomeUnknown as error:
            raise Transient(str(error)) from error
        before = await self._filings.roster(this.subject)
        old = before[0] if before is not None else None
        difference = Difference()
        if before is not None and (known := await self._opened(old)) is not None:
            difference = compared(known, employees)
        new = None
        if employees:
            sealed = json.dumps(list(employees.values()), ensure_ascii=False).encode()
            try:
                new = await self._vault.put(this.tenant, ask.enrolment, "personal", sealed)
            except AWAY as error:
                raise Transient(f"the vault is away: {error!r}") from error
        fetched = RosterFetched(
            enrolment=ask.enrolment,
            employees=len(employees),
            roster=new,
            added=difference.added,
            changed=difference.changed,
            gone=difference.gone,
        )
        if old is None or old == new:
            return [Tell(fetched)]
        name = f"forget:{old}:{ask.enrolment}:{ask.go}"
        return [Tell(fetched), Call("vault.forget", this.subject, name, RosterReplaced(document=old))]

    async def _steady(self, unit_code: str) -> dict[str, Employee]:
        """All employees by identity. Read again while the agency's list changes under us: a pass counts when it is whole, or
        when two after each other say the same (the agency itself counts somebody twice)."""
        before: dict[str, Employee] | None = None
        for _ in range(PASSES):
            employees, whole = await self._read(unit_code)
            if whole or employees == before:
                return employees
            before = employees
        raise Transient("the list of employees changes while it is read", timedelta(seconds=30))

    async def _read(self, unit_code: str) -> tuple[dict[str, Employee], bool]:
        """One pass, in order of identity, and whether its pages fit together: one total, so many rows, nobody twice."""
        found: dict[str, Employee] = {}
        totals, rows, page = set(), 0, 1
        while True:
            answer = await self._gateway.roster(unit_code, page, PAGE)
            if answer.total > LIMIT:
                raise Invalid(f"{answer.total} employees; at most {LIMIT} of a unit are fetched")
            totals.add(answer.total)
            rows += len(answer.employees)
            for employee in map(minimal, answer.employees):
                found[identity(employee)] = employee  # doubles between pages are one employee; the later row counts
            if rows >= answer.total or not answer.employees:
                break
            if page == PAGES:
                raise Invalid(f"the list of employees does not end after {PAGES} pages")
            page += 1
        return dict(sorted(found.items())), len(totals) == 1 and totals == {rows} and len(found) == rows

    async def _opened(self, document: UUID | None) -> dict[str, Employee] | None:
        if document is None:
            return {}
        try:
            known = json.loads(await opened(self._vault, document))
        except Erased:
            return None
        return {identity(employee): employee for employee in map(minimal, known)}

    async def reconcile(self, ask: RosterAsked, this: Try) -> Sequence[Step] | None:
        return await self.perform(ask, this)

    def give_up(self, ask: RosterAsked, this: Try, reached: bool, error: str) -> Sequence[Step]:
        return [Tell(RosterFailed(enrolment=ask.enrolment, text=error[:500]))]


class ForgetRoster:
    """Destroys a roster that a newer one replaced. Doing it twice is doing it once."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def perform(self, ask: RosterReplaced, this: Try) -> Sequence[Step]:
        await self._vault.destroy(ask.document)
        return []

    async def reconcile(self, ask: RosterReplaced, this: Try) -> Sequence[Step] | None:
        return await self.perform(ask, this)

    def give_up(self, ask: RosterReplaced, this: Try, reached: bool, error: str) -> Sequence[Step]:
        return []


def minimal(employee: Mapping[str, Any]) -> Employee:
    """Only what is kept, as text of bounded length."""
    return {name: str(employee[name])[:LONGEST].strip() for name in KEPT if employee.get(name) is not None}


def identity(employee: Mapping[str, str]) -> str:
    """What makes two rows the same person: the agency's id, else the social insurance number, else all that is known. Two
    rows without either that say the same are one."""
    if employee.get("id"):
        return f"id:{employee['id']}"
    if employee.get("ma_so_bhxh"):
        return f"so:{employee['ma_so_bhxh']}"
    return "row:" + "|".join(f"{name}={employee.get(name, '')}" for name in KEPT)


def compared(before: Mapping[str, Employee], now: Mapping[str, Employee]) -> Difference:
    """Who is new, who is not as before, who is gone."""
    return Difference(
        len(now.keys() - before.keys()),
        sum(1 for who in now.keys() & before.keys() if now[who] != before[who]),
        len(before.keys() - now.keys()),
    )
