"""Codes and what is kept of mails: told once, kept nowhere else; one bad mail or vault item stops nothing."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from uuid import UUID

import pytest

from hoso.runtime.failures import HosoError
from hoso.store.vault import Sealing
from schemas.events import MailAssigned
from services.mail_watcher.matcher import Matcher
from tests.contract.mailbox.house import House, MemoryVault
from tests.unit.mail_watcher.mails import CODE, NAME, UNIT, activation, mail

pytestmark = pytest.mark.asyncio
DAMAGED = "does not open: the sealed bytes were changed or moved"


class DamagedVault(MemoryVault):
    """Does not open, or does not seal, what holds certain bytes."""

    def __init__(self, unopened: bytes = b"\0", unsealed: bytes = b"\0") -> None:
        super().__init__()
        self.unopened = unopened
        self.unsealed = unsealed

    async def get(self, ref: UUID, /) -> bytes:
        data = await super().get(ref)
        if self.unopened in data:
            raise HosoError(DAMAGED)
        return data

    async def put_many(self, sealings: Sequence[Sealing], /) -> list[UUID]:
        if any(s.purpose == "code" and self.unsealed in s.data for s in sealings):
            raise HosoError(DAMAGED)
        return await super().put_many(sealings)


def damaged(house: House, vault: DamagedVault) -> None:
    house.vault = vault
    house.matcher = Matcher(lambda: {house.settings.id: house.settings}, house.pool, vault, house.admit, house.clock)


async def whys(house: House) -> list[str]:
    rows = await house.pool.fetch(
        "select why from mail_watcher.mail where mailbox = $1 order by uid", house.settings.id
    )
    return [row["why"] for row in rows]


def codes_kept(house: House) -> list[tuple[UUID, bytes]]:
    return [(scope, data) for _, scope, purpose, data in house.vault.kept.values() if purpose == "code"]


async def test_a_poisonous_mail_is_left_to_a_person_and_the_next_is_read(house: House) -> None:
    unit, fact = house.expected()
    await house.consume(unit, fact)
    poison = "mã đơn vị\n" * 4_000
    await house.scan([mail(poison), mail(poison, sender="a@evil.example"), activation()])
    await house.match()
    assert await house.states() == ["undecided", "quarantined", "matched"]
    assert [told.dossier for told in house.facts()] == [fact.dossier]


async def test_what_is_quarantined_is_not_read(house: House) -> None:
    await house.scan([activation(sender="a@evil.example")])
    row = await house.pool.fetchrow("select * from mail_watcher.mail where mailbox = $1", house.settings.id)
    assert row is not None
    assert (row["kind"], row["unit_code"], row["code"]) == (None, None, None)
    assert codes_kept(house) == []
    (kept,) = house.vault.kept.values()
    assert kept[3] == activation(sender="a@evil.example")


@pytest.mark.parametrize("place", ["html", "text", "split", "subject"])
async def test_what_is_kept_of_an_activation_mail_holds_no_code(house: House, place: str) -> None:
    text = f"Kính gửi: {NAME}\nSố định danh: {UNIT}\nMã kích hoạt: {CODE}\n24h"
    html = f"<p>Mã kích hoạt</p><p>{CODE[:4]}<b>{CODE[4:]}</b></p><p>24h</p><!-- {CODE} -->"
    raw = {
        "html": activation(),
        "text": mail(text),
        "split": mail(text, alternative=html),
        "subject": mail(text, subject=f"Mã {CODE} {CODE.lower()}"),
    }[place]
    await house.scan([raw])
    ref = await house.pool.fetchval("select raw from mail_watcher.mail where mailbox = $1", house.settings.id)
    _, _, purpose, kept = house.vault.kept[ref]
    assert purpose == "personal"
    assert CODE.lower().encode() not in kept.lower()
    assert b"XXXXXXXXXX" in kept
    assert b"\r\nMessage-ID: <1@baohiemxahoi.gov.vn>\r\n" in kept
    assert UNIT.encode() in kept


async def test_a_code_that_was_told_is_not_told_or_kept_again(house: House) -> None:
    unit, fact = house.expected()
    await house.consume(unit, fact)
    ids = (f"<{n}@baohiemxahoi.gov.vn>" for n in itertools.count())
    await house.scan([activation(message_id=next(ids)), activation(message_id=next(ids))])
    await house.match()
    (told,) = house.facts()
    await house.vault.destroy(told.code)  # used
    await house.scan([b"", b"", activation(message_id=next(ids))])
    await house.match()
    assert len(house.facts()) == 1
    assert codes_kept(house) == []
    assert (await whys(house)).count("its code had come before") == 2
    await house.scan([b"", b"", b"", activation(message_id=next(ids), code="ANOTHER1XX")])
    await house.match()
    assert [house.vault.kept[fact.code][3] for fact in house.facts()[1:]] == [b"ANOTHER1XX"]


async def test_a_code_that_does_not_open_is_one_mails_trouble(house: House) -> None:
    damaged(house, DamagedVault(unopened=CODE.encode()))
    (unit, fact), other = house.expected(), house.expected(unit_code="AB1111C")
    await house.consume(unit, fact)
    await house.consume(*other)
    await house.scan([activation(), activation(unit="AB1111C", code="ANOTHER1XX")])
    await house.match()
    assert await house.states() == ["undecided", "matched"]
    assert DAMAGED in (await whys(house))[0]
    assert [told.dossier for told in house.facts()] == [other[1].dossier]
    damaged(house, house.vault)  # type: ignore[arg-type]
    house.vault.unopened = b"\0"  # type: ignore[attr-defined]
    mail_id = await house.pool.fetchval(
        "select id from mail_watcher.mail where mailbox = $1 and state = 'undecided'", house.settings.id
    )
    said = MailAssigned(mail=mail_id, enrolment=fact.enrolment, dossier=fact.dossier, attempt=1, actor="lan")
    await house.consume(unit, said)
    await house.match()
    assert [told.dossier for told in house.facts()] == [other[1].dossier, fact.dossier]


async def test_a_code_that_cannot_be_sealed_is_one_mails_trouble(house: House) -> None:
    damaged(house, DamagedVault(unsealed=CODE.encode()))
    other = house.expected(unit_code="AB1111C")
    await house.consume(*house.expected())
    await house.consume(*other)
    await house.scan([activation(), activation(unit="AB1111C", code="ANOTHER1XX")])
    await house.match()
    assert await house.states() == ["undecided", "matched"]
    assert DAMAGED in (await whys(house))[0]
    assert [told.dossier for told in house.facts()] == [other[1].dossier]
