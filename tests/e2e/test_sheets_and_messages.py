"""Many units in one sheet: tried out, mended, paused, given up; and what hoso tells others of them: mails and webhooks."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import json
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

import openpyxl
from aiosmtpd.smtp import SMTP
from standardwebhooks.webhooks import Webhook

from services.intake.columns import header_of
from tests.e2e.looks import download, eventually
from tests.e2e.scene import Scene
from tests.integration.notifier.stage import MailHost, Receiver, receiving

SHEET = {"Content-Type": "text/csv"}
MANY = 6_000
"""Rows that take long enough to be stopped in the middle."""


def sheet(rows: Sequence[dict[str, str]]) -> bytes:
    """Rows as a CSV file."""
    out = io.StringIO()
    keys = list(dict.fromkeys(key for row in rows for key in row))
    writer = csv.writer(out)
    writer.writerow([header_of(key) for key in keys])
    writer.writerows([[row.get(key, "") for key in keys] for row in rows])
    return out.getvalue().encode("utf-8-sig")


async def batch_at(scene: Scene, batch: str, state: str) -> dict[str, Any]:
    """The batch, once it is in this state."""

    async def there() -> bool:
        return bool((await scene.http("demo", "GET", f"/v1/batches/{batch}"))[1]["state"] == state)

    assert await eventually(there, 60), state
    return dict((await scene.http("demo", "GET", f"/v1/batches/{batch}"))[1])


async def enrolments(scene: Scene, batch: str) -> dict[str, str]:
    """Row key -> enrolment of what the batch opened."""
    _, found = await scene.http("demo", "GET", f"/v1/enrolments?batch={batch}&limit=500")
    return {one["row_key"]: one["enrolment"] for one in found["enrolments"]}


# --- sheets -----------------------------------------------------------------------------------------------------


async def test_a_sheet_is_tried_out_without_taking_anything(scene: Scene) -> None:
    good, bad = scene.branch(), scene.branch(tax_code="9001234569")
    body = sheet([good.fields, bad.fields])
    status, said = await scene.http("demo", "POST", "/v1/batches?dry_run=true", body, SHEET)

    assert status == 200, said
    assert (said["rows"], said["good"], said["bad"]) == (2, 1, 1)
    [remark] = said["row_remarks"]
    assert [error["column"] for error in remark["errors"]] == ["tax_code"]
    assert remark["errors"][0]["cure"]
    await scene.until(await scene.ask(scene.branch()), "enrolled")  # who came later is done
    assert scene.filings(good) == scene.filings(bad) == []
    _, known = await scene.http("demo", "GET", "/v1/enrolments?limit=500")
    assert good.unit_code not in json.dumps(known["enrolments"][-50:])


async def test_bad_rows_come_back_in_their_sheet_and_only_they_are_taken_when_it_is_sent_again(scene: Scene) -> None:
    good, bad = scene.branch(), scene.branch()
    right = bad.fields["tax_code"]
    bad.fields["tax_code"] = "9001234569"
    rows = await scene.sheet(good, bad, name="chi-nhanh.csv")
    assert [row["outcome"] for row in rows] == ["accepted", "invalid"]
    await scene.until(good, "enrolled")

    book = openpyxl.load_workbook(
        io.BytesIO(await download(scene, "demo", f"/v1/batches/{good.batch}/result.xlsx?bad_only=true"))
    )
    page = book.worksheets[0]
    assert [page.cell(1, column).value for column in range(1, page.max_column + 1)][-1] is not None
    texts = [cell.value for line in page.iter_rows() for cell in line]
    assert bad.unit_code in texts
    assert good.unit_code not in texts
    [wrong] = [cell for line in page.iter_rows() for cell in line if cell.value == "9001234569"]
    assert wrong.fill.fgColor.rgb not in ("00000000", None)  # coloured
    wrong.value = right
    mended = io.BytesIO()
    book.save(mended)

    before = scene.town.arrivals()
    batch = await scene.town.arena.hand_in("demo", mended.getvalue(), name="can-sua.xlsx")
    await batch_at(scene, str(batch), "done")
    bad.enrolment = (await enrolments(scene, str(batch)))[bad.unit_code]
    bad.fields["tax_code"] = right
    await scene.until(bad, "enrolled")
    assert scene.town.arrivals() == before + 1
    assert scene.filings(good) == scene.filings(bad) == ["register accepted"]

    again = await scene.town.arena.hand_in("demo", sheet([good.fields, bad.fields]))
    said = await batch_at(scene, str(again), "done")
    assert said["outcomes"] == {"already-enrolled": 2}
    assert scene.town.arrivals() == before + 1


async def test_a_batch_is_paused_resumed_and_cancelled_and_is_its_tenants_own(scene: Scene) -> None:
    first, last, late = scene.branch("C01"), scene.branch("C01"), scene.branch("C01")
    filling = {"branch_id": "x", "name": "Dòng thiếu mọi thứ"}
    rows = [first.fields, *({**filling, "branch_id": f"x{n}"} for n in range(MANY)), last.fields, late.fields]
    batch = str(await scene.town.arena.hand_in("demo", sheet(rows)))

    status, said = await scene.http("demo", "POST", f"/v1/batches/{batch}/pause?reason=ch%E1%BB%9D")
    assert (status, said["state"]) == (200, "paused")
    _, paused = await scene.http("demo", "GET", f"/v1/batches/{batch}")
    assert paused["rows_done"] < MANY
    await scene.until(await scene.ask(scene.branch(tenant="lang-gieng")), "enrolled")  # who came later is done
    assert scene.filings(last) == []
    for path in ("", "/result.xlsx"):
        assert (await scene.http("lang-gieng", "GET", f"/v1/batches/{batch}{path}"))[0] == 404
    assert (await scene.http("lang-gieng", "POST", f"/v1/batches/{batch}/resume"))[0] == 404

    assert (await scene.http("demo", "POST", f"/v1/batches/{batch}/resume"))[1]["state"] == "working"
    done = await batch_at(scene, batch, "done")
    assert done["rows_done"] == MANY + 3
    assert done["outcomes"] == {"accepted": 3, "invalid": MANY}
    opened = await enrolments(scene, batch)
    for branch in (first, last, late):
        branch.enrolment = opened[branch.unit_code]
        await scene.until(branch, "waiting-for-person", "provider")

    assert (await scene.http("demo", "POST", f"/v1/batches/{batch}/cancel"))[0] == 200
    await batch_at(scene, batch, "cancelled")
    for branch in (first, last, late):
        await scene.until(branch, "cancelled")
        assert scene.filings(branch) == ["register refused CE007"]


# --- what others are told ---------------------------------------------------------------------------------------


async def test_a_producing_system_is_told_by_signed_webhooks_and_can_have_them_again(scene: Scene) -> None:
    receiver = Receiver()
    async with receiving(receiver):
        status, made = await scene.http("lang-gieng", "POST", "/v1/webhooks", {"url": receiver.url})
        assert status == 201, made
        try:
            branch = await scene.ask(scene.branch("M02", tenant="lang-gieng"))
            await scene.until(branch, "enrolled")

            def told() -> list[dict[str, Any]]:
                verified = [Webhook(made["secret"]).verify(body, headers) for headers, body in receiver.heard]
                return [one for one in verified if one["data"].get("enrolment") == branch.enrolment]

            assert await eventually(lambda: any(one["data"].get("stage") == "enrolled" for one in told()))
            stages = [one["data"]["stage"] for one in told() if "stage" in one["data"]]
            assert [s for s in stages if s in ("filed", "awaiting-code", "activating", "enrolled")] == [
                "filed", "awaiting-code", "activating", "enrolled"]  # fmt: skip

            heard = len(receiver.heard)
            [first, *_] = told()
            after = int(first["cursor"]) - 1
            _, page = await scene.http("lang-gieng", "GET", f"/v1/events?after={after}")
            assert page["events"][0] == first
            assert (await scene.http("demo", "GET", f"/v1/events?after={after}&limit=1000"))[0] == 200
            _, others = await scene.http("demo", "GET", "/v1/events?limit=1000")
            assert branch.enrolment not in json.dumps(others)
            status, _ = await scene.http("lang-gieng", "POST", f"/v1/webhooks/{made['id']}/replay?after={after}")
            assert status == 202
            assert await eventually(lambda: len(receiver.heard) >= heard + len(stages))
        finally:
            await scene.http("lang-gieng", "DELETE", f"/v1/webhooks/{made['id']}")
    code = scene.town.agency("select code from codes where unit_code = ?", branch.unit_code)[0]["code"]
    assert all(code.encode() not in body for _, body in receiver.heard)


@contextlib.asynccontextmanager
async def relay(scene: Scene) -> AsyncIterator[MailHost]:
    """The relay that hoso hands its own mails to."""
    host = MailHost()
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(host, hostname="relay.test"), "127.0.0.1", scene.town.arena.relay
    )
    try:
        yield host
    finally:
        server.close()


def plain(mail: EmailMessage) -> str:
    """What stands in a mail of ours."""
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


async def test_people_are_mailed_of_milestones_and_tasks_gathered_into_one(scene: Scene) -> None:
    person = "phu-trach@langgieng.example"
    async with relay(scene) as host:
        status, said = await scene.town.cli("notify", "set", "lang-gieng", "--to", person, "--gather", "10m")
        assert status == 0, said
        try:
            branches = [await scene.ask(scene.branch("C01", tenant="lang-gieng")) for _ in range(2)]
            for branch in branches:
                await scene.until(branch, "waiting-for-person", "provider")
            await scene.settled(branches[0])
            await scene.pass_time(timedelta(minutes=11))
            assert await eventually(lambda: bool(host.taken))
            [mail] = host.taken
            assert mail["To"] == person
            words = plain(mail)
            assert all(branch.unit_code in words and branch.name in words for branch in branches)
            assert "CE007" not in words  # our own words, never the agency's

            await scene.town.cli("notify", "set", "lang-gieng", "--to", person, "--gather", "1s", "--lang", "en")
            await scene.answer(branches[0], "provider", "00040")
            await scene.until(branches[0], "enrolled")
            await scene.pass_time(timedelta(minutes=1))
            assert await eventually(lambda: any("enrolled" in plain(one).lower() for one in host.taken[1:]))
        finally:
            await scene.town.cli("notify", "set", "lang-gieng", "--to", "")
    code = scene.town.agency("select code from codes where unit_code = ?", branches[0].unit_code)[0]["code"]
    assert all(code.encode() not in raw for raw in host.raw)
