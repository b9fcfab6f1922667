"""Mails that wait for a person are told, with what is known; what becomes of them is told too."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hoso.runtime.clock import Setting
from schemas.events import (
    ActivationCodeArrived,
    ChangeResultArrived,
    MailAssigned,
    MailNumbered,
    MailSettled,
    MailUndecided,
    UnitCodeResultArrived,
)
from services.mail_watcher.telling import GRACE, masked
from tests.contract.mailbox.house import House
from tests.unit.mail_watcher.mails import (
    CODE,
    GRANTED,
    NAME,
    UNIT,
    activation,
    change_result,
    mail,
    stop_result,
    unit_code_result,
)

pytestmark = pytest.mark.asyncio
FIRST = {"kind": "first_code", "unit_code": ""}
GIVEN = f"Kính gửi: {NAME}\nSố định danh: DKTGLD\nHồ sơ đã được chấp nhận.\nMã đơn vị được cấp: {GRANTED}"
REFUSED = f"Kính gửi: {NAME}\nSố định danh: DKTGLD\nHồ sơ cấp mã đơn vị không được chấp nhận.\nLý do: thiếu giấy phép."


def later(house: House, by: timedelta) -> None:
    """The world's clock goes on by so much; what came before keeps its time."""
    now = datetime.now(UTC)
    house.clock.set([Setting(now, house.clock.now() + by, 1.0)])


async def test_a_mail_that_fits_several_is_told_with_them_and_settled_by_a_person(house: House) -> None:
    (unit, fact), other = house.expected(**FIRST), house.expected(**FIRST)
    await house.consume(unit, fact)
    await house.consume(*other)
    await house.scan([activation(unit="DKTGLD", subject=f"Mã {CODE} của đơn vị")])
    await house.match()
    await house.match()
    (told,) = house.of_mails()
    assert isinstance(told, MailUndecided)
    assert (told.why, told.kind, told.mailbox) == ("several", "activation", house.settings.id)
    assert {c.enrolment for c in told.candidates} == {fact.enrolment, other[1].enrolment}
    assert {(c.unit_name, c.unit_code) for c in told.candidates} == {(NAME, "")}
    assert told.subject == "Mã XXXXXXXXXX của đơn vị"
    assert told.until is not None
    assert told.until - told.arrived_at == timedelta(hours=24)
    admitted = house.told_of_mails[0]
    assert (admitted.subject, admitted.tenant, admitted.correlation) == (told.mail, "t1", told.mail)
    said = MailAssigned(mail=told.mail, enrolment=fact.enrolment, dossier=fact.dossier, attempt=1, actor="lan")
    await house.consume(unit, said)
    await house.match()
    await house.consume(unit, said)
    await house.match()
    assert house.of_mails()[1:] == [MailSettled(mail=told.mail, how="assigned", enrolment=fact.enrolment)]
    assert [code.dossier for code in house.facts()] == [fact.dossier]


async def test_what_is_told_and_what_is_done_are_one_transaction(house: House) -> None:
    await house.scan([activation(code="AAAAAAAAA1 BBBBBBBBB2")])

    async def fails(tx: Any, steps: Any) -> Any:
        raise RuntimeError("no room")

    whole, house.matcher._admit = house.matcher._admit, fails
    with pytest.raises(RuntimeError):
        await house.matcher.round()
    row = await house.pool.fetchrow("select look, told from mail_watcher.mail where mailbox = $1", house.settings.id)
    assert row is not None
    assert (row["look"], row["told"]) == (True, "")
    house.matcher._admit = whole
    await house.match()
    (told,) = house.of_mails()
    assert (told.why, told.kind) == ("unreadable", "activation")


async def test_a_mail_that_nobody_waits_for_is_told_only_after_a_grace(house: House) -> None:
    await house.scan([activation()])
    await house.match()
    later(house, GRACE - timedelta(minutes=1))
    await house.matcher.sweep()
    await house.match()
    assert not house.of_mails()
    later(house, timedelta(minutes=2))
    await house.match()
    await house.matcher.sweep()
    await house.match()
    (told,) = house.of_mails()
    assert (told.why, told.kind, told.candidates) == ("nobody", "activation", ())
    unit, fact = house.expected()
    await house.consume(unit, fact)
    await house.match()
    assert house.of_mails()[1:] == [MailSettled(mail=told.mail, how="matched", enrolment=fact.enrolment)]
    assert [code.dossier for code in house.facts()] == [fact.dossier]


async def test_a_race_makes_no_noise(house: House) -> None:
    await house.scan([activation()])
    await house.match()
    await house.consume(*house.expected())
    await house.match()
    later(house, timedelta(hours=1))
    await house.match()
    assert await house.states() == ["matched"]
    assert not house.of_mails()


async def test_it_is_told_again_when_more_is_known(house: House) -> None:
    await house.scan([activation(unit="DKTGLD")])
    await house.match()
    later(house, timedelta(hours=1))
    await house.match()
    early = datetime.now(UTC) - timedelta(hours=1)
    first, second = house.expected(**FIRST), house.expected(**FIRST)
    async with house.pool.acquire() as tx, tx.transaction():
        await tx.execute("update mail_watcher.mail set look = false where mailbox = $1", house.settings.id)
    await house.consume(*first, at=early)
    await house.consume(*second, at=early)
    await house.match()
    assert [(told.why, len(told.candidates)) for told in house.of_mails()] == [("nobody", 0), ("several", 2)]
    assert not house.facts()


async def test_what_claims_to_be_the_agencys_is_told_and_other_spam_is_not(house: House) -> None:
    house.settings = replace(house.settings, trust=replace(house.settings.trust, policy="dkim"))
    forged = activation()
    hostile = forged.replace(b"\r\n\r\n", b"\r\nX: \x00\r\n\r\n", 1)
    stranger = activation(sender="Bảo hiểm <thongbao@baohiemxahoi.gov.vn.evil.example>")
    await house.scan([forged, hostile, stranger, stranger.replace(b"\r\n\r\n", b"\r\nX: \x00\r\n\r\n", 1), None])
    await house.match()
    assert await house.states() == ["quarantined"] * 5
    assert [(told.why, told.kind) for told in house.of_mails()] == [("quarantined", "unknown")] * 2
    assert CODE not in repr(house.of_mails())


async def test_a_change_is_told_to_its_enrolment(house: House) -> None:
    unit, fact = house.expected(kind="change")
    await house.consume(*house.expected(unit_code="AB1111C"))
    await house.consume(unit, fact)
    await house.scan([change_result(f"Mã đơn vị: {UNIT}\nHồ sơ thay đổi thông tin đã được chấp nhận.")])
    await house.match()
    (told,) = house.facts()
    assert isinstance(told, ChangeResultArrived)
    assert (told.dossier, told.accepted) == (fact.dossier, True)


async def test_a_change_that_names_only_its_number_waits_for_the_number(house: House) -> None:
    unit, fact = house.expected(kind="change")
    await house.consume(unit, fact)
    await house.scan([change_result("Hồ sơ số 00012/2026/00101 không được chấp nhận.\nLý do: sai chữ ký.")])
    await house.match()
    assert await house.states() == ["parked"]
    number = MailNumbered(
        enrolment=fact.enrolment, dossier=fact.dossier, attempt=1, kind="change", number="00012/2026/00101"
    )
    await house.consume(unit, number)
    await house.match()
    (told,) = house.facts()
    assert isinstance(told, ChangeResultArrived)
    assert not told.accepted
    assert "sai chữ ký" in told.text


async def test_first_time_units_of_one_name_in_one_mailbox(house: House) -> None:
    at = datetime.now(UTC) - timedelta(minutes=3)
    (one, first), (two, second) = house.expected(**FIRST), house.expected(**FIRST)
    await house.consume(one, first, at=at)
    await house.scan([activation(unit="DKTGLD")])
    await house.match()
    await house.pool.execute(
        "update mail_watcher.mail set arrived_at = $2, arrived_by = $2 where mailbox = $1",
        house.settings.id,
        at + timedelta(minutes=1),
    )
    await house.consume(two, second, at=at + timedelta(minutes=2))
    copy = activation(unit="DKTGLD", message_id="<2@x.example>")
    newer = activation(unit="DKTGLD", message_id="<3@x.example>", code="NEWER1CODE")
    await house.scan([b"", copy, newer])
    await house.match()
    assert [(fact.dossier, house.vault.kept[fact.code][3].decode()) for fact in house.facts()] == [
        (first.dossier, CODE),
        (second.dossier, "NEWER1CODE"),
    ]
    whose = await house.pool.fetch(
        "select dossier from mail_watcher.mail where mailbox = $1 order by uid", house.settings.id
    )
    assert [row["dossier"] for row in whose] == [first.dossier, first.dossier, second.dossier]
    await house.scan([b""] * 3 + [unit_code_result(GIVEN)])
    await house.match()
    (undecided,) = house.of_mails()
    assert (undecided.why, undecided.kind, len(undecided.candidates)) == ("several", "unit-code-result", 2)
    said = MailAssigned(mail=undecided.mail, enrolment=first.enrolment, dossier=first.dossier, attempt=1, actor="lan")
    await house.consume(one, said)
    await house.match()
    again = unit_code_result(GIVEN, message_id="<5@x.example>")
    other = unit_code_result(GIVEN.replace(GRANTED, "YN0002B"), message_id="<6@x.example>")
    await house.scan([b""] * 4 + [again, other])
    await house.match()
    granted = [fact for fact in house.facts() if isinstance(fact, UnitCodeResultArrived)]
    assert {(fact.dossier, fact.granted, fact.unit_code) for fact in granted} == {
        (first.dossier, True, GRANTED),
        (second.dossier, True, "YN0002B"),
    }


async def test_a_refused_unit_code_brings_its_reason(house: House) -> None:
    unit, fact = house.expected(**FIRST)
    await house.consume(unit, fact)
    await house.scan([unit_code_result(REFUSED)])
    await house.match()
    (told,) = house.facts()
    assert isinstance(told, UnitCodeResultArrived)
    assert (told.granted, told.unit_code) == (False, None)
    assert "Lý do: thiếu giấy phép." in told.text


async def test_an_own_address_of_one_enrolment_in_a_shared_mailbox(house: House) -> None:
    own = [house.expected(**FIRST, contact=f"bhxh+{n}@daiphuc.example", own_address=True) for n in range(3)]
    for unit, fact in own:
        await house.consume(unit, fact)
    await house.consume(*house.expected(**FIRST))
    await house.scan([activation(unit="DKTGLD", to="bhxh+1@daiphuc.example")])
    delivered = b"Delivered-To: bhxh+2@daiphuc.example\r\n"
    await house.scan([b"", delivered + unit_code_result(GIVEN, to="someone@daiphuc.example")])
    await house.match()
    first, second = sorted(house.facts(), key=lambda fact: type(fact).__name__)
    assert (type(first), first.dossier) == (ActivationCodeArrived, own[1][1].dossier)
    assert (type(second), second.dossier) == (UnitCodeResultArrived, own[2][1].dossier)


async def test_only_the_mailboxs_own_delivery_headers_count(house: House) -> None:
    house.settings = replace(house.settings, delivery=("x-original-to",))
    own = [house.expected(**FIRST, contact=f"bhxh+{n}@daiphuc.example", own_address=True) for n in range(2)]
    for unit, fact in own:
        await house.consume(unit, fact)
    heads = b"X-Original-To: bhxh+1@daiphuc.example\r\nX-Original-To: bhxh+0@daiphuc.example\r\nDelivered-To: bhxh+0@daiphuc.example\r\n"
    await house.scan([heads + unit_code_result(GIVEN, to="bhxh+0@daiphuc.example")])
    await house.match()
    assert [fact.dossier for fact in house.facts()] == [own[1][1].dossier]


async def test_a_mail_set_aside_is_looked_at_no_more(house: House) -> None:
    await house.scan([stop_result("Kết quả: xem tệp đính kèm")])
    await house.match()
    assert [told.why for told in house.of_mails()] == ["unreadable"]
    await house.pool.execute(
        "update mail_watcher.mail set state = 'aside', look = false, told = '' where mailbox = $1", house.settings.id
    )
    await house.matcher.sweep()
    later(house, timedelta(days=1))
    await house.match()
    assert await house.states() == ["aside"]
    assert len(house.of_mails()) == 1


async def test_a_subject_shows_nothing_that_could_be_a_code() -> None:
    assert masked("Mã A1B2C3D4E5 và QWERTYUIOP, hồ sơ 00001/2026/00101", None) == "Mã XXXXXXXXXX và XXXXXXXXXX, hồ sơ 00001/2026/00101"  # fmt: skip
    assert len(masked("x" * 500, None)) == 200
    assert mail("x", subject="y")
