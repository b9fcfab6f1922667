"""One attempt through the signer: what is asked, what is refused and why, what is signed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest

from hoso.runtime.steps import Call, NotYet, Step, Tell, Try
from hoso.store.vault import Erased
from schemas.envelope import Event
from schemas.events import DossierPrepared, DossierSigned, SigningRefused
from schemas.units import RegisterPayload, StopPayload
from services.signer.handlers import handle
from services.signer.keys import BACKENDS, SigningKeys
from services.signer.keys.port import Declined, Expired, KeySigner, SignatureAsk, Signatures, UnusableKey
from services.signer.performers import SignDossier
from services.signer.ports import Purpose, SigningProfile
from services.signer.profiles import SHAPES
from services.signer.service import service
from tests.contract.signing.pki import AT, Employer, employer
from tests.unit.dossiers.test_forms import REGISTER, STOP

TENANT = "acme"
PROFILE = uuid4()
UNIT = uuid4()


class HeldProfiles:
    """Profiles in a dict."""

    def __init__(self, *profiles: SigningProfile) -> None:
        self.held = {(TENANT, profile.id): profile for profile in profiles}

    async def load(self, tenant: str, profile: UUID) -> SigningProfile | None:
        return self.held.get((tenant, profile))


class HeldVault:
    """A vault in a dict; it counts."""

    def __init__(self) -> None:
        self.entries: dict[UUID, tuple[str, UUID, Purpose, bytes]] = {}

    async def put(self, tenant: str, scope: UUID, purpose: Purpose, data: bytes) -> UUID:
        ref = uuid4()
        self.entries[ref] = (tenant, scope, purpose, data)
        return ref

    async def get(self, ref: UUID) -> bytes:
        if ref not in self.entries:
            raise Erased(str(ref))
        return self.entries[ref][3]


class HeldPreparations:
    """What was asked, in a dict."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, str], UUID] = {}

    async def find(self, tenant: str, name: str) -> UUID | None:
        return self.held.get((tenant, name))

    async def keep(self, tenant: str, name: str, ref: UUID) -> UUID:
        return self.held.setdefault((tenant, name), ref)


class Phone:
    """A director who is asked on a phone: answers what the test says, and remembers every question."""

    asks_people: ClassVar[bool] = True

    def __init__(self, by: Employer, vault: HeldVault) -> None:
        self.by, self.vault = by, vault
        self.answers: list[object] = []
        self.asked: list[tuple[str, bytes, str, int]] = []

    def __call__(self, profile: SigningProfile) -> KeySigner:
        return self

    async def sign(self, name: str, asks: Sequence[SignatureAsk]) -> Signatures | NotYet | Declined | Expired:
        self.asked += [(name, ask.digest, ask.display, len(self.vault.entries)) for ask in asks]
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, NotYet | Declined | Expired | Signatures):
            return answer
        return Signatures(tuple(self.by.sign(ask.digest) for ask in asks))


def profile_of(unit: Employer, **changes: Any) -> SigningProfile:
    return replace(SigningProfile(PROFILE, "chính", "pkcs12", unit.der, unit.key_der), **changes)


def prepared(**changes: Any) -> DossierPrepared:
    return DossierPrepared(
        enrolment=uuid4(),
        dossier=uuid4(),
        attempt=2,
        payload=changes.pop("payload", None) or RegisterPayload(**REGISTER | changes),
        profile=PROFILE,
    )


def this_try(ask: DossierPrepared, now: datetime = AT) -> Try:
    name = f"sign:{ask.dossier}:{ask.attempt}"
    return Try(name, 1, False, 0.0, TENANT, now, UNIT, ask.enrolment)


async def waiting_try(signing: SignDossier, ask: DossierPrepared, this: Try) -> Sequence[Step] | NotYet:
    """What comes of the call that waits: the asking hands over to it where people are asked."""
    steps = await signing.perform(ask, this)
    if isinstance(steps, NotYet) or not isinstance(steps[-1], Call):
        return steps
    assert len(steps) == 1
    assert steps[0].lane == "signer.await"
    return await signing.perform(ask, replace(this, name=steps[0].name))


async def answer_of(signing: SignDossier, ask: DossierPrepared, now: datetime = AT) -> Any:
    """The one fact that came of the attempt."""
    steps = await waiting_try(signing, ask, this_try(ask, now))
    assert not isinstance(steps, NotYet)
    (told,) = steps
    assert isinstance(told, Tell)
    return told.fact


def test_a_prepared_attempt_is_asked_to_be_signed_once() -> None:
    ask = prepared()
    event: Event[DossierPrepared] = Event(
        id=uuid4(), source="test", type=ask.TYPE, subject=UNIT, time=AT, correlationid=ask.enrolment,
        tenant=TENANT, environment="test", data=ask,
    )  # fmt: skip

    state, steps = handle(None, event, AT)

    assert state is None
    assert steps == (Call("signer.sign", UNIT, f"sign:{ask.dossier}:2", ask),)


@pytest.mark.asyncio
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["register", "stop"])
async def test_an_attempt_is_signed_verified_and_sealed(shape: str, kind: str) -> None:
    unit, vault = employer(), HeldVault()
    signing = SignDossier(HeldProfiles(profile_of(unit, shape=shape)), vault, SigningKeys())
    ask = prepared(payload=StopPayload(**STOP) if kind == "stop" else None)

    fact = await answer_of(signing, ask)

    assert isinstance(fact, DossierSigned)
    tenant, enrolment, purpose, document = vault.entries[fact.document]
    assert (tenant, enrolment, purpose) == (TENANT, ask.enrolment, "evidence")
    assert (fact.enrolment, fact.dossier, fact.attempt, fact.kind) == (ask.enrolment, ask.dossier, 2, kind)
    assert (fact.method, fact.certificate_serial, fact.sha256) == ("pkcs12", "0A1B2C", sha256(document).hexdigest())
    assert fact.certificate_sha256 == sha256(unit.der).hexdigest()
    assert SHAPES[shape].verify(document, "Hoso/CKy_Dvi").certificate == unit.der
    assert b"<BEGIN>01/01/2026</BEGIN><END>01/01/2028</END>" in document


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("unit", "now", "code", "said"),
    [
        (employer(not_after=AT - timedelta(days=9)), AT, "HOSO-CERT-EXPIRED", "13/11/2026"),
        (employer(not_before=AT + timedelta(days=9)), AT, "HOSO-CERT-EARLY", "01/12/2026"),
        (employer("MST:0309999999"), AT, "HOSO-CERT-OTHER-EMPLOYER", "0101234567-001"),
        (employer("MST:0101234567-002"), AT, "HOSO-CERT-OTHER-EMPLOYER", "0101234567-001"),
        (employer(), datetime(2031, 1, 1, tzinfo=UTC), "HOSO-CERT-EXPIRED", "01/01/2028"),
    ],
)
async def test_a_certificate_that_will_not_do_is_refused_before_signing(
    unit: Employer, now: datetime, code: str, said: str
) -> None:
    vault = HeldVault()
    phone = Phone(unit, vault)
    keys = SigningKeys({"phone": phone})
    signing = SignDossier(HeldProfiles(profile_of(unit, backend="phone")), vault, keys, HeldPreparations())

    fact = await answer_of(signing, prepared(), now)

    assert isinstance(fact, SigningRefused)
    assert fact.code == code
    assert said in fact.text
    assert (phone.asked, vault.entries) == ([], {})


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"id": uuid4()}, "HOSO-PROFILE-MISSING"),
        ({"shape": "pgp"}, "HOSO-PROFILE-MISSING"),
        ({"certificate_der": b"broken"}, "HOSO-CERT-UNREADABLE"),
        ({"backend": "abacus"}, "HOSO-KEY-UNUSABLE"),
        ({"private_key_der": None}, "HOSO-KEY-UNUSABLE"),
        ({"private_key_der": b"broken"}, "HOSO-KEY-UNUSABLE"),
        ({"private_key_der": employer(key="stranger").key_der}, "HOSO-KEY-MISMATCH"),
    ],
)
async def test_a_profile_that_will_not_do_is_refused(changes: dict[str, Any], code: str) -> None:
    vault = HeldVault()
    signing = SignDossier(HeldProfiles(profile_of(employer(), **changes)), vault, SigningKeys())

    fact = await answer_of(signing, prepared())

    assert isinstance(fact, SigningRefused)
    assert (fact.code, vault.entries) == (code, {})


@pytest.mark.asyncio
async def test_attempts_signed_in_the_same_moment_never_have_the_same_bytes() -> None:
    unit = employer()
    signing = SignDossier(HeldProfiles(profile_of(unit)), HeldVault(), SigningKeys())
    again = prepared()
    attempts = [again, again.model_copy(update={"attempt": 3}), again.model_copy(update={"dossier": uuid4()})]
    signed = [await answer_of(signing, ask) for ask in attempts]
    assert len({fact.sha256 for fact in signed}) == len(attempts)


async def test_another_tenants_profile_is_no_profile() -> None:
    signing = SignDossier(HeldProfiles(profile_of(employer())), HeldVault(), SigningKeys())
    ask = prepared()

    (told,) = await signing.perform(ask, replace(this_try(ask), tenant="other"))  # type: ignore[misc]

    assert isinstance(told, Tell)
    assert isinstance(told.fact, SigningRefused)
    assert told.fact.code == "HOSO-PROFILE-MISSING"


@pytest.mark.asyncio
@pytest.mark.parametrize(("field", "value", "named"), [("email", "?", "EMAIL"), ("address", "a\x00", "DIACHI_LHE")])
async def test_a_dossier_that_does_not_fit_its_form_is_refused(field: str, value: str, named: str) -> None:
    signing = SignDossier(HeldProfiles(profile_of(employer())), HeldVault(), SigningKeys())

    fact = await answer_of(signing, prepared(**{field: value}))

    assert isinstance(fact, SigningRefused)
    assert fact.code == "HOSO-XML-INVALID"
    assert named in fact.text


@pytest.mark.asyncio
async def test_a_person_is_asked_the_same_question_after_a_restart() -> None:
    unit, vault, kept = employer(), HeldVault(), HeldPreparations()
    phone = Phone(unit, vault)
    phone.answers = [NotYet(timedelta(seconds=20))]
    profiles, ask = HeldProfiles(profile_of(unit, backend="phone")), prepared()

    first = await waiting_try(SignDossier(profiles, vault, SigningKeys({"phone": phone}), kept), ask, this_try(ask))
    later = AT + timedelta(minutes=5)
    fact = await answer_of(SignDossier(profiles, vault, SigningKeys({"phone": phone}), kept), ask, later)

    assert first == NotYet(timedelta(seconds=20))
    assert isinstance(fact, DossierSigned)
    assert phone.asked[0] == phone.asked[1]
    name, _, display, stored_before = phone.asked[0]
    assert name == f"sign:{ask.dossier}:2:0"
    assert "04/ĐK-IVAN TZ1234Z" in display
    assert stored_before == 1


@pytest.mark.asyncio
async def test_a_certificate_replaced_while_a_person_is_awaited_is_not_signed_with() -> None:
    vault, kept, ask = HeldVault(), HeldPreparations(), prepared()
    phone = Phone(employer(), vault)
    phone.answers = [NotYet(timedelta(seconds=20))]
    old, new = (profile_of(employer(name=name), backend="phone") for name in ("cũ", "mới"))

    await waiting_try(SignDossier(HeldProfiles(old), vault, SigningKeys({"phone": phone}), kept), ask, this_try(ask))
    fact = await answer_of(SignDossier(HeldProfiles(new), vault, SigningKeys({"phone": phone}), kept), ask)

    assert isinstance(fact, SigningRefused)
    assert fact.code == "HOSO-CERT-CHANGED"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Declined(), "HOSO-SIGN-DECLINED"),
        (Expired(), "HOSO-SIGN-EXPIRED"),
        (Signatures((b"\0" * 256,)), "HOSO-KEY-MISMATCH"),
        (Signatures(()), "HOSO-KEY-MISMATCH"),
    ],
)
async def test_no_is_no(answer: object, code: str) -> None:
    unit, vault = employer(), HeldVault()
    phone = Phone(unit, vault)
    phone.answers = [answer]
    keys = SigningKeys({"phone": phone})
    signing = SignDossier(HeldProfiles(profile_of(unit, backend="phone")), vault, keys, HeldPreparations())

    fact = await answer_of(signing, prepared())

    assert isinstance(fact, SigningRefused)
    assert fact.code == code


@pytest.mark.asyncio
async def test_nothing_has_to_be_found_out_after_a_crash_and_giving_up_calls_a_person() -> None:
    signing = SignDossier(HeldProfiles(profile_of(employer())), HeldVault(), SigningKeys())
    ask = prepared()

    assert await signing.reconcile(ask, this_try(ask)) is None
    (told,) = signing.give_up(ask, this_try(ask), False, "Transient: the vault is away")

    assert isinstance(told, Tell)
    assert isinstance(told.fact, SigningRefused)
    assert told.fact.code == "HOSO-SIGNING-GAVE-UP"
    assert "vault" not in told.fact.text


def test_a_backend_that_asks_people_needs_a_memory() -> None:
    phone = Phone(employer(), HeldVault())

    with pytest.raises(ValueError, match="asks people"):
        SignDossier(HeldProfiles(), HeldVault(), SigningKeys({"phone": phone}))


def test_keys_are_opened_once_and_closed_when_there_are_too_many() -> None:
    keys = SigningKeys(BACKENDS, size=2)
    one, two, three = (profile_of(employer(), id=uuid4()) for _ in range(3))

    first = keys.signer(one)
    assert keys.signer(one) is first
    keys.signer(two)
    keys.signer(three)
    assert keys.signer(one) is not first
    with pytest.raises(UnusableKey):
        keys.signer(replace(one, backend="abacus"))


def test_a_profile_never_shows_its_key() -> None:
    unit = employer()

    assert "private_key" not in repr(profile_of(unit))


def test_the_service_reads_prepared_attempts_and_waits_in_a_lane_apart() -> None:
    signer = service(HeldProfiles(), HeldVault())

    assert signer.group == "hoso.signer"
    assert [topic.name for topic in signer.topics] == ["dossier.prepared"]
    assert list(signer.lanes) == ["signer.sign", "signer.await"]
    assert (signer.lanes["signer.sign"].at_once, signer.lanes["signer.sign"].timeout) == (50, timedelta(seconds=30))
