"""Dossier attempts on their way to a signature."""

from __future__ import annotations

from typing import ClassVar, Literal
from uuid import UUID

from schemas.envelope import Fact
from schemas.units import Kind, Payload


class DossierPrepared(Fact):
    """A dossier attempt is ready to be put into XML and signed. Every attempt is signed anew."""

    TYPE: ClassVar[str] = "vn.hoso.dossier.prepared.v1"

    enrolment: UUID
    dossier: UUID
    attempt: int
    payload: Payload
    profile: UUID
    supersedes: UUID | None = None
    """The refused dossier this one was copied from (A20)."""

    @property
    def kind(self) -> Kind:
        return self.payload.kind


class DossierSigned(Fact):
    """The attempt is signed, verified and sealed in the vault; nothing has left the house."""

    TYPE: ClassVar[str] = "vn.hoso.dossier.signed.v1"

    enrolment: UUID
    dossier: UUID
    attempt: int
    kind: Kind
    document: UUID
    sha256: str
    method: str
    """The way of signing: a row of the signer's key backends (pkcs12, pkcs11, misa_esign, agent)."""
    certificate_sha256: str
    certificate_serial: str
    certificate_subject: str = ""
    rounds: int = 1
    """How many approvals it took: 2 for a dossier whose forms are signed before the envelope."""


class SignatureAwaited(Fact):
    """Somebody has to approve a signature, or a token's agent has to come online. Told when it begins and when the reason
    changes; ended by DossierSigned or SigningRefused of the attempt."""

    TYPE: ClassVar[str] = "vn.hoso.dossier.signature-awaited.v1"

    enrolment: UUID
    dossier: UUID
    attempt: int
    kind: Kind
    reason: Literal["approval", "agent-offline", "token-absent", "pin-suspect", "login"]
    """approval: on a phone or at a workstation · login: the remote service wants its second factor again."""
    round: int = 1
    rounds: int = 1
    text: str = ""


class SigningRefused(Fact):
    """The attempt could not be signed; a person has to mend the certificate or the profile (A16)."""

    TYPE: ClassVar[str] = "vn.hoso.dossier.signing-refused.v1"

    enrolment: UUID
    dossier: UUID
    attempt: int
    kind: Kind
    code: str
    """HOSO-CERT-EXPIRED, HOSO-CERT-EARLY, HOSO-CERT-OTHER-EMPLOYER, HOSO-PROFILE-MISSING, HOSO-XML-INVALID, ..."""
    text: str
