"""The texts of an Excel file, kept small."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl.reader.strings import read_string_table

from services.intake.cells import SheetError
from services.intake.texts import Texts, read_texts

HEAD = '<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'


def read(*items: str) -> list[str]:
    part = (HEAD + "".join(items) + "</sst>").encode()
    texts = read_texts(io.BytesIO(part))
    ours = [texts[number] for number in range(len(texts))]
    assert ours == read_string_table(io.BytesIO(part)), "the library reads the same"
    return ours


def test_texts_are_what_the_library_reads() -> None:
    found = read(
        "<si><t>Hoa Ban</t></si>",
        "<si><t/></si>",
        "<si/>",
        "<si><r><rPr><b/></rPr><t>Chi nhánh </t></r><r><t xml:space='preserve'> 2</t></r></si>",
        "<si><t>東京</t><rPh sb='0' eb='2'><t>トウキョウ</t></rPh></si>",
        "<si><t>a_x005F_x0041_ &amp; b</t></si>",
    )
    assert found == ["Hoa Ban", "", "", "Chi nhánh  2", "東京", "a_x0041_ & b"]


def test_a_cell_may_ask_for_nonsense() -> None:
    texts = Texts()
    texts.add("a")
    for number in (-1, 1):
        with pytest.raises(IndexError):
            texts[number]


@given(st.lists(st.text()))
def test_every_text_comes_back(given_: list[str]) -> None:
    texts = Texts()
    for text in given_:
        texts.add(text)
    assert [texts[number] for number in range(len(texts))] == given_


@pytest.mark.parametrize(
    "part",
    [
        "<!DOCTYPE sst [<!ENTITY a 'b'>]>" + HEAD + "<si><t>&a;</t></si></sst>",
        HEAD + "<si>" + "<r/>" * 300_000 + "</si></sst>",
    ],
)
def test_hostile_parts_are_refused(part: str) -> None:
    with pytest.raises(SheetError):
        read_texts(io.BytesIO(part.encode()))
