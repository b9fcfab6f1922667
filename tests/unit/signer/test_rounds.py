"""Attempts that wait for people, and dossiers signed in two rounds: told once, asked once, the same bytes after a restart."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import ClassVar
from uuid import uuid4

import pytest

from hoso.runtime.steps import Call, NotYet, Tell
from schemas.envelope import Fact
from schemas.events import DossierPrepared, DossierSigned, SignatureAwaited, SigningRefused
from services.signer.awaiting import Told, told_by, wait
from services.signer.keys import SigningKeys
from services.signer.keys.port import Answer, Declined, KeySigner, Reason, SignatureAsk, Signatures, Waiting
from services.signer.performers import SignDossier
from services.signer.ports import SigningProfile
from services.signer.profiles import SHAPES
from tests.contract.signing.pki import AT, Employer, employer
from tests.unit.dossiers.examples import ATTACHMENT, LICENCE, payload
from tests.unit.signer.test_signing import (
    HeldPreparations,
    HeldProfiles,
    HeldVault,
    prepared,
    profile_of,
    this_try,
)


def waits(reason: Reason = "approval") -> Waiting:
    return Waiting(reason, "chờ", timedelta(seconds=5))


@dataclass
class Desk:
    """Somebody who is asked, and answers what the test says: by the question's name, else signs."""

    by: Employer
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    """By the round, "0" or "1"."""
    asked: list[tuple[str, tuple[bytes, ...]]] = field(default_factory=list)
    people: bool = True

    @property
    def asks_people(self) -> bool:
        return self.people

    def __call__(self, profile: SigningProfile) -> KeySigner:
        return OneKey(self) if self.people else QuietKey(self)

    async def sign(self, name: str, asks: Sequence[SignatureAsk]) -> Answer:
        self.asked.append((name, tuple(ask.digest for ask in asks)))
        left = self.answers.get(name.rsplit(":", 1)[1], [])
        return left.pop(0) if left else Signatures(tuple(self.by.sign(ask.digest) for ask in asks))


class OneKey:
    asks_people: ClassVar[bool] = True

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def sign(self, name: str, asks: Sequence[SignatureAsk]) -> Answer:
        return await self.desk.sign(name, asks)


class QuietKey(OneKey):
    asks_people: ClassVar[bool] = False


class House:
    """A signer that can be dropped and made anew over the same vault and the same memory."""

    def __init__(self, desk: Desk, shape: str = "agency") -> None:
        self.desk = desk
        self.vault = HeldVault()
        self.kept = HeldPreparations()
        self.profile = profile_of(desk.by, backend="desk", shape=shape)

    async def first_code(self, data: bytes = LICENCE) -> DossierPrepared:
        """A first-time dossier whose licence is in the vault."""
        ref = await self.vault.put("acme", uuid4(), "personal", data)
        plain = payload("first_code")
        first = plain.first_time.model_copy(update={"attachments": (ATTACHMENT.model_copy(update={"document": ref}),)})
        return prepared(payload=plain.model_copy(update={"first_time": first}))

    def signer(self) -> SignDossier:
        return SignDossier(HeldProfiles(self.profile), self.vault, SigningKeys({"desk": self.desk}), self.kept)

    async def go(self, ask: DossierPrepared, tries: int = 20) -> tuple[list[Fact], bool]:
        """Calls until nothing is asked any more or somebody is waited for twice, a new signer for each try: the facts
        told, and whether it still waits."""
        this, told, later = this_try(ask), [], AT
        for _ in range(tries):
            later += timedelta(minutes=1)
            steps = await self.signer().perform(ask, replace(this, now=later))
            if isinstance(steps, NotYet):
                return told, True
            told += [step.fact for step in steps if isinstance(step, Tell)]
            calls = [step for step in steps if isinstance(step, Call)]
            if not calls:
                return told, False
            assert {call.lane for call in calls} == {"signer.await"}
            this = replace(this, name=calls[0].name)
        raise AssertionError("it never came to rest")


def test_a_wait_is_known_by_the_name_of_its_call() -> None:
    ask = prepared()
    call = wait(ask, this_try(ask), Told(3, 2, "agent-offline"))
    assert call.name == f"sign:{ask.dossier}:2:await:3:2:agent-offline"
    assert told_by(ask, replace(this_try(ask), name=call.name)) == Told(3, 2, "agent-offline")
    assert told_by(ask, this_try(ask)) == Told()


async def test_a_wait_is_told_when_it_begins_and_when_its_reason_changes() -> None:
    desk = Desk(employer())
    desk.answers["0"] = [
        NotYet(timedelta(0)), waits("approval"), waits("approval"), waits("agent-offline"), waits("approval"), waits(),
    ]  # fmt: skip
    house, ask = House(desk), prepared()
    this, told = this_try(ask), []
    for _ in range(20):
        steps = await house.signer().perform(ask, this)
        if isinstance(steps, NotYet):
            told.append("not yet")
            continue
        told += [
            f"{step.fact.reason} {step.fact.round}/{step.fact.rounds}"
            if isinstance(step, Tell) and isinstance(step.fact, SignatureAwaited)
            else type(step.fact if isinstance(step, Tell) else step).__name__
            for step in steps
        ]
        if not isinstance(steps[-1], Call):
            break
        this = replace(this, name=steps[-1].name)

    assert told == [
        "Call", "not yet", "approval 1/1", "Call", "not yet", "agent-offline 1/1", "Call", "approval 1/1", "Call",
        "not yet", "DossierSigned",
    ]  # fmt: skip


@pytest.mark.parametrize("people", [True, False])
async def test_a_first_time_dossier_is_signed_in_two_rounds_with_its_files_inside(people: bool) -> None:
    unit = employer()
    house = House(Desk(unit, people=people))
    ask = await house.first_code()

    told, _ = await house.go(ask)

    (fact,) = told
    assert isinstance(fact, DossierSigned)
    assert (fact.rounds, fact.kind, fact.method) == (2, "first_code", "desk")
    assert "MST:0101234567" in fact.certificate_subject
    document = house.vault.entries[fact.document][3]
    assert SHAPES["agency"].verify(document, "Hoso/CKy_Dvi").certificate == unit.der
    assert b64encode(LICENCE) in document
    inner = await house.vault.get(house.kept.held["acme", f"sign:{ask.dossier}:2:0:0:signed"])
    assert SHAPES["agency"].verify(inner, "TK3-TS/Cky").certificate == unit.der
    assert b64encode(inner) in document


async def test_two_approvals_are_counted_and_the_first_is_never_asked_again() -> None:
    desk = Desk(employer())
    desk.answers = {"0": [waits(), waits()], "1": [waits(), waits(), waits()]}
    house = House(desk)
    ask = await house.first_code()

    first, waiting = await house.go(ask)
    assert waiting
    assert [(one.round, one.rounds) for one in first if isinstance(one, SignatureAwaited)] == [(1, 2)]
    told, waiting = await house.go(ask)
    assert waiting
    assert [(one.round, one.rounds) for one in told if isinstance(one, SignatureAwaited)] == [(2, 2)]
    signed = {name for name in house.kept.held if name[1].endswith(":signed")}
    assert signed == {("acme", f"sign:{ask.dossier}:2:0:0:signed")}, "kept before the second question"
    zero = len([name for name, _ in desk.asked if name.endswith(":0")])
    told, waiting = await house.go(ask)
    told, waiting = await house.go(ask) if waiting else (told, waiting)

    assert isinstance(told[-1], DossierSigned)
    assert len([name for name, _ in desk.asked if name.endswith(":0")]) == zero
    for number in "01":
        digests = {digests for name, digests in desk.asked if name.endswith(f":{number}")}
        assert len(digests) == 1, "the same question, byte for byte, however often it was built anew"


async def test_who_was_first_to_keep_a_round_is_believed() -> None:
    """Two signers at once: the second continues from what the first one kept."""
    house = House(Desk(employer(), people=False))
    ask = await house.first_code()
    (one,), _ = await house.go(ask)
    other = prepared(payload=ask.payload).model_copy(update={"dossier": ask.dossier, "enrolment": ask.enrolment})

    (two,), _ = await house.go(other)

    assert isinstance(one, DossierSigned)
    assert isinstance(two, DossierSigned)
    assert one.sha256 == two.sha256


@pytest.mark.parametrize("gone", [True, False])
async def test_a_file_that_is_not_what_was_declared_is_not_sent(gone: bool) -> None:
    desk = Desk(employer())
    house = House(desk)
    ask = await house.first_code(LICENCE if gone else LICENCE + b"!")
    if gone:
        house.vault.entries.clear()

    (fact,), _ = await house.go(ask)

    assert isinstance(fact, SigningRefused)
    assert fact.code == "HOSO-XML-INVALID"
    assert "giấy phép ĐKKD.PDF" in fact.text
    assert desk.asked == []


async def test_no_in_the_second_round_is_no() -> None:
    desk = Desk(employer(), answers={"1": [waits(), Declined("Giám đốc đã từ chối.")]})
    house = House(desk)
    ask = await house.first_code()

    told, waiting = await house.go(ask)

    assert not waiting
    assert [type(one).__name__ for one in told] == ["SignatureAwaited", "SigningRefused"]
    assert isinstance(told[1], SigningRefused)
    assert (told[1].code, told[1].text) == ("HOSO-SIGN-DECLINED", "Giám đốc đã từ chối.")


@pytest.mark.parametrize("people", [True, False])
async def test_a_dossier_never_goes_out_with_two_certificates(people: bool) -> None:
    """The first round is signed and kept, the profile gets another certificate, and the second round begins."""
    desk = Desk(employer(), answers={"1": [waits(), waits()]}, people=people)
    house = House(desk)
    ask = await house.first_code()
    _, waiting = await house.go(ask)
    assert waiting
    assert ("acme", f"sign:{ask.dossier}:2:0:0:signed") in house.kept.held

    desk.by = employer(key="other")
    house.profile = replace(profile_of(desk.by, backend="desk"), id=house.profile.id)
    (fact,), _ = await house.go(ask)

    assert isinstance(fact, SigningRefused)
    assert fact.code == "HOSO-CERT-CHANGED"
