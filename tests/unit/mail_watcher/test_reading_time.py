"""Anybody can send us a mail: whatever it says, reading it takes a moment."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.mail_watcher.parser import MAX_TEXT, ParsedMail, parse
from services.mail_watcher.reading import MAX_LABELS, MAX_LINES, read
from services.mail_watcher.readings import OtherMail, UnclearMail
from services.mail_watcher.text import disguised, turned
from tests.unit.mail_watcher.mails import CODE, NAME, UNIT, mail

BOUND_S = 0.5
ANCHOR = "Mã kích hoạt trong vòng 24h\n"


def parsed(*bodies: str, subject: str = "Thông báo") -> ParsedMail:
    return ParsedMail("a@b.example", (), subject, bodies, "", {}, False)


def seconds(said: ParsedMail) -> float:
    began = time.process_time()
    read(said)
    return time.process_time() - began


def filled(piece: str, size: int = MAX_TEXT) -> str:
    return (piece * (size // len(piece) + 1))[:size]


PIECES = {
    "labels alone": "mã đơn vị\n",
    "labels with colons": "mã đơn vị:\n",
    "labels on one line": "mã đơn vị: ",
    "short labels on one line": "mst ",
    "short labels with colons on one line": "mst:",
    "names on one line": "tên đơn vị: công ty A ",
    "names on long lines": "tên đơn vị: công ty A tên đơn vị: công ty B tên đơn vị: công ty C\n",
    "a name over many lines": "x" * 60 + "\n",
    "ten digits a line": "0123456789\n",
    "ten digits": "9123456789 ",
    "digits": "1",
    "codes": "AB12CD34EF ",
    "codes a line": "AB12CD34EF\n",
    "codes with labels": "mã kích hoạt: AB12CD34EF ",
    "letters": "A",
    "dashes": "-",
    "dashes and blanks": "- ",
    "brackets": "(",
    "labels and brackets": "mst (",
    "colons": ":",
    "equal signs": "mst" + "=" * 50,
    "addresses": "từ:@\n",
    "quotes": "> mã kích hoạt\n",
    "empty lines": "\n",
    "dear": "Kính gửi: mst ",
    "dear a line": "Kính gửi:\n",
    "numbers": "12345/2026/12345 ",
    "slashes": "1/20",
    "hours": "24 (",
    "days": "24h ",
    "stops": "ngừng thành công. ",
    "refusals": "ngừng không thành công lý do ",
    "receipts": "gửi hồ sơ ",
    "conditions": "nếu khi để ngừng ",
    "agencies": "được cơ quan a",
    "combining marks": "a\u0301\u0323",
    "wrote": "on a wrote ",
    "changes": "hồ sơ thay đổi thông tin được chấp nhận. ",
    "codes that are given": "mã đơn vị được cấp: YN0001A ",
    "anchors": "mã đơn vị được cấp ",
    "fillers": "mã đơn vị của quý đơn vị là cho ",
    "one anchor and fillers": "của được mới là ",
    "code words": "mã đơn vị a1-a1-a1-a1-a1-",
    "brackets after anchors": "mã đơn vị ((((((",
    "denials": "không chưa ko được chấp nhận ",
    "advice": "đề nghị vui lòng cấp mã đơn vị. ",
    "reasons": "lý do: không được chấp nhận. ",
    "disguises": "YN0\u200b001A ",
    "turns": "\u202e\u202d",
    "full-width": "ＹＮ",
}
SUBJECTS = ("Thông báo", "Kết quả cấp mã đơn vị, thay đổi thông tin, ngừng sử dụng dịch vụ")


@pytest.mark.parametrize("shape", PIECES)
def test_any_shape_is_read_in_a_moment(shape: str) -> None:
    piece = PIECES[shape]
    for head in ("", ANCHOR, "Kính gửi: ", "ngừng mã kích hoạt 24h tên đơn vị: ", "mã đơn vị "):
        body = filled(head + filled(piece, MAX_TEXT - len(head)))
        assert seconds(parsed(body, body, subject=SUBJECTS[len(head) % 2])) < BOUND_S, head
        assert seconds(parsed(filled(piece, 60_000) + head)) < BOUND_S, head


@pytest.mark.parametrize("shape", PIECES)
def test_any_shape_is_cleaned_in_a_moment(shape: str) -> None:
    text = filled(PIECES[shape])
    began = time.process_time()
    disguised(text), turned(text)
    assert time.process_time() - began < BOUND_S


@pytest.mark.parametrize("shape", PIECES)
def test_any_shape_of_as_many_lines_as_are_read(shape: str) -> None:
    piece = PIECES[shape].strip() or "x"
    size = MAX_TEXT // MAX_LINES - 2
    body = ANCHOR + "\n".join([filled(piece, size)] * (MAX_LINES - 1))
    assert seconds(parsed(body, subject=SUBJECTS[1])) < BOUND_S
    body = ANCHOR + "\n".join([piece[:size]] * (MAX_LINES - 1))
    assert seconds(parsed(body, body)) < BOUND_S


def test_what_normalisation_made_long_is_not_read() -> None:
    said = parse(mail("\ufdfa" * 10_000))
    assert len(said.bodies[0]) > MAX_TEXT
    assert isinstance(read(said), UnclearMail)
    assert seconds(parsed("mst " * 450_000)) < BOUND_S


def test_a_line_of_200_kilobytes() -> None:
    said = parse(mail("ế " * (MAX_TEXT // 2 - 1)))
    assert len(said.bodies[0].encode()) > 199_000
    assert seconds(said) < BOUND_S
    assert isinstance(read(said), OtherMail)


def test_more_lines_or_labels_than_the_agency_writes_go_to_a_person() -> None:
    own = f"Kính gửi: {NAME}\nSố định danh: {UNIT}\nMã kích hoạt\n{CODE}\n24h\n"
    assert isinstance(read(parsed(own + "x\n" * MAX_LINES)), UnclearMail)
    assert isinstance(read(parsed(own + "mst: 1; " * MAX_LABELS)), UnclearMail)
    assert not isinstance(read(parsed(own + "x\n" * (MAX_LINES // 2))), UnclearMail)


WORDS = [
    "mã đơn vị", "mã kích hoạt", "tên đơn vị", "mst", "số hồ sơ", "Kính gửi", "24h", "(24", "ngừng", "thành công",
    "không", "lý do", "nếu", "từ: a@b", "chủ đề:", ">", "--", "forwarded", CODE, "0123456789", "12345/2026/12345",
    "x" * 60, UNIT, ":", "(", ")", "\n", "\n", " ", ".", "co quan",
]  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=12), st.sampled_from(["", " ", "\n"]), st.booleans())
def test_any_soup_of_labels_is_read_in_a_moment(words: list[str], between: str, anchored: bool) -> None:
    body = filled(between.join(words) + between)
    assert seconds(parsed((ANCHOR if anchored else "") + body[: MAX_TEXT - len(ANCHOR)])) < BOUND_S
    lines = body.split("\n")[: MAX_LINES - 1]
    assert seconds(parsed(ANCHOR + "\n".join(line[:45] for line in lines))) < BOUND_S
