"""What a mail says, in the agency's layout and in others; the rule is tested, not the example."""

from __future__ import annotations

import pytest

from services.mail_watcher.parser import parse
from services.mail_watcher.reading import read
from services.mail_watcher.readings import (
    FIRST_TIME,
    ActivationMail,
    Keys,
    OtherMail,
    Reading,
    StopResultMail,
    UnclearMail,
)
from services.mail_watcher.text import name_key
from tests.unit.mail_watcher.mails import CODE, NAME, REAL_LAYOUT, UNIT, activation, mail, stop_result


def said(raw: bytes) -> Reading:
    return read(parse(raw))


def activation_of(raw: bytes) -> ActivationMail:
    found = said(raw)
    assert isinstance(found, ActivationMail)
    return found


def test_the_agencys_own_layout() -> None:
    found = activation_of(activation())
    assert found.keys == Keys(UNIT, NAME)
    assert found.code.reveal() == CODE


def test_a_first_registration_names_no_unit_of_its_own() -> None:
    assert activation_of(activation(unit="DKTGLD")).keys.unit_code == FIRST_TIME


LAYOUTS = {
    "one line each": f"Kính gửi: {NAME}\nMã đơn vị: {UNIT}\nMã kích hoạt: {CODE} (hiệu lực trong vòng 24 giờ)",
    "two lines each": f"Tên đơn vị\n{NAME}\nMã số BHXH của đơn vị\n{UNIT}\nMã xác nhận\n{CODE}\nhiệu lực 24 tiếng",
    "upper case": f"KÍNH GỬI: {NAME}\nSỐ ĐỊNH DANH: {UNIT}\nMÃ KÍCH HOẠT\n{CODE}\nTRONG VÒNG 24H",
    "lower case unit": f"tên đơn vị: {NAME}\nmã đơn vị: {UNIT.lower()}\nmã kích hoạt là {CODE}\n24h",
    "without diacritics": f"Ten don vi: {NAME}\nMa don vi: {UNIT}\nMa kich hoat: {CODE}\n(24 gio)",
    "code first": f"Mã kích hoạt: {CODE}, dùng trong vòng 24h.\n"
    f"Kính gửi (đơn vị/cá nhân): {NAME}.\nSố định danh - {UNIT}",
    "24h before the code": f"Tên đơn vị: {NAME}\nSố định danh: {UNIT}\nMã kích hoạt có hiệu lực trong 24h: {CODE}",
    "quý đơn vị and a name": f"Kính gửi Quý đơn vị: {NAME}\nSố định danh: {UNIT}\nMã kích hoạt\n{CODE}\n24h",
    "everything on one line": f"Tên đơn vị: {NAME}; Mã đơn vị: {UNIT}; Mã kích hoạt: {CODE}; hết hạn sau 24h",
    "decoys": f"Tên đơn vị: {NAME}\nMã đơn vị: {UNIT}\nMã giao dịch: AB12CD34EF\nĐiện thoại: 0912345678\n"
    f"mã kích hoạt gửi kèm\n{CODE}\n24h. Xem https://x.example/a/QWERTY1234 hoặc gọi 1900969668",
    "long name over two lines": f"Kính gửi: {NAME[:30]} {'VÀ DỊCH VỤ ' * 4}\n{NAME[30:]}.\n"
    f"Số định danh: {UNIT}\nMã kích hoạt\n{CODE}\n24h",
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_other_wordings_orders_and_cases(layout: str) -> None:
    found = activation_of(mail(LAYOUTS[layout]))
    assert found.code.reveal() == CODE
    assert found.keys.unit_code == UNIT
    assert found.keys.unit_name is not None
    assert name_key(found.keys.unit_name).startswith(name_key(NAME[:29]))
    assert name_key(found.keys.unit_name).endswith(name_key("CHI NHÁNH ĐẮK LẮK"))


TABLE = "<table>{}</table><p>Mã kích hoạt</p><p>%s<b>%s</b></p><p>24h</p>" % (CODE[:4], CODE[4:])  # noqa: UP031


@pytest.mark.parametrize(
    "rows",
    [
        f"<tr><td>Mã đơn vị</td><td>{UNIT}</td></tr><tr><td>Tên đơn vị</td><td>{NAME}</td></tr>"
        "<tr><td>MST</td><td>0101234567-001</td></tr>",
        f"<tr><th>Mã đơn vị</th><th>Tên đơn vị</th><th>Mã số thuế</th></tr>"
        f"<tr><td>{UNIT}</td><td>{NAME}</td><td>0101234567-001</td></tr>",
        f"<tr><td><p>Mã số thuế:</p></td><td><p>0101234567001</p></td></tr>"
        f"<tr><td>Mã đơn vị:</td><td>{UNIT}</td></tr><tr><td>Tên đơn vị: {NAME}</td></tr>",
    ],
)
def test_tables(rows: str) -> None:
    assert activation_of(mail(TABLE.format(rows), "html")).keys == Keys(UNIT, NAME, "0101234567-001")


def test_a_number_that_is_a_tax_code_is_no_code() -> None:
    text = f"Mã số thuế: 0101234567\nMã số BHXH: 7912345678\nSố định danh: {UNIT}\nMã kích hoạt\n"
    text += f"0101234567\n7912345678\n{CODE}\n24h"
    assert activation_of(mail(text)).code.reveal() == CODE
    assert isinstance(said(mail(text.replace(f"{CODE}\n", ""))), UnclearMail)


def test_a_code_of_letters_only_counts_when_it_stands_alone() -> None:
    assert activation_of(mail(f"Số định danh: {UNIT}\nMã kích hoạt:\nQWERTYUIOP\n24h")).code.reveal() == "QWERTYUIOP"
    assert isinstance(said(mail("Mã kích hoạt gửi qua ACTIVATION CENTER\n24h")), UnclearMail)


@pytest.mark.parametrize(
    "text",
    [
        f"Mã kích hoạt: {CODE}\nMã kích hoạt: ABCDE12345\n24h",
        f"Mã đơn vị: {UNIT}\nMã đơn vị: AB1111C\nMã kích hoạt: {CODE}\n24h",
        f"Tên đơn vị: CÔNG TY A\nTên đơn vị: CÔNG TY B\nMã kích hoạt: {CODE}\n24h",
        "Mã kích hoạt của đơn vị có hiệu lực trong 24h.",
        f"Anh xem giúp.\n---------- Forwarded message ---------\nFrom: x@y.example\nMã kích hoạt: {CODE}\n24h",
        f"Anh xem giúp.\n> Mã kích hoạt: {CODE}\n> 24h",
        f"Vào 08:00 Lan <lan@x.example> đã viết:\nMã kích hoạt: {CODE}\n24h",
        f"Xem nhé\nTừ: thongbao@baohiemxahoi.gov.vn\nGửi: hôm nay\nChủ đề: Xác nhận\nMã kích hoạt: {CODE}\n24h",
    ],
)
def test_what_cannot_be_relied_on_goes_to_a_person(text: str) -> None:
    found = said(mail(text))
    assert isinstance(found, UnclearMail)
    assert CODE not in repr(found)


def test_text_and_html_have_to_agree() -> None:
    html = REAL_LAYOUT % {"name": NAME, "unit": UNIT, "code": CODE}
    same = f"Số định danh: {UNIT}\nMã kích hoạt: {CODE}\n24h"
    assert activation_of(mail(same, alternative=html)).code.reveal() == CODE
    assert activation_of(mail("Xem bản HTML.", alternative=html)).code.reveal() == CODE
    assert isinstance(said(mail(same.replace(CODE, "ABCDE12345"), alternative=html)), UnclearMail)
    assert isinstance(said(mail(same.replace(UNIT, "AB1111C"), alternative=html)), UnclearMail)


ACCEPTED = [
    "Ngừng sử dụng dịch vụ thành công.",
    "ĐĂNG KÝ NGỪNG DỊCH VỤ THÀNH CÔNG",
    "Đơn vị đã ngừng sử dụng dịch vụ I-VAN kể từ ngày 22/11/2026.",
    "Hồ sơ đã được cơ quan BHXH chấp nhận.",
    "Hồ sơ đăng ký ngừng được tiếp nhận và giải quyết thành công.",
    "Trạng thái: Chấp nhận",
    "Kết quả\nThành công",
    "Hồ sơ nêu trên đã được chấp nhận.",
    "Đề nghị ngừng giao dịch của đơn vị đã được chấp thuận.",
    "Đơn vị đã ngừng dịch vụ.\nNếu thất bại ở bước sau, đề nghị liên hệ 1900.",
    "Dang ky ngung dich vu thanh cong",
    "Cơ quan BHXH đã đồng ý ngừng dịch vụ.",
]
REFUSED = [
    "Đăng ký ngừng không thành công.",
    "Hồ sơ đăng ký ngừng không được chấp nhận.\nLý do: Sai chữ ký số.",
    "Hồ sơ bị từ chối.",
    "Yêu cầu ngừng của đơn vị bị TỪ CHỐI. Lý do: đã ngừng thành công trước đó ở một IVAN khác.",
    "Đăng ký ngừng thất bại",
    "Hồ sơ chưa được chấp nhận.",
    "Kết quả: Không thành công. Sau khi ngừng thành công, đơn vị mới đăng ký lại được.",
    "Hồ sơ không hợp lệ.",
    "Sau khi kiểm tra, hồ sơ ngừng bị từ chối.",
]


@pytest.mark.parametrize("text", ACCEPTED)
def test_a_stop_is_done(text: str) -> None:
    found = said(stop_result(f"Kính gửi: {NAME}\nMã đơn vị: {UNIT}\nSố hồ sơ: 00012/2026/00101\n{text}"))
    assert isinstance(found, StopResultMail)
    assert found.accepted
    assert found.keys == Keys(UNIT, NAME, None, "00012/2026/00101")


@pytest.mark.parametrize("text", REFUSED)
def test_a_stop_is_refused(text: str) -> None:
    found = said(stop_result(f"Kính gửi: {NAME}\nSố hồ sơ: 00012/2026/00101\n{text}"))
    assert isinstance(found, StopResultMail)
    assert not found.accepted
    assert found.text


@pytest.mark.parametrize(
    "text",
    [
        "Hồ sơ đã được tiếp nhận thành công, đang xử lý.",
        "Đơn vị đã nộp hồ sơ thành công.",
        "Đã gửi tờ khai thành công.",
    ],
)
def test_a_receipt_is_no_result(text: str) -> None:
    assert isinstance(said(stop_result(text, subject="Thông báo tiếp nhận hồ sơ ngừng sử dụng dịch vụ")), OtherMail)


@pytest.mark.parametrize(
    "text", ["Kết quả: xem tệp đính kèm", "Đăng ký ngừng thành công.\nĐăng ký ngừng không thành công."]
)
def test_a_stop_whose_outcome_cannot_be_read(text: str) -> None:
    assert isinstance(said(stop_result(text)), UnclearMail)


@pytest.mark.parametrize(
    "raw",
    [
        mail("Mời quý đơn vị dự hội nghị.", subject="Thư mời"),
        mail("Mật khẩu tài khoản của đơn vị đã được đặt lại thành công.", subject="Thông tin tài khoản"),
        mail("Đăng ký thành công.", subject="Thông báo"),
        mail("", subject=""),
    ],
)
def test_other_mails(raw: bytes) -> None:
    assert isinstance(said(raw), OtherMail)


def test_the_code_is_not_shown() -> None:
    found = activation_of(activation())
    assert CODE not in f"{found!r} {found} {found.code} {found.code!r:>20}"
    with pytest.raises(TypeError):
        found.code.__reduce__()
