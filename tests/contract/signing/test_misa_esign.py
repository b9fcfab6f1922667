"""Remote signing through every fault of the service: log-ins, certificates, lost answers, batches, messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from hoso.runtime.failures import HosoError, Transient
from hoso.runtime.steps import NotYet
from hoso.store.postgres import Database
from services.signer.keys.misa_account import Account, checked_host
from services.signer.keys.misa_login import Session
from services.signer.keys.misa_prompts import document_id
from services.signer.keys.port import Declined, Expired, SignatureAsk, Signatures, UnusableKey, Waiting
from services.signer.profiles import SHAPES
from services.signer.webhook import PATH, EsignMessages
from tests.contract.signing.backends import USER, EsignBench, esign_bench, made, plain_ask, settled, waiting
from tests.contract.signing.esign import CLIENT, CLIENT_KEY
from tests.support.waiting import eventually


@pytest_asyncio.fixture
async def bench(db: Database, tmp_path: Path) -> AsyncIterator[EsignBench]:
    async with esign_bench(db, tmp_path) as opened:
        yield opened


def question(bench: EsignBench, text: str = "một") -> tuple[str, list[SignatureAsk]]:
    return f"sign:{uuid4()}:1:0", [plain_ask(made(bench, text))]


async def approved(bench: EsignBench, name: str, asks: list[SignatureAsk]) -> Signatures:
    """Waited for, approved, signed."""

    async def approve() -> bool:
        await bench.signer().sign(name, asks)
        return bool(await bench.service.answer("approve"))

    await eventually(approve, "a prompt to approve")
    answer = await settled(bench.signer, name, asks)
    assert isinstance(answer, Signatures)
    return answer


# --- one approval for many --------------------------------------------------------------------------------------


async def test_what_waits_at_one_moment_is_approved_at_once(bench: EsignBench) -> None:
    bench.shared = replace(bench.shared, window=timedelta(seconds=0.5))
    signer = bench.signer()
    prepared = {f"sign:{uuid4()}:1:0": [made(bench, f"{n}.{k}") for k in range(1 + n % 2)] for n in range(12)}
    asks = {name: [plain_ask(one) for one in documents] for name, documents in prepared.items()}

    first = await asyncio.gather(*(signer.sign(name, asks[name]) for name in asks))
    assert all(isinstance(one, NotYet) for one in first), "collected for a moment first"
    await asyncio.gather(*(waiting(lambda: signer, name, asks[name]) for name in asks))
    (prompt,) = await bench.service.prompts()
    assert len(prompt["documents"]) == 18
    assert prompt["display"].startswith("12 hồ sơ: ")
    assert {one["id"] for one in prompt["documents"]} == {
        document_id(name, k) for name, documents in prepared.items() for k in range(len(documents))
    }
    assert all(len(one["id"]) <= 36 and len(one["name"]) <= 100 for one in prompt["documents"])

    await bench.service.answer("approve")
    for name, documents in prepared.items():
        answer = await settled(bench.signer, name, asks[name])
        assert isinstance(answer, Signatures)
        for one, value in zip(documents, answer.values, strict=True):
            assert SHAPES["agency"].complete(one, value)
    assert len(await bench.service.calls("sign")) == 1


async def test_what_nobody_wants_any_more_is_not_put_on_a_phone(bench: EsignBench, db: Database) -> None:
    forgotten, asks = question(bench, "bỏ quên")
    slow = replace(bench.shared, window=timedelta(hours=1))
    assert isinstance(await slow(bench.profile).sign(forgotten, asks), NotYet)
    await db.pool.execute("update signer.question set seen_at = now() - interval '5 minutes'")
    name, other = question(bench, "còn cần")
    await waiting(bench.signer, name, other)
    (prompt,) = await bench.service.prompts()
    assert [one["id"] for one in prompt["documents"]] == [document_id(name, 0)]


async def test_other_bytes_under_the_same_name_are_never_asked(bench: EsignBench) -> None:
    name, asks = question(bench)
    await waiting(bench.signer, name, asks)
    with pytest.raises(ValueError, match="other bytes"):
        await bench.signer().sign(name, [plain_ask(made(bench, "hai"))])
    assert await bench.asked() == 1


# --- log-ins ----------------------------------------------------------------------------------------------------


async def test_one_log_in_serves_everybody(bench: EsignBench) -> None:
    asked = [question(bench, str(n)) for n in range(6)]
    await asyncio.gather(*(waiting(bench.signer, *one) for one in asked))
    assert await bench.service.calls("login") == ["200"]


async def test_a_token_that_ended_is_refreshed_and_without_refreshing_logged_in_anew(bench: EsignBench) -> None:
    name, asks = question(bench)
    await waiting(bench.signer, name, asks)
    await bench.service.expire(USER)
    await approved(bench, name, asks)
    assert (await bench.service.calls("login"), await bench.service.calls("refresh")) == (["200"], ["200"])
    await bench.service.expire(USER, refresh=True)
    await approved(bench, *question(bench, "hai"))
    assert (await bench.service.calls("login"), await bench.service.calls("refresh")) == (["200"] * 2, ["200", "400"])
    assert await bench.asked() == 2


async def test_a_token_that_ends_with_the_request_costs_no_second_prompt(bench: EsignBench) -> None:
    await bench.service.fault("sign", "401")
    name, asks = question(bench)
    await approved(bench, name, asks)
    assert await bench.service.calls("sign") == ["401", "200"]
    assert await bench.asked() == 1


async def test_a_second_factor_is_awaited_asked_for_once_and_given_by_a_person(bench: EsignBench) -> None:
    await bench.service.person(USER, two_factor=True)
    name, asks = question(bench)
    for _ in range(4):
        waits = await waiting(bench.signer, name, asks)
        assert waits.reason == "login"
        assert "hoso profile login" in waits.text
    assert await bench.service.calls("login") == ["400"], "no second code is sent while one is awaited"
    login = bench.shared.login(bench.profile)
    assert isinstance(await login.session(), Waiting)
    with pytest.raises(HosoError, match="--resend"):
        await login.give_code("000000x")
    await login.resend_code()
    await bench.shared.login(bench.profile).give_code(await bench.service.otp(USER))
    await approved(bench, name, asks)

    await bench.service.expire(USER, refresh=True)
    assert (await waiting(bench.signer, *question(bench, "hai"))).reason == "login", "the factor is wanted again"
    assert await bench.asked() == 1


async def test_the_second_factor_wanted_while_a_prompt_is_open_loses_nothing(bench: EsignBench) -> None:
    name, asks = question(bench)
    await waiting(bench.signer, name, asks)
    await bench.service.person(USER, two_factor=True)
    await bench.service.expire(USER, refresh=True)
    await bench.service.answer("approve")

    async def look() -> bool:
        answer = await bench.signer().sign(name, asks)
        return isinstance(answer, Waiting) and answer.reason == "login"

    await eventually(look, "the log-in to be awaited")
    await bench.shared.login(bench.profile).give_code(await bench.service.otp(USER))
    assert isinstance(await settled(bench.signer, name, asks), Signatures)
    assert await bench.asked() == 1


async def test_a_wrong_password_is_tried_once_and_locks_nobody_out(bench: EsignBench) -> None:
    wrong = replace(bench.profile, private_key_der=bench.service.account(USER, password="sai").to_bytes())
    for n in range(8):
        with pytest.raises(UnusableKey, match="khai báo lại"):
            await bench.shared(wrong).sign(*question(bench, str(n)))
    assert await bench.service.calls("login") == ["400"]
    await approved(bench, *question(bench, "mật khẩu đúng"))

    for _ in range(2):
        with pytest.raises(UnusableKey):
            await bench.shared.login(wrong).anew()
    assert len(await bench.service.calls("login")) == 4, "a person may have it tried again"


async def test_tokens_and_passwords_are_never_stored_in_clear(bench: EsignBench, db: Database) -> None:
    await waiting(bench.signer, *question(bench))
    session = await bench.shared.login(bench.profile).session()
    assert isinstance(session, Session)
    dump = ""
    for table in ("login", "prompt", "question", "kept", "hint"):
        dump += str(await db.pool.fetch(f"select t::text from signer.{table} t"))
    dump += str(await db.pool.fetch("select t::text from store.vault_item t")) + repr(session) + repr(bench.shared)
    for secret in (session.tokens.access, session.tokens.refresh, "mật khẩu", CLIENT_KEY):
        assert secret not in dump
        assert secret.encode().hex() not in dump


# --- certificates -----------------------------------------------------------------------------------------------


async def test_of_several_certificates_the_profiles_very_one_signs(bench: EsignBench) -> None:
    more = await bench.service.person(USER, {}, {"name": "Chi nhánh"}, {"status": "REVOKED"})
    bench.profile = replace(bench.profile, certificate_der=more[1].der)
    name, asks = question(bench)
    await approved(bench, name, asks)
    (prompt,) = await bench.service.prompts()
    assert prompt["alias"] == more[1].alias


@pytest.mark.parametrize("case", ["none", "suspended", "others"])
async def test_without_its_certificate_nobody_is_asked(bench: EsignBench, case: str) -> None:
    if case == "others":
        await bench.service.person(USER, {})
    if case == "none":
        await bench.service.person("moi@denlong.example")
        sealed = bench.service.account("moi@denlong.example").to_bytes()
        bench.profile = replace(bench.profile, private_key_der=sealed)
    else:
        await bench.service.status(bench.certificates[0].alias, "SUSPENDED")
    with pytest.raises(UnusableKey, match="không có chứng thư số" if case != "others" else "không còn hoạt động"):
        await bench.signer().sign(*question(bench))
    assert await bench.asked() == 0


# --- faults of the request to sign ------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["lost-answer", "500-after", "500", "lost-request", "garbage", "huge"])
async def test_a_request_without_a_usable_answer_is_not_asked_anew_before_its_prompt_must_have_expired(
    bench: EsignBench, fault: str
) -> None:
    shown = int(fault in ("lost-answer", "500-after"))
    await bench.service.fault("sign", fault)
    name, asks = question(bench)
    for _ in range(3):
        assert (await waiting(bench.signer, name, asks)).reason == "approval"
    await bench.later(timedelta(minutes=bench.service.account(USER).prompt_minutes))
    assert (await waiting(bench.signer, name, asks)).reason == "approval"
    assert (len(await bench.service.calls("sign")), await bench.asked()) == (1, shown)

    await bench.later(timedelta(minutes=2))
    await approved(bench, name, asks)
    assert (len(await bench.service.calls("sign")), await bench.asked()) == (2, shown + 1)


async def test_a_lost_answer_is_found_again_by_the_services_message(bench: EsignBench, db: Database) -> None:
    async with Listener(db) as url:
        await bench.service.webhook(url)
        await bench.service.fault("sign", "lost-answer")
        name, asks = question(bench)
        await waiting(bench.signer, name, asks)
        await bench.service.answer("approve")
        assert isinstance(await settled(bench.signer, name, asks), Signatures)
    assert await bench.asked() == 1


async def test_asked_again_after_so_many_losses_a_person_decides(bench: EsignBench) -> None:
    await bench.service.fault("sign", "500", None)
    name, asks = question(bench)

    async def look() -> Expired | None:
        answer = await bench.signer().sign(name, asks)
        if isinstance(answer, Waiting):
            await bench.later(timedelta(minutes=20))
        return answer if isinstance(answer, Expired) else None

    answer = await eventually(look, "giving up")
    assert answer is not None
    assert "3 lần" in answer.text
    assert len(await bench.service.calls("sign")) == 3


async def test_a_service_that_is_not_there_or_asks_for_patience_was_certainly_not_asked(bench: EsignBench) -> None:
    await bench.service.fault("sign", "429")
    name, asks = question(bench)
    with pytest.raises(Transient):
        await bench.signer().sign(name, asks)
    await approved(bench, name, asks)
    away = replace(bench.profile, private_key_der=bench.service.account(USER, host="http://127.0.0.1:9").to_bytes())
    with pytest.raises(Transient, match="cannot be reached"):
        await bench.shared(away).sign(*question(bench, "hai"))
    assert await bench.asked() == 1


@pytest.mark.parametrize("fault", ["refuse", "redirect"])
async def test_what_the_service_refuses_is_said_and_not_tried_again(bench: EsignBench, fault: str) -> None:
    await bench.service.fault("sign", fault)
    name, asks = question(bench)
    for _ in range(3):
        with pytest.raises(UnusableKey, match="chưa được kết nối" if fault == "refuse" else "HTTP 302"):
            await bench.signer().sign(name, asks)
    assert (await bench.service.calls("sign"), await bench.asked()) == ([fault], 0)


# --- faults while waiting ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["500", "lost-request", "lost-answer", "garbage", "huge", "429", "slow", "401"])
async def test_a_status_that_does_not_come_is_asked_again(bench: EsignBench, fault: str) -> None:
    name, asks = question(bench)
    await waiting(bench.signer, name, asks)
    await bench.service.fault("status", fault, 2)
    await bench.service.answer("approve")
    assert isinstance(await settled(bench.signer, name, asks), Signatures)
    assert (await bench.service.calls("status"))[:1] == [fault]
    assert await bench.asked() == 1


async def test_pending_for_minutes_is_waited_for_at_a_growing_distance(bench: EsignBench, db: Database) -> None:
    await bench.service.habit("approve", after_polls=6)
    name, asks = question(bench)
    waits = []
    for _ in range(6):
        await db.pool.execute("update signer.prompt set poll_at = now()")
        answer = await bench.signer().sign(name, asks)
        if isinstance(answer, Waiting):
            waits.append(answer.ask_again.total_seconds())
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (1.0, 15.0)
    await db.pool.execute("update signer.prompt set poll_at = now()")
    assert isinstance(await settled(bench.signer, name, asks), Signatures)


async def test_only_one_asks_for_all_who_wait_in_one_prompt(bench: EsignBench, db: Database) -> None:
    bench.shared = replace(bench.shared, window=timedelta(seconds=0.2))
    asked = [question(bench, str(n)) for n in range(10)]
    await asyncio.gather(*(waiting(bench.signer, *one) for one in asked))
    assert await bench.asked() == 1
    before = len(await bench.service.calls("status"))
    await db.pool.execute("update signer.prompt set poll_at = now()")
    await asyncio.gather(*(bench.signer().sign(*one) for one in asked))
    assert len(await bench.service.calls("status")) == before + 1


@pytest.mark.parametrize(("answer", "said"), [("decline", "từ chối"), ("fail", "không ký được")])
async def test_a_whole_prompt_is_declined(bench: EsignBench, answer: str, said: str) -> None:
    bench.shared = replace(bench.shared, window=timedelta(seconds=0.2))
    asked = [question(bench, str(n)) for n in range(3)]
    await asyncio.gather(*(waiting(bench.signer, *one) for one in asked))
    await bench.service.answer(answer)
    for one in asked:
        found = await settled(bench.signer, *one)
        assert isinstance(found, Declined)
        assert said in found.text


async def test_a_prompt_nobody_answers_for_a_day_is_over(bench: EsignBench) -> None:
    await bench.service.habit(lifetime=10 * 86400)
    name, asks = question(bench)
    await waiting(bench.signer, name, asks)
    await bench.later(timedelta(hours=25))
    found = await settled(bench.signer, name, asks)
    assert isinstance(found, Expired)
    assert "24 giờ" in found.text


# --- messages ---------------------------------------------------------------------------------------------------


class Listener:
    """Our listener, on a free port of loopback."""

    def __init__(self, db: Database) -> None:
        self.runner = web.AppRunner(EsignMessages(db.pool).app())

    async def __aenter__(self) -> str:
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self.runner.addresses[0][1]}{PATH}"

    async def __aexit__(self, *_: Any) -> None:
        await self.runner.cleanup()


async def test_a_message_hastens_the_next_look_once_and_is_no_signature(bench: EsignBench, db: Database) -> None:
    name, asks = question(bench)
    await waiting(bench.signer, name, asks)
    (prompt,) = await bench.service.prompts()
    message = {
        "messageId": "m-1", "clientId": CLIENT, "extraData": "", "status": "SUCCESS", "errorCode": 0,
        "transactionId": prompt["number"], "signatures": [{"documentId": document_id(name, 0), "signature": "AAAA"}],
    }  # fmt: skip
    later = "update signer.prompt set poll_at = now() + interval '1 hour'"
    due = "select poll_at <= now() from signer.prompt"
    async with Listener(db) as url, aiohttp.ClientSession() as http:
        await db.pool.execute(later)
        assert (await http.post(url, json=message)).status == 204
        assert await db.pool.fetchval(due)
        assert isinstance(await bench.signer().sign(name, asks), Waiting), "it is not signed because a message says so"
        await db.pool.execute(later)
        assert (await http.post(url, json=message)).status == 204
        assert not await db.pool.fetchval(due), "the same message again says nothing"
        for wrong, status in (
            ({**message, "clientId": "somebody"}, 403),
            ({**message, "transactionId": "unknown", "signatures": []}, 204),
            ({**message, "messageId": "m\n2"}, 400),
            ({"messageId": "m-3"}, 400),
            (["m"], 400),
        ):
            assert (await http.post(url, json=wrong)).status == status
        assert (await http.post(url, data=b"x" * 300_000)).status == 413
        assert not await db.pool.fetchval(due)
    assert await db.pool.fetchval("select count(*) from signer.hint") == 1


async def test_a_forged_number_for_a_lost_request_is_looked_up_and_forgotten(bench: EsignBench, db: Database) -> None:
    other, first = question(bench, "đã biết")
    await waiting(bench.signer, other, first)
    (known,) = await bench.service.prompts()
    await bench.service.fault("sign", "lost-answer")
    name, asks = question(bench)
    await waiting(bench.signer, name, asks)
    forged = {"messageId": "m-9", "clientId": CLIENT, "signatures": [{"documentId": document_id(name, 0)}]}
    async with Listener(db) as url, aiohttp.ClientSession() as http:
        for number in (known["number"], "../../admin", "x"):
            answer = await http.post(url, json={**forged, "messageId": number, "transactionId": number})
            assert answer.status == 204
            assert isinstance(await bench.signer().sign(name, asks), Waiting)
            assert await db.pool.fetchval("select hinted from signer.prompt where state = 'asked'") is None


async def test_the_services_messages_make_the_wait_short(bench: EsignBench, db: Database) -> None:
    await bench.service.fault("webhook", "twice", None)
    async with Listener(db) as url:
        await bench.service.webhook(url)
        name, asks = question(bench)
        await waiting(bench.signer, name, asks)
        await db.pool.execute("update signer.prompt set poll_at = now() + interval '1 hour'")
        await bench.service.answer("approve")
        assert isinstance(await settled(bench.signer, name, asks), Signatures)


# --- addresses --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://esignapp.misa.vn/", "https://esignapp.misa.vn"),
        ("https://ky.example:8443/v2/", "https://ky.example:8443/v2"),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
        ("http://[::1]:9000/", "http://[::1]:9000"),
        ("http://esignapp.misa.vn", None),
        ("http://127.0.0.1.example", None),
        ("ftp://esignapp.misa.vn", None),
        ("https://user:word@esignapp.misa.vn", None),
        ("https://esignapp.misa.vn?x=1", None),
        ("https://[::1", None),
        ("esignapp.misa.vn", None),
        ("", None),
    ],
)
def test_a_service_beyond_this_machine_needs_tls(given: str, kept: str | None) -> None:
    if kept is None:
        with pytest.raises(HosoError):
            checked_host(given)
        with pytest.raises(UnusableKey):
            Account.from_bytes(Account(given, "a", "b", "c", "d").to_bytes())
    else:
        assert checked_host(given) == kept
