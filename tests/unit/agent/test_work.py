"""What is signed without asking, and what never is: a person's yes to this very dossier."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from agent.question import Question, doubts, examined, owned_by
from agent.state import Enrolment, State
from agent.usb_token import sha256_of
from agent.work import Decision, Workstation
from services.signer.desk import shown
from services.signer.profiles.agency import AgencyProfile
from tests.contract.signing.pki import AT, Employer, employer
from tests.contract.signing.test_signature_profiles import SLOT

GOLDEN = Path(__file__).parents[1] / "dossiers" / "golden"
REGISTER = (GOLDEN / "register.xml").read_bytes().strip()
OURS, OTHERS = employer(), employer("MST:0309999999")
UNKNOWN = b"<Hoso><NoiDung><MST>0101234567</MST><UYQUYEN>x</UYQUYEN></NoiDung><CKy_Dvi></CKy_Dvi></Hoso>"
NOBODYS = REGISTER.replace(b"<MST>0101234567-001</MST>", b"")


def asked(xml: bytes, unit: Employer, slot: str = SLOT) -> dict[str, Any]:
    prepared = AgencyProfile().prepare(xml, unit.der, AT, slot)
    one = {"name": "a.xml", "digest": prepared.digest.hex(), **shown(prepared)}
    return {"name": "sign:a:1:0", "display": "x", "certificate_sha256": sha256_of(unit.der), "documents": [one]}


@dataclass
class Heard:
    """A server with one question, and a token that signs."""

    question: dict[str, Any]
    unit: Employer
    certificate_sha256: str = ""
    answers: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.certificate_sha256 = sha256_of(self.unit.der)

    def ask(self, _: Any, __: Any, path: str, told: dict[str, Any], *___: Any) -> dict[str, Any]:
        if path.endswith("answers"):
            self.answers.append(told)
            return {}
        return {"questions": [self.question]}

    def check(self) -> None:
        return

    def open(self, _: str) -> None:
        return

    def sign(self, digest: bytes) -> bytes:
        return self.unit.sign(digest)


def work(
    heard: Heard, folder: Path, ask: Callable[[Question], Decision], unattended: bool
) -> tuple[Workstation, list[str]]:
    said: list[str] = []
    who = Enrolment("https://x", "", "id", b"k" * 32, "", heard.unit.der, "main")
    there = cast(Any, heard)
    return Workstation(State(folder), who, there, there, lambda: "1", ask, said.append, unattended), said


def nobody(_: Question) -> Decision:
    raise AssertionError("asked")


def saying(*decisions: Decision) -> tuple[Callable[[Question], Decision], list[Decision]]:
    left = list(decisions)
    return lambda _: left.pop(0), left


@pytest.mark.parametrize("file", ["register", "change", "stop", "first_code", "tk3_ts"])
def test_every_form_of_the_tokens_own_unit_is_beyond_doubt(file: str) -> None:
    slot = "TK3-TS/Cky" if file == "tk3_ts" else SLOT
    raw = asked((GOLDEN / f"{file}.xml").read_bytes().strip(), OURS, slot)
    assert doubts(examined(raw, sha256_of(OURS.der)), OURS.der) == []


@pytest.mark.parametrize(("uids", "own"), [(("MST:0101234567",), True), (("MST:0101234567001",), True),
    (("MST:0101234567-002",), False), (("CMND:0101234567",), False), (("X:1", "MST: 0101234567-001"), True)])  # fmt: skip
def test_whose_a_certificate_is(uids: Sequence[str], own: bool) -> None:
    unit = employer(*uids)
    assert owned_by(unit.der) or not own
    assert (doubts(examined(asked(REGISTER, unit), sha256_of(unit.der)), unit.der) == []) is own


def test_unattended_what_is_beyond_doubt_is_signed(tmp_path: Path) -> None:
    heard = Heard(asked(REGISTER, OURS), OURS)
    station, _ = work(heard, tmp_path, nobody, True)
    station.turn()
    assert "signatures" in heard.answers[0]


@pytest.mark.parametrize(("xml", "unit"), [(UNKNOWN, OURS), (REGISTER, OTHERS), (NOBODYS, OURS)])
def test_unattended_what_is_doubtful_waits_for_a_person(tmp_path: Path, xml: bytes, unit: Employer) -> None:
    heard = Heard(asked(xml, unit), unit)
    station, said = work(heard, tmp_path, nobody, True)
    station.turn()
    assert heard.answers == []
    assert any("CHÚ Ý" in line for line in said)


@pytest.mark.parametrize(("xml", "unit"), [(UNKNOWN, OURS), (REGISTER, OTHERS)])
def test_yes_to_all_is_no_yes_to_what_is_doubtful(tmp_path: Path, xml: bytes, unit: Employer) -> None:
    heard = Heard(asked(xml, unit), unit)
    ask, left = saying("sign-all", "later", "sign")
    station, _ = work(heard, tmp_path, ask, False)
    station.turn()
    assert (heard.answers, left) == ([], ["sign"]), "asked again, and left for later"
    station.turn()
    assert "signatures" in heard.answers[0], "a person may still say yes to it"
