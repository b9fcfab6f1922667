"""Mails to people: gathered, once, never in clear, never with what is secret."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from schemas import events as e
from tests.integration.notifier.stage import MailHost, Stage, mail_host, progressed, requested, text_of
from tests.support.stories import DAY, MONDAY
from tests.support.waiting import eventually


async def arrived(host: MailHost, count: int = 1) -> None:
    async def look() -> bool:
        return len(host.taken) >= count

    await eventually(look, f"{count} mails")


async def settled(stage: Stage, state: str, count: int = 1) -> None:
    async def look() -> bool:
        found = await stage.db.pool.fetchval("select count(*) from notifier.mail where state = $1", state)
        return bool(found == count)

    await eventually(look, f"{count} mails that are {state}")


async def test_what_happens_within_the_window_is_one_mail(stage: Stage) -> None:
    await stage.tenant("Lan@Acme.vn", gather=300)
    first, second, third = uuid4(), uuid4(), uuid4()
    async with mail_host(MailHost()) as host, stage.open(host):
        await stage.say(requested(first), progressed(first, "filed"), progressed(first, "awaiting-code"))
        await stage.say(
            requested(second, "Chi nhánh Vinh", "TZ0002Z"),
            progressed(second, "waiting-for-person", cause="provider", message="Mã bí mật AB12CD34EF của Trần Văn Á"),
        )
        await stage.say(
            requested(third, "Chi nhánh Huế 3", "TZ0003Z"),
            progressed(third, "waiting-for-person", cause="data"),
            progressed(third, "filed"),
        )

        async def noticed() -> bool:
            return bool(await stage.db.pool.fetchval("select count(*) = 5 from notifier.notice"))

        await eventually(noticed, "the notices")
        assert host.taken == []
        await stage.jump(timedelta(minutes=6))
        await arrived(host)
        await settled(stage, "sent")
    (mail,) = host.taken
    body = text_of(mail)
    assert (mail["To"], mail["From"]) == ("lan@acme.vn", "hoso@thong-bao.example")
    assert mail["Subject"] == "[hoso] 1 việc cần làm, 2 đơn vị có tiến triển"
    assert "TZ0002Z Chi nhánh Vinh: Không rõ đơn vị đang dùng nhà cung cấp nào." in body
    assert "TZ0001Z Chi nhánh Huế: Chờ mã kích hoạt" in body
    assert "TZ0003Z Chi nhánh Huế 3: Đã nộp" in body, "what it waited for is over"
    for never in ("AB12CD34EF", "Trần Văn Á", "0901234567"):
        assert never not in body


async def test_in_english_and_to_the_unit_itself(stage: Stage) -> None:
    await stage.tenant("lan@acme.vn", language="en", to_unit=True)
    enrolment = uuid4()
    warned = e.EnrolmentWarned(
        enrolment=enrolment, request="r", warning="code-expiring", message="x", until=MONDAY + DAY
    )
    async with mail_host(MailHost()) as host, stage.open(host):
        await stage.say(requested(enrolment))
        await stage.say(warned, progressed(enrolment, "enrolled"))
        await arrived(host, 2)
    assert {mail["To"] for mail in host.taken} == {"lan@acme.vn", "hue@hoasen.example"}
    body = text_of(host.taken[0])
    assert "The activation code ends soon" in body
    assert "Until 03/03/2026 09:00 (Vietnam)" in body


async def test_tenants_without_addresses_and_other_tenants_get_nothing(stage: Stage) -> None:
    await stage.tenant("lan@acme.vn")
    await stage.tenant(name="globex")
    async with mail_host(MailHost()) as host, stage.open(host):
        await stage.say(progressed(uuid4(), "enrolled"), tenant="globex")
        await stage.say(progressed(uuid4(), "enrolled"), tenant="nobody")
        await stage.say(progressed(uuid4(), "enrolled"))
        await arrived(host)
        await settled(stage, "sent")
    assert await stage.db.pool.fetchval("select count(*) from notifier.notice") == 1


async def test_the_same_mail_again_has_the_same_message_id(stage: Stage) -> None:
    await stage.tenant("lan@acme.vn")
    async with mail_host(MailHost(["drop", "451 later", None])) as host, stage.open(host):
        await stage.say(progressed(uuid4(), "enrolled"))
        await arrived(host, 2)
        await settled(stage, "sent")
    first, second = host.raw
    assert first == second
    assert host.taken[0]["Message-ID"].endswith("@thong-bao.example>")


async def test_what_a_relay_will_never_take_is_not_tried_again(stage: Stage) -> None:
    await stage.tenant("lan@acme.vn")
    async with mail_host(MailHost(["550 no such user", None])) as host, stage.open(host):
        await stage.say(progressed(uuid4(), "enrolled"))
        await settled(stage, "refused")
        await stage.say(progressed(uuid4(), "enrolled"))
        await arrived(host)
    assert "550" in await stage.db.pool.fetchval("select error from notifier.mail where state = 'refused'")
    assert len(host.taken) == 1


async def test_a_relay_that_was_away_gets_every_mail_once(stage: Stage) -> None:
    await stage.tenant("lan@acme.vn")
    host = MailHost()
    async with mail_host(host):
        pass  # nobody listens on its port any more
    async with stage.open(host):
        await stage.say(progressed(uuid4(), "enrolled"))
        await settled(stage, "waiting")
    async with mail_host(MailHost()) as again, stage.open(again):
        await arrived(again)
        await settled(stage, "sent")
    assert len(again.taken) == 1


async def test_connections_are_used_again(stage: Stage) -> None:
    await stage.tenant(*[f"nguoi{n}@acme.vn" for n in range(20)])
    async with mail_host(MailHost()) as host, stage.open(host):
        await stage.say(progressed(uuid4(), "enrolled"))
        await arrived(host, 20)
        await settled(stage, "sent", 20)
        assert stage.relay is not None
        assert stage.relay.connections <= 4
    assert len(host.sessions) <= 4


async def test_without_a_relay_nothing_is_kept_for_later(stage: Stage) -> None:
    await stage.tenant("lan@acme.vn")
    async with stage.open():
        await stage.say(progressed(uuid4(), "enrolled"))

        async def heard() -> bool:
            return bool(await stage.db.pool.fetchval("select count(*) from notifier.event"))

        await eventually(heard, "the event")
    assert await stage.db.pool.fetchval("select count(*) from notifier.notice") == 0
