"""Signs one attempt: certificate checked, XML written and validated, prepared, signed, verified, sealed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import sha256

from hoso.domain.certificates import UnusableCertificate, facts
from hoso.runtime.steps import NotYet, Step, Tell, Try
from schemas.events import DossierPrepared, DossierSigned
from services.signer import refusals
from services.signer.awaiting import awaited, is_first, wait
from services.signer.keys import SigningKeys
from services.signer.keys.port import UnusableKey
from services.signer.ports import Preparations, Profiles, Vault
from services.signer.profiles import SHAPES
from services.signer.profiles.port import SignatureProfile
from services.signer.refusals import Refused, refusal
from services.signer.rounds import VIETNAM, Open, Rounds, Signing

_facts = lru_cache(maxsize=1024)(facts)


class SignDossier:
    """`Performer` of the lanes signer.sign (asks) and signer.await (waits for people).

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
        self._rounds = Rounds(vault, preparations)
        self._shapes = shapes

    async def perform(self, ask: DossierPrepared, this: Try) -> Sequence[Step] | NotYet:
        """DossierSigned, or SigningRefused with what a person has to mend. While somebody is awaited: SignatureAwaited
        with the call that waits on when there is something new to tell, else NotYet."""
        try:
            signing = await self._open(ask, this)
            if signing.key.asks_people and is_first(ask, this):
                return (wait(ask, this),)
            signed = await self._rounds.sign(signing)
        except Refused as no:
            return (Tell(refusal(ask, no.code, no.text)),)
        if isinstance(signed, Open):
            if isinstance(signed.answer, NotYet):
                return signed.answer
            return awaited(ask, this, signed.answer, signed.round, signed.rounds)
        document = await self._vault.put(this.tenant, ask.enrolment, "evidence", signed.document)
        return (
            Tell(
                DossierSigned(
                    enrolment=ask.enrolment,
                    dossier=ask.dossier,
                    attempt=ask.attempt,
                    kind=ask.kind,
                    document=document,
                    sha256=sha256(signed.document).hexdigest(),
                    method=signing.profile.backend,
                    certificate_sha256=signing.certificate.sha256,
                    certificate_serial=signing.certificate.serial,
                    certificate_subject=signing.certificate.subject,
                    rounds=signed.rounds,
                )
            ),
        )

    async def reconcile(self, ask: DossierPrepared, this: Try) -> Sequence[Step] | None:
        """None: whatever an earlier try did, nothing of it left the house; signing again is safe."""
        return None

    def give_up(self, ask: DossierPrepared, this: Try, reached: bool, error: str) -> Sequence[Step]:
        """A person has to look."""
        return (Tell(refusal(ask, refusals.GAVE_UP, refusals.TEXTS[refusals.GAVE_UP])),)

    async def _open(self, ask: DossierPrepared, this: Try) -> Signing:
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
        return Signing(ask, this, profile, certificate, self._shapes[profile.shape], key)
