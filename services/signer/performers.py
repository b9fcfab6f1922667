"""Signs one attempt: certificate checked, XML written and validated, prepared, signed, verified, sealed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from hashlib import sha256
from uuid import UUID

from hoso.domain.certificates import CertificateFacts, UnusableCertificate, facts
from hoso.dossiers.catalog import KINDS
from hoso.dossiers.form import Document, SigningCertificate
from hoso.dossiers.writing import InvalidDossier
from hoso.runtime.steps import NotYet, Step, Tell, Try
from schemas.events import DossierPrepared, DossierSigned
from services.signer import refusals
from services.signer.keys import SigningKeys
from services.signer.keys.port import Declined, Expired, KeySigner, SignatureAsk, Signatures, UnusableKey, Waiting
from services.signer.ports import Preparations, Profiles, SigningProfile, Vault
from services.signer.profiles import SHAPES
from services.signer.profiles.port import BadSignature, NotSignable, Prepared, SignatureProfile
from services.signer.refusals import Refused, refusal

VIETNAM = timezone(timedelta(hours=7))

_facts = lru_cache(maxsize=1024)(facts)


@dataclass(frozen=True, slots=True)
class _Signing:
    """What one try works with."""

    ask: DossierPrepared
    this: Try
    profile: SigningProfile
    certificate: CertificateFacts
    shape: SignatureProfile
    key: KeySigner


class SignDossier:
    """`Performer` of the lane signer.sign.

    Nothing it does reaches the world before DossierSigned is on the log: signing anew is harmless, and an attempt that
    was sealed twice has two documents of which one is named by an event. Backends that ask people get the same question
    again, byte for byte, because what they are asked is kept before they are asked.
    """

    def __init__(
        self,
        profiles: Profiles,
        vault: Vault,
        keys: SigningKeys,
        preparations: Preparations | None = None,
        shapes: Mapping[str, SignatureProfile] = SHAPES,
    ) -> None:
        """`preparations` may be None only when no backend of `keys` asks people."""
        if preparations is None and keys.asks_people:
            raise ValueError("a key backend asks people, but there is nowhere to keep what they are asked")
        self._profiles = profiles
        self._vault = vault
        self._keys = keys
        self._preparations = preparations
        self._shapes = shapes

    async def perform(self, ask: DossierPrepared, this: Try) -> Sequence[Step] | NotYet:
        """DossierSigned, or SigningRefused with what a person has to mend; NotYet while a person is awaited."""
        try:
            signing = await self._open(ask, this)
            signed = await self._sign(signing)
        except Refused as no:
            return (Tell(refusal(ask, no.code, no.text)),)
        if isinstance(signed, NotYet):
            return signed
        document = await self._vault.put(this.tenant, ask.enrolment, "evidence", signed)
        return (
            Tell(
                DossierSigned(
                    enrolment=ask.enrolment,
                    dossier=ask.dossier,
                    attempt=ask.attempt,
                    kind=ask.kind,
                    document=document,
                    sha256=sha256(signed).hexdigest(),
                    method=signing.profile.backend,
                    certificate_sha256=signing.certificate.sha256,
                    certificate_serial=signing.certificate.serial,
                )
            ),
        )

    async def reconcile(self, ask: DossierPrepared, this: Try) -> Sequence[Step] | None:
        """None: whatever an earlier try did, nothing of it left the house; signing again is safe."""
        return None

    def give_up(self, ask: DossierPrepared, this: Try, reached: bool, error: str) -> Sequence[Step]:
        """A person has to look."""
        return (Tell(refusal(ask, refusals.GAVE_UP, refusals.TEXTS[refusals.GAVE_UP])),)

    async def _open(self, ask: DossierPrepared, this: Try) -> _Signing:
        """Profile, certificate and key of this attempt, all found fit to sign it now."""
        profile = await self._profiles.load(this.tenant, ask.profile)
        if profile is None or profile.shape not in self._shapes:
            raise Refused(refusals.PROFILE_MISSING)
        try:
            certificate = _facts(profile.certificate_der)
        except UnusableCertificate:
            raise Refused(refusals.CERT_UNREADABLE) from None
        if this.now > certificate.not_after:
            raise Refused(refusals.CERT_EXPIRED, day=f"{certificate.not_after.astimezone(VIETNAM):%d/%m/%Y}")
        if this.now < certificate.not_before:
            raise Refused(refusals.CERT_EARLY, day=f"{certificate.not_before.astimezone(VIETNAM):%d/%m/%Y}")
        if not certificate.belongs_to(ask.payload.tax_code):
            raise Refused(refusals.CERT_OTHER_EMPLOYER, tax_code=ask.payload.tax_code)
        try:
            key = self._keys.signer(profile)
        except UnusableKey as error:
            raise Refused(refusals.KEY_UNUSABLE, str(error)) from error
        return _Signing(ask, this, profile, certificate, self._shapes[profile.shape], key)

    async def _sign(self, signing: _Signing) -> bytes | NotYet:
        """The document of the last round, signed and verified."""
        ask, form = signing.ask, KINDS[signing.ask.kind]
        printed = SigningCertificate(
            serial=signing.certificate.serial,
            authority=signing.certificate.issuer_name,
            begin=signing.certificate.not_before.astimezone(VIETNAM).date(),
            end=signing.certificate.not_after.astimezone(VIETNAM).date(),
        )
        signed: dict[str, bytes] = {}
        last = b""
        for number in range(form.rounds(ask.payload)):
            try:
                documents = form.documents(ask.payload, printed, number, signed)
                for document in documents:
                    form.check(document.xml)
            except InvalidDossier as error:
                raise Refused(refusals.XML_INVALID, str(error)) from error
            done = await self._round(signing, f"{signing.this.name}:{number}", form.title, documents)
            if isinstance(done, NotYet):
                return done
            signed.update(zip((document.name for document in documents), done, strict=True))
            last = done[-1]
        return last

    async def _round(
        self, signing: _Signing, name: str, title: str, documents: Sequence[Document]
    ) -> Sequence[bytes] | NotYet:
        """All documents of one round, in one approval."""
        prepared = [
            await self._prepared(signing, f"{name}:{position}", document) for position, document in enumerate(documents)
        ]
        display = f"{title} {signing.ask.payload.unit_code} {signing.ask.payload.unit_name}"
        asks = [
            SignatureAsk(one.digest, document.name, display, kept)
            for (one, kept), document in zip(prepared, documents, strict=True)
        ]
        try:
            answer = await signing.key.sign(name, asks)
        except UnusableKey as error:
            raise Refused(refusals.KEY_UNUSABLE, str(error)) from error
        match answer:
            case NotYet():
                return answer
            case Waiting():
                return NotYet(answer.ask_again)
            case Declined():
                raise Refused(refusals.SIGN_DECLINED)
            case Expired():
                raise Refused(refusals.SIGN_EXPIRED)
            case Signatures(values):
                try:
                    return [
                        signing.shape.complete(one, value) for (one, _), value in zip(prepared, values, strict=True)
                    ]
                except (BadSignature, ValueError) as error:
                    raise Refused(refusals.KEY_MISMATCH) from error

    async def _prepared(self, signing: _Signing, name: str, document: Document) -> tuple[Prepared, UUID | None]:
        """The document ready to be signed; where people are asked, always the one that was kept first, and where it is."""
        if self._preparations is None or not signing.key.asks_people:
            return _prepare(signing, document), None
        tenant = signing.this.tenant
        ref: UUID | None = await self._preparations.find(tenant, name)
        if ref is None:
            fresh = _prepare(signing, document).to_bytes()
            ref = await self._vault.put(tenant, signing.ask.enrolment, "evidence", fresh)
            ref = await self._preparations.keep(tenant, name, ref)
        kept = Prepared.from_bytes(await self._vault.get(ref))
        if kept.certificate != signing.profile.certificate_der:
            raise Refused(refusals.CERT_CHANGED)
        return kept, ref


def _prepare(signing: _Signing, document: Document) -> Prepared:
    try:
        at = _marked(signing.this.now, signing.ask)
        return signing.shape.prepare(document.xml, signing.profile.certificate_der, at, document.slot)
    except NotSignable as error:
        raise Refused(refusals.XML_INVALID, "Hồ sơ không thể ký được; hãy báo cho người vận hành hệ thống.") from error


def _marked(at: datetime, ask: DossierPrepared) -> datetime:
    """`at` with the attempt's own fraction of a second: no two attempts ever have the same bytes, so that the agency and
    we can tell them apart by their SHA-256 even when they say the same within one second."""
    mark = sha256(f"{ask.dossier}:{ask.attempt}".encode()).digest()
    return at.replace(microsecond=int.from_bytes(mark[:8], "big") % 1_000_000)
