"""The 53 statements of the two product pages (A1–A24, B1–B29), and how each is recognised at work in what the agency's ledger, its
mails, the people's answers and our timeline say of a branch. Nothing here says which branch should show what.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from demo.evidence import CHANGE, FIRST, REGISTER, STOP, Row, Shown
from hoso.domain.identifiers import BadValue, fold
from hoso.domain.provinces import read_province

DAY_S = 24 * 3600.0
OTHER, PORTAL = "CE007", "CE044"
YES, NO = "CHAP_NHAN", "TU_CHOI"
Seen = Callable[[Shown], bool]


@dataclass(frozen=True, slots=True)
class Statement:
    """One of the 53. `seen`: whether this branch shows it."""

    number: str
    words: str
    seen: Seen


# --- PAGE-A: stop the old provider ------------------------------------------------------------------------------


def _stopped(b: Shown) -> list[Row]:
    return b.of(STOP, state=YES)


def _refused_for_provider(b: Shown) -> list[Row]:
    return [*b.of(REGISTER, state=NO, code=OTHER), *b.of(REGISTER, state=NO, code=PORTAL)]


def _registered(b: Shown) -> list[Row]:
    return b.of(REGISTER, state=YES)


def _stop_first(b: Shown) -> bool:
    return bool(b.cells.get("current_provider")) and b.filings[:1] == b.of(STOP)[:1] != []


def _follows(earlier: Sequence[Row], later: Sequence[Row]) -> bool:
    return bool(earlier and later) and later[-1]["received_world"] >= earlier[0]["received_world"]


def _again(b: Shown, *procedures: str, code: str = "") -> bool:
    """A refused filing of a procedure, with this code, and one accepted after it."""
    return any(
        one["decided_world"] is not None and _follows([one], b.of(one["procedure"], state=YES))
        for one in b.of(*procedures, state=NO)
        if code in ("", one["code"])
    )


def _guarded(b: Shown) -> bool:
    """A stop right after a registration refused for CE007 or CE044; or a stop that was not allowed."""
    return _follows(_refused_for_provider(b), b.of(STOP)) or "CE007" in b.message


def _stop_payloads(b: Shown) -> list[Row]:
    return [one["payload"] for one in b.told("dossier.prepared") if one["payload"]["kind"] == "stop"]


def _gated(b: Shown) -> bool:
    """The registration arrived after the stop's mail was sent."""
    mails, again = b.sent("stop-result"), _registered(b)
    return bool(mails and again) and again[-1]["received_world"] >= mails[0]["sent_world"]


def _stop_again(b: Shown) -> bool:
    """A stop was filed again although the one before was accepted: its mail had not come by then, or never did."""
    stops = b.of(STOP)
    mails = {mail["transaction_id"]: mail["sent_world"] for mail in b.sent("stop-result")}
    return any(
        one["state"] == YES and mails.get(one["transaction_id"], float("inf")) > later["received_world"]
        for one, later in zip(stops, stops[1:], strict=False)
    )


def _certificate(b: Shown) -> bool:
    by_agency = any(_again(b, REGISTER, STOP, code=code) for code in ("SIM006", "SIM007")) and b.asked("certificate")
    return bool(by_agency or (b.asked("signing", "profile") and b.enrolled))


def _prefilled(b: Shown) -> bool:
    """The registration after the stop is a copy of the refused one: same data, another dossier that names it."""
    made = [one for one in b.told("dossier.prepared") if one["payload"]["kind"] == "register"]
    refused = {one["dossier"]: one["payload"] for one in made}
    return any(one["supersedes"] in refused and one["payload"] == refused[one["supersedes"]] for one in made)


def _expired(b: Shown) -> bool:
    """A code that had come ended unused, and the code of a later attempt was used within its day."""
    ended = [one for one in b.codes if one["expires_world"] and not one["used_world"]]
    used = [one for one in b.codes if one["used_world"]]
    return bool(ended and used) and all(one["used_world"] <= one["expires_world"] for one in used)


PAGE_A = (
    Statement("A1", "ngừng dịch vụ ngay tại đây", lambda b: bool(_stopped(b))),
    Statement("A2", "một nhà cung cấp tại một thời điểm", lambda b: bool(_refused_for_provider(b)) and b.enrolled and bool(_registered(b))),
    Statement("A3", "ngừng trước khi đăng ký lần nào", _stop_first),
    Statement("A4", "khai báo rồi ký nộp ngừng", lambda b: bool(_stopped(b)) and "ngung" in fold(b.cells.get("purpose", ""))),
    Statement("A5", "ngừng thất bại: xem lỗi, ngừng lại", lambda b: bool(b.of(STOP, state=NO)) and len(b.of(STOP)) > 1),
    Statement("A6", "ngừng từ thiết lập: người chọn nhà cung cấp", lambda b: bool(b.asked("provider", "provider") and b.of(STOP))),
    Statement("A7", "chỉ được ngừng sau CE007, CE044", _guarded),
    Statement("A8", "CE007: đang ở I-VAN khác", lambda b: _follows(b.of(REGISTER, state=NO, code=OTHER), _stopped(b))),
    Statement("A9", "CE044: đang ở Cổng BHXH", lambda b: _follows(b.of(REGISTER, state=NO, code=PORTAL), _stopped(b))),
    Statement("A10", "chọn lý do ngừng", lambda b: any(p["reason"] == "KHAC" and p["reason_text"] for p in _stop_payloads(b)) and bool(_stopped(b))),
    Statement("A11", "ký bằng eSign hoặc USB token", lambda b: any(one["method"] in ("misa_esign", "agent") for one in b.told("dossier.signed", kind="stop"))),
    Statement("A12", "nộp sang cơ quan BHXH", lambda b: any(one["number"] for one in b.of(STOP))),
    Statement("A13", "báo thành công, kết quả về email", lambda b: bool(_stopped(b) and b.sent("stop-result"))),
    Statement("A14", "có mail rồi mới đăng ký lại", _gated),
    Statement("A15", "không có mail: ngừng lại", _stop_again),
    Statement("A16", "sai chữ ký số: kiểm tra rồi làm lại", _certificate),
    Statement("A17", "lỗi hệ thống: làm lại ngay", lambda b: _again(b, REGISTER, STOP, code="SIM099")),
    Statement("A18", "đã ngừng từ trước: đăng ký luôn", lambda b: bool(b.of(STOP, code="SIM011") and _registered(b))),
    Statement("A19", "ngừng xong thì đăng ký lại", lambda b: _follows(_stopped(b), _registered(b))),
    Statement("A20", "điền sẵn từ hồ sơ bị từ chối", _prefilled),
    Statement("A21", "ký lại, không dùng chữ ký cũ", lambda b: len({one["sha256"] for one in b.of(REGISTER)}) > 1 and bool(_registered(b))),
    Statement("A22", "mã kích hoạt về email liên hệ", lambda b: any(m["recipient"] == one["email"] for one in _registered(b) for m in b.sent("activation") if m["transaction_id"] == one["transaction_id"])),
    Statement("A23", "kích hoạt để hoàn thành", lambda b: b.enrolled and any(a["outcome"] == "00" for a in b.activations) and bool(_registered(b))),
    Statement("A24", "mã chỉ có hiệu lực 24 giờ", _expired),
)  # fmt: skip


# --- PAGE-B: declare the unit and register ----------------------------------------------------------------------


def _first(b: Shown) -> list[Row]:
    return b.of(FIRST)


def _licence_name(b: Shown) -> bool:
    return b.enrolled and any(
        one["unit_name"] == unicodedata.normalize("NFC", b.cells.get("name", "")).strip() for one in b.filings
    )


def _old_province(b: Shown) -> bool:
    """The row names a province that is one of the 34 no more."""
    with suppress(BadValue):  # the cell may be empty: the organisation's feed knew it
        return b.enrolled and bool(read_province(b.cells.get("province", "")).notes)
    return False


def _sent_mail(b: Shown, filings: Sequence[Row]) -> bool:
    here = {one["transaction_id"] for one in filings}
    return any(mail["transaction_id"] in here for mail in b.sent("activation"))


def _released(b: Shown) -> bool:
    """The code handed the dossier to the officer, who decided afterwards; nobody was enrolled by it."""
    return any(
        one["released_world"] is not None
        and (one["decided_world"] is None or one["decided_world"] >= one["released_world"])
        for one in _first(b)
    )


def _day(b: Shown) -> bool:
    """The day of a code began when its mail was sent, not when the dossier was filed."""
    sent = {mail["transaction_id"]: mail["sent_world"] for mail in b.sent("activation")}
    used = [one for one in b.codes if one["used_world"] and one["transaction_id"] in sent]
    return any(
        abs(one["expires_world"] - sent[one["transaction_id"]] - DAY_S) < 60
        and one["used_world"] <= one["expires_world"]
        for one in used
    )


def _no_mail(b: Shown) -> bool:
    return (
        bool(b.told("enrolment.warned", warning="mail-missing"))
        and b.enrolled
        and any(m["kind"] == "activation" and m["state"] == "withheld" for m in b.mails)
    )


def _effective(b: Shown) -> bool:
    return bool(b.of(CHANGE, state=YES)) and any(one["effective_world"] for one in b.grants)


PAGE_B = (
    Statement("B1", "có cơ cấu tổ chức trước", lambda b: bool(b.cells.get("org_unit")) and _step(b, "organisation")),
    Statement("B2", "chưa có mã hay đã có mã", lambda b: b.enrolled and bool(b.grants or _first(b))),
    Statement("B3", "Hà Nội: xin mã điện tử", lambda b: any(one["first_province"] == "01" and one["state"] == YES for one in _first(b))),
    Statement("B4", "ai làm gì đều ghi lại", lambda b: any(one["actor"] and one["answer"] for one in b.tasks)),
    Statement("B5", "năm bước, có tiến độ", lambda b: b.checklist.get("percent") == 100),
    Statement("B6", "đồng bộ cơ cấu tổ chức", lambda b: bool(b.cells.get("org_unit")) and not b.cells.get("unit_code") and b.enrolled),
    Statement("B7", "tên đúng như giấy phép", _licence_name),
    Statement("B8", "tỉnh/thành, kể cả tên cũ", _old_province),
    Statement("B9", "tham gia lần đầu thì không có mã", lambda b: any(one.get("field", one.get("column")) == "first_time" for one in b.errors)),
    Statement("B10", "thiết lập chữ ký số trước", lambda b: bool(b.filings) and {one["serial"].lstrip("0").upper() for one in b.filings if one["serial"]} <= {one["certificate_serial"].lstrip("0").upper() for one in b.told("dossier.signed")} != set()),
    Statement("B11", "USB token ở máy trạm", lambda b: b.enrolled and bool(b.told("dossier.signed", method="agent"))),
    Statement("B12", "xin mã: khai, ký hai lượt, nộp", lambda b: bool(_first(b)) and any(one["rounds"] == 2 for one in b.told("dossier.signed", kind="first_code"))),
    Statement("B13", "xin mã: mail mã kích hoạt", lambda b: _sent_mail(b, _first(b))),
    Statement("B14", "kích hoạt chuyển hồ sơ cho cán bộ", _released),
    Statement("B15", "24 giờ kể từ khi nhận mail", _day),
    Statement("B16", "không nhận được mail: xử lý", _no_mail),
    Statement("B17", "cán bộ báo kết quả qua mail", lambda b: bool(b.sent("unit-code-result") and b.told("unit-code-result-arrived"))),
    Statement("B18", "bị từ chối: sửa, gửi lại", lambda b: _again(b, FIRST) and bool(b.asked("first-code-refused"))),
    Statement("B19", "được duyệt: cập nhật mã", lambda b: bool(b.told("unit-code-noted") and b.grants)),
    Statement("B20", "hồ sơ thay đổi làm mã có hiệu lực", _effective),
    Statement("B21", "tỉnh khác: hồ sơ giấy", lambda b: bool(b.asked("paper-form")) and not _first(b)),
    Statement("B22", "điền biểu mẫu, gửi bưu điện", lambda b: bool(b.asked("paper-form", "sent"))),
    Statement("B23", "có mã rồi thì đăng ký", lambda b: any(one["how"] == "paper" for one in b.grants) and b.enrolled and bool(_registered(b))),
    Statement("B24", "mã đơn vị do BHXH cấp", lambda b: bool(b.cells.get("unit_code")) and bool(_registered(b))),
    Statement("B25", "tra cứu mã đơn vị", lambda b: bool(b.asked("no-unit-code", "unit-code")) and b.enrolled),
    Statement("B26", "đang ở nơi khác: ngừng trước", lambda b: _stop_first(b) and b.enrolled),
    Statement("B27", "chưa từng dùng: đăng ký luôn", lambda b: b.enrolled and len(b.filings) == 1 == len(_registered(b))),
    Statement("B28", "mail, kích hoạt trong 24 giờ", lambda b: b.enrolled and _sent_mail(b, _registered(b)) and _day(b)),
    Statement("B29", "lấy lao động", lambda b: b.enrolled and any(one["employees"] == b.employees for one in b.told("roster-fetched"))),
)  # fmt: skip

STATEMENTS = (*PAGE_A, *PAGE_B)


def _step(b: Shown, name: str) -> bool:
    return any(one["step"] == name and one["state"] == "done" for one in b.checklist.get("steps", ()))


def seen_of(shown: Sequence[Shown]) -> dict[str, list[str]]:
    """Of each statement, the branches that show it, in the order of the sheet."""
    return {one.number: [b.key for b in shown if one.seen(b)] for one in STATEMENTS}
