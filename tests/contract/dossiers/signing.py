"""A dossier of any kind signed round by round, as a signer does it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hoso.dossiers.catalog import KINDS
from hoso.dossiers.form import genuine
from services.signer.profiles.port import SignatureProfile
from tests.contract.signing.pki import AT, Employer
from tests.unit.dossiers.examples import CERTIFICATE


def signed(shape: SignatureProfile, by: Employer, payload: Any, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Every document of the dossier, signed, by name; the last is what is filed. `files` is the vault."""
    form = KINDS[payload.kind]
    parts = {str(one.document): genuine(one, files[str(one.document)]) for one in form.attachments(payload)}
    done: dict[str, bytes] = {}
    for number in range(form.rounds(payload)):
        for document in form.documents(payload, CERTIFICATE, number, parts):
            form.check(document.xml)
            prepared = shape.prepare(document.xml, by.der, AT, document.slot)
            done[document.name] = shape.complete(prepared, by.sign(prepared.digest))
            form.check(done[document.name])
        parts.update(done)
    return done
