"""What travels inside a first-time dossier is what its bytes say; everything else is refused with a cure."""

from __future__ import annotations

import io
import struct
import zlib
from contextlib import suppress
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook
from reportlab.pdfgen.canvas import Canvas

from hoso.dossiers.archives import MAX_ENTRIES
from hoso.dossiers.attachments import MAX_BYTES, MAX_NAME, UnacceptableFile, media

OFFICE = "application/vnd.openxmlformats-officedocument."
WORD = f"{OFFICE}wordprocessingml.document.main+xml"
SHEET = f"{OFFICE}spreadsheetml.sheet.main+xml"
TYPES = '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">{}</Types>'


def pdf() -> bytes:
    out = io.BytesIO()
    page = Canvas(out)
    page.drawString(72, 720, "Giay phep")
    page.save()
    return out.getvalue()


def override(part: str, kind: str) -> str:
    return f'<Override PartName="/{part}" ContentType="{kind}"/>'


def packed(*members: tuple[str, bytes], method: int = ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with ZipFile(out, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


def docx(*more: tuple[str, bytes], types: str = "", main: str = "word/document.xml", kind: str = WORD) -> bytes:
    listed = TYPES.format(override(main, kind) + types).encode()
    return packed(("[Content_Types].xml", listed), (main, b"<w:document/>"), *more)


def openpyxl_book() -> bytes:
    out = io.BytesIO()
    Workbook().save(out)
    return out.getvalue()


def xlsxwriter_book() -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out) as book:
        book.add_worksheet().write(0, 0, "Giấy phép")
    return out.getvalue()


def refused(data: bytes, name: str = "giấy phép.pdf") -> str:
    with pytest.raises(UnacceptableFile) as error:
        media(name, data)
    return str(error.value)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (pdf(), "pdf"),
        (pdf() + b"\r\n\r\n", "pdf"),
        (docx(), "docx"),
        (docx(main="word/document2.xml"), "docx"),
        (docx(("word/embeddings/sheet.xlsx", openpyxl_book())), "docx"),
        (docx(main="xl/workbook.xml", kind=SHEET), "xlsx"),
        (openpyxl_book(), "xlsx"),
        (xlsxwriter_book(), "xlsx"),
    ],
)
@pytest.mark.parametrize("name", ["giấy phép.pdf", "giấy phép", "GP.DOCX", "gp.exe"])
def test_a_file_is_what_its_bytes_say_whatever_its_name_says(data: bytes, what: str, name: str) -> None:
    assert media(name, data) == what


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "0 byte"),
        (b" ", "không phải pdf, docx hay xlsx"),
        (b"MZ\x90\x00" + b"\0" * 500, "chương trình"),
        (b"\x7fELF" + b"\0" * 500, "chương trình"),
        (b"#!/bin/sh\nrm -rf /\n", "chương trình"),
        (b"<html><body>%PDF-1.4 %%EOF</body></html>", "trang web"),
        (b"\xef\xbb\xbf\n<?xml version='1.0'?><a/>", "trang web hoặc XML"),
        (b"\xff\xd8\xff\xe0JFIF", "là ảnh"),
        (b"\x89PNG\r\n\x1a\n....", "là ảnh"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "Office cũ"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600 + "EncryptedPackage".encode("utf-16-le"), "mật khẩu"),
        (b"{\\rtf1 hello}", "không phải pdf"),
        (b"%PDF-1.4\n", "thiếu phần cuối"),
        (pdf()[:-200], "thiếu phần cuối"),
        (pdf() + b"x" * 2000, "thiếu phần cuối"),
        (b"junk" + pdf(), "không phải pdf"),
        (pdf() + docx() + b"\nstartxref\n0\n%%EOF", "vừa là PDF vừa là tệp nén"),
        (packed(("a.pdf", pdf()), ("[Content_Types].xml", b"<a/>"), method=ZIP_STORED), "vừa là tệp nén vừa là PDF"),
        (packed(("readme.txt", b"x")), "tệp nén, không phải docx"),
        (b"PK", "hỏng"),
        (b"PK\x05\x06" + b"\0" * 18, "hỏng"),
        (docx()[:-30], "hỏng"),
        (docx() + b"MZ", "hỏng"),
        (b"MZ" + docx(), "chương trình"),
        (docx(kind=f"{OFFICE}wordprocessingml.template.main+xml"), "không phải docx"),
        (docx(kind=SHEET), "không phải docx"),
        (docx(("xl/workbook.xml", b"<a/>"), types=override("xl/workbook.xml", SHEET)), "không phải docx"),
        (
            packed(("[Content_Types].xml", TYPES.format(override("word/document.xml", WORD)).encode())),
            "không phải docx",
        ),
        (packed(("[Content_Types].xml", b"not xml")), "hỏng"),
        (packed(("[Content_Types].xml", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>")), "hỏng"),
        (docx(("../evil.xml", b"<a/>")), "hỏng"),
    ],
)
def test_everything_else_is_refused_with_what_it_is_and_a_cure(data: bytes, said: str) -> None:
    sentence = refused(data)

    assert said in sentence
    assert "giấy phép.pdf" in sentence
    assert "Hãy" in sentence


MACRO_WORD = "application/vnd.ms-word.document.macroEnabled.main+xml"


@pytest.mark.parametrize(
    "data",
    [
        docx(("word/vbaProject.bin", b"x")),
        docx(("word/VBAPROJECT.BIN", b"x")),
        docx(("word/harmless.bin", b"x"), types=override("word/harmless.bin", "application/vnd.ms-office.vbaProject")),
        docx(types=override("word/harmless.bin", "application/vnd.ms-office.&#118;baProject")),
        docx(types='<Default Extension="dat" ContentType="application/vnd.ms-office.vbaProject"/>'),
        docx(kind=MACRO_WORD),
        docx(("word/activeX/activeX1.xml", b"x")),
        docx(("xl/macrosheets/sheet1.xml", b"x"), main="xl/workbook.xml", kind=SHEET),
    ],
)
def test_macros_are_refused_under_any_name(data: bytes) -> None:
    assert "có macro" in refused(data, "bảng.xlsx")


def test_the_largest_file_is_taken_and_one_byte_more_is_not() -> None:
    body = pdf()
    padded = body.replace(b"\n", b"\n%" + b"x" * (MAX_BYTES - len(body) - 2) + b"\n", 1)
    exact = padded[: MAX_BYTES - 300] + padded[-300:]

    assert len(exact) == MAX_BYTES
    assert media("lớn.pdf", exact) == "pdf"
    assert "vượt giới hạn 2 MB" in refused(exact + b"\n")


def test_bombs_are_refused_without_being_unpacked() -> None:
    zeros = b"\0" * (30 * 1024 * 1024)
    ratio = docx(("word/media/a.bin", zeros))
    types = packed(("[Content_Types].xml", zeros))
    many = packed(*((f"word/{n}", b"") for n in range(MAX_ENTRIES + 1)))
    stored = io.BytesIO()
    with ZipFile(stored, "w") as archive:
        for n in range(80):
            info = ZipInfo(f"word/{n}")
            archive.writestr(info, zlib.compress(b"a" * 1000))
    declared = stored.getvalue().replace(struct.pack("<L", 17), struct.pack("<L", 1_000_000))

    for data in (ratio, types, many, declared):
        assert len(data) < MAX_BYTES
        assert "hỏng" in refused(data)


def test_members_that_overlap_are_refused() -> None:
    """Several entries of the directory for one and the same bytes: how small archives unpack to terabytes."""
    whole = packed(("word/a", bytes(range(256)) * 40), ("word/b", b""), method=ZIP_STORED)
    at = whole.index(b"PK\x01\x02", whole.index(b"PK\x01\x02") + 1)
    first = whole[whole.index(b"PK\x01\x02") : at]
    second = bytearray(first)
    second[second.index(b"word/a") : second.index(b"word/a") + 6] = b"word/b"
    end = whole.index(b"PK\x05\x06")
    assert len(whole[at:end]) == len(second)

    assert "hỏng" in refused(whole[:at] + bytes(second) + whole[end:])


def test_a_member_named_otherwise_than_in_the_directory_is_refused() -> None:
    assert "hỏng" in refused(docx().replace(b"[Content_Types].xml", b"[Content_Types].xmm", 1))


@pytest.mark.parametrize(
    "name", ["", "  ", "a" * (MAX_NAME + 1), "a/b.pdf", "a\\b.pdf", "a\n.pdf", "a\u202efdp.exe", "\ud800"]
)
def test_names_that_cannot_travel_are_refused_and_shown_harmlessly(name: str) -> None:
    sentence = refused(pdf(), name)

    assert "tên" in sentence
    assert not any(sign in sentence for sign in "\n\u202e\ud800")
    assert len(sentence) < 250


@given(st.sampled_from([pdf(), docx(), openpyxl_book()]), st.data())
def test_damaged_files_are_taken_or_refused_and_nothing_else_happens(whole: bytes, draw: st.DataObject) -> None:
    data = bytearray(whole)
    for _ in range(draw.draw(st.integers(1, 8))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    cut = draw.draw(st.integers(0, len(data)))

    for one in (bytes(data), bytes(data[:cut]), bytes(data[cut:])):
        with suppress(UnacceptableFile):
            assert media("a.pdf", one) in ("pdf", "docx", "xlsx")
