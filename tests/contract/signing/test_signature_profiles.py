"""What every signature shape promises, judged by three verifiers that are not ours."""

from __future__ import annotations

import unicodedata
from base64 import b64decode
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from lxml import etree
from signxml.algorithms import CanonicalizationMethod
from signxml.xades.xades import XAdESSigner

from hoso.dossiers.writing import element
from services.signer.profiles import SHAPES
from services.signer.profiles.port import BadSignature, BrokenPrepared, NotSignable, Prepared, SignatureProfile
from tests.contract.signing.pki import AT, Employer, employer
from tests.contract.signing.verifiers import VERIFIERS

SLOT = "Hoso/CKy_Dvi"
Verifier = Callable[[Sequence[bytes], Employer, Path], list[bool]]

NAME = "Công ty TNHH Đèn lồng Hội An – chi nhánh Ô Chợ Dừa"


def plain(value: str) -> bytes:
    return f"<Hoso><NoiDung>{element('TEN_DVI', value)}</NoiDung><CKy_Dvi></CKy_Dvi></Hoso>".encode()


DOCUMENTS = {
    "diacritics in NFC": plain(unicodedata.normalize("NFC", NAME)),
    "diacritics in NFD": plain(unicodedata.normalize("NFD", NAME)),
    "escapes, carriage return and tab": plain("<A> & B > C ]]> \r\n\t \" ' = &amp; \U0001f3ee \u200b"),
    "nothing but the slot": b"<Hoso><CKy_Dvi></CKy_Dvi></Hoso>",
    "not canonical as it comes": (
        b'<?xml version="1.0" encoding="utf-8"?>\r\n<!-- x --><Hoso >\n <NoiDung b="2" a=\'1\'><T><![CDATA[<&>]]></T>'
        b"</NoiDung>\n<CKy_Dvi/>\n</Hoso>\n"
    ),
    "namespaces in scope of the slot": (
        '<Hoso xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:b="urn:b" xmlns:a="urn:a">'
        '<NoiDung xsi:type="x" a:k="v">Đ</NoiDung><CKy_Dvi></CKy_Dvi></Hoso>'
    ).encode(),
    "the slot before the content": "<Hoso><CKy_Dvi></CKy_Dvi><NoiDung>Ấp 3</NoiDung></Hoso>".encode(),
}


@pytest.fixture(params=list(SHAPES))
def shape(request: pytest.FixtureRequest) -> SignatureProfile:
    return SHAPES[request.param]


@pytest.fixture(scope="module")
def unit() -> Employer:
    return employer()


def signed(shape: SignatureProfile, unit: Employer, xml: bytes) -> bytes:
    prepared = shape.prepare(xml, unit.der, AT, SLOT)
    return shape.complete(prepared, unit.sign(prepared.digest))


@pytest.mark.parametrize("verifier", VERIFIERS)
def test_others_accept_what_is_signed(
    shape: SignatureProfile, unit: Employer, verifier: Verifier, tmp_path: Path
) -> None:
    documents = [signed(shape, unit, xml) for xml in DOCUMENTS.values()]

    verdicts = verifier(documents, unit, tmp_path)

    assert dict(zip(DOCUMENTS, verdicts, strict=True)) == dict.fromkeys(DOCUMENTS, True)


@pytest.mark.parametrize("verifier", VERIFIERS)
def test_others_refuse_what_was_changed_after_signing(
    shape: SignatureProfile, unit: Employer, verifier: Verifier, tmp_path: Path
) -> None:
    good = signed(shape, unit, plain("Đơn vị 0101234567"))
    other = signed(shape, unit, plain("Đơn vị 0109999999"))
    value, others_value = _between(good, b"SignatureValue>"), _between(other, b"SignatureValue>")
    changed = {
        "a digit of the content": good.replace(b"0101234567", b"0101234568"),
        "a space before a tag": good.replace(b"</NoiDung>", b" </NoiDung>"),
        "the same name in NFD": good.replace("Đơn".encode(), unicodedata.normalize("NFD", "Đơn").encode()),
        "the digest": good.replace(_between(good, b"DigestValue>"), _between(other, b"DigestValue>")),
        "the value of another signature": good.replace(value, others_value),
        "the algorithm": good.replace(b"#rsa-sha256", b"#rsa-sha512"),
    }

    verdicts = verifier(list(changed.values()), unit, tmp_path)

    assert dict(zip(changed, verdicts, strict=True)) == dict.fromkeys(changed, False)
    for document in changed.values():
        with pytest.raises(BadSignature):
            shape.verify(document, SLOT)


def test_we_accept_what_is_signed_and_say_by_whom(shape: SignatureProfile, unit: Employer) -> None:
    for xml in DOCUMENTS.values():
        by = shape.verify(signed(shape, unit, xml), SLOT)
        assert (by.certificate, by.claimed_time) == (unit.der, "2026-11-22T01:30:00.000000Z")


def test_composed_and_decomposed_text_stay_two_documents(shape: SignatureProfile, unit: Employer) -> None:
    composed, decomposed = (signed(shape, unit, DOCUMENTS[f"diacritics in {form}"]) for form in ("NFC", "NFD"))

    assert unicodedata.normalize("NFC", NAME).encode() in composed
    assert unicodedata.normalize("NFD", NAME).encode() in decomposed
    assert shape.verify(composed, SLOT) == shape.verify(decomposed, SLOT)


def test_no_byte_can_be_changed_but_the_claimed_time(shape: SignatureProfile, unit: Employer) -> None:
    """Or another certificate is found in the answer: the agency's shape signs neither KeyInfo nor SigningTime."""
    good = signed(shape, unit, plain("Đơn vị & Co"))
    time = _between(good, b"SigningTime", b"</").split(b">")[1]
    free = range(good.index(time), good.index(time) + len(time)) if shape.name == "agency" else range(0)

    survived = []
    for position in range(0, len(good), 1 if shape.name == "agency" else 17):
        for flip in (1, 2) if shape.name == "agency" else (1,):
            changed = bytearray(good)
            changed[position] ^= flip
            try:
                by = shape.verify(bytes(changed), SLOT)
            except BadSignature:
                continue
            if by.certificate == unit.der:
                survived.append(position)

    assert set(survived) <= set(free)


def test_a_signature_of_another_document_or_key_is_never_put_in(shape: SignatureProfile, unit: Employer) -> None:
    prepared = shape.prepare(plain("một"), unit.der, AT, SLOT)
    other = shape.prepare(plain("hai"), unit.der, AT, SLOT)

    for signature in (
        unit.sign(other.digest),
        employer(key="stranger").sign(prepared.digest),
        b"\0" * 256,
        unit.sign(prepared.digest)[:-1],
        b"",
    ):
        with pytest.raises(BadSignature):
            shape.complete(prepared, signature)


def test_a_value_spelled_another_way_in_base64_is_refused(shape: SignatureProfile, unit: Employer) -> None:
    """256 bytes leave four spare bits in the last letter; a decoder does not see them, a byte-for-byte ledger does."""
    good = signed(shape, unit, plain("Đơn vị"))
    value = _between(good, b"SignatureValue>")
    respelled = value[:-3] + bytes([value[-3] + 1]) + b"=="

    assert b64decode(respelled) == b64decode(value)
    with pytest.raises(BadSignature):
        shape.verify(good.replace(value, respelled), SLOT)


def test_a_prepared_document_survives_being_stored(shape: SignatureProfile, unit: Employer) -> None:
    prepared = shape.prepare(plain("chờ ký"), unit.der, AT, SLOT)

    stored = prepared.to_bytes()
    again = Prepared.from_bytes(stored)

    assert again == prepared
    assert shape.verify(shape.complete(again, unit.sign(prepared.digest)), SLOT).certificate == unit.der
    for broken in (b"", stored[:-1], stored + b"x", b"x" + stored):
        with pytest.raises(BrokenPrepared):
            Prepared.from_bytes(broken)


def test_a_prepared_document_changed_in_storage_is_not_completed(shape: SignatureProfile, unit: Employer) -> None:
    prepared = shape.prepare(plain("chờ ký"), unit.der, AT, SLOT)
    signature = unit.sign(prepared.digest)
    changed = Prepared(
        prepared.shape,
        prepared.slot,
        prepared.certificate,
        prepared.to_be_signed,
        prepared.before.replace("chờ".encode(), "đã".encode()),
        prepared.after,
    )

    with pytest.raises(BadSignature):
        shape.complete(changed, signature)


def test_one_signature_in_its_place_and_nothing_around_it(shape: SignatureProfile, unit: Employer) -> None:
    good = signed(shape, unit, plain("Đơn vị"))
    begin = good.index(b"<CKy_Dvi>") + len(b"<CKy_Dvi>")
    end = good.index(b"</CKy_Dvi>")
    signature = good[begin:end]
    without = good[:begin] + good[end:]
    moved = {
        "twice in the slot": good[:end] + signature + good[end:],
        "again in the content": good.replace(b"</NoiDung>", signature + b"</NoiDung>"),
        "moved into the content": without.replace(b"</NoiDung>", signature + b"</NoiDung>"),
        "moved to the root": without.replace(b"</Hoso>", signature + b"</Hoso>"),
        "two slots": good.replace(b"</Hoso>", b"<CKy_Dvi></CKy_Dvi></Hoso>"),
        "text beside it": good[:end] + b"x" + good[end:],
        "a space beside it": good[:begin] + b" " + good[begin:],
        "the signed document wrapped in a forged one": (
            b"<Hoso><NoiDung>forged" + good + b"</NoiDung><CKy_Dvi></CKy_Dvi></Hoso>"
        ),
        "the signed document hidden in the signature's object": (
            b"<Hoso><NoiDung>forged</NoiDung><CKy_Dvi>"
            + signature.replace(b"Object>", b"Object>" + without, 1)
            + b"</CKy_Dvi></Hoso>"
        ),
        "a byte order mark before it": b"\xef\xbb\xbf" + good,
        "a new line after it": good + b"\n",
        "a comment inside": good.replace(b"<NoiDung>", b"<NoiDung><!--x-->"),
        "a document type before it": b"<!DOCTYPE Hoso>" + good,
        "no signature at all": without,
    }

    accepted = [what for what, document in moved.items() if _holds(shape, document)]
    assert accepted == []


def test_what_cannot_be_signed_is_refused_before_anyone_is_asked(shape: SignatureProfile, unit: Employer) -> None:
    for xml in (
        b"",
        b"not xml",
        b"<Hoso><CKy_Dvi></CKy_Dvi>",
        b"<Hoso><NoiDung></NoiDung></Hoso>",
        b"<Hoso><CKy_Dvi>x</CKy_Dvi></Hoso>",
        b"<Hoso><CKy_Dvi></CKy_Dvi><CKy_Dvi></CKy_Dvi></Hoso>",
        b"<Ho><CKy_Dvi></CKy_Dvi></Ho>",
        b"<Hoso><A>\x01</A><CKy_Dvi></CKy_Dvi></Hoso>",
        b"<Hoso><A>\xff</A><CKy_Dvi></CKy_Dvi></Hoso>",
        b"<!DOCTYPE Hoso><Hoso><CKy_Dvi></CKy_Dvi></Hoso>",
        b"<Hoso xmlns='u'><CKy_Dvi xmlns=''></CKy_Dvi></Hoso>",
        b"<Hoso><A xmlns='u'></A><CKy_Dvi></CKy_Dvi></Hoso>",
        b'<Hoso><A><Signature xmlns="http://www.w3.org/2000/09/xmldsig#"></Signature></A><CKy_Dvi></CKy_Dvi></Hoso>',
        b'<Hoso xml:space="preserve"><CKy_Dvi></CKy_Dvi></Hoso>',
        b'<Hoso xmlns:b="urn:b?x=1&amp;y=2"><CKy_Dvi></CKy_Dvi></Hoso>',
        b'<Hoso><A Id="sigid"></A><CKy_Dvi></CKy_Dvi></Hoso>',
        signed(shape, unit, plain("signed already")),
    ):
        with pytest.raises(NotSignable):
            shape.prepare(xml, unit.der, AT, SLOT)


@pytest.mark.parametrize("transforms", ["whole document", "one element"])
def test_a_signature_over_less_than_the_document_is_refused(transforms: str, unit: Employer) -> None:
    """A valid XAdES signature by the right key, in the right place, of one harmless element or by other transforms."""
    placeholder = '<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#" Id="placeholder"></ds:Signature>'
    root = etree.fromstring(f'<Hoso><NoiDung Id="part">a</NoiDung><CKy_Dvi>{placeholder}</CKy_Dvi></Hoso>')
    signer = XAdESSigner(c14n_algorithm=CanonicalizationMethod.CANONICAL_XML_1_0)
    uri = "#part" if transforms == "one element" else None
    forged = signer.sign(
        root,
        key=unit.key,
        cert=[unit.certificate],
        reference_uri=uri,
        always_add_key_value=False,
        exclude_c14n_transform_element=uri is None,
    )

    with pytest.raises(BadSignature, match="whole document|transformed"):
        SHAPES["xades"].verify(etree.tostring(forged, method="c14n"), SLOT)


def _holds(shape: SignatureProfile, document: bytes) -> bool:
    try:
        shape.verify(document, SLOT)
    except BadSignature:
        return False
    return True


def _between(document: bytes, name: bytes, end: bytes | None = None) -> bytes:
    """The text of the first element whose start tag ends with `name`."""
    start = document.index(name) + len(name)
    return document[start : document.index(end or b"</", start)]
