"""The watcher and the matcher on a real database and a real mailbox: what is written down, when, and by whom."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from schemas.events import ActivationCodeArrived, MailAssigned, MailNumbered, StopResultArrived
from services.mail_watcher import store
from services.mail_watcher.mailbox import Access
from services.mail_watcher.records import NoRecords
from services.mail_watcher.secret import Secret
from services.mail_watcher.service import MailRoom
from services.mail_watcher.settings import MailboxSettings
from services.mail_watcher.store import FenceLost
from tests.contract.mailbox.house import House, ListedMailbox
from tests.contract.mailbox.servers import PASSWORD, Pymap
from tests.support.waiting import eventually
from tests.unit.mail_watcher.mails import CODE, NAME, activation, stop_result

pytestmark = pytest.mark.asyncio


async def test_a_code_reaches_its_enrolment_and_only_the_vault_has_it(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    unit, fact = house.expected()
    await house.consume(unit, fact)
    await house.scan([activation()])
    await house.match()
    (told,) = house.facts()
    assert isinstance(told, ActivationCodeArrived)
    assert (told.enrolment, told.dossier, told.attempt) == (fact.enrolment, fact.dossier, 1)
    assert told.expires_at - told.arrived_at == timedelta(hours=24)
    first = house.told[0]
    assert (first.subject, first.correlation, first.tenant) == (unit, fact.enrolment, "t1")
    assert house.vault.kept[told.code] == ("t1", fact.enrolment, "code", CODE.encode())
    assert [scope for _, scope, purpose, _ in house.vault.kept.values() if purpose == "code"] == [fact.enrolment]
    tables = [
        dict(row)
        for row in await house.pool.fetch("select * from mail_watcher.mail where mailbox = $1", house.settings.id)
    ]
    assert CODE not in repr(tables)
    assert CODE not in caplog.text
    assert CODE not in repr(house.told)
    assert await house.states() == ["matched"]


async def test_a_mail_before_its_expectation_is_parked_and_found_later(house: House) -> None:
    await house.scan([activation()])
    await house.match()
    assert await house.states() == ["parked"]
    assert not house.told
    unit, fact = house.expected(unit_code="AB1111C", unit_name="KHÁC", contact="x@y.example", tax_code="9999999999")
    await house.consume(unit, fact)
    await house.match()
    assert await house.states() == ["parked"]
    unit, fact = house.expected()
    await house.consume(unit, fact)
    await house.match()
    assert await house.states() == ["matched"]
    assert house.facts()[0].dossier == fact.dossier


async def test_no_mail_is_matched_before_the_consumer_has_read_the_heads_noted_with_it(house: House) -> None:
    await house.pool.execute("insert into log.head(topic, part, next) values ($1, 3, 7)", store.TOPIC)
    first, second = house.expected(unit_code=""), house.expected(unit_code="")
    await house.consume(*first)
    await house.scan([activation(unit="DKTGLD")])
    await house.match()
    assert await house.states() == ["fetched"]
    position = "insert into log.position(grp, topic, part, off, at) values ($1, $2, 3, $3, now()) "
    position += "on conflict (grp, topic, part) do update set off = $3"
    await house.pool.execute(position, store.GROUP, store.TOPIC, 6)
    await house.match()
    assert await house.states() == ["fetched"]
    await house.consume(*second)
    await house.pool.execute(position, store.GROUP, store.TOPIC, 7)
    await house.match()
    assert await house.states() == ["undecided"]
    assert not house.told


async def test_the_same_bytes_count_once_also_after_another_uidvalidity(house: House) -> None:
    unit, fact = house.expected()
    await house.consume(unit, fact)
    await house.scan([activation(), activation()])
    await house.match()
    await house.scan([activation(), activation()], uidvalidity=2)
    await house.match()
    assert len(house.told) == 1
    assert (
        await house.pool.fetchval(
            "select uidvalidity from mail_watcher.mailbox_cursor where mailbox = $1", house.settings.id
        )
        == 2
    )


async def test_who_lost_the_mailbox_writes_nothing(house: House) -> None:
    async with house.pool.acquire() as tx, tx.transaction():
        mine = await store.take(tx, house.settings.id, "one")
        assert mine is not None
        assert await store.take(tx, house.settings.id, "two") is None
    await house.pool.execute(
        "update mail_watcher.mailbox_cursor set seen_at = now() - interval '9 seconds' where mailbox = $1",
        house.settings.id,
    )
    async with house.pool.acquire() as tx, tx.transaction():
        assert await store.take(tx, house.settings.id, "two") is not None
    with pytest.raises(FenceLost):
        await house.watcher().scan(ListedMailbox([activation()]), mine)
    assert await house.states() == []


async def test_quarantine_others_and_hostile_ones_are_written_down(house: House) -> None:
    await house.scan([
        activation(sender="Bảo hiểm <thongbao@baohiemxahoi.gov.vn.evil.example>"),
        activation().replace(b"\r\n\r\n", b"\r\nX: \x00\r\n\r\n", 1),
        None,
        stop_result("Kính gửi quý đơn vị, mời dự hội nghị.", subject="Thư mời"),
        activation(code="AAAAAAAAA1 BBBBBBBBB2"),
    ])  # fmt: skip
    await house.match()
    assert await house.states() == ["quarantined", "quarantined", "quarantined", "other", "undecided"]
    assert not house.told
    whys = [
        row["why"]
        for row in await house.pool.fetch(
            "select why from mail_watcher.mail where mailbox = $1 order by uid", house.settings.id
        )
    ]
    assert all(whys[:3])
    assert "different codes" in whys[4]


async def test_a_person_decides(house: House) -> None:
    (unit, fact), other = house.expected(unit_code=""), house.expected(unit_code="")
    await house.consume(unit, fact)
    await house.consume(*other)
    await house.scan([activation(unit="DKTGLD")])
    await house.match()
    assert await house.states() == ["undecided"]
    mail = await house.pool.fetchval("select id from mail_watcher.mail where mailbox = $1", house.settings.id)
    said = MailAssigned(mail=mail, enrolment=fact.enrolment, dossier=fact.dossier, attempt=1, actor="lan")
    await house.consume(unit, said)
    await house.match()
    await house.consume(unit, said)
    await house.match()
    assert await house.states() == ["matched"]
    assert [told.dossier for told in house.facts()] == [fact.dossier]


async def test_a_stop_mail_that_names_only_its_number_waits_for_the_number(house: House) -> None:
    unit, fact = house.expected("stop")
    await house.consume(unit, fact)
    await house.scan([stop_result("Hồ sơ số 00012/2026/00101 đăng ký ngừng không được chấp nhận.\nLý do: sai chữ ký.")])
    await house.match()
    assert await house.states() == ["parked"]
    await house.consume(
        unit,
        MailNumbered(enrolment=fact.enrolment, dossier=fact.dossier, attempt=1, kind="stop", number="00012/2026/00101"),
    )
    await house.match()
    (told,) = house.facts()
    assert isinstance(told, StopResultArrived)
    assert not told.accepted
    assert "sai chữ ký" in told.text


async def test_a_code_that_the_vault_destroyed_is_matched_without_an_event(house: House) -> None:
    unit, fact = house.expected()
    await house.consume(unit, fact)
    await house.scan([activation()])
    for ref in [ref for ref, (_, _, purpose, _) in house.vault.kept.items() if purpose == "code"]:
        await house.vault.destroy(ref)
    await house.match()
    assert await house.states() == ["matched"]
    assert not house.told


async def test_fifty_branches_one_mailbox_one_name_one_tax_code(house: House) -> None:
    branches = []
    for n in range(50):
        unit, fact = house.expected(unit_code=f"TZ{n:04}Z"[:7])
        branches.append((unit, fact))
        stop_unit, stop = unit, fact.model_copy(update={"kind": "stop", "dossier": uuid4()})
        await house.consume(unit, fact)
        await house.consume(stop_unit, stop)
    codes = {fact.unit_code: f"A{n:08}B" for n, (_, fact) in enumerate(branches)}
    mails: list[bytes] = []
    for _, fact in branches:
        for copy in range(2):
            mails.append(
                activation(
                    unit=fact.unit_code, code=codes[fact.unit_code], message_id=f"<{fact.unit_code}.{copy}@x.example>"
                )
            )
    mails += [stop_result(f"Kính gửi: {NAME}.\nNgừng sử dụng dịch vụ thành công. {n}") for n in range(10)]
    await house.scan([*mails[::2], *mails[1::2]])
    await house.match()
    by_enrolment = {fact.enrolment: fact.unit_code for _, fact in branches}
    for told in house.facts():
        assert isinstance(told, ActivationCodeArrived)
        assert house.vault.kept[told.code][3].decode() == codes[by_enrolment[told.enrolment]]
    assert {told.enrolment for told in house.facts()} == set(by_enrolment)
    states = await house.states()
    assert states.count("matched") == 100
    assert states.count("undecided") == 10


async def test_a_mail_to_an_own_address_needs_nothing_else(house: House) -> None:
    house.settings = replace(house.settings, own_contacts=True)
    (unit, fact), other = (
        house.expected("stop", contact="Own+1@daiphuc.example"),
        house.expected("stop", contact="own+2@daiphuc.example"),
    )
    await house.consume(unit, fact)
    await house.consume(*other)
    await house.scan([stop_result("Ngừng sử dụng dịch vụ thành công.", to="own+1@daiphuc.example")])
    await house.match()
    assert [told.dossier for told in house.facts()] == [fact.dossier]


@pytest.mark.parametrize("adapter", ["aioimaplib", "imapclient"])
async def test_the_whole_room_on_a_real_mailbox(house: House, pymap: Pymap, adapter: Any) -> None:
    user = pymap.user()
    access = Access("127.0.0.1", pymap.port, user, Secret(PASSWORD), tls="none", timeout_s=5.0)
    house.settings = replace(house.settings, access=access, adapter=adapter)
    units = [house.expected(unit_code=f"TZ{n:04}Z") for n in range(3)]
    for unit, fact in units:
        await house.consume(unit, fact)

    async def mailboxes() -> Sequence[MailboxSettings]:
        return [house.settings]

    drained = asyncio.Event()
    room = MailRoom(mailboxes, house.pool, house.vault, house.clock, NoRecords(), house.admit, "one")
    running = asyncio.create_task(room.run(drained))
    for n, (_, fact) in zip(itertools.count(1), units, strict=False):
        await asyncio.to_thread(pymap.deliver, user, [activation(unit=fact.unit_code, code=f"A{n:08}B")])

        async def told(wanted: int = n) -> bool:
            return len(house.told) == wanted

        await eventually(told, "the code", 20)
    drained.set()
    await asyncio.wait_for(running, 10)
    assert [told.enrolment for told in house.facts()] == [fact.enrolment for _, fact in units]
    owner = await house.pool.fetchval(
        "select owner from mail_watcher.mailbox_cursor where mailbox = $1", house.settings.id
    )
    assert owner is None


async def test_the_room_waits_out_what_the_database_ends(house: House) -> None:
    troubles: list[Exception] = [
        asyncpg.DeadlockDetectedError("x"),
        asyncpg.IdleInTransactionSessionTimeoutError("x"),
    ]
    asked = asyncio.Event()

    async def mailboxes() -> Sequence[MailboxSettings]:
        if troubles:
            raise troubles.pop()
        asked.set()
        return []

    drained = asyncio.Event()
    room = MailRoom(mailboxes, house.pool, house.vault, house.clock, NoRecords(), house.admit, "one")
    running = asyncio.create_task(room.run(drained))
    await asyncio.wait_for(asked.wait(), 10)
    assert not running.done()
    drained.set()
    await asyncio.wait_for(running, 10)
