"""Attempts signed on a phone, over the log: told while they wait, approved together, never asked twice through any restart."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

from hoso.domain.certificates import facts
from schemas.events import DossierSigned, SignatureAwaited, SigningRefused
from services.signer.profiles import SHAPES
from tests.integration.signer.stage import USER, Stage
from tests.support.waiting import eventually
from tests.unit.dossiers.examples import LICENCE


async def test_a_signature_is_awaited_told_once_and_kept_with_its_certificate(stage: Stage) -> None:
    profile = await stage.phone()
    ask = await stage.attempt(profile)
    await stage.prepare(ask)
    async with stage.running():
        (wait,) = await stage.awaited()
        assert (wait.dossier, wait.attempt, wait.reason, wait.round, wait.rounds) == (ask.dossier, 1, "approval", 1, 1)
        assert await stage.esign.answer("approve") == 1
        (signed,) = await stage.ended()

    assert isinstance(signed, DossierSigned)
    known = facts(stage.certificates[0].der)
    assert (signed.method, signed.certificate_sha256, signed.certificate_serial, signed.certificate_subject) == (
        "misa_esign", known.sha256, known.serial, known.subject,
    )  # fmt: skip
    document = await stage.vault.get(signed.document)
    assert sha256(document).hexdigest() == signed.sha256
    assert SHAPES["agency"].verify(document, "Hoso/CKy_Dvi").certificate == stage.certificates[0].der
    assert len(await stage.of(SignatureAwaited)) == 1
    assert len(await stage.esign.prompts()) == 1


async def test_a_first_time_dossier_takes_two_approvals_through_restarts(stage: Stage) -> None:
    ask = await stage.attempt(await stage.phone(), "first_code")
    await stage.prepare(ask)
    for _ in range(2):
        async with stage.running():
            await stage.awaited()
    assert await stage.esign.answer("approve") == 1
    async with stage.running():
        await stage.awaited(2)
    assert [(one.round, one.rounds, one.reason) for one in await stage.of(SignatureAwaited)] == [
        (1, 2, "approval"),
        (2, 2, "approval"),
    ]
    async with stage.running():
        assert await stage.esign.answer("approve") == 1
        (signed,) = await stage.ended()

    assert isinstance(signed, DossierSigned)
    assert signed.rounds == 2
    first, second = await stage.esign.prompts()
    assert [one["name"].endswith("(TK3-TS.xml)") for one in first["documents"] + second["documents"]] == [True, False]
    document = await stage.vault.get(signed.document)
    assert SHAPES["agency"].verify(document, "Hoso/CKy_Dvi")
    assert b64encode(LICENCE) in document


async def test_many_dossiers_of_one_moment_are_one_approval(stage: Stage) -> None:
    profile = await stage.phone()
    await stage.prepare(*[await stage.attempt(profile, kind) for kind in ("register", "stop", "change") * 10])
    async with stage.running():
        await stage.awaited(30)
        assert len(await stage.esign.prompts()) <= 2, "collected for a moment"
        await stage.esign.answer("approve")
        ended = await stage.ended(30)
    assert all(isinstance(one, DossierSigned) for one in ended)
    assert len({one.sha256 for one in ended if isinstance(one, DossierSigned)}) == 30


async def test_who_declines_declines_and_another_attempt_is_asked_anew(stage: Stage) -> None:
    ask = await stage.attempt(await stage.phone())
    await stage.prepare(ask)
    async with stage.running():
        await stage.awaited()
        await stage.esign.answer("decline")
        (refused,) = await stage.ended()
        assert isinstance(refused, SigningRefused)
        assert refused.code == "HOSO-SIGN-DECLINED"
        await stage.esign.habit("approve")
        await stage.prepare(ask.model_copy(update={"attempt": 2}))
        _, signed = await stage.ended(2)
    assert isinstance(signed, DossierSigned)
    assert len(await stage.esign.prompts()) == 2


async def test_a_second_factor_is_told_and_then_the_approval(stage: Stage) -> None:
    profile = await stage.phone(two_factor=True)
    await stage.prepare(await stage.attempt(profile))
    async with stage.running():
        await stage.awaited()
    async with stage.running():
        from app.remote_signing import remote

        async with remote(stage.set_up, stage.db.pool, stage.vault, lambda: None) as found:  # type: ignore[arg-type,return-value]
            assert await found.log_in("acme", "điện thoại", await stage.esign.otp(USER), False)
        waits = await stage.awaited(2)
        assert [one.reason for one in waits] == ["login", "approval"]
        await stage.esign.answer("approve")
        (signed,) = await stage.ended()
    assert isinstance(signed, DossierSigned)
    assert (await stage.esign.calls("login"), len(await stage.esign.prompts())) == (["400"], 1)


async def test_a_service_that_is_away_holds_up_no_key_of_our_own(stage: Stage) -> None:
    away, file = await stage.phone(host="http://127.0.0.1:9"), await stage.file()
    await stage.prepare(*[await stage.attempt(away) for _ in range(40)])
    async with stage.running():

        async def failing() -> bool:
            return bool(
                await stage.db.quick.fetchval(
                    "select count(*) >= 25 from log.call where lane = 'signer.await' and error <> ''"
                )
            )

        await eventually(failing, "the remote service to be missed")
        await stage.prepare(*[await stage.attempt(file) for _ in range(20)])
        ended = await stage.ended(20, 10)
    assert {one.method for one in ended if isinstance(one, DossierSigned)} == {"pkcs12"}
    assert await stage.of(SignatureAwaited) == []
