"""What a scenario may do and see: ask for branches over HTTP, let the world's days pass, answer as a person, and read the
agency's ledger, its mails and our answers. Scenarios assert on what the outside world has, never on our own tables.

The clock moves only when nothing else can happen for the branch, and only to the next moment at which something is due
for it: days pass in seconds and nothing sleeps through them.
"""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import aiohttp

from services.intake.columns import header_of
from tests.chaos.arena import AWAY
from tests.chaos.sheets import provider_of
from tests.e2e.branches import FORMS, ITS, Branch, Document
from tests.e2e.town import Town

__all__ = ["Branch", "Document", "Scene", "in_order"]

QUIET_S = 0.7
"""Nothing has happened for a branch for this long: then nothing will before the clock moves."""
LATE_S = 5.0
"""What the agency or a mailbox has not done after so long is not waited for any more."""
STILL = 5
"""Looked at so often in a row with nothing happening and nothing due: then nothing ever will."""
BEHIND_S = 3.0
PATIENCE_S = 90.0


class Scene:
    """One scenario's hands and eyes on the town."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.said_again = False
        """The last request had to be sent more than once: what it asked for may have been done already."""
        self._waiting: float | None = None

    # --- asking ------------------------------------------------------------------------------------------------

    def branch(self, flow: str = "", *, tenant: str = "demo", provider: bool = False, **fields: str) -> Branch:
        """A made-up branch; `flow` chooses what the agency does with it (simulator/README.md).

        `provider`: the row names the provider that the unit is really with."""
        owner = next(t for t in self.town.arena.tenants if t.name == tenant)
        row = self.town.maker(owner).row(flow)
        if provider:
            row.fields["current_provider"] = provider_of(row.fields["unit_code"], flow)
        return Branch(tenant, {key: value for key, value in {**row.fields, **fields}.items() if value})

    def newcomer(self, words: str = "", *, tenant: str = "demo", **fields: str) -> Branch:
        """A branch in Hanoi that never took part: no code, the fields and the licence of a first-time dossier.

        `words` are magic words of its name."""
        branch = self.branch("", tenant=tenant)
        number = branch.fields.pop("unit_code")
        name = f"{branch.fields['name']} {words} {number}".replace("  ", " ")
        first = {
            "branch_id": f"CN-{number}",
            "name": name,
            "province": "Hà Nội",
            "first_time": "có",
            "contact_name": "Nguyễn Thị Mẫu",
            "representative": "Trần Thị Thử",
            "licence_number": f"01{uuid4().int % 10**8:08d}",
            "licence_place": "Sở Tài chính Hà Nội",
            "licence_date": "05/01/2026",
            "attachments": "giay-phep.pdf",
        }
        branch.fields |= {**first, **fields}
        return branch

    async def ask(self, branch: Branch, **changed: str) -> Branch:
        """Request the branch over HTTP, as a producing system would; `changed` fields are as of now."""
        branch.fields |= changed
        status, branch.said = await self.http(
            branch.tenant, "POST", "/v1/enrolments", branch.fields, {"Idempotency-Key": str(uuid4())}
        )
        assert status < 300, branch.said
        branch.enrolment = branch.said.get("enrolment") or branch.enrolment
        return branch

    async def sheet(self, *branches: Branch, name: str = "chi-nhanh.csv") -> list[dict[str, Any]]:
        """Hand the branches in as one sheet of their tenant; its rows, once each has its outcome."""
        out = io.StringIO()
        keys = list(dict.fromkeys(key for branch in branches for key in branch.fields))
        writer = csv.writer(out)
        writer.writerow([header_of(key) for key in keys])
        for branch in branches:
            writer.writerow([branch.fields.get(key, "") for key in keys])
        tenant = branches[0].tenant
        batch = await self.town.arena.hand_in(tenant, out.getvalue().encode("utf-8-sig"), name=name)
        until = time.monotonic() + PATIENCE_S
        while True:
            _, said = await self.http(tenant, "GET", f"/v1/batches/{batch}?limit=100")
            if said["state"] == "done":
                break
            assert time.monotonic() < until, said
            await asyncio.sleep(0.1)
        rows: list[dict[str, Any]] = said["page"]
        for branch, row in zip(branches, rows, strict=True):
            branch.enrolment, branch.said, branch.batch = row["enrolment"] or "", row, str(batch)
        return rows

    async def publish(self, branch: Branch) -> Branch:
        """Put a request for the branch onto its tenant's topic, as a producing system that speaks to the log would."""
        file = self.town.arena.world.folder / f"request-{uuid4()}.json"
        file.write_text(json.dumps({"request": str(uuid4()), "fields": branch.fields}, ensure_ascii=False), "utf-8")
        status, said = await self.town.cli("topics", "publish", f"enrolment.requests.{branch.tenant}", str(file))
        assert status == 0, said
        until = time.monotonic() + PATIENCE_S
        while not branch.enrolment:
            for found in await self._enrolments(branch.tenant):
                if found["row_key"] == branch.fields.get("unit_code", branch.fields.get("branch_id")):
                    branch.enrolment = found["enrolment"]
            assert time.monotonic() < until, f"{branch.fields} never became an enrolment"
            await asyncio.sleep(0.1)
        return branch

    async def _enrolments(self, tenant: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        after = ""
        while True:
            _, page = await self.http(tenant, "GET", f"/v1/enrolments?limit=500{after}")
            found += page["enrolments"]
            if page["next"] is None:
                return found
            after = f"&after={page['next']}"

    async def attach(self, tenant: str, name: str = "giay-phep.pdf", data: bytes | None = None) -> None:
        """Send a file that rows may name."""
        content = data or b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\nstartxref\n9\n%%EOF\n"
        status, said = await self.http(tenant, "PUT", f"/v1/attachments/{name}", content)
        assert status < 300, said

    async def http(
        self, tenant: str, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """One request with the tenant's key; JSON in, JSON out. Asked again while a process that was killed is away."""
        given = {"Authorization": f"Bearer {self.town.arena.keys[tenant]}", **(headers or {})}
        until = time.monotonic() + PATIENCE_S
        self.said_again = False
        while True:
            try:
                url = self.town.arena.up()["services"]["intake"]["http"] + path
                async with (
                    aiohttp.ClientSession(headers=given) as session,
                    session.request(method, url, **_body(body)) as answer,
                ):
                    if answer.status < 500:
                        return answer.status, await answer.json() if answer.content_type != "application/pdf" else None
                    last = f"{answer.status} {await answer.text()}"
            except AWAY as error:
                last = repr(error)
            self.said_again = True
            assert time.monotonic() < until, f"{method} {path} was not answered: {last}"
            await asyncio.sleep(0.2)

    # --- the agency's moods ------------------------------------------------------------------------------------

    async def script(self, branch: Branch, call: str, fault: str, procedure: str | None = None, **more: Any) -> None:
        """From now on the agency does `fault` at this point of the branch's way (simulator/README.md, Scripts)."""
        match = {"unit_code": branch.unit_code, "call": call, **({"procedure": procedure} if procedure else {})}
        await self._agency("POST", [{"match": match, "fault": fault, **more}])

    async def unscript(self) -> None:
        """The agency does no scripted fault any more."""
        await self._agency("DELETE", None)

    async def _agency(self, method: str, body: Any) -> None:
        url = f"{self.town.arena.world.settings().gateway}/script"
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                async with aiohttp.ClientSession() as session, session.request(method, url, json=body) as answer:
                    assert answer.status < 300, await answer.text()
                    return
            except AWAY:
                assert time.monotonic() < until, f"{url} is away"
            await asyncio.sleep(0.2)

    # --- time --------------------------------------------------------------------------------------------------

    async def until(self, branch: Branch, stage: str, cause: str | None = None) -> dict[str, Any]:
        """Until the branch stands at `stage` (waiting for `cause`), the days passing as they must."""
        seen: Any = None
        changed = began = time.monotonic()
        still = 0
        while True:
            found = await self.view(branch)
            if found.get("stage") == stage and cause in (None, found.get("cause")):
                await self._told(branch, stage)
                return found
            picture = (found.get("stage"), found.get("at"), await self._busy(branch))
            if picture != seen or picture[2] == "working":
                seen, changed, still = picture, time.monotonic(), 0
            if time.monotonic() - changed > QUIET_S:
                moved = await self._on(branch) or picture[2] != "0"  # a call that is tried again has its own moments
                changed, still = time.monotonic(), 0 if moved else still + 1
                if still > STILL:
                    raise AssertionError(f"nothing more happens: {found}\n{await self.story(branch)}")
            if time.monotonic() - began > PATIENCE_S:
                raise AssertionError(f"{stage} {cause or ''} never came: {found}\n{await self.story(branch)}")
            await asyncio.sleep(0.1)

    async def _told(self, branch: Branch, stage: str) -> None:
        """Until ops tells the same as intake: they are two readers, and either may be a moment behind. Not for long: the branch may
        have gone on meanwhile."""
        until = time.monotonic() + BEHIND_S
        while time.monotonic() < until:
            _, told = await self.http(branch.tenant, "GET", f"/v1/enrolments/{branch.enrolment}/timeline")
            if told.get("stage") == stage:
                return
            await asyncio.sleep(0.1)

    async def settled(self, branch: Branch) -> None:
        """Until nothing is under way for the branch at this moment of the world's time."""
        began = quiet = time.monotonic()
        while time.monotonic() - quiet < QUIET_S:
            if await self._busy(branch) == "working":
                quiet = time.monotonic()
            assert time.monotonic() - began < PATIENCE_S, await self.story(branch)
            await asyncio.sleep(0.1)

    async def warned(self, branch: Branch) -> None:
        """Until a reminder that is due now has had its say."""
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                async with self.town.arena.open() as own:
                    due = await own.db.pool.fetchval(
                        "select min(due) from log.timer where correlation::text = $1", branch.enrolment
                    )
                if (due is None or due > await self.now()) and await self._busy(branch) != "working":
                    return
            except AWAY:
                pass
            assert time.monotonic() < until, await self.story(branch)
            await asyncio.sleep(0.1)

    async def pass_time(self, delta: timedelta) -> None:
        """Move the world's clock."""
        await self.town.arena.jump(delta)

    async def _busy(self, branch: Branch) -> str:
        """`working` while a call or an unread event of the branch is under way."""
        try:
            async with self.town.arena.open() as own:
                calls = await own.db.pool.fetchval(
                    "select count(*) from log.call where correlation::text = $1 and (lane <> 'agency.replies' or unsure) "
                    "and not_before < (select max(base) from log.clock)",
                    branch.enrolment,
                )
                behind = await own.db.pool.fetchval(
                    "select sum(h.next - p.off) from log.position p join log.head h using (topic, part) "
                    "where (p.kafka is null or p.topic not like 'enrolment.requests.%')"
                )
                return "working" if behind else f"{calls}"
        except AWAY:
            return "working"

    async def _on(self, branch: Branch) -> bool:
        """Move on to the next moment at which something is due for this branch. False when nothing is.

        Not while the agency is behind with what is due, nor while a mail of the tenant lies unread: a day that passes
        then would be a day in which a mail host or a mail watcher did nothing."""
        try:
            async with self.town.arena.open() as own:
                due = await own.db.pool.fetchval(
                    "select min(due) from log.timer where correlation::text = $1", branch.enrolment
                )
            agency = self.town.agency(
                "select min(at) as at from (select due_world as at, transaction_id as t from mails where state = 'queued' "
                "union all select due, transaction_id from tasks where clock = 'world') where t in "
                f"(select transaction_id from filings where {ITS})",
                *branch.key,
            )[0]["at"]
            now = await self.now()
            late = bool(agency and agency <= now.timestamp()) or bool(await self.town.arena.unread(branch.tenant))
        except AWAY:
            return True
        began, self._waiting = self._waiting, None
        if late and (began is None or time.monotonic() - began < LATE_S):
            self._waiting = began or time.monotonic()
            return True
        moments = [due] if due else []
        moments += [datetime.fromtimestamp(agency, UTC)] if agency else []
        ahead = [moment for moment in moments if moment > now]
        if moments:
            await self.pass_time(max(min(ahead, default=now) - now, timedelta()) + timedelta(seconds=2))
        return bool(moments)

    async def now(self) -> datetime:
        """The world's time, as the agency has it."""
        rows = self.town.agency("select base_world, anchor_real, rate from clock")
        if not rows:
            return datetime.now(UTC)  # nobody has set a clock yet: the real time
        base, anchor, rate = rows[0]
        return datetime.fromtimestamp(base + (time.time() - anchor) * rate, UTC)

    # --- seeing ------------------------------------------------------------------------------------------------

    async def view(self, branch: Branch) -> dict[str, Any]:
        """The enrolment as HTTP shows it; empty while it is not known yet."""
        status, found = await self.http(branch.tenant, "GET", f"/v1/enrolments/{branch.enrolment}")
        return found if status == 200 else {}

    async def story(self, branch: Branch) -> str:
        """What `hoso enrolment show` tells."""
        _, said = await self.town.cli("enrolment", "show", branch.enrolment)
        return said

    def filings(self, branch: Branch) -> list[str]:
        """What the agency has of the branch, oldest first: "stop refused SIM011", "register accepted", …"""
        states = {"CHAP_NHAN": "accepted", "TU_CHOI": "refused", "TIEP_NHAN": "open"}
        rows = self.town.agency(
            f"select procedure, state, code from filings where {ITS} order by received_world, rowid",
            *branch.key,
        )
        return [
            " ".join(
                word
                for word in (
                    FORMS.get(row["procedure"], "first_code"),
                    states[row["state"]],
                    row["code"] if row["state"] == "TU_CHOI" else "",
                )
                if word
            )
            for row in rows
        ]

    def mails(self, branch: Branch) -> list[str]:
        """The agency's genuine mails about the branch that were sent, oldest first: their kinds."""
        rows = self.town.agency(
            "select kind from mails where genuine and state = 'sent' and transaction_id in "
            f"(select transaction_id from filings where {ITS}) order by sent_world, id",
            *branch.key,
        )
        return [row["kind"] for row in rows]

    async def documents(self, branch: Branch, kind: str) -> list[Document]:
        """The signed documents of this kind that the agency has of the branch, oldest first: our bytes, its hash."""
        procedure = next((p for p, known in FORMS.items() if known == kind), "604")
        hashes = [
            row["sha256"]
            for row in self.town.agency(
                f"select sha256 from filings where {ITS} and procedure = ?3 order by received_world, rowid",
                *branch.key,
                procedure,
            )
        ]
        found = []
        async with self.town.arena.open() as own:
            for told in hashes:
                ref: UUID = await own.db.pool.fetchval("select document from submitter.filing where sha256 = $1", told)
                data = await own.vault.get(ref)
                assert hashlib.sha256(data).hexdigest() == told
                found.append(Document(data))
        return found

    async def rosters(self, branch: Branch, times: int) -> int:
        """Until the agency has told the branch's employees so many times and we have heard it; its pages so far."""
        until = time.monotonic() + PATIENCE_S
        while (await self.story(branch)).count("Đã lấy danh sách") < times:
            assert time.monotonic() < until, await self.story(branch)
            await asyncio.sleep(0.1)
        return len(self.town.agency("select 1 from roster_fetches where unit_code = ?", branch.unit_code))

    def active(self, branch: Branch) -> bool:
        """Whether the agency holds the unit as activated with us."""
        return bool(
            self.town.agency(
                "select 1 from units where unit_code = ? and active_transaction is not null", branch.unit_code
            )
        )

    def times(self, branch: Branch, procedure: str) -> list[datetime]:
        """When the agency got the branch's filings of a procedure, by the world's clock, oldest first."""
        rows = self.town.agency(
            f"select received_world as at from filings where {ITS} and procedure = ?3 order by received_world, rowid",
            *branch.key,
            procedure,
        )
        return [datetime.fromtimestamp(row["at"], UTC) for row in rows]

    def named_provider(self, branch: Branch) -> str:
        """The provider the agency has the unit with."""
        [row] = self.town.agency("select provider_code from units where unit_code = ?", branch.unit_code)
        return str(row["provider_code"])

    # --- people ------------------------------------------------------------------------------------------------

    async def task(self, branch: Branch, cause: str | None = None) -> dict[str, Any]:
        """The open task of the branch."""
        until = time.monotonic() + 20
        while True:
            _, found = await self.http(branch.tenant, "GET", "/v1/tasks?limit=1000")
            for task in found["tasks"]:
                if task["enrolment"] == branch.enrolment and cause in (None, task["cause"]):
                    return dict(task)
            assert time.monotonic() < until, f"no task of {branch.enrolment} {cause}: {found}"
            await asyncio.sleep(0.1)

    async def answer(self, branch: Branch, answer: str, value: str | None = None, **more: Any) -> None:
        """Answer the open task over HTTP, as the person it waits for, and see the enrolment go on."""
        task = await self.task(branch)
        before = (await self.view(branch)).get("at")
        body = {"answer": answer, "reason": "kịch bản", **({"value": value} if value else {}), **more}
        status, said = await self.http(branch.tenant, "POST", f"/v1/tasks/{task['task']}/answer", body)
        assert status < 300 or self.said_again, said
        until = time.monotonic() + PATIENCE_S
        while (await self.view(branch)).get("at") == before:
            assert time.monotonic() < until, f"{answer} changed nothing\n{await self.story(branch)}"
            await asyncio.sleep(0.05)

    async def restop(self, branch: Branch, provider: str) -> None:
        """As the person a refused stop waits for: have it filed again. Gateway and mail say it in either order, so he may be
        asked for the provider, or only whether to try again."""
        task = await self.task(branch)
        if "provider" in task["answers"]:
            await self.answer(branch, "provider", provider)
        else:
            await self.answer(branch, "retry")

    async def outcome_of(self, row: Branch) -> str:
        """What a row that was taken in said of itself in the end; its message for people."""
        until = time.monotonic() + PATIENCE_S
        while not (said := await self._late_outcome(row)):
            assert time.monotonic() < until, row.said
            await asyncio.sleep(0.1)
        return said

    async def _late_outcome(self, row: Branch) -> str:
        _, said = await self.http(row.tenant, "GET", f"/v1/batches/{row.batch}?limit=100")
        [page] = [line for line in said["page"] if line["row"] == row.said["row"]]
        return str(page["message"]) if page["outcome"] == "refused" else ""


def _body(body: Any) -> dict[str, Any]:
    if body is None:
        return {}
    return {"data": body} if isinstance(body, bytes) else {"json": body}


def in_order(wanted: Sequence[str], found: Sequence[str]) -> bool:
    """Whether `wanted` are in `found`, in that order, others between them."""
    rest = iter(found)
    return all(one in rest for one in wanted)
