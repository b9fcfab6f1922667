"""04/ĐK-IVAN and 06/NG-IVAN, field by field."""

from __future__ import annotations

import unicodedata
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from hoso.dossiers.catalog import KINDS
from hoso.dossiers.form import SLOT, SigningCertificate
from hoso.dossiers.writing import InvalidDossier
from schemas.units import RegisterPayload, StopPayload

GOLDEN = Path(__file__).with_name("golden")

CERTIFICATE = SigningCertificate("0A1B2C", "Tổ chức chứng thực THỬ", date(2026, 1, 1), date(2027, 12, 31))

REGISTER: dict[str, Any] = {
    "place": "Hà Nội",
    "date": "22/11/2026",
    "unit_name": "Công ty TNHH Đèn lồng Hội An – chi nhánh Ô Chợ Dừa",
    "unit_code": "TZ1234Z",
    "tax_code": "0101234567-001",
    "agency": "00101",
    "address": "Số 12, ngõ 34 đường Láng Hạ, phường Ô Chợ Dừa, thành phố Hà Nội",
    "email": "ketoan@denlong.example",
    "phone": "024 3999 0000",
    "ivan_code": "00110",
    "ivan_name": "Công ty Cổ phần MISA",
}
STOP: dict[str, Any] = {
    **{key: REGISTER[key] for key in ("place", "date", "unit_name", "unit_code", "tax_code", "agency", "address")},
    "ivan_code": "VSS",
    "ivan_name": "Cổng thông tin BHXH Việt Nam",
    "stop_date": "22/11/2026",
    "reason": "CHUYEN_DOI_NHA_CUNG_CAP",
    "reason_text": "",
}


def xml(kind: str, **changes: Any) -> bytes:
    payload = RegisterPayload(**REGISTER | changes) if kind == "register" else StopPayload(**STOP | changes)
    (document,) = KINDS[kind].documents(payload, CERTIFICATE, 0, {})
    assert document.slot == SLOT
    return document.xml


@pytest.mark.parametrize("kind", KINDS)
def test_a_dossier_is_the_golden_example(kind: str) -> None:
    assert xml(kind) == (GOLDEN / f"{kind}.xml").read_bytes().rstrip(b"\n")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name",
    [
        "Công ty Đèn",
        unicodedata.normalize("NFD", "Công ty Đèn Ô Chợ Dừa"),
        "A & B <C> \"D\" 'E' ]]> &amp;",
        "dòng một\ndòng hai\r\ndòng ba\tcột",
        "\U0001f3ee \u200b\u00a0",
    ],
)
def test_a_dossier_is_its_own_canonical_form_and_reads_back(kind: str, name: str) -> None:
    written = xml(kind, unit_name=name)

    root = etree.fromstring(written)

    assert etree.tostring(root, method="c14n") == written
    assert root.findtext("NoiDung/TEN_DVI") == name
    KINDS[kind].check(written)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sign", ["\x00", "\x0b", "\x1f", "\ud800", "\ufffe", "\uffff"])
def test_characters_that_xml_does_not_have_are_refused_by_name(kind: str, sign: str) -> None:
    with pytest.raises(InvalidDossier, match=f"DIACHI_LHE.*U\\+{ord(sign):04X}"):
        xml(kind, address=f"Số 12{sign}")


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_agency_is_an_empty_element(kind: str) -> None:
    written = xml(kind, agency=None)

    assert b"<MA_COQUAN></MA_COQUAN>" in written
    KINDS[kind].check(written)


@pytest.mark.parametrize(
    ("kind", "changes", "named"),
    [
        ("register", {"email": "ketoan"}, "EMAIL (Thư điện tử)"),
        ("register", {"date": "2026-11-22"}, "NGAY_LAP (Ngày lập)"),
        ("register", {"phone": "gọi tôi nhé"}, "DIEN_THOAI"),
        ("register", {"unit_name": " \n"}, "TEN_DVI (Tên đơn vị)"),
        ("register", {"address": ""}, "DIACHI_LHE"),
        ("register", {"tax_code": "123"}, "MST (Mã số thuế)"),
        ("register", {"unit_code": "tz1234z"}, "MA_DVI"),
        ("register", {"agency": "HN"}, "MA_COQUAN"),
        ("register", {"address": "a" * 501}, "DIACHI_LHE"),
        ("stop", {"stop_date": "31/13/2026"}, "NGAY_NGUNG (Ngày ngừng)"),
        ("stop", {"ivan_code": "MISA"}, "MA_IVAN (Mã nhà cung cấp cũ)"),
        ("stop", {"reason": "KHAC"}, "LYDO_NGUNG (Lý do ngừng)"),
    ],
)
def test_what_does_not_fit_the_form_is_refused_by_the_field(kind: str, changes: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidDossier) as refused:
        KINDS[kind].check(xml(kind, **changes))

    assert named in str(refused.value)
    assert not any(value and value in str(refused.value) for value in changes.values())


def test_every_wrong_field_is_named_at_once() -> None:
    with pytest.raises(InvalidDossier, match=r"NGAY_LAP.*EMAIL"):
        KINDS["register"].check(xml("register", date="hôm nay", email="?"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "Chuyển đổi đơn vị cung cấp"),
        ({"reason": "NGUNG_HOAT_DONG"}, "Ngừng hoạt động"),
        ({"reason": "KHAC", "reason_text": "sáp nhập"}, "sáp nhập"),
        ({"reason_text": "hết hợp đồng"}, "hết hợp đồng"),
    ],
)
def test_the_reason_of_a_stop_is_in_words(changes: dict[str, Any], said: str) -> None:
    assert etree.fromstring(xml("stop", **changes)).findtext("NoiDung/LYDO_NGUNG") == said


@pytest.mark.parametrize("kind", KINDS)
def test_both_kinds_are_signed_in_one_round_and_know_their_names(kind: str) -> None:
    form = KINDS[kind]
    payload = RegisterPayload(**REGISTER) if kind == "register" else StopPayload(**STOP)

    assert form.rounds(payload) == 1
    assert (form.title, form.procedure) in {("04/ĐK-IVAN", "04_DK-IVAN"), ("06/NG-IVAN", "06_NG-IVAN")}
    assert set(form.labels) == {element.tag for element in etree.fromstring(xml(kind)).iter() if not len(element)} - {
        "CKy_Dvi"
    }
