"""Every mail that the simulated agency writes, in every form it can take, is understood or is its decoy."""

from __future__ import annotations

import itertools

import pytest

from services.mail_watcher.parser import parse
from services.mail_watcher.reading import read
from services.mail_watcher.readings import (
    FIRST_TIME,
    ActivationMail,
    ChangeResultMail,
    StopResultMail,
    UnitCodeResultMail,
)
from services.mail_watcher.text import name_key
from simulator.looks import Look
from simulator.mails import windows_1258
from simulator.wordings import LAYOUTS, worded
from tests.unit.mail_watcher.mails import CODE, GRANTED, NAME, UNIT, mail

NUMBER = "00012/2026/00101"
REASON = "Thiếu giấy phép; sai địa chỉ trụ sở."
FORMS = ("html", "plain", "both")


def written(look: Look, form: str) -> bytes:
    words = worded(look, "https://dichvucong.example/kich-hoat?hoso=HS1")
    if form == "both":
        return mail(words.plain, subject=words.subject, alternative=words.html)
    return mail(words.plain if form == "plain" else words.html, form, subject=words.subject)


@pytest.mark.parametrize(("form", "unit"), list(itertools.product(FORMS, [UNIT, ""])))
def test_activation_mails(form: str, unit: str) -> None:
    found = read(parse(written(Look("activation", NAME, unit, CODE), form)))
    assert isinstance(found, ActivationMail)
    assert (found.code.reveal(), found.keys.unit_code) == (CODE, unit or FIRST_TIME)


@pytest.mark.parametrize(
    ("kind", "layout", "form", "refused"),
    list(
        itertools.product(
            ("stop-result", "change-result", "unit-code-result"), range(len(LAYOUTS)), FORMS, ("", REASON)
        )
    ),
)
def test_results(kind: str, layout: int, form: str, refused: str) -> None:
    first = kind == "unit-code-result"
    granted = GRANTED if first and not refused else ""
    unit = "" if first else UNIT
    look = Look(kind, NAME, unit, number=NUMBER, refused=refused, tax_code="0101234567", granted=granted, layout=layout)
    found = read(parse(written(look, form)))
    if first:
        assert isinstance(found, UnitCodeResultMail), found
        assert (found.granted, found.unit_code) == (not refused, granted or None)
    else:
        assert isinstance(found, StopResultMail if kind == "stop-result" else ChangeResultMail), found
        assert found.accepted is not bool(refused)
    assert found.keys.number == NUMBER
    assert found.keys.unit_code == (FIRST_TIME if first else UNIT)
    assert found.keys.unit_name is not None
    assert name_key(found.keys.unit_name) == name_key(NAME)
    if refused:
        assert "giấy phép" in found.text


def test_windows_1258_is_read() -> None:
    look = Look("change-result", NAME, UNIT, number=NUMBER)
    words = worded(look, "")
    raw = b"From: a@b.example\r\nSubject: x\r\nContent-Type: text/plain; charset=windows-1258\r\n\r\n"
    assert isinstance(read(parse(raw + windows_1258(words.plain).replace(b"\n", b"\r\n"))), ChangeResultMail)
