"""The documents of one attempt, signed round by round; what was asked and what was signed is kept before anybody is asked on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from typing import Any
from uuid import UUID

from hoso.domain.certificates import CertificateFacts
from hoso.dossiers.catalog import KINDS
from hoso.dossiers.form import Document, Form, SigningCertificate, genuine
from hoso.dossiers.writing import InvalidDossier
from hoso.runtime.failures import HosoError
from hoso.runtime.steps import NotYet, Try
from schemas.events import DossierPrepared
from schemas.units import ChangePayload
from services.signer import refusals
from services.signer.awaiting import name_of
from services.signer.keys.port import Declined, Expired, KeySigner, SignatureAsk, Signatures, UnusableKey, Waiting
from services.signer.ports import Preparations, SigningProfile, Vault
from services.signer.profiles.port import BadSignature, NotSignable, Prepared, SignatureProfile
from services.signer.refusals import Refused

VIETNAM = timezone(timedelta(hours=7))


@dataclass(frozen=True, slots=True)
class Signing:
    """What one try works with, all found fit."""

    ask: DossierPrepared
    this: Try
    profile: SigningProfile
    certificate: CertificateFacts
    shape: SignatureProfile
    key: KeySigner


@dataclass(frozen=True, slots=True)
class Signed:
    """The document of the last round."""

    document: bytes
    rounds: int


@dataclass(frozen=True, slots=True)
class Open:
    """A round that nobody has signed yet."""

    answer: Waiting | NotYet
    round: int
    """From 1."""
    rounds: int


class Rounds:
    """Signs all rounds of an attempt as far as they go now.

    A question to people is kept before they are asked, and a round of several is kept before the next one begins, under
    names that only depend on the attempt: after a restart the same bytes go on, and nobody is asked twice.
    """

    def __init__(self, vault: Vault, preparations: Preparations | None) -> None:
        self._vault = vault
        self._preparations = preparations

    async def sign(self, signing: Signing) -> Signed | Open:
        """The last round's document, or where it waits. Raises Refused; Transient and OutcomeUnknown of the key."""
        ask, form = signing.ask, KINDS[signing.ask.kind]
        rounds = form.rounds(ask.payload)
        signed = await self._attachments(form, ask)
        last = b""
        for number in range(rounds):
            documents = _documents(form, signing, number, signed)
            name = f"{name_of(ask)}:{number}"
            done = await self._kept(signing, name, len(documents)) if rounds > 1 else None
            if done is None:
                answer = await self._round(signing, name, form.title, documents)
                if isinstance(answer, Waiting | NotYet):
                    return Open(answer, number + 1, rounds)
                done = await self._keep(signing, name, answer) if rounds > 1 else answer
            signed.update(zip((document.name for document in documents), done, strict=True))
            last = done[-1]
        return Signed(last, rounds)

    async def _attachments(self, form: Form[Any], ask: DossierPrepared) -> dict[str, bytes]:
        """The files the dossier carries, by their vault reference, each as it was declared."""
        files: dict[str, bytes] = {}
        for one in form.attachments(ask.payload):
            try:
                files[str(one.document)] = genuine(one, await self._vault.get(one.document))
            except InvalidDossier as error:
                raise Refused(refusals.XML_INVALID, str(error)) from error
            except HosoError as error:
                raise Refused(refusals.XML_INVALID, refusals.ATTACHMENT_GONE.format(name=one.name)) from error
        return files

    async def _kept(self, signing: Signing, name: str, count: int) -> Sequence[bytes] | None:
        """What an earlier try signed in this round, complete; else None. Raises Refused when it was another certificate."""
        if self._preparations is None:
            return None
        await self._same_certificate(signing, await self._preparations.find(signing.this.tenant, _by(signing.ask)))
        found = []
        for position in range(count):
            ref = await self._preparations.find(signing.this.tenant, f"{name}:{position}:signed")
            if ref is None:
                return None
            found.append(await self._vault.get(ref))
        return found

    async def _keep(self, signing: Signing, name: str, signed: Sequence[bytes]) -> Sequence[bytes]:
        """What was signed, kept; when another try was first, what that one signed."""
        if self._preparations is None:
            return signed
        tenant, kept = signing.this.tenant, []
        mine = await self._vault.put(tenant, signing.ask.enrolment, "evidence", signing.certificate.sha256.encode())
        await self._same_certificate(signing, await self._preparations.keep(tenant, _by(signing.ask), mine))
        for position, document in enumerate(signed):
            ref = await self._vault.put(tenant, signing.ask.enrolment, "evidence", document)
            first = await self._preparations.keep(tenant, f"{name}:{position}:signed", ref)
            kept.append(document if first == ref else await self._vault.get(first))
        return kept

    async def _same_certificate(self, signing: Signing, kept: UUID | None) -> None:
        """All rounds of an attempt are signed with one certificate: the agency refuses a dossier with two. Raises Refused."""
        if kept is not None and await self._vault.get(kept) != signing.certificate.sha256.encode():
            raise Refused(refusals.CERT_CHANGED)

    async def _round(
        self, signing: Signing, name: str, title: str, documents: Sequence[Document]
    ) -> Sequence[bytes] | Waiting | NotYet:
        """All documents of one round, in one approval."""
        prepared = [
            await self._prepared(signing, f"{name}:{position}", document) for position, document in enumerate(documents)
        ]
        payload = signing.ask.payload
        display = " ".join(word for word in (title, payload.unit_code, payload.unit_name) if word)
        asks = [
            SignatureAsk(one.digest, document.name, display, kept)
            for (one, kept), document in zip(prepared, documents, strict=True)
        ]
        try:
            answer = await signing.key.sign(name, asks)
        except UnusableKey as error:
            raise Refused(refusals.KEY_UNUSABLE, str(error)) from error
        match answer:
            case NotYet() | Waiting():
                return answer
            case Declined(text):
                raise Refused(refusals.SIGN_DECLINED, text or None)
            case Expired(text):
                raise Refused(refusals.SIGN_EXPIRED, text or None)
            case Signatures(values):
                try:
                    return [
                        signing.shape.complete(one, value) for (one, _), value in zip(prepared, values, strict=True)
                    ]
                except (BadSignature, ValueError) as error:
                    raise Refused(refusals.KEY_MISMATCH) from error

    async def _prepared(self, signing: Signing, name: str, document: Document) -> tuple[Prepared, UUID | None]:
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


def _by(ask: DossierPrepared) -> str:
    """Under which name it is kept with which certificate an attempt of several rounds is signed: its SHA-256, before its first round."""
    return f"{name_of(ask)}:certificate"


def _documents(form: Form[Any], signing: Signing, number: int, signed: dict[str, bytes]) -> Sequence[Document]:
    """The documents of a round, each valid."""
    try:
        documents = form.documents(_told(signing), _printed(signing.certificate), number, signed)
        for document in documents:
            form.check(document.xml)
    except InvalidDossier as error:
        raise Refused(refusals.XML_INVALID, str(error)) from error
    return documents


def _told(signing: Signing) -> Any:
    """The payload; a change of how the unit signs says what it signs with from now on, and only what is new."""
    payload = signing.ask.payload
    if not isinstance(payload, ChangePayload):
        return payload
    now = {"method": signing.profile.backend, "certificate": signing.certificate.serial}
    changes = [one.model_copy(update={"new": one.new or now.get(one.field, "")}) for one in payload.changes]
    return payload.model_copy(update={"changes": tuple(one for one in changes if one.new != one.old)})


def _printed(certificate: CertificateFacts) -> SigningCertificate:
    return SigningCertificate(
        serial=certificate.serial,
        authority=certificate.issuer_name,
        begin=certificate.not_before.astimezone(VIETNAM).date(),
        end=certificate.not_after.astimezone(VIETNAM).date(),
    )


def _prepare(signing: Signing, document: Document) -> Prepared:
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
