"""A token plugged into the server: the same PIN rules and the same lock, with a child of the signer as its holder."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from agent.state import State
from hoso.runtime.failures import Transient
from services.signer.keys.pkcs11 import Pkcs11Keys, Pkcs11KeySigner, TokenPlace
from services.signer.keys.port import SignatureAsk, Signatures, UnusableKey, Waiting
from services.signer.ports import SigningProfile
from services.signer.profiles.agency import AgencyProfile
from tests.contract.agent.house import SLOT, document
from tests.contract.agent.tokens import PIN, WRONG_PIN, Reader
from tests.contract.signing.pki import AT, Employer
from tests.contract.signing.verifiers import VERIFIERS
from tests.support.waiting import eventually


class Server:
    """A signer's process, as far as its token goes."""

    def __init__(self, reader: Reader, owner: Employer, folder: Path) -> None:
        self.reader, self.owner, self.folder = reader, owner, folder
        self.keys = Pkcs11Keys(folder / "tokens")
        self.opened: list[Pkcs11KeySigner] = []

    def signer(self, pin: str = PIN, module: str = "") -> Pkcs11KeySigner:
        file = self.folder / f"pin-{pin}"
        file.write_text(pin)
        file.chmod(0o600)
        place = TokenPlace(module or self.reader.spy, str(file))
        profile = SigningProfile(uuid4(), "máy chủ", "pkcs11", self.owner.der, place.to_bytes(), tenant="acme")
        self.opened.append(self.keys(profile))
        return self.opened[-1]


@pytest_asyncio.fixture
async def server(
    reader: Reader, owner: Employer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Server]:
    for name, value in {**reader.env, "TMPDIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    own = Server(reader, owner, tmp_path)
    yield own
    for signer in own.opened:
        await signer.close()


def asked() -> list[SignatureAsk]:
    return [SignatureAsk(b"\1" * 32, "a.xml", "a"), SignatureAsk(b"\2" * 32, "b.xml", "b")]


async def test_it_signs_and_others_accept_it(server: Server, owner: Employer, tmp_path: Path) -> None:
    prepared = AgencyProfile().prepare(document(), owner.der, AT, SLOT)
    answer = await server.signer().sign("a", [SignatureAsk(prepared.digest, "a.xml", "a")])
    assert isinstance(answer, Signatures)
    signed = AgencyProfile().complete(prepared, answer.values[0])
    assert [verifier([signed], owner, tmp_path) for verifier in VERIFIERS] == [[True]] * 3


async def test_one_log_in_for_many_signatures(server: Server) -> None:
    signer = server.signer()
    for _ in range(3):
        assert isinstance(await signer.sign("a", asked()), Signatures)
    assert (server.reader.count("C_Login"), server.reader.count("C_SignInit")) == (1, 6)


async def test_a_wrong_pin_is_tried_once_whatever_restarts(server: Server) -> None:
    for pin in (WRONG_PIN, WRONG_PIN, PIN):
        answer = await server.signer(pin).sign("a", asked())
        assert isinstance(answer, Waiting)
        assert (answer.reason, f"--state {server.folder}" in answer.text) == ("pin-suspect", True)
    assert server.reader.count("C_Login") == 1


async def test_once_a_person_has_mended_the_pin_the_same_process_goes_on(server: Server) -> None:
    signer = server.signer(WRONG_PIN)
    for _ in range(3):
        assert isinstance(await signer.sign("a", asked()), Waiting)
    (server.folder / f"pin-{WRONG_PIN}").write_text(PIN)
    State(server.folder / "tokens").pins_are_good()
    assert isinstance(await signer.sign("a", asked()), Signatures)
    assert server.reader.count("C_Login") == 2


async def test_a_token_pulled_out_is_awaited(server: Server, token: Path) -> None:
    signer = server.signer()
    assert isinstance(await signer.sign("a", asked()), Signatures)
    away = server.reader.pull_out(token)
    answer = await signer.sign("b", asked())
    assert isinstance(answer, Waiting)
    assert answer.reason == "token-absent"
    away.rename(token)
    assert isinstance(await signer.sign("b", asked()), Signatures)


async def test_a_child_that_died_is_started_anew(server: Server) -> None:
    signer = server.signer()
    assert isinstance(await signer.sign("a", asked()), Signatures)
    assert signer._child is not None
    os.kill(signer._child.pid, 9)

    async def again() -> bool:
        try:
            return isinstance(await signer.sign("a", asked()), Signatures)
        except Transient:
            return False

    await eventually(again, "a new child to sign")


async def test_a_token_that_somebody_else_has_is_awaited(server: Server) -> None:
    first = server.signer()
    assert isinstance(await first.sign("a", asked()), Signatures)
    other = Server(server.reader, server.owner, server.folder)
    answer = await other.signer().sign("b", asked())
    assert isinstance(answer, Waiting)
    assert (answer.reason, "Một tiến trình khác" in answer.text) == ("token-absent", True)
    anew = server.signer()

    async def signs() -> bool:
        return isinstance(await anew.sign("c", asked()), Signatures)

    await eventually(signs, "the token, declared anew, whose earlier child ended")


async def test_a_module_that_is_none_is_a_sentence(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UnusableKey, match="--module"):
        await server.signer(module=str(tmp_path / "none.so")).sign("a", asked())
