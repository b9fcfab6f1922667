"""Printed forms: Vietnamese comes back letter for letter, nothing is cut or covered, the same payload gives the same bytes."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import unicodedata
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pypdfium2
import pytest
from pypdf import PdfReader

from hoso.dossiers.printing import bundle, printed
from hoso.dossiers.printing.sheet import MARGIN_BOTTOM, MARGIN_LEFT, MARGIN_RIGHT
from schemas.units import Change
from tests.unit.dossiers.examples import ATTACHMENT, CERTIFICATE, FILES, payload

AT = datetime(2026, 11, 22, 3, 4, 5, tzinfo=UTC)
WIDTH, HEIGHT = 595.3, 841.9

LONG = "Công ty Trách nhiệm hữu hạn Một thành viên Thương mại và Dịch vụ Ẩm thực Đèn lồng Hội An Ưu Việt Ngỡ Ngàng "
UNBROKEN = "ketoan." + "a" * 230 + "@denlong.example"
LONGEST: dict[str, dict[str, Any]] = {
    "register": {"unit_name": (LONG * 5)[:500], "address": (LONG * 5)[:500], "email": UNBROKEN},
    "change": {
        "unit_name": (LONG * 5)[:500],
        "address": (LONG * 5)[:500],
        "email": UNBROKEN,
        "changes": tuple(
            Change(field=field, old="9F" * 32, new="ẵ" * 60)  # type: ignore[arg-type]
            for field in ("unit_code", "email", "phone", "certificate", "method")
        ),
    },
    "stop": {"unit_name": (LONG * 5)[:500], "address": (LONG * 5)[:500], "reason_text": (LONG * 5)[:500]},
    "first_code": {
        "unit_name": (LONG * 5)[:500],
        "address": (LONG * 5)[:500],
        "licensed_address": (LONG * 5)[:500],
        "business": (LONG * 3)[:300],
        "email": UNBROKEN,
        "attachments": tuple(ATTACHMENT.model_copy(update={"name": f"{n} {LONG[:90]}.pdf"}) for n in range(5)),
    },
}
EVERY_LETTER = "aàáảãạ ăằắẳẵặ âầấẩẫậ eèéẻẽẹ êềếểễệ iìíỉĩị oòóỏõọ ôồốổỗộ ơờớởỡợ uùúủũụ ưừứửữự yỳýỷỹỵ đ"


def words(pdf: bytes) -> str:
    """The text as one line: where it was wrapped there is a blank."""
    return " ".join(" ".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages).split())


def letters(pdf: bytes) -> str:
    """The text without any white space."""
    return "".join(words(pdf).split())


def rectangles(pdf: bytes) -> list[tuple[float, float, float, float]]:
    """Where text is on the pages: left, bottom, right, top of every run."""
    found = []
    for page in pypdfium2.PdfDocument(pdf):
        text = page.get_textpage()
        found += [text.get_rect(at) for at in range(text.count_rects())]
    return found


def prints(kind: str, **changes: Any) -> dict[str, bytes]:
    """Each print there is of a payload."""
    given = payload(kind, **changes)
    return {
        "unsigned": printed(given),
        "to be signed": printed(given, CERTIFICATE),
        "signed": printed(given, CERTIFICATE, AT),
    }


@pytest.mark.parametrize("kind", FILES)
def test_what_was_declared_can_be_read_letter_for_letter(kind: str) -> None:
    given = payload(kind)
    pdf = printed(given, CERTIFICATE, AT)
    said = words(pdf)

    assert unicodedata.is_normalized("NFC", said)
    for value in (given.unit_name, given.tax_code, given.address, "22 tháng 11 năm 2026", "Hà Nội, ngày"):
        assert value in said
    assert "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM Độc lập - Tự do - Hạnh phúc" in said
    assert "ĐÃ KÝ SỐ" in said
    assert "22/11/2026 10:04:05 (GMT+7)" in said
    assert "?" not in said
    assert "/Lang (vi-VN)" in str(pdf)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("register", ["Mẫu số: 04/ĐK-IVAN", "TZ1234Z", "ketoan@denlong.example", "Công ty Cổ phần MISA (mã 00110)"]),
        ("change", ["05/SĐ-IVAN", "1 Mã đơn vị (chưa có) TZ1234Z", "cu@denlong.example", "0A1B2B 0A1B2C"]),
        ("stop", ["06/NG-IVAN", "Cổng thông tin BHXH Việt Nam", "Chuyển đổi đơn vị cung cấp", "từ ngày: 22/11/2026"]),
        (
            "first_code",
            [
                "Mẫu TK3-TS",
                "Kính gửi: BHXH cơ sở Ba Đình",
                "Số 1 phố Ỷ Lan",
                "Sản xuất đèn lồng",
                "[09.1]. Số: 0101234567-001",
                "02/11/2026",
                "Trần Văn Ước",
                "giấy phép ĐKKD.PDF",
            ],
        ),
    ],
)
def test_each_form_says_what_is_its_own(kind: str, values: list[str]) -> None:
    said = words(printed(payload(kind), CERTIFICATE, AT))

    assert [value for value in values if value not in said] == []


def test_every_vietnamese_letter_is_in_the_type_in_every_style() -> None:
    both = f"{EVERY_LETTER} {EVERY_LETTER.upper()}"
    name = f"{both} – “quán” №1"

    said = words(printed(payload("first_code", unit_name=name, place=both, representative=both), CERTIFICATE))

    # item (bold), date (italic), signature box (bold)
    assert said.count(both.split()[-1]) >= 3
    assert name in said
    assert "?" not in said


def test_a_decomposed_name_is_printed_composed_and_a_sign_the_type_lacks_is_a_question_mark() -> None:
    name = "Công ty Ô Chợ Dừa"

    assert name in words(printed(payload("register", unit_name=unicodedata.normalize("NFD", name))))
    assert "Đèn ? lồng" in words(printed(payload("register", unit_name="Đèn 🏮 lồng")))


@pytest.mark.parametrize(
    "name", ["A & B <C> \"D\" 'E' &amp; <b>x</b>", "<img src='file:///etc/hostname'/>", "a\n\tb  c"]
)
def test_a_name_is_text_and_never_markup(name: str) -> None:
    assert " ".join(name.split()) in words(printed(payload("stop", unit_name=name)))


@pytest.mark.parametrize("kind", FILES)
def test_an_ordinary_form_is_one_page_in_full_size(kind: str) -> None:
    for pdf in prints(kind).values():
        assert len(PdfReader(io.BytesIO(pdf)).pages) == 1
        assert "Trang" not in words(pdf)


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("longest", [False, True])
def test_nothing_is_cut_off_and_nothing_covers_anything(kind: str, longest: bool) -> None:
    changes = LONGEST[kind] if longest else {}
    for pdf in prints(kind, **changes).values():
        assert len(PdfReader(io.BytesIO(pdf)).pages) == 1
        for value in changes.values():
            if isinstance(value, str):
                assert "".join(value.split()) in letters(pdf)
        found = rectangles(pdf)
        assert len(found) > 20
        for left, bottom, right, top in found:
            assert MARGIN_LEFT - 1 <= left < right <= WIDTH - MARGIN_RIGHT + 1
            assert MARGIN_BOTTOM - 20 <= bottom < top <= HEIGHT - 30
        for at, one in enumerate(found):
            for other in found[at + 1 :]:
                across = min(one[2], other[2]) - max(one[0], other[0])
                down = min(one[3], other[3]) - max(one[1], other[1])
                assert across < 0.5 or down < 1.0, (one, other)


def test_what_cannot_be_on_one_page_is_on_several_and_complete() -> None:
    text = (LONG * 25)[:1900]
    pdf = printed(payload("register", unit_name=text, address=text, procedure=text, ivan_name=text, email=text))

    assert len(PdfReader(io.BytesIO(pdf)).pages) == 2
    assert letters(pdf).count("".join(text.split())[-300:]) >= 4
    assert "Trang 2" in words(pdf)


def test_endless_text_does_not_break_a_form() -> None:
    assert "…" in words(printed(payload("first_code", unit_name="a" * 1_000_000)))


def test_the_paper_form_is_to_be_signed_by_hand_and_says_nothing_of_electronic_signatures() -> None:
    said = words(printed(payload("first_code", agency_name="")))

    assert "Kính gửi: Cơ quan Bảo hiểm xã hội Hà Nội" in said
    assert "(Ký, ghi rõ họ tên và đóng dấu)" in said
    assert "Nguyễn Thị Hồng Ửng" in said
    assert "số hóa" not in said
    assert "ký số" not in said.lower()


@pytest.mark.parametrize("kind", ["register", "change", "stop"])
def test_a_form_that_is_not_signed_yet_says_so(kind: str) -> None:
    for name, pdf in prints(kind).items():
        assert ("chưa được ký số" in words(pdf)) == (name != "signed")
        assert ("ĐÃ KÝ SỐ" in words(pdf)) == (name == "signed")


@pytest.mark.parametrize("payment", ["MONTHLY", "QUARTERLY", "HALF_YEARLY"])
def test_the_way_of_paying_is_ticked(payment: str) -> None:
    """Two lines cross in the box that is ticked; the rest of the form is the same."""
    plain = printed(payload("first_code", payment="MONTHLY"))
    pdf = printed(payload("first_code", payment=payment))

    strokes = [PdfReader(io.BytesIO(one)).pages[0].get_contents() for one in (plain, pdf)]
    added = strokes[1].get_data().count(b" l S") - strokes[0].get_data().count(b" l S")  # type: ignore[union-attr]
    assert added == (0 if payment == "MONTHLY" else 2)
    assert words(pdf) == words(plain)


def test_a_way_of_signing_is_named_as_people_know_it() -> None:
    change = (Change(field="method", old="agent", new="misa_esign"),)

    assert "USB Token Ký số từ xa MISA eSign" in words(printed(payload("change", changes=change)))


def test_a_signature_without_a_certificate_cannot_be_printed() -> None:
    with pytest.raises(ValueError, match="certificate"):
        printed(payload("register"), None, AT)


def test_the_same_payload_gives_the_same_bytes_in_every_process() -> None:
    program = (
        "from hashlib import sha256; from tests.unit.dossiers.test_printing import everything; "
        "print(sha256(everything()).hexdigest())"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
        check=True,
    )

    assert run.stdout.strip() == sha256(everything()).hexdigest()
    assert f"D:{datetime.now(UTC):%Y}".encode() not in everything()


def everything() -> bytes:
    """All four kinds, signed, one by one and as one file."""
    forms = [printed(payload(kind), CERTIFICATE, AT) for kind in FILES]
    return b"".join([*forms, bundle(forms)])


def test_another_payload_gives_other_bytes() -> None:
    one = printed(payload("register"), CERTIFICATE)

    assert one != printed(payload("register", phone="024 3999 0001"), CERTIFICATE)
    assert one != printed(payload("register"), replace(CERTIFICATE, serial="FF"))


def test_forms_are_bundled_in_order_for_one_print() -> None:
    units = [printed(payload("first_code", unit_name=f"Đơn vị số {number}")) for number in range(20)]

    pdf = bundle(iter(units))

    pages = [" ".join(page.extract_text().split()) for page in PdfReader(io.BytesIO(pdf)).pages]
    assert [f"Đơn vị số {number} " in page for number, page in enumerate(pages)] == [True] * 20
    assert len(pdf) < sum(map(len, units))
    assert bundle(units) == pdf


def test_forms_for_a_duplex_printer_begin_on_a_new_sheet() -> None:
    one = printed(payload("first_code"))

    texts = [page.extract_text() for page in PdfReader(io.BytesIO(bundle([one, one], both_sides=True))).pages]

    assert [bool(text.strip()) for text in texts] == [True, False, True, False]


def test_nothing_cannot_be_bundled() -> None:
    with pytest.raises(ValueError, match="nothing"):
        bundle([])
