"""Every key backend keeps one contract: what it signs verifies, a question is asked once whatever ends meanwhile, no is no."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from hoso.store.postgres import Database
from services.signer.keys.port import Declined, Expired, Signatures, UnusableKey
from services.signer.profiles import SHAPES
from tests.contract.signing.backends import BENCHES, PEOPLE, Bench, made, settled, waiting

people = pytest.mark.parametrize("bench", PEOPLE, indirect=True)
everybody = pytest.mark.parametrize("bench", BENCHES, indirect=True)


@pytest_asyncio.fixture
async def bench(request: pytest.FixtureRequest, db: Database, tmp_path: Path) -> AsyncIterator[Bench]:
    async with BENCHES[request.param](db, tmp_path) as made_:
        yield made_


def a_name() -> str:
    return f"sign:{uuid4()}:1:0"


@everybody
@pytest.mark.parametrize("count", [1, 3])
async def test_what_is_signed_verifies_in_the_order_it_was_asked(bench: Bench, count: int) -> None:
    prepared = [made(bench, f"hồ sơ {n}") for n in range(count)]
    asks = [await bench.sealed(one) for one in prepared]
    name = a_name()
    if bench.asks_people:
        await waiting(bench.signer, name, asks)
        await bench.person("approve")

    answer = await settled(bench.signer, name, asks)

    assert isinstance(answer, Signatures)
    for one, value in zip(prepared, answer.values, strict=True):
        signed = SHAPES["agency"].complete(one, value)
        assert SHAPES["agency"].verify(signed, "Hoso/CKy_Dvi").certificate == bench.profile.certificate_der
    assert await settled(bench.signer, name, asks) == answer, "and again, without anybody being asked"
    assert await bench.asked() == int(bench.asks_people)


@people
async def test_a_question_is_asked_once_however_often_everything_is_restarted(bench: Bench) -> None:
    asks, name = [await bench.sealed(made(bench))], a_name()
    for _ in range(5):
        assert (await waiting(bench.signer, name, asks)).reason == "approval"
    assert await bench.asked() == 1
    both = await asyncio.gather(*(bench.signer().sign(name, asks) for _ in range(8)))
    assert not any(isinstance(one, Signatures) for one in both)
    await bench.person("approve")
    assert isinstance(await settled(bench.signer, name, asks), Signatures)
    assert await bench.asked() == 1


@people
async def test_no_is_no_and_stays_no(bench: Bench) -> None:
    asks, name = [await bench.sealed(made(bench))], a_name()
    await waiting(bench.signer, name, asks)
    await bench.person("decline")
    for _ in range(2):
        assert isinstance(await settled(bench.signer, name, asks), Declined)
    assert await bench.asked() == 1


@people
async def test_what_nobody_answers_expires_and_only_another_attempt_asks_anew(bench: Bench) -> None:
    asks, name = [await bench.sealed(made(bench))], a_name()
    await waiting(bench.signer, name, asks)
    await bench.person("expire")
    for _ in range(2):
        assert isinstance(await settled(bench.signer, name, asks), Expired)
    assert await bench.asked() == 1
    other, again = [await bench.sealed(made(bench, "ký lại"))], a_name()
    await waiting(bench.signer, again, other)
    assert await bench.asked() == 2


@everybody
async def test_a_profile_that_lacks_something_is_unusable_in_a_sentence(bench: Bench) -> None:
    asks = [await bench.sealed(made(bench))]

    async def sign() -> None:
        await bench.signer(bench.broken()).sign(a_name(), asks)

    with pytest.raises(UnusableKey, match="hãy"):
        await sign()
    assert await bench.asked() == 0
