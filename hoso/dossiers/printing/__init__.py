"""Printed forms: a payload as a PDF to read, to sign by hand or to post. Pure: the same payload gives the same bytes.

A picture of the dossier, never the dossier: what counts is the signed XML, except on the paper lane, where the TK3-TS is
printed, signed and stamped by hand. Titles and layout of 04, 05 and 06 are [inferred] from their fields (domain.md §4.1
to §4.3); the twelve items of the TK3-TS follow Decision 595 (§9), what it has no item for is put where it belongs.
"""

from __future__ import annotations

from datetime import datetime

from hoso.dossiers.form import SigningCertificate
from hoso.dossiers.printing import ivan, tk3_ts
from hoso.dossiers.printing.bundle import bundle
from schemas.units import ChangePayload, FirstCodePayload, Payload, RegisterPayload, StopPayload

__all__ = ["bundle", "printed"]


def printed(
    payload: Payload, certificate: SigningCertificate | None = None, signed_at: datetime | None = None
) -> bytes:
    """The dossier as a PDF (A4).

    `certificate` is the one it is or will be signed with; `signed_at` (aware) says that it has been. Without either, a
    TK3-TS is the paper form, to be signed by hand, and the others say that they are not signed yet.
    """
    if signed_at is not None and certificate is None:
        raise ValueError("signed, but by which certificate?")
    match payload:
        case RegisterPayload():
            return ivan.register(payload, certificate, signed_at)
        case ChangePayload():
            return ivan.change(payload, certificate, signed_at)
        case StopPayload():
            return ivan.stop(payload, certificate, signed_at)
        case FirstCodePayload():
            return tk3_ts.printed(payload, certificate, signed_at)
