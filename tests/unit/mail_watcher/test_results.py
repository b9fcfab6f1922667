"""Results of changes and of first-time dossiers in ordinary wordings, and everything that is left to a person."""

from __future__ import annotations

import pytest

from services.mail_watcher.parser import parse
from services.mail_watcher.phrases import BadPhrases, extended
from services.mail_watcher.reading import read
from services.mail_watcher.readings import (
    FIRST_TIME,
    ActivationMail,
    ChangeResultMail,
    Keys,
    OtherMail,
    Reading,
    StopResultMail,
    UnclearMail,
    UnitCodeResultMail,
)
from tests.unit.mail_watcher.mails import (
    CODE,
    GRANTED,
    NAME,
    UNIT,
    activation,
    change_result,
    mail,
    stop_result,
    unit_code_result,
)

HEAD = f"Kính gửi: {NAME}\nMã đơn vị: {UNIT}\nSố hồ sơ: 00012/2026/00101\n"
FIRST_HEAD = f"Kính gửi: {NAME}\nSố định danh: DKTGLD\nSố hồ sơ: 00012/2026/00101\n"


def said(raw: bytes) -> Reading:
    return read(parse(raw))


CHANGED = [
    "Hồ sơ thay đổi thông tin của đơn vị đã được chấp nhận.",
    "ĐĂNG KÝ THAY ĐỔI THÔNG TIN THÀNH CÔNG",
    "Thông tin của đơn vị đã được cập nhật.",
    "Thay đổi của đơn vị có hiệu lực kể từ ngày 22/11/2026.",
    "Ho so thay doi thong tin da duoc phe duyet",
    "Kết quả: Chấp nhận",
]
NOT_CHANGED = [
    "Hồ sơ thay đổi thông tin không được chấp nhận.\nLý do: chữ ký số không khớp.",
    "Hồ sơ bị trả lại do chữ ký số không khớp.",
    "Đăng ký thay đổi thất bại. Nguyên nhân: chữ ký số không khớp.",
    "Yêu cầu thay đổi bị từ chối. Lý do: chữ ký số không khớp.",
    "Thông tin chưa được cập nhật. Lý do: chữ ký số không khớp.",
]


@pytest.mark.parametrize("text", CHANGED)
def test_a_change_is_accepted(text: str) -> None:
    found = said(change_result(HEAD + text))
    assert isinstance(found, ChangeResultMail)
    assert found.accepted
    assert found.keys == Keys(UNIT, NAME, None, "00012/2026/00101")


@pytest.mark.parametrize("text", NOT_CHANGED)
def test_a_change_is_refused_with_its_reason(text: str) -> None:
    found = said(change_result(HEAD + text))
    assert isinstance(found, ChangeResultMail)
    assert not found.accepted
    assert "chữ ký số không khớp" in found.text


GIVEN = [
    f"Hồ sơ đã được chấp nhận.\nMã đơn vị được cấp: {GRANTED}",
    f"Cơ quan BHXH đã cấp mã đơn vị cho quý đơn vị là {GRANTED}.",
    f"Đơn vị được cấp mã đơn vị: {GRANTED}. Đề nghị đơn vị nộp hồ sơ thay đổi thông tin để cập nhật mã đơn vị.",
    f"Hồ sơ được duyệt\nMã số đơn vị\n{GRANTED}",
    f'Hồ sơ đã được phê duyệt. Mã đơn vị BHXH (07 ký tự): "{GRANTED}"',
    f"Da cap ma don vi thanh cong. Ma don vi: {GRANTED}",
    f"KẾT QUẢ: THÀNH CÔNG\nMÃ ĐƠN VỊ: {GRANTED}",
    f"Hồ sơ đã được giải quyết. Mã đơn vị của quý đơn vị: {GRANTED}\nMã đơn vị {GRANTED} dùng cho mọi giao dịch.",
]


@pytest.mark.parametrize("text", GIVEN)
def test_a_unit_code_is_given(text: str) -> None:
    found = said(unit_code_result(FIRST_HEAD + text))
    assert isinstance(found, UnitCodeResultMail), found
    assert (found.granted, found.unit_code) == (True, GRANTED)
    assert found.keys == Keys(FIRST_TIME, NAME, None, "00012/2026/00101")


def test_a_unit_code_in_a_table() -> None:
    cells = (
        f"<table><tr><th>Mã đơn vị</th><th>Tên đơn vị</th></tr><tr><td>{GRANTED}</td><td>{NAME}</td></tr></table>"
        "<p>Hồ sơ cấp mã đơn vị đã được chấp nhận.</p>"
    )
    found = said(mail(cells, "html", subject="Kết quả cấp mã đơn vị"))
    assert isinstance(found, UnitCodeResultMail)
    assert (found.unit_code, found.keys.unit_code) == (GRANTED, FIRST_TIME)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "Hồ sơ cấp mã đơn vị không được chấp nhận.\nLý do:\n- Thiếu giấy phép kinh doanh.\n- Sai địa chỉ.\nĐề nghị nộp lại.",
            "Lý do: - Thiếu giấy phép kinh doanh. - Sai địa chỉ.",
        ),
        ("Từ chối cấp mã đơn vị. Lý do: đơn vị đã có mã.", "Lý do: đơn vị đã có mã."),
        ("Đơn vị chưa được cấp mã vì hồ sơ thiếu chữ ký.", "vì hồ sơ thiếu chữ ký"),
        ("Hồ sơ được trả lại. Nguyên nhân: thiếu TK3-TS.", "Nguyên nhân: thiếu TK3-TS."),
    ],
)
def test_a_unit_code_is_refused_with_the_reason_as_it_came(text: str, reason: str) -> None:
    found = said(unit_code_result(FIRST_HEAD + text))
    assert isinstance(found, UnitCodeResultMail)
    assert (found.granted, found.unit_code) == (False, None)
    assert reason in found.text
    assert "nộp lại" not in found.text


OK = "Hồ sơ đã được chấp nhận.\n"
TRICKS = {
    "several codes": f"{OK}Mã đơn vị: {GRANTED}\nMã đơn vị được cấp: YN0002B",
    "several codes in two sentences": f"{OK}Mã đơn vị {GRANTED}. Mã đơn vị YN0002B.",
    "too long": f"{OK}Mã đơn vị được cấp: {GRANTED}9",
    "too short": f"{OK}Mã đơn vị được cấp: YN0001",
    "lower case": f"{OK}Mã đơn vị được cấp: {GRANTED.lower()}",
    "digits only": f"{OK}Mã đơn vị được cấp: 1234567",
    "letters only": f"{OK}Mã đơn vị được cấp: ABCDEFG",
    "a Cyrillic letter in it": f"{OK}Mã đơn vị được cấp: YN0001\u0410",
    "a Cyrillic letter before it": f"{OK}Mã đơn vị được cấp: \u0423{GRANTED}",
    "all of it Cyrillic": f"{OK}Mã đơn vị được cấp: \u0423\u041d0001\u0410",
    "a Greek letter in it": f"{OK}Mã đơn vị được cấp: YN0001\u0391",
    "Arabic digits": f"{OK}Mã đơn vị được cấp: YN\u0660\u0660\u0660\u0661A",
    "full-width": f"{OK}Mã đơn vị được cấp: ＹＮ０００１Ａ",
    "a zero-width space in it": f"{OK}Mã đơn vị được cấp: YN0\u200b001A",
    "a soft hyphen in it": f"{OK}Mã đơn vị được cấp: YN00\u00ad01A",
    "turned round": f"{OK}Mã đơn vị được cấp: \u202eYN0001A\u202c",
    "turned round elsewhere": f"{OK}Mã đơn vị \u2067được cấp\u2069: {GRANTED}",
    "a part of something": f"{OK}Mã đơn vị được cấp: {GRANTED}-01",
    "an address": f"{OK}Mã đơn vị được cấp: {GRANTED}@x.example",
    "none": OK,
    "none readable": f"{OK}Mã đơn vị được cấp: xem tệp đính kèm",
    "refused and given": f"Hồ sơ không được chấp nhận.\nMã đơn vị được cấp: {GRANTED}",
    "both": "Hồ sơ đã được chấp nhận. Hồ sơ bị từ chối.",
    "no outcome": f"Mã đơn vị: {GRANTED}",
    "a denial nobody knows": f"Không thể xem là hồ sơ được chấp nhận.\nMã đơn vị: {GRANTED}",
}


@pytest.mark.parametrize("trick", TRICKS)
def test_a_unit_code_is_never_guessed(trick: str) -> None:
    found = said(unit_code_result(FIRST_HEAD + TRICKS[trick]))
    assert isinstance(found, UnclearMail), found
    assert found.about == "unit-code-result"


def test_a_look_alike_beside_a_known_code_is_no_key() -> None:
    assert said(activation(unit=f"\u0423{UNIT[1:]}")).keys.unit_code is None  # type: ignore[union-attr]
    assert said(activation(unit=f"\u0423{UNIT}")).keys.unit_code is None  # type: ignore[union-attr]
    assert isinstance(said(activation(code=f"\u0416{CODE}")), UnclearMail)


def test_text_and_html_of_a_result_have_to_agree() -> None:
    text = FIRST_HEAD + f"Hồ sơ đã được chấp nhận.\nMã đơn vị được cấp: {GRANTED}"
    html = f"<p>Hồ sơ cấp mã đơn vị đã được chấp nhận.</p><p>Mã đơn vị được cấp: <b>{GRANTED}</b></p>"
    assert isinstance(said(unit_code_result(text, alternative=html)), UnitCodeResultMail)
    assert isinstance(said(unit_code_result(text, alternative=html.replace(GRANTED, "YN0002B"))), UnclearMail)
    refused = html.replace("đã được", "không được").replace(f"<p>Mã đơn vị được cấp: <b>{GRANTED}</b></p>", "")
    assert isinstance(said(unit_code_result(text, alternative=refused)), UnclearMail)
    changed = HEAD + "Hồ sơ thay đổi thông tin đã được chấp nhận."
    assert isinstance(said(change_result(changed, alternative="<p>Hồ sơ bị từ chối.</p>")), UnclearMail)


def test_the_subject_says_which_of_several_dossiers_a_mail_is_about() -> None:
    advice = f"Hồ sơ đã được chấp nhận. Mã đơn vị được cấp: {GRANTED}.\nĐề nghị đơn vị nộp hồ sơ thay đổi thông tin."
    assert isinstance(said(unit_code_result(FIRST_HEAD + advice)), UnitCodeResultMail)
    assert isinstance(
        said(mail(FIRST_HEAD + "Hồ sơ cấp mã đơn vị: " + advice, subject="Thông báo")), UnitCodeResultMail
    )
    both = "Hồ sơ ngừng sử dụng dịch vụ đã được chấp nhận. Hồ sơ thay đổi thông tin đã được chấp nhận."
    assert isinstance(said(mail(HEAD + both, subject="Thông báo kết quả")), UnclearMail)
    assert isinstance(said(stop_result(HEAD + "Ngừng sử dụng dịch vụ thành công.\nMuốn thay đổi thông tin, nộp hồ sơ thay đổi.")), StopResultMail)  # fmt: skip


@pytest.mark.parametrize(
    "raw",
    [
        mail("Mật khẩu tài khoản đã được đặt lại thành công.\nEmail không còn dùng thì đăng ký thay đổi thông tin.", subject="Tài khoản"),
        change_result("Hồ sơ thay đổi thông tin đã được tiếp nhận thành công, đang xử lý."),
        unit_code_result("Hồ sơ đăng ký tham gia BHXH lần đầu đã được tiếp nhận, đang xử lý."),
        mail("Mời dự hội nghị phổ biến hồ sơ tham gia lần đầu.", subject="Thư mời"),
        mail("Đơn vị đã nộp tờ khai thay đổi thông tin thành công.", subject="Thông báo tiếp nhận"),
        mail("Có thể nộp hồ sơ thay đổi thông tin. Xem tại cổng. Gọi 1900. Hỏi bưu điện. Tài khoản được chấp nhận.", subject="Tin"),
    ],
)  # fmt: skip
def test_a_receipt_or_a_mention_is_no_result(raw: bytes) -> None:
    assert isinstance(said(raw), OtherMail)


def test_an_activation_mail_that_mentions_other_dossiers_is_one() -> None:
    text = f"Kính gửi: {NAME}\nSố định danh: DKTGLD\nChúc mừng đơn vị đăng ký tham gia lần đầu thành công.\nMã kích hoạt: {CODE}\n24h\n"
    found = said(mail(text + "Nếu không còn dùng email này, đề nghị đăng ký thay đổi thông tin."))
    assert isinstance(found, ActivationMail)
    assert found.keys.unit_code == FIRST_TIME
    found = said(change_result(text + "Hồ sơ thay đổi thông tin đã được chấp nhận."))
    assert isinstance(found, UnclearMail)


def test_an_operator_adds_phrases_without_a_release() -> None:
    phrases = extended(
        '{"change-result": {"topic": ["điều chỉnh hồ sơ đơn vị"], "accepted": ["hoàn chỉnh rồi"], "refused": ["trả về"]},'
        ' "unit-code-result": {"anchor": ["mã hiệu đơn vị"], "accepted": ["nay trao"]}}'
    )
    done = mail(f"{HEAD}Việc của đơn vị HOÀN CHỈNH RỒI.", subject="Về việc điều chỉnh hồ sơ đơn vị")
    assert isinstance(said(done), OtherMail)
    found = read(parse(done), phrases)
    assert isinstance(found, ChangeResultMail)
    assert found.accepted
    back = mail(f"{HEAD}Hồ sơ bị trả về.", subject="Về việc điều chỉnh hồ sơ đơn vị")
    refused = read(parse(back), phrases)
    assert isinstance(refused, ChangeResultMail)
    assert not refused.accepted
    given = unit_code_result(f"{FIRST_HEAD}Nay trao mã hiệu đơn vị {GRANTED}")
    assert isinstance(said(given), UnclearMail)
    granted = read(parse(given), phrases)
    assert isinstance(granted, UnitCodeResultMail)
    assert granted.unit_code == GRANTED


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{",
        '{"other": {}}',
        '{"stop-result": {"words": []}}',
        '{"stop-result": {"topic": "ngừng"}}',
        '{"stop-result": {"topic": ["a"]}}',
        '{"stop-result": {"topic": [1]}}',
        '{"stop-result": {"accepted": ["=được"]}}',
        '{"stop-result": {"topic": ["' + "x" * 300 + '"]}}',
        '{"stop-result": {"topic": [' + ",".join(['"abc"'] * 600) + "]}}",
    ],
)
def test_a_file_of_phrases_that_cannot_be_used_says_why(text: str) -> None:
    with pytest.raises(BadPhrases) as caught:
        extended(text)
    assert str(caught.value)
