"""Which workstation may speak to the desk: codes that work once, requests that work once, tenants that do not see one another."""

from __future__ import annotations

import asyncio
import json
import ssl
from base64 import b64encode
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from agent.main import possession
from agent.server import message
from services.signer.desk_agents import TRIES, listed, revoke
from services.signer.desk_http import MAX_BODY, Slowly
from services.signer.keys.port import Declined, Signatures, Waiting
from tests.contract.agent.house import DeskHouse, Workstation, document
from tests.contract.agent.tokens import WRONG_PIN
from tests.contract.signing.pki import AT, Employer, employer
from tests.support.waiting import eventually

NEXT, ANSWERS, ENROLMENTS = "/agent/v1/next", "/agent/v1/answers", "/agent/v1/enrolments"


class Hand:
    """A workstation made by hand: a key of its own, and the owner's key instead of a token."""

    def __init__(self, house: DeskHouse, owner: Employer) -> None:
        self.house, self.owner = house, owner
        self.key = Ed25519PrivateKey.generate()
        self.public = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.agent, self.counter = "", 0

    async def send(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
        tls = ssl.create_default_context(cafile=str(self.house.certificate))
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.house.address + path, data=body, headers=headers, ssl=tls) as answer,
        ):
            return answer.status, await answer.json()

    async def enrol(self, code: str, **changes: str) -> tuple[int, dict[str, Any]]:
        proof = self.owner.key.sign(possession(code, self.public), padding.PKCS1v15(), hashes.SHA256())
        given = {
            "code": code,
            "public_key": b64encode(self.public).decode(),
            "certificate": b64encode(self.owner.der).decode(),
            "proof": b64encode(proof).decode(),
            "host": "may-ke-toan",
        }
        status, said = await self.send(ENROLMENTS, json.dumps(given | changes).encode(), {})
        self.agent = said.get("agent", "")
        return status, said

    def signed(self, path: str, body: bytes) -> dict[str, str]:
        self.counter += 1
        signature = self.key.sign(message("POST", path, self.agent, self.counter, body))
        return {
            "Hoso-Agent": self.agent,
            "Hoso-Counter": str(self.counter),
            "Hoso-Signature": b64encode(signature).decode(),
        }

    async def ask(self, path: str, **given: Any) -> tuple[int, dict[str, Any]]:
        body = json.dumps(given).encode()
        return await self.send(path, body, self.signed(path, body))


@pytest.fixture
def hand(house: DeskHouse, owner: Employer) -> Hand:
    return Hand(house, owner)


async def test_enrolling_registers_the_tokens_certificate_with_the_profile(
    house: DeskHouse, workstation: Workstation, owner: Employer
) -> None:
    status, said = await workstation.enrol(await house.code("acme", "chi nhánh"))

    assert status == 0, said
    row = await house.db.pool.fetchrow("select * from store.profile where tenant = 'acme' and name = 'chi nhánh'")
    assert row is not None
    assert (row["backend"], row["certificate"], row["serial"]) == ("agent", owner.der, "0A1B2C")
    assert row["not_after"] == owner.certificate.not_valid_after_utc
    assert list(row["tax_codes"]) == ["0101234567"]
    assert "CN=" in row["issuer"]


async def test_a_code_works_once(house: DeskHouse, workstation: Workstation) -> None:
    code = await house.code()
    assert (await workstation.enrol(code))[0] == 0
    status, said = await workstation.enrol(code)
    assert status == 3
    assert "đã dùng" in said
    assert await house.db.pool.fetchval("select count(*) from signer.agent") == 1


async def test_two_workstations_with_one_code_at_once_are_one(house: DeskHouse, owner: Employer) -> None:
    code = await house.code()
    hands = [Hand(house, owner) for _ in range(4)]
    statuses = await asyncio.gather(*(one.enrol(code) for one in hands))
    assert sorted(status for status, _ in statuses) == [200, 403, 403, 403]


async def test_a_code_that_expired_or_was_revoked_or_never_was_is_refused_alike(house: DeskHouse, hand: Hand) -> None:
    expired = await house.code(lifetime=timedelta(seconds=-1))
    revoked = await house.code(profile="other")
    (row,) = await listed(house.db.pool, "acme")
    assert await revoke(house.db.pool, row["id"]) == "acme"

    answers = [await hand.enrol(code) for code in (expired, revoked, "AAAAA-AAAAA-AAAAA-AAAAA")]

    assert len({(status, said["detail"]) for status, said in answers}) == 1
    assert answers[0][0] == 403
    assert await house.db.pool.fetchval("select count(*) from store.profile") == 0


async def test_without_the_tokens_key_a_code_is_worth_nothing(house: DeskHouse, hand: Hand) -> None:
    code = await house.code()
    thief = b64encode(employer(key="thief").der).decode()
    for _ in range(TRIES):
        status, _ = await hand.enrol(code, certificate=thief)
        assert status == 403
    assert (await hand.enrol(code))[0] == 403, "too many bad proofs: the code is dead"


async def test_a_certificate_out_of_force_is_not_enrolled(house: DeskHouse) -> None:
    late = Hand(house, employer(key="token", not_after=AT - timedelta(days=1)))
    status, said = await late.enrol(await house.code())
    assert (status, "hết hạn" in said["detail"]) == (403, True)


async def test_enrolment_is_slow_for_who_tries_much() -> None:
    slow = Slowly(each=3, together=5)
    assert [slow.again("a", 0.0) for _ in range(4)] == [True, True, True, False]
    assert [slow.again("b", 1.0) for _ in range(3)] == [True, True, False]
    assert slow.again("c", 30.0) is False
    assert slow.again("a", 61.5) is True


async def test_a_request_works_once(house: DeskHouse, enrolled: Workstation, hand: Hand) -> None:
    """Recorded on the wire and sent again, by somebody who sees everything but the key."""
    process = await enrolled.start("--approve-all")

    async def answered() -> bool:
        return sum(one[0] == NEXT for one in house.wire.heard) > 1  # it asks again when it has the answer

    await eventually(answered, "the workstation to ask twice")
    process.kill()
    path, headers, body = next(one for one in house.wire.heard if one[0] == NEXT)
    replayed = {k.decode(): v.decode() for k, v in headers if k.startswith(b"hoso-")}

    assert (await hand.send(path, body, replayed))[0] == 409
    assert (await hand.send(path, body + b" ", replayed))[0] == 401
    assert (await hand.send(ANSWERS, body, replayed))[0] == 401
    later = {**replayed, "hoso-counter": str(int(replayed["hoso-counter"]) + 10**6)}
    assert (await hand.send(path, body, later))[0] == 401
    assert (await hand.send(path, body, {}))[0] == 401


async def test_nothing_but_the_enrolment_answers_a_stranger(house: DeskHouse, hand: Hand) -> None:
    hand.agent = "0" * 16
    assert (await hand.ask(NEXT, status="ready"))[0] == 401
    assert (await hand.ask(ANSWERS, question="sign:a:1:0", declined="x"))[0] == 401
    assert (await hand.send(NEXT, b"x" * (MAX_BODY + 1), {}))[0] == 413
    assert (await hand.send("/docs", b"", {}))[0] == 404


async def test_tenants_do_not_see_one_another(house: DeskHouse, hand: Hand, owner: Employer) -> None:
    """The same person's token in two tenants even: each workstation sees its own tenant's questions."""
    other = Hand(house, owner)
    assert (await hand.enrol(await house.code("acme", "main")))[0] == 200
    assert (await other.enrol(await house.code("beta", "main")))[0] == 200
    profile = await house.profile("acme")
    asked = await house.prepared(profile)
    await house.ask(profile, "sign:a:1:0", asked)
    values = [b64encode(owner.sign(ask.digest)).decode() for _, ask in asked]

    assert (await other.ask(NEXT, status="ready"))[1] == {"questions": []}
    assert (await other.ask(ANSWERS, question="sign:a:1:0", signatures=values))[0] == 404
    assert (await other.ask(ANSWERS, question="sign:a:1:0", declined="no"))[0] == 404
    assert isinstance(await house.ask(profile, "sign:a:1:0", asked), Waiting)

    (mine,) = (await hand.ask(NEXT, status="ready"))[1]["questions"]
    assert mine["name"] == "sign:a:1:0"
    assert (await hand.ask(ANSWERS, question="sign:a:1:0", signatures=values))[0] == 200
    assert isinstance(await house.ask(profile, "sign:a:1:0", asked), Signatures)


async def test_the_first_answer_stands_and_a_wrong_signature_is_none(house: DeskHouse, hand: Hand) -> None:
    await hand.enrol(await house.code())
    profile = await house.profile()
    asked = await house.prepared(profile)
    await house.ask(profile, "sign:a:1:0", asked)
    wrong = [b64encode(employer(key="thief").sign(ask.digest)).decode() for _, ask in asked]

    assert (await hand.ask(ANSWERS, question="sign:a:1:0", signatures=wrong))[0] == 422
    assert (await hand.ask(ANSWERS, question="sign:a:1:0", signatures=[]))[0] == 422
    assert isinstance(await house.ask(profile, "sign:a:1:0", asked), Waiting)

    assert (await hand.ask(ANSWERS, question="sign:a:1:0", declined="không"))[0] == 200
    right = [b64encode(hand.owner.sign(ask.digest)).decode() for _, ask in asked]
    assert (await hand.ask(ANSWERS, question="sign:a:1:0", signatures=right))[0] == 200
    assert await house.ask(profile, "sign:a:1:0", asked) == Declined("không")


async def test_a_new_workstation_of_a_profile_puts_the_old_one_out_of_force(
    house: DeskHouse, hand: Hand, owner: Employer
) -> None:
    await hand.enrol(await house.code())
    newer = Hand(house, owner)
    assert (await newer.enrol(await house.code()))[0] == 200
    assert (await hand.ask(NEXT, status="ready"))[0] == 401
    assert (await newer.ask(NEXT, status="ready"))[0] == 200


async def test_a_profile_that_was_removed_or_changed_ends_its_workstation(house: DeskHouse, hand: Hand) -> None:
    await hand.enrol(await house.code())
    assert (await hand.ask(NEXT, status="ready"))[0] == 200
    await house.set_up.remove_profile("acme", "main", "test")
    assert (await hand.ask(NEXT, status="ready"))[0] == 401


async def test_many_questions_come_in_order_and_in_portions(house: DeskHouse, hand: Hand) -> None:
    await hand.enrol(await house.code())
    profile = await house.profile()
    for number in range(25):
        await house.ask(profile, f"sign:{number:02}:1:0", await house.prepared(profile, document(str(number))))
    _, said = await hand.ask(NEXT, status="ready", later=["sign:00:1:0"])
    assert [one["name"] for one in said["questions"]] == [f"sign:{number:02}:1:0" for number in range(1, 21)]


async def test_a_document_that_is_gone_holds_up_nobody_else(house: DeskHouse, hand: Hand) -> None:
    await hand.enrol(await house.code())
    profile = await house.profile()
    gone, there = await house.prepared(profile, document("một")), await house.prepared(profile, document("hai"))
    await house.ask(profile, "sign:a:1:0", gone)
    await house.ask(profile, "sign:b:1:0", there)
    assert gone[0][1].kept is not None
    await house.vault.destroy(gone[0][1].kept)
    _, said = await hand.ask(NEXT, status="ready")
    assert [one["name"] for one in said["questions"]] == ["sign:b:1:0"]


async def test_a_wrong_pin_at_the_enrolment_is_tried_once_too(house: DeskHouse, workstation: Workstation) -> None:
    code = await house.code()
    assert (await workstation.enrol(code, WRONG_PIN))[0] == 1
    assert (await workstation.enrol(code))[0] == 1
    assert workstation.reader.count("C_Login") == 1
    assert (await workstation.do("reset-pin-suspect"))[0] == 0
    assert (await workstation.enrol(code))[0] == 0


async def test_a_desk_that_is_not_trusted_gets_no_code(house: DeskHouse, workstation: Workstation) -> None:
    code = await house.code()
    words = ["--module", workstation.reader.spy, "--pin-file", workstation.pin_file("271828")]
    status, said = await workstation.do("enrol", "--server", house.address, *words, typed=code)
    assert (status, "không được tin" in said) == (1, True)
    status, said = await workstation.do("enrol", "--server", "http://example.com:80", *words, typed=code)
    assert (status, "phải dùng https" in said) == (2, True)
    assert [path for path, _, _ in house.wire.heard] == []


async def test_codes_and_workstations_are_listed_and_revoked(house: DeskHouse, hand: Hand) -> None:
    await hand.enrol(await house.code())
    code = await house.code(profile="other")
    rows = await listed(house.db.pool, None)
    assert [(row["profile"], row["what"], row["status"]) for row in rows] == [
        ("main", "agent", "ready"),
        ("other", "code", "unused"),
    ]
    assert await revoke(house.db.pool, hand.agent) == "acme"
    assert (await hand.ask(NEXT, status="ready"))[0] == 401
    assert await revoke(house.db.pool, hand.agent) is None
    assert code not in str([dict(r) for r in await house.db.pool.fetch("select * from signer.agent_code")])
