"""Webhooks to producing systems: signed, in order, tried again, and nothing a receiver does is anybody else's trouble."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from hoso.runtime.failures import HosoError
from schemas import events as e
from services.notifier.endpoints import events_after
from services.notifier.receivers import BadUrl, Receivers, read_url
from services.notifier.signing import new_secret, signed
from services.notifier.webhooks import Bounds
from tests.integration.notifier.stage import TENANT, Receiver, Stage, progressed, receiving, requested, says
from tests.support.waiting import eventually


async def heard(receiver: Receiver, count: int) -> None:
    async def look() -> bool:
        return len(receiver.heard) >= count

    await eventually(look, f"{count} deliveries")


async def delivered(stage: Stage, endpoint: UUID, state: str, count: int = 1) -> None:
    async def look() -> bool:
        found = await stage.db.pool.fetchval(
            "select count(*) from notifier.delivery where endpoint = $1 and state = $2", endpoint, state
        )
        return bool(found == count)

    await eventually(look, f"{count} {state}")


def stages(receiver: Receiver) -> list[str]:
    return [json.loads(body)["data"]["stage"] for _, body in receiver.heard]


async def test_events_arrive_signed_and_in_order(stage: Stage) -> None:
    await stage.tenant()
    async with receiving(Receiver()) as receiver, stage.open():
        id_, secret = await stage.endpoints.add(TENANT, receiver.url, "lan")
        enrolment = uuid4()
        await stage.say(requested(enrolment), progressed(enrolment, "signing"), progressed(enrolment, "filed"))
        await stage.say(progressed(enrolment, "awaiting-code"), tenant="globex")
        warned = e.EnrolmentWarned(enrolment=enrolment, request="r", warning="mail-missing", message="x")
        note = e.NoteTaken(enrolment=enrolment, state="filed", event="x", event_id=uuid4())
        await stage.say(note, warned)
        await heard(receiver, 3)
        await delivered(stage, id_, "delivered", 3)
    bodies = [json.loads(body) for _, body in receiver.heard]
    assert [body["type"] for body in bodies] == [e.EnrolmentProgressed.TYPE] * 2 + [e.EnrolmentWarned.TYPE]
    assert [body["cursor"] for body in bodies] == ["1", "2", "3"]
    for headers, body in receiver.heard:
        verified = Webhook(secret).verify(body, headers)
        assert verified["id"] == headers["webhook-id"]
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(body + b" ", headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(new_secret()).verify(body, headers)
    async with stage.db.pool.acquire() as db:
        kept = [json.loads(body) for body in await events_after(db, TENANT, 1, 10)]
        assert kept == bodies[1:]
        assert await events_after(db, "nobody", 0, 10) == []
    rows = await stage.db.pool.fetch("select sealed from store.vault_item")
    assert all(secret.encode() not in row["sealed"] for row in rows)


def test_our_signature_is_the_conventions() -> None:
    secret, now, body = new_secret(), datetime.now(UTC), '{"tên": "Ô Mai"}'
    ours = signed(secret, "msg_1", now, body.encode())
    assert ours["webhook-signature"] == Webhook(secret).sign("msg_1", now, body)


async def test_what_is_not_taken_is_told_again_under_the_same_id(stage: Stage) -> None:
    await stage.tenant()
    receiver = Receiver([says(500), says(429), says(302, headers={"Location": "/elsewhere"}), says(204)])
    async with receiving(receiver), stage.open():
        id_, _ = await stage.endpoints.add(TENANT, receiver.url, "lan")
        await stage.say(progressed(uuid4(), "filed"))
        await delivered(stage, id_, "delivered")
    assert len(receiver.heard) == 4, "a redirect is not followed"
    assert len({headers["webhook-id"] for headers, _ in receiver.heard}) == 1
    assert await stage.db.pool.fetchval("select tries from notifier.delivery") == 4
    assert await stage.db.pool.fetchval("select failing_since from notifier.endpoint") is None


async def test_what_is_refused_again_and_again_is_left_out(stage: Stage) -> None:
    await stage.tenant()
    receiver = Receiver([says(400)] * 5)
    async with receiving(receiver), stage.open():
        id_, _ = await stage.endpoints.add(TENANT, receiver.url, "lan")
        await stage.say(progressed(uuid4(), "signing"), progressed(uuid4(), "filed"))
        await delivered(stage, id_, "refused")
        await delivered(stage, id_, "delivered")
    assert stages(receiver) == ["signing"] * 5 + ["filed"]


async def test_a_receiver_that_hangs_holds_up_nobody_else(stage: Stage) -> None:
    await stage.tenant()
    await stage.tenant(name="globex")

    async def hang(_request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    async def endless(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        while True:
            await answer.write(b"x" * 65_536)

    slow, flood, quick = Receiver(always=hang), Receiver(always=endless), Receiver()
    async with receiving(slow), receiving(flood), receiving(quick), stage.open(timeout=0.5):
        await stage.endpoints.add("globex", slow.url, "eve")
        drip, _ = await stage.endpoints.add("globex", flood.url, "eve")
        id_, _ = await stage.endpoints.add(TENANT, quick.url, "lan")
        for _ in range(5):
            await stage.say(progressed(uuid4(), "filed"), tenant="globex")
        await heard(slow, 1)
        await stage.say(*[progressed(uuid4(), "filed") for _ in range(20)])
        await delivered(stage, id_, "delivered", 20)
        await delivered(stage, drip, "delivered", 5)
        await heard(slow, 3)
    states = await stage.db.pool.fetch(
        "select d.state, count(*) from notifier.delivery d join notifier.endpoint e using (endpoint) where e.url = $1 group by 1",
        slow.url,
    )
    assert [tuple(row) for row in states] == [("waiting", 5)]


async def test_one_that_fails_too_long_is_switched_off_and_its_people_told(stage: Stage) -> None:
    await stage.tenant("lan@acme.vn")
    receiver = Receiver(always=says(503))
    bounds = Bounds(timedelta(days=5), timedelta(milliseconds=20), timedelta(milliseconds=50))
    async with receiving(receiver), stage.open(bounds=bounds):
        id_, _ = await stage.endpoints.add(TENANT, receiver.url, "lan")
        await stage.say(progressed(uuid4(), "signing"), progressed(uuid4(), "filed"))
        await heard(receiver, 2)
        await stage.jump(timedelta(days=6))

        async def off() -> bool:
            return (await stage.endpoints.webhooks(TENANT))[0]["disabled_at"] is not None

        await eventually(off, "the switch")
        await delivered(stage, id_, "dropped", 2)
        told = await stage.db.pool.fetch("select what, word from notifier.notice where what = 'webhook'")
        assert [tuple(row) for row in told] == [("webhook", "127.0.0.1")]
        receiver.always = None
        receiver.heard.clear()
        assert await stage.endpoints.replay(id_, None, "lan") == 0
        await heard(receiver, 2)
    assert stages(receiver) == ["signing", "filed"]


async def test_a_replay_begins_at_any_cursor(stage: Stage) -> None:
    await stage.tenant()
    async with receiving(Receiver()) as receiver, stage.open():
        id_, _ = await stage.endpoints.add(TENANT, receiver.url, "lan")
        await stage.say(*[progressed(uuid4(), word) for word in ("signing", "filed", "awaiting-code")])
        await delivered(stage, id_, "delivered", 3)
        await stage.endpoints.replay(id_, 1, "lan")
        await delivered(stage, id_, "delivered", 5)
        for bad in (-1, 99):
            with pytest.raises(HosoError):
                await stage.endpoints.replay(id_, bad, "lan")
        with pytest.raises(HosoError):
            await stage.endpoints.replay(id_, 1, "eve", "globex")
    assert stages(receiver) == ["signing", "filed", "awaiting-code", "filed", "awaiting-code"]
    ids = [headers["webhook-id"] for headers, _ in receiver.heard]
    assert ids[1:3] == ids[3:5], "the same events, for whoever looks"


async def test_a_removed_one_hears_no_more_and_its_secret_is_gone(stage: Stage) -> None:
    await stage.tenant()
    async with receiving(Receiver(always=says(500))) as receiver, stage.open():
        id_, _ = await stage.endpoints.add(TENANT, receiver.url, "lan")
        await stage.say(progressed(uuid4(), "filed"))
        await heard(receiver, 1)
        await stage.endpoints.remove(id_, "lan", TENANT)
        await delivered(stage, id_, "dropped")
    with pytest.raises(HosoError):
        await stage.endpoints.with_secret(id_)
    assert await stage.db.pool.fetchval("select count(*) from store.vault_item") == 0


async def test_after_a_restart_it_goes_on_where_it_was(stage: Stage) -> None:
    await stage.tenant()
    receiver = Receiver(always=says(500))
    async with receiving(receiver):
        id_, _ = await stage.endpoints.add(TENANT, receiver.url, "lan")
        async with stage.open():
            await stage.say(progressed(uuid4(), "signing"), progressed(uuid4(), "filed"))
            await heard(receiver, 2)
        receiver.always = None
        receiver.heard.clear()
        async with stage.open():
            await delivered(stage, id_, "delivered", 2)
    assert stages(receiver) == ["signing", "filed"]


# --- where nothing is sent --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
async def test_our_own_network_hears_nothing(name: str) -> None:
    async with receiving(Receiver()) as receiver:
        url = receiver.url.replace("127.0.0.1", name)
        shut, open_ = Receivers(), Receivers(loopback=True)
        answer = await shut.post(url, {}, b"{}")
        assert (answer.status, "not an address of the internet" in answer.error) == (None, True)
        assert receiver.heard == []
        assert (await open_.post(url, {}, b"{}")).taken
        await shut.close()
        await open_.close()
    assert len(receiver.heard) == 1


@pytest.mark.parametrize(
    "host", ["10.0.0.7", "192.168.1.1", "169.254.169.254", "[fd00::1]", "[fe80::1]", "100.64.0.1", "[::ffff:10.0.0.1]"]
)
async def test_private_addresses_are_never_told_not_even_in_test(host: str) -> None:
    receivers = Receivers(loopback=True, timeout=timedelta(seconds=2))
    answer = await receivers.post(f"http://{host}:9/", {}, b"{}")
    await receivers.close()
    assert (answer.status, "not an address of the internet" in answer.error) == (None, True)


async def test_a_receiver_that_moves_inside_is_refused(stage: Stage) -> None:
    await stage.tenant()
    async with receiving(Receiver()) as receiver, stage.open(loopback=False):
        id_, _ = await stage.endpoints.add(TENANT, receiver.url, "lan")
        await stage.say(progressed(uuid4(), "filed"))

        async def failing() -> bool:
            (found,) = await stage.endpoints.webhooks(TENANT)
            return "not an address of the internet" in found["error"]

        await eventually(failing, "the refusal")
        assert await stage.db.pool.fetchval("select state from notifier.delivery where endpoint = $1", id_) == "waiting"
    assert receiver.heard == []


@pytest.mark.parametrize(
    "written",
    [
        "http://acme.vn/hook",
        "ftp://acme.vn",
        "https://",
        "https://u:p@acme.vn/",
        "https://u@acme.vn/",
        "https://acme.vn:99999/",
        "https://acme.vn/a b",
        "https://ác.vn/",
        "javascript:alert(1)",
        "http://127.0.0.1/",
        "https://acme.vn/" + "x" * 2000,
    ],
)
def test_addresses_that_will_not_do(written: str) -> None:
    with pytest.raises(BadUrl) as refused:
        read_url(written, loopback=False)
    assert refused.value.vi


def test_addresses_that_will() -> None:
    assert read_url(" https://acme.vn/hook?x=1 ", loopback=False) == "https://acme.vn/hook?x=1"
    assert read_url("http://127.0.0.1:9/", loopback=True) == "http://127.0.0.1:9/"
    with pytest.raises(BadUrl):
        read_url("http://10.0.0.1/", loopback=True)
