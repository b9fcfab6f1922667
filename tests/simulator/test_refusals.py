"""Every way to refuse, each by the smallest dossier that triggers exactly it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from simulator.refusals import TEXTS
from tests.simulator.agency import Agency
from tests.simulator.dossiers import OTHER_MST, RSA_SHA1, STOP, Dossier, signer

TOMORROW = (datetime.now(UTC) + timedelta(days=2)).strftime("%d/%m/%Y")


def _twice(dossier: Dossier) -> bytes:
    body = dossier.body().decode()
    begin, end = body.index("<Signature "), body.index("</Signature>") + len("</Signature>")
    inner = "</X509Data></KeyInfo><Object>"
    return body.replace(inner, f"{inner}{body[begin:end]}</Object><Object>").encode()


def _broken_value(dossier: Dossier) -> bytes:
    body = dossier.body().decode()
    begin = body.index("<SignatureValue>") + len("<SignatureValue>")
    end = body.index("</SignatureValue>")
    value = bytearray(base64.b64decode(body[begin:end]))
    value[-1] ^= 1
    return (body[:begin] + base64.b64encode(value).decode() + body[end:]).encode()


def _too_deep(dossier: Dossier) -> bytes:
    body = dossier.body().replace(b"<CKy_Dvi>", b"<CKy_Dvi><Object xmlns='http://www.w3.org/2000/09/xmldsig#'>")
    return body.replace(b"</CKy_Dvi>", b"</Object></CKy_Dvi>")


Build = Callable[[Dossier], tuple[Dossier, bytes | None]]
DOCUMENTS: dict[str, Build] = {
    "SIM003": lambda d: (d.but(headers={"X-Agency": "09901"}, fields={"MA_COQUAN": ""}), None),
    "SIM004": lambda d: (d.but(by=signer(begins=-60, ends=-1)), None),
    "SIM006": lambda d: (d, _broken_value(d)),
    "SIM007": lambda d: (d.but(by=signer(f"MST:{OTHER_MST}")), None),
    "SIM008": lambda d: (d.but(fields={"DIACHI_LHE": None}), None),
    "SIM009": lambda d: (d, b"<Hoso><NoiDung/><CKy_Dvi/></Hoso>"),
    "SIM017": lambda d: (d, d.body()[:-3]),
    "SIM018": lambda d: (d, b"<!DOCTYPE Hoso>" + d.body()),
    "SIM019": lambda d: (d.but(unit_code="A10001A"), None),
    "SIM020": lambda d: (d.but(headers={"X-Agency": "00102"}), None),
    "SIM021": lambda d: (d.but(headers={"X-Unit-Code": d.unit_code[:-1] + "Z"}), None),
    "SIM022": lambda d: (d.but(headers={"X-Tax-Code": OTHER_MST}), None),
    "SIM023": lambda d: (d.but(tax_code="0101243151"), None),
    "SIM024": lambda d: (d, d.unsigned().encode()),
    "SIM025": lambda d: (d, _twice(d)),
    "SIM026": lambda d: (d.but(uri="#NoiDung"), None),
    "SIM027": lambda d: (d.but(algorithm=RSA_SHA1), None),
    "SIM028": lambda d: (d, d.body().replace(b"0912345678", b"0912345679")),
    "SIM029": lambda d: (d.but(key_info=False), None),
    "SIM030": lambda d: (d.but(by=signer(begins=10, ends=20)), None),
    "SIM031": lambda d: (d.but(fields={"NGAY_LAP": TOMORROW}), None),
    "SIM032": lambda d: (d.but(fields={"EMAIL": "a@branches.example; b@branches.example"}), None),
    "SIM033": lambda d: (d.but(headers={"X-Procedure": "02_SD-GD"}), None),
    "SIM034": lambda d: (d, d.body().replace(b"<CKy_Dvi>", b"<CKy_Dvi>" + b" " * 300_000)),
    "SIM035": lambda d: (d, _too_deep(d)),
    "SIM036": lambda d: (d.but(fields={"NGAY_LAP": "31/02/2026"}), None),
    "SIM037": lambda d: (d.but(fields={"SERIAL": "1234abcd"}), None),
    "SIM038": lambda d: (d.but(modulus=signer(number=1).key), None),
    "SIM039": lambda d: (d, b"<Hoso>" + b"<a>" * 40 + b"</a>" * 40 + b"</Hoso>"),
    "SIM040": lambda d: (d.but(headers={"X-Sender": "00040"}), None),
}


@pytest.mark.parametrize("code", sorted(DOCUMENTS))
def test_a_wrong_dossier_is_refused_at_the_gate(code: str, agency: Agency, unit_code: Callable[[str], str]) -> None:
    right = Dossier(unit_code=unit_code(""))
    wrong, body = DOCUMENTS[code](right)
    answer = agency.file(wrong, body)
    assert (answer.status, answer.text("KQUA"), answer.text("MA_LOI"), answer.text("MA_KQUA")) == (
        200,
        "TU_CHOI",
        code,
        code,
    )
    assert answer.text("MOTA_LOI").startswith(TEXTS[code])
    sent = body or wrong.body()
    assert agency.find(
        Dossier(unit_code=wrong.sent_headers()["X-Unit-Code"], procedure=wrong.sent_headers()["X-Procedure"]),
        hashlib.sha256(sent).hexdigest(),
    )
    assert agency.file(right).text("KQUA") == "TIEP_NHAN", "the right dossier is taken in"


@pytest.mark.parametrize(
    ("family", "code"),
    [("U01", "SIM001"), ("U03", "SIM003"), ("U05", "SIM005"), ("U15", "SIM015"), ("S09", "SIM099"), ("C09", "SIM006")],
)
def test_a_unit_is_refused_at_the_gate(family: str, code: str, agency: Agency, unit_code: Callable[[str], str]) -> None:
    assert agency.file(Dossier(unit_code=unit_code(family))).text("MA_LOI") == code


def test_an_entity_is_refused_like_a_doctype(agency: Agency, unit_code: Callable[[str], str]) -> None:
    dossier = Dossier(unit_code=unit_code(""))
    assert agency.file(dossier, dossier.body().replace("Hà Nội".encode(), b"&xxe;")).text("MA_LOI") == "SIM018"


def test_a_body_over_the_transport_limit_is_413(agency: Agency, unit_code: Callable[[str], str]) -> None:
    dossier = Dossier(unit_code=unit_code(""))
    assert agency.file(dossier, b" " * 2_000_000).status == 413
    assert agency.ledger(dossier.unit_code)["arrivals"] == []


def test_the_same_bytes_again_are_a_duplicate(agency: Agency, unit_code: Callable[[str], str]) -> None:
    dossier = Dossier(unit_code=unit_code(""))
    body = dossier.body()
    first, second = agency.file(dossier, body), agency.file(dossier, body)
    assert (first.text("KQUA"), second.text("KQUA"), second.text("MA_LOI")) == ("TIEP_NHAN", "TU_CHOI", "SIM010")
    assert second.text("MA_GDICH") == first.text("MA_GDICH")
    ledger = agency.ledger(dossier.unit_code)
    assert [row["outcome"] for row in ledger["arrivals"]] == ["received", "duplicate"]
    assert len(ledger["filings"]) == 1


def test_another_tax_code_than_the_unit_has_is_refused(agency: Agency, unit_code: Callable[[str], str]) -> None:
    dossier = Dossier(unit_code=unit_code(""))
    agency.decided(agency.file(dossier).text("MA_GDICH"))
    other = dossier.but(tax_code=OTHER_MST, by=signer(f"MST:{OTHER_MST}"), nonce="2")
    assert agency.file(other).text("MA_LOI") == "SIM002"


def test_a_branch_certificate_and_a_second_uid_are_read(agency: Agency, unit_code: Callable[[str], str]) -> None:
    by = signer("CMND:012345678", f"MST:{OTHER_MST}-029")
    dossier = Dossier(unit_code=unit_code(""), tax_code=f"{OTHER_MST}-001", by=by)
    assert agency.file(dossier).text("KQUA") == "TIEP_NHAN"


def test_nothing_to_stop(agency: Agency, unit_code: Callable[[str], str]) -> None:
    assert agency.file(Dossier(unit_code=unit_code(""), procedure=STOP)).text("MA_LOI") == "SIM011"


def test_the_wrong_provider_named_in_a_stop(agency: Agency, unit_code: Callable[[str], str]) -> None:
    dossier = Dossier(
        unit_code=unit_code("C00"), procedure=STOP, fields={"MA_IVAN": "00115", "TEN_IVAN": "Công ty cổ phần 1Office"}
    )
    assert agency.file(dossier).text("MA_LOI") == "SIM012"


def test_a_register_form_filed_as_a_stop(agency: Agency, unit_code: Callable[[str], str]) -> None:
    dossier = Dossier(unit_code=unit_code("C00"))
    assert agency.file(replace(dossier, headers={"X-Procedure": STOP})).text("MA_LOI") == "SIM008"


def test_there_are_at_least_twenty_ways(agency: Agency) -> None:
    seen = {row["code"] for row in agency.ledger()["arrivals"] if row["code"]}
    assert len(seen | set(DOCUMENTS)) >= 20
    assert set(DOCUMENTS) <= set(TEXTS)
