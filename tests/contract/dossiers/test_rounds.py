"""A first-time dossier is signed twice: both signatures hold for three verifiers that are not ours."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import pytest
from lxml import etree

from hoso.dossiers.attachments import MAX_BYTES, MAX_TOTAL
from hoso.dossiers.safexml import MAX_BYTES as MAX_XML
from hoso.dossiers.safexml import parse
from services.signer.profiles import SHAPES
from services.signer.profiles.port import BadSignature, SignatureProfile
from tests.contract.dossiers.signing import signed
from tests.contract.signing.pki import Employer, employer
from tests.contract.signing.verifiers import VERIFIERS
from tests.unit.dossiers.examples import ATTACHMENT, FILES, LICENCE, PARTS, payload

Verifier = Callable[[Sequence[bytes], Employer, Path], list[bool]]


@pytest.fixture(params=list(SHAPES))
def shape(request: pytest.FixtureRequest) -> SignatureProfile:
    return SHAPES[request.param]


@pytest.fixture(scope="module")
def unit() -> Employer:
    return employer("MST:0101234567-001")


def inner(envelope: bytes) -> bytes:
    """The form that travels in an envelope."""
    return b64decode(parse(envelope).findtext("NoiDung/ToKhais/FileToKhai[1]/NoiDungFile") or "")


@pytest.mark.parametrize("verifier", VERIFIERS)
def test_others_accept_every_signed_document(
    shape: SignatureProfile, unit: Employer, verifier: Verifier, tmp_path: Path
) -> None:
    done = [document for kind in FILES for document in signed(shape, unit, payload(kind), PARTS).values()]

    assert len(done) == 5
    assert verifier(done, unit, tmp_path) == [True] * 5


@pytest.mark.parametrize("verifier", VERIFIERS)
def test_the_form_taken_out_of_the_envelope_is_still_signed(
    shape: SignatureProfile, unit: Employer, verifier: Verifier, tmp_path: Path
) -> None:
    done = signed(shape, unit, payload("first_code"), PARTS)
    form = inner(done["HoSo_DKTGLD.xml"])

    assert form == done["TK3-TS.xml"]
    assert verifier([form, form.replace("Ỷ Lan".encode(), "Ý Lan".encode())], unit, tmp_path) == [True, False]


def test_another_form_or_file_breaks_the_envelopes_signature(shape: SignatureProfile, unit: Employer) -> None:
    envelope = signed(shape, unit, payload("first_code"), PARTS)["HoSo_DKTGLD.xml"]

    assert shape.verify(envelope, "Hoso/CKy_Dvi").certificate == unit.der
    for name in ("TK3-TS.xml", ATTACHMENT.name):
        at = envelope.index(b"<NoiDungFile>", envelope.index(name.encode())) + 20
        other = envelope[:at] + (b"A" if envelope[at : at + 1] != b"A" else b"B") + envelope[at + 1 :]
        with pytest.raises(BadSignature):
            shape.verify(other, "Hoso/CKy_Dvi")


def test_the_largest_dossier_is_signed_and_read_back(shape: SignatureProfile, unit: Employer) -> None:
    large, rest = LICENCE.ljust(MAX_BYTES, b"x"), LICENCE.ljust(MAX_TOTAL - MAX_BYTES, b"y")
    files, vault = [], {}
    for data, document in ((large, 1), (rest, 2)):
        one = ATTACHMENT.model_copy(
            update={
                "size": len(data),
                "sha256": sha256(data).hexdigest(),
                "document": UUID(int=document),
            }
        )
        files.append(one)
        vault[str(one.document)] = data

    done = signed(shape, unit, payload("first_code", attachments=tuple(files)), vault)["HoSo_DKTGLD.xml"]

    assert len(done) < MAX_XML
    contents = [element.text or "" for element in etree.fromstring(done).iter("NoiDungFile")]
    assert [b64decode(content) for content in contents[1:]] == [large, rest]
