"""A dossier, a desk, a token at somebody's workstation: what is signed, what never is, and what survives a kill."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from services.signer.keys.port import Answer, Declined, NotYet, Signatures, Waiting
from services.signer.profiles.agency import AgencyProfile
from tests.contract.agent.house import SLOT, DeskHouse, Workstation, document
from tests.contract.agent.tokens import PIN, WRONG_PIN, Reader
from tests.contract.signing.pki import Employer
from tests.contract.signing.verifiers import VERIFIERS
from tests.support.waiting import eventually

FINAL_TRY, COUNT_LOW = 0x20000, 0x10000


async def answer_of(house: DeskHouse, name: str, asked: Any, profile: Any) -> Answer:
    """What becomes of a question when one waits for it."""

    async def settled() -> Answer | None:
        answer = await house.ask(profile, name, asked)
        return None if isinstance(answer, Waiting | NotYet) else answer

    found = await eventually(settled, f"an answer to {name}", 20)
    assert found is not None
    return found


async def reason_is(house: DeskHouse, name: str, asked: Any, profile: Any, reason: str) -> None:
    async def said() -> bool:
        answer = await house.ask(profile, name, asked)
        return isinstance(answer, Waiting) and answer.reason == reason

    await eventually(said, f"{name} to wait because of {reason}", 20)


async def test_what_a_token_signed_is_accepted_by_others(
    house: DeskHouse, enrolled: Workstation, owner: Employer, tmp_path: Path
) -> None:
    profile = await house.profile()
    asked = await house.prepared(profile, document(), document("Chi nhánh Ô Chợ Dừa"))
    await enrolled.start("--approve-all")

    answer = await answer_of(house, "sign:a:1:0", asked, profile)

    assert isinstance(answer, Signatures)
    signed = [AgencyProfile().complete(one, value) for (one, _), value in zip(asked, answer.values, strict=True)]
    assert all(AgencyProfile().verify(xml, SLOT).certificate == owner.der for xml in signed)
    for verifier in VERIFIERS:
        assert verifier(signed, owner, tmp_path) == [True, True], verifier.__name__


async def test_a_person_sees_what_the_document_itself_says_and_agrees(house: DeskHouse, enrolled: Workstation) -> None:
    profile = await house.profile()
    asked = await house.prepared(profile)
    process = await enrolled.start()
    await reason_is(house, "sign:a:1:0", asked, profile, "approval")
    await enrolled.says("[k]")
    for fact in ("Công ty TNHH Đèn lồng <Hội An> & Con", "0101234567", "Nhà cung cấp THỬ", "04_DK-IVAN-0.xml"):
        assert fact in enrolled.said
    assert asked[0][0].digest.hex() in enrolled.said
    assert enrolled.reader.count("C_SignInit") == 1, "only the proof of the enrolment"

    assert process.stdin is not None
    process.stdin.write(b"x\nk\n")

    assert isinstance(await answer_of(house, "sign:a:1:0", asked, profile), Signatures)
    assert "<MA_DVI>TZ1234Z" in enrolled.said, "the whole document was asked for"


async def test_no_is_no_and_nothing_is_signed(house: DeskHouse, enrolled: Workstation) -> None:
    profile = await house.profile()
    asked = await house.prepared(profile)
    process = await enrolled.start()
    await house.ask(profile, "sign:a:1:0", asked)
    await enrolled.says("[k]")

    assert process.stdin is not None
    process.stdin.write(b"t\n")

    answer = await answer_of(house, "sign:a:1:0", asked, profile)
    assert answer == Declined("Người giữ token đã từ chối ký.")
    assert enrolled.reader.count("C_SignInit") == 1


async def test_without_a_workstation_the_dossier_waits_and_says_so(house: DeskHouse, enrolled: Workstation) -> None:
    profile = await house.profile()
    asked = await house.prepared(profile)
    await house.db.pool.execute("update signer.agent set seen_at = now() - interval '61 s'")

    away = await house.ask(profile, "sign:a:1:0", asked)
    assert isinstance(away, Waiting)
    assert away.reason == "agent-offline"
    assert "hoso-agent run" in away.text

    await enrolled.start("--approve-all")
    assert isinstance(await answer_of(house, "sign:a:1:0", asked, profile), Signatures)


async def test_a_profile_that_lost_its_workstation_says_how_to_enrol_one(
    house: DeskHouse, enrolled: Workstation
) -> None:
    profile = await house.profile()
    await house.db.pool.execute("update signer.agent set revoked_at = now()")
    away = await house.ask(profile, "sign:a:1:0", await house.prepared(profile))
    assert isinstance(away, Waiting)
    assert (away.reason, "hoso agent-code new" in away.text) == ("agent-offline", True)


async def test_a_wrong_pin_is_tried_once_and_never_again_by_itself(house: DeskHouse, enrolled: Workstation) -> None:
    profile, reader = await house.profile(), enrolled.reader
    asked = await house.prepared(profile)
    before = reader.count("C_Login")

    process = await enrolled.start("--approve-all", pin=WRONG_PIN)
    await reason_is(house, "sign:a:1:0", asked, profile, "pin-suspect")
    process.kill()
    await process.wait()
    assert reader.count("C_Login") == before + 1

    # The right PIN changes nothing: nobody has said that it is.
    await house.db.pool.execute("update signer.agent set status = 'ready'")
    await enrolled.start("--approve-all")
    await reason_is(house, "sign:a:1:0", asked, profile, "pin-suspect")
    await enrolled.stop()
    assert reader.count("C_Login") == before + 1
    status, said = await enrolled.do("status", "--json")
    assert (status, json.loads(said)["pin_suspect"]) == (0, True)

    assert (await enrolled.do("reset-pin-suspect"))[0] == 0
    await enrolled.start("--approve-all")
    assert isinstance(await answer_of(house, "sign:a:1:0", asked, profile), Signatures)
    assert reader.count("C_Login") == before + 2


async def test_a_process_that_died_while_the_token_looked_at_the_pin_left_it_suspect(
    house: DeskHouse, enrolled: Workstation, owner: Employer
) -> None:
    from agent.state import State
    from agent.usb_token import sha256_of

    State(enrolled.folder / "state").pin_is(sha256_of(owner.der), "trying")
    profile, before = await house.profile(), enrolled.reader.count("C_Login")

    await enrolled.start("--approve-all")

    await reason_is(house, "sign:a:1:0", await house.prepared(profile), profile, "pin-suspect")
    assert enrolled.reader.count("C_Login") == before


async def test_the_last_try_of_a_pin_is_nobodys_but_a_persons(
    house: DeskHouse, enrolled: Workstation, token: Path
) -> None:
    profile, before = await house.profile(), enrolled.reader.count("C_Login")
    asked = await house.prepared(profile)
    enrolled.reader.flag(token, FINAL_TRY | COUNT_LOW)

    await enrolled.start("--approve-all")

    await reason_is(house, "sign:a:1:0", asked, profile, "pin-suspect")
    await enrolled.says("một lần thử PIN")
    assert enrolled.reader.count("C_Login") == before


async def test_a_token_pulled_out_waits_and_comes_back_by_itself(
    house: DeskHouse, enrolled: Workstation, token: Path, owner: Employer, tmp_path: Path
) -> None:
    profile = await house.profile()
    first, second = [await house.prepared(profile, document(name)) for name in ("một", "hai")]
    await enrolled.start("--approve-all")
    assert isinstance(await answer_of(house, "sign:a:1:0", first, profile), Signatures)

    away = enrolled.reader.pull_out(token)
    await reason_is(house, "sign:a:2:0", second, profile, "token-absent")
    await enrolled.says("cắm token")
    logins = enrolled.reader.count("C_Login")

    away.rename(token)
    answer = await answer_of(house, "sign:a:2:0", second, profile)

    assert isinstance(answer, Signatures)
    signed = AgencyProfile().complete(second[0][0], answer.values[0])
    assert VERIFIERS[0]([signed], owner, tmp_path) == [True]
    assert enrolled.reader.count("C_Login") == logins + 1


async def test_a_pin_is_never_tried_on_another_token(
    house: DeskHouse, enrolled: Workstation, token: Path, stranger: Employer
) -> None:
    profile = await house.profile()
    enrolled.reader.pull_out(token)
    enrolled.reader.plug_in(stranger, "stranger")
    before = enrolled.reader.count("C_Login")

    await enrolled.start("--approve-all")

    await reason_is(house, "sign:a:1:0", await house.prepared(profile), profile, "token-absent")
    assert enrolled.reader.count("C_Login") == before


LIES = {
    "another document": {"xml": b64encode(document("Đơn vị khác")).decode()},
    "another digest": {"digest": "00" * 32},
    "another slot": {"slot": "Hoso/NoiDung"},
    "a document that is not canonical": {"xml": b64encode(b"<?xml version='1.0'?>" + document()).decode()},
    "a document type": {"xml": b64encode(b"<!DOCTYPE Hoso>" + document()).decode()},
}


@pytest.mark.parametrize("lie", [*LIES, "another certificate"])
async def test_a_server_that_lies_gets_no_signature(house: DeskHouse, enrolled: Workstation, lie: str) -> None:
    profile = await house.profile()
    asked = await house.prepared(profile)

    def lying(said: dict[str, Any]) -> dict[str, Any]:
        for question in said.get("questions", []):
            if lie == "another certificate":
                question["certificate_sha256"] = "00" * 32
            else:
                question["documents"][0].update(LIES[lie])
        return said

    house.wire.lie = lying
    await enrolled.start("--approve-all")

    answer = await answer_of(house, "sign:a:1:0", asked, profile)
    assert isinstance(answer, Declined)
    assert answer.text.startswith("Máy trạm không ký: ")
    assert enrolled.reader.count("C_SignInit") == 1, "only the proof of the enrolment"


async def test_killed_between_signing_and_answering_nobody_is_asked_twice(
    house: DeskHouse, enrolled: Workstation, owner: Employer
) -> None:
    profile = await house.profile()
    asked = await house.prepared(profile)
    await house.ask(profile, "sign:a:1:0", asked)
    house.wire.hold = "/agent/v1/answers"
    process = await enrolled.start()
    await enrolled.says("[k]")
    assert process.stdin is not None
    process.stdin.write(b"k\n")

    async def on_its_way() -> bool:
        return any(path == "/agent/v1/answers" for path, _, _ in house.wire.heard)

    await eventually(on_its_way, "the answer on the wire")
    process.kill()
    await process.wait()
    signs = enrolled.reader.count("C_SignInit")
    assert isinstance(await house.ask(profile, "sign:a:1:0", asked), Waiting)

    house.wire.hold = ""
    enrolled.said = ""
    await enrolled.start()
    answer = await answer_of(house, "sign:a:1:0", asked, profile)

    assert isinstance(answer, Signatures)
    assert (
        AgencyProfile().verify(AgencyProfile().complete(asked[0][0], answer.values[0]), SLOT).certificate == owner.der
    )
    assert enrolled.reader.count("C_SignInit") == signs, "signed once, although it was killed"
    assert "[k]" not in enrolled.said
    rows = await house.db.pool.fetch("select state from signer.agent_question")
    assert [row["state"] for row in rows] == ["signed"]


async def test_only_one_process_has_the_token(house: DeskHouse, enrolled: Workstation) -> None:
    await enrolled.start("--approve-all")
    await enrolled.says("Token sẵn sàng")
    status, said = await enrolled.do("run", "--pin-file", str(enrolled.folder / "pin"))
    assert status == 1
    assert "Một tiến trình khác" in said


async def test_the_pin_is_nowhere_but_in_its_file(house: DeskHouse, enrolled: Workstation) -> None:
    profile = await house.profile()
    await enrolled.start("--approve-all")
    await answer_of(house, "sign:a:1:0", await house.prepared(profile), profile)
    await enrolled.stop()

    sent = b"".join(body + b"".join(k + v for k, v in headers) for _, headers, body in house.wire.heard)
    kept = b"".join(f.read_bytes() for f in (enrolled.folder / "state").rglob("*") if f.is_file())
    assert PIN.encode() not in sent + kept + enrolled.said.encode()


async def test_a_question_of_the_same_name_with_other_content_is_refused(
    house: DeskHouse, enrolled: Workstation
) -> None:
    from services.signer.keys.port import UnusableKey

    profile = await house.profile()
    await house.ask(profile, "sign:a:1:0", await house.prepared(profile, document("một")))
    with pytest.raises(UnusableKey):
        await house.ask(profile, "sign:a:1:0", await house.prepared(profile, document("hai")))


@pytest.fixture
def stranger() -> Employer:
    from tests.contract.signing.pki import employer

    return employer(key="stranger")


def test_the_reader_counts(reader: Reader) -> None:
    assert reader.count("C_Login") == 0
