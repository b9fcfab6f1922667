"""What a workstation rebuilds is what the server's signature shape signs; everything that differs is refused."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from agent.failures import NotAsSaid
from agent.question import examined, pages, plain, whole
from agent.usb_token import sha256_of
from agent.xmldsig import signed_info
from services.signer.desk import shown
from services.signer.profiles.agency import AgencyProfile
from tests.contract.signing.pki import AT, employer
from tests.contract.signing.test_signature_profiles import DOCUMENTS, SLOT

UNIT = employer()
GOLDEN = Path(__file__).parents[1] / "dossiers" / "golden"
GOOD = DOCUMENTS["diacritics in NFC"]


def asked(of: bytes = GOOD, **changes: Any) -> dict[str, Any]:
    prepared = AgencyProfile().prepare(of, UNIT.der, AT, SLOT)
    one = {"name": "04_DK-IVAN.xml", "digest": prepared.digest.hex(), **shown(prepared)}
    return {
        "name": "sign:a:1:0",
        "display": "04/ĐK-IVAN",
        "certificate_sha256": sha256_of(UNIT.der),
        "documents": [one | changes],
    }


@pytest.mark.parametrize("xml", DOCUMENTS.values(), ids=list(DOCUMENTS))
def test_the_digest_rebuilt_here_is_the_one_that_is_asked(xml: bytes) -> None:
    prepared = AgencyProfile().prepare(xml, UNIT.der, AT, SLOT)
    (document,) = examined(asked(xml), sha256_of(UNIT.der)).documents
    assert document.digest == prepared.digest
    assert signed_info(document.xml, SLOT) == prepared.to_be_signed
    assert document.signing_time == "2026-11-22T01:30:00.000000Z"


@pytest.mark.parametrize(
    "changes",
    [
        {"digest": sha256(b"").hexdigest()},
        {"xml": b64encode(GOOD.replace(b"Ho", b"Hu")).decode()},
        {"xml": b64encode(GOOD + b"\n").decode()},
        {"xml": b64encode(b"<Hoso><A>&e;</A><CKy_Dvi></CKy_Dvi></Hoso>").decode()},
        {"xml": b64encode(b"<Hoso><CKy_Dvi>x</CKy_Dvi></Hoso>").decode()},
        {"xml": b64encode(b"<Hoso><CKy_Dvi></CKy_Dvi><CKy_Dvi></CKy_Dvi></Hoso>").decode()},
        {"xml": b64encode(b'<Hoso xml:space="preserve"><CKy_Dvi></CKy_Dvi></Hoso>').decode()},
        {"xml": b64encode(b'<Hoso xmlns="u"><CKy_Dvi></CKy_Dvi></Hoso>').decode()},
        {"xml": "no base64 !"},
        {"xml": None},
        {"slot": "Hoso"},
        {"slot": ""},
    ],
)
def test_what_is_not_as_said_is_never_signed(changes: dict[str, Any]) -> None:
    with pytest.raises(NotAsSaid):
        examined(asked(**changes), sha256_of(UNIT.der))


def test_a_document_that_is_signed_already_is_not_signed_again() -> None:
    shape = AgencyProfile()
    prepared = shape.prepare(GOOD, UNIT.der, AT, SLOT)
    signed = shape.complete(prepared, UNIT.sign(prepared.digest))
    inside = signed.replace(b"<CKy_Dvi>", b"<X>").replace(b"</CKy_Dvi>", b"</X><CKy_Dvi></CKy_Dvi>")
    with pytest.raises(NotAsSaid, match="đã có chữ ký"):
        signed_info(inside, SLOT)


@pytest.mark.parametrize("raw", [{}, {"name": "x"}, [], "text", None, asked() | {"documents": []}])
def test_a_question_that_is_none_is_refused(raw: Any) -> None:
    with pytest.raises(NotAsSaid):
        examined(raw, sha256_of(UNIT.der))


def test_another_tokens_question_is_refused() -> None:
    with pytest.raises(NotAsSaid, match="chứng thư số khác"):
        examined(asked(), sha256_of(employer(key="other").der))


@pytest.mark.parametrize(
    ("file", "form"),
    [
        ("register", "04/ĐK-IVAN"),
        ("change", "05/SĐ-IVAN"),
        ("stop", "06/NG-IVAN"),
        ("first_code", "lần đầu"),
        ("tk3_ts", "TK3-TS"),
    ],
)
def test_every_form_says_what_it_is_and_for_whom(file: str, form: str) -> None:
    xml = (GOLDEN / f"{file}.xml").read_bytes().strip()
    slot = "TK3-TS/Cky" if file == "tk3_ts" else SLOT
    prepared = AgencyProfile().prepare(xml, UNIT.der, AT, slot)
    one = {"name": f"{file}.xml", "digest": prepared.digest.hex(), **shown(prepared)}
    page = pages(examined(asked() | {"documents": [one]}, sha256_of(UNIT.der)))
    assert form in page.split("Mẫu: ")[1].split("\n")[0]
    assert "Đơn vị: Công ty TNHH Đèn lồng Hội An – chi nhánh Ô Chợ Dừa" in page
    assert "Mã số thuế: 0101234567-001" in page
    assert f"Tệp: {file}.xml" in page


def test_what_is_shown_is_the_documents_own_and_cannot_fool_a_terminal() -> None:
    xml = "<Hoso><NoiDung><TEN_DVI>Đèn \u202eaaa</TEN_DVI><MST>0101234567</MST></NoiDung><CKy_Dvi></CKy_Dvi></Hoso>"
    raw = asked(xml.encode()) | {"display": "\x1b[2Jlời máy chủ"}
    question = examined(raw, sha256_of(UNIT.der))
    page = pages(question)
    assert "Đơn vị: Đèn �aaa" in page
    assert "Mã số thuế: 0101234567" in page
    assert sha256(question.documents[0].xml).hexdigest() in page
    assert "\x1b" not in page + whole(question)
    assert plain("x" * 1000).endswith("…")
