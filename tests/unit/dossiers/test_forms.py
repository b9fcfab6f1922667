"""Every dossier kind, field by field and round by round."""

from __future__ import annotations

import re
import unicodedata
from base64 import b64decode
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from hoso.dossiers.attachments import MAX_TOTAL
from hoso.dossiers.catalog import KINDS
from hoso.dossiers.form import SLOT, genuine
from hoso.dossiers.safexml import MAX_BYTES
from hoso.dossiers.writing import InvalidDossier
from schemas.units import Change
from tests.unit.dossiers.examples import (
    ATTACHMENT,
    CERTIFICATE,
    FILES,
    LICENCE,
    PARTS,
    REGISTER,
    STOP,
    payload,
    xml,
)

__all__ = ["REGISTER", "STOP"]

GOLDEN = Path(__file__).with_name("golden")
ROUNDS = [(kind, number) for kind, files in FILES.items() for number in range(len(files))]
NAMES = {"tk3_ts": "NoiDung/TEN_DVI", "first_code": "NoiDung/TenDoiTuong"}
SIGNATURE = b'<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><SignedInfo></SignedInfo></Signature>'


def golden(kind: str, number: int) -> bytes:
    return (GOLDEN / f"{FILES[kind][number]}.xml").read_bytes().rstrip(b"\n")


@pytest.mark.parametrize(("kind", "number"), ROUNDS)
def test_a_dossier_is_the_golden_example(kind: str, number: int) -> None:
    assert xml(kind, number) == golden(kind, number)


@pytest.mark.parametrize(("kind", "number"), ROUNDS)
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
def test_a_dossier_is_its_own_canonical_form_and_reads_back(kind: str, number: int, name: str) -> None:
    written = xml(kind, number, unit_name=name)

    root = etree.fromstring(written)

    assert etree.tostring(root, method="c14n") == written
    assert root.findtext(NAMES.get(FILES[kind][number], "NoiDung/TEN_DVI")) == name
    KINDS[kind].check(written)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sign", ["\x00", "\x0b", "\x1f", "\ud800", "\ufffe", "\uffff"])
def test_characters_that_xml_does_not_have_are_refused_by_name(kind: str, sign: str) -> None:
    with pytest.raises(InvalidDossier, match=f"DIACHI_.*U\\+{ord(sign):04X}"):
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
        ("change", {"changes": ()}, "DS_THAYDOI (Các nội dung thay đổi)"),
        ("change", {"changes": (Change(field="phone", old="1", new=" "),)}, "MOI (Thông tin mới)"),
        ("change", {"changes": (Change(field="phone", old="1", new="2"),) * 2}, "THAYDOI (Nội dung thay đổi)"),
        ("change", {"email": "ketoan"}, "EMAIL (Thư điện tử)"),
        ("first_code", {"unit_code": "TZ1234Z"}, "MA_DVI (Mã đơn vị, để trống khi tham gia lần đầu)"),
        ("first_code", {"province": "Hà Nội"}, "TINH (Mã tỉnh, thành phố)"),
        ("first_code", {"licence_date": "2026-11-02"}, "NGAYCAP_QD"),
        ("first_code", {"licence_number": ""}, "SO_QD (Số quyết định thành lập, giấy phép ĐKKD)"),
        ("first_code", {"representative": ""}, "NGUOI_DAIDIEN (Người đại diện)"),
        ("first_code", {"business": "a" * 501}, "NGANH_NGHE (Ngành nghề)"),
    ],
)
def test_what_does_not_fit_the_form_is_refused_by_the_field(kind: str, changes: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidDossier) as refused:
        KINDS[kind].check(xml(kind, **changes))

    assert named in str(refused.value)
    assert not any(value and str(value) in str(refused.value) for value in changes.values())


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


@pytest.mark.parametrize(
    ("kind", "title", "procedure", "slots"),
    [
        ("register", "04/ĐK-IVAN", "04_DK-IVAN", [SLOT]),
        ("change", "05/SĐ-IVAN", "05_SD-IVAN", [SLOT]),
        ("stop", "06/NG-IVAN", "06_NG-IVAN", [SLOT]),
        ("first_code", "TK3-TS", "604", ["TK3-TS/Cky", SLOT]),
    ],
)
def test_every_kind_knows_its_names_its_rounds_and_where_it_is_signed(
    kind: str, title: str, procedure: str, slots: list[str]
) -> None:
    form, given = KINDS[kind], payload(kind)
    rounds = [form.documents(given, CERTIFICATE, number, PARTS) for number in range(form.rounds(given))]
    leaves = {
        element.tag
        for (document,) in rounds
        for element in etree.fromstring(document.xml).iter()
        if not len(element) and element.tag not in ("CKy_Dvi", "Cky")
    }

    assert (form.title, form.procedure) == (title, procedure)
    assert [document.slot for (document,) in rounds] == slots
    assert leaves <= set(form.labels)


@pytest.mark.parametrize(("kind", "number"), ROUNDS)
def test_a_signed_document_fits_its_schema_too_and_nothing_beside_the_signature(kind: str, number: int) -> None:
    written = golden(kind, number)
    slot = b"<Cky>" if b"<Cky>" in written else b"<CKy_Dvi>"

    KINDS[kind].check(written.replace(slot, slot + SIGNATURE))
    for beside in (SIGNATURE * 2, b"<Signature></Signature>"):
        with pytest.raises(InvalidDossier):
            KINDS[kind].check(written.replace(slot, slot + beside))


@pytest.mark.parametrize(("kind", "number"), ROUNDS)
def test_no_field_may_be_missing_twice_or_elsewhere(kind: str, number: int) -> None:
    written = golden(kind, number)
    names = [element.tag for element in etree.fromstring(written)[0]]
    assert len(names) > 11

    for at, name in enumerate(names):
        found = re.search(f"<{name}>.*?</{name}>".encode(), written, re.DOTALL)
        assert found is not None
        field = found.group()
        broken = [written.replace(field, b"", 1), written.replace(field, field * 2, 1)]
        if at:
            broken.append(written.replace(field, b"", 1).replace(b"<NoiDung>", b"<NoiDung>" + field, 1))
        for one in broken:
            assert one != written
            with pytest.raises(InvalidDossier):
                KINDS[kind].check(one)


@pytest.mark.parametrize(("kind", "number"), ROUNDS)
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"<NoiDung>", b"<NoiDung><THEM>1</THEM>"),
        (b"<NoiDung>", b"<NoiDung>chu"),
        (b"<NoiDung>", b'<NoiDung Id="1">'),
        (b"</NoiDung>", b"</NoiDung><NoiDung></NoiDung>"),
        (b"0101234567-001", b"0101234567001"),
        (b"22/11/2026", b"22/13/2026"),
        (b"00101<", b"1<"),
    ],
)
def test_broken_documents_are_refused(kind: str, number: int, old: bytes, new: bytes) -> None:
    broken = golden(kind, number).replace(old, new, 1)
    assert broken != golden(kind, number)

    with pytest.raises(InvalidDossier):
        KINDS[kind].check(broken)


@pytest.mark.parametrize(
    ("kind", "number", "old", "new"),
    [
        ("register", 0, b"<MA_IVAN>00110<", b"<MA_IVAN>110<"),
        ("change", 0, b"<TRUONG>EMAIL<", b"<TRUONG>TEN_DVI<"),
        ("change", 0, b"<CU></CU>", b""),
        ("stop", 0, b"<MA_IVAN>VSS<", b"<MA_IVAN>vss<"),
        ("first_code", 0, b"<PT_DONG>1<", b"<PT_DONG>2<"),
        ("first_code", 0, b"<PT_NHAN>3<", b"<PT_NHAN>4<"),
        ("first_code", 0, b"<HOSO_KEMTHEO>1<", b"<HOSO_KEMTHEO>0<"),
        ("first_code", 1, b"<LoaiDoiTuong>1<", b"<LoaiDoiTuong>2<"),
        ("first_code", 1, b"<MaToKhai>CT-DK<", b"<MaToKhai>D02-TS<"),
        ("first_code", 1, b"<LoaiFile>.pdf<", b"<LoaiFile>.exe<"),
        ("first_code", 1, b"<DoDaiFile>", b"<DoDaiFile>-"),
        ("first_code", 1, b"<NoiDungFile>", b"<NoiDungFile>*"),
        ("first_code", 1, b"<TenFile>TK3-TS.xml<", b"<TenFile><"),
    ],
)
def test_codes_that_the_form_does_not_have_are_refused(kind: str, number: int, old: bytes, new: bytes) -> None:
    broken = golden(kind, number).replace(old, new, 1)
    assert broken != golden(kind, number)

    with pytest.raises(InvalidDossier):
        KINDS[kind].check(broken)


def test_a_document_of_another_kind_is_not_a_form_of_this_one() -> None:
    with pytest.raises(InvalidDossier, match="TK3-TS"):
        KINDS["register"].check(golden("first_code", 0))
    with pytest.raises(InvalidDossier):
        KINDS["register"].check(golden("change", 0))
    with pytest.raises(InvalidDossier):
        KINDS["first_code"].check(golden("register", 0))


def test_the_envelope_carries_the_signed_form_and_the_files_byte_for_byte() -> None:
    files = etree.fromstring(xml("first_code", 1)).findall("NoiDung/ToKhais/FileToKhai")
    inner, licence = ({element.tag: element.text or "" for element in file} for file in files)

    assert b64decode(inner["NoiDungFile"]) == PARTS["TK3-TS.xml"]
    assert (inner["MaToKhai"], inner["TenFile"], inner["LoaiFile"]) == ("TK3-TS", "TK3-TS.xml", ".xml")
    assert b64decode(licence["NoiDungFile"]) == LICENCE
    assert (licence["MaToKhai"], licence["TenFile"], licence["LoaiFile"]) == ("CT-DK", ATTACHMENT.name, ".pdf")
    assert [int(file["DoDaiFile"]) for file in (inner, licence)] == [
        len(file["NoiDungFile"]) for file in (inner, licence)
    ]


def test_a_file_travels_under_a_name_that_ends_as_its_bytes_say() -> None:
    written = xml("first_code", 1, attachments=(ATTACHMENT.model_copy(update={"name": "giấy phép.docx"}),))

    assert "<TenFile>giấy phép.docx.pdf</TenFile><LoaiFile>.pdf</LoaiFile>".encode() in written


def test_attachments_are_asked_for_by_what_the_vault_calls_them_and_must_be_what_was_declared() -> None:
    assert list(KINDS["first_code"].attachments(payload("first_code"))) == [ATTACHMENT]
    assert [list(KINDS[kind].attachments(payload(kind))) for kind in ("register", "change", "stop")] == [[], [], []]
    assert genuine(ATTACHMENT, LICENCE) == LICENCE
    for other in (LICENCE[:-1], LICENCE[:-1] + b"x", b""):
        with pytest.raises(InvalidDossier, match="giấy phép ĐKKD.PDF"):
            genuine(ATTACHMENT, other)


@pytest.mark.parametrize(
    ("attachments", "said"),
    [
        ((), "chưa có tệp đính kèm"),
        ((ATTACHMENT,) * 11, "quá nhiều tệp"),
        ((ATTACHMENT, ATTACHMENT.model_copy(update={"size": MAX_TOTAL})), "quá nhiều tệp"),
        ((ATTACHMENT.model_copy(update={"name": "a" * 151}),), "tên rỗng hoặc dài"),
        ((ATTACHMENT.model_copy(update={"name": "a\x00.pdf"}),), "ký tự không được phép trong tên"),
    ],
)
def test_what_the_envelope_has_no_room_for_is_refused_before_anybody_approves_the_form(
    attachments: tuple[Any, ...], said: str
) -> None:
    with pytest.raises(InvalidDossier, match=said):
        xml("first_code", 0, attachments=attachments)


def test_the_largest_dossier_is_within_what_is_parsed() -> None:
    half = MAX_TOTAL // 2
    files = tuple(ATTACHMENT.model_copy(update={"size": half}) for _ in range(2))
    signed = {**PARTS, "TK3-TS.xml": b"x" * 20_000, str(ATTACHMENT.document): b"x" * half}

    (document,) = KINDS["first_code"].documents(payload("first_code", attachments=files), CERTIFICATE, 1, signed)

    KINDS["first_code"].check(document.xml)
    assert len(document.xml) < MAX_BYTES - 500_000


def test_a_unit_that_names_no_contact_is_called_by_its_representative() -> None:
    assert etree.fromstring(xml("first_code", contact_name=" ")).findtext("NoiDung/NGUOI_LHE") == "Nguyễn Thị Hồng Ửng"


def test_the_certificate_is_printed_as_it_is() -> None:
    other = replace(CERTIFICATE, serial="FF00")

    (document,) = KINDS["change"].documents(payload("change"), other, 0, {})

    assert etree.fromstring(document.xml).findtext("NoiDung/TTCKY/SERIAL") == "FF00"
