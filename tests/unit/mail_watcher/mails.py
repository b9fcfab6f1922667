"""Mails for the tests, made up, in the layout that domain.md §6.1 describes and in others."""

from __future__ import annotations

from email.message import EmailMessage

SENDER = "BHXH Việt Nam <thongbao@baohiemxahoi.gov.vn>"
SUBJECT = "Xác nhận đăng ký tham gia giao dịch điện tử về bảo hiểm xã hội, bảo hiểm y tế"
NAME = "CÔNG TY TNHH THƯƠNG MẠI ĐẠI PHÚC - CHI NHÁNH ĐẮK LẮK"
CODE = "7QK2M9XW4T"
UNIT = "TZ1234Z"

REAL_LAYOUT = """<html><head><title>Mã kích hoạt: AAAAAAAAA1</title><style>.c{color:#f60}</style></head><body>
<div style="background:#035">BẢO HIỂM XÃ HỘI VIỆT NAM</div>
<p>Chúc mừng đơn vị/cá nhân đã đăng ký thành công!</p>
<p>Kính gửi (đơn vị/cá nhân): <b>%(name)s</b>.</p><p>Số định danh: <b>%(unit)s</b>.</p>
<p>Cảm ơn quý đơn vị đã đăng ký phương thức giao dịch điện tử.</p>
<p>Đề nghị đơn vị gửi lại mã kích hoạt đến Cổng thông tin <a href="https://dichvucong.example/kichhoat/ZZ11ZZ22ZZ">bấm
vào đây</a></p>
<p style="color:orange;font-weight:bold">%(code)s</p>
<p>(*) Mã kích hoạt chỉ có hiệu lực trong vòng 24h.</p>
<div style="background:#222;color:#fff">Mục đích là xác thực thư điện tử; mọi kết quả về sau gửi về địa chỉ này,
đề nghị thay đổi nếu không còn sử dụng. Hotline 1900969668</div></body></html>"""


def mail(
    body: str,
    subtype: str = "plain",
    *,
    subject: str = SUBJECT,
    sender: str = SENDER,
    to: str = "ketoan@daiphuc.example",
    message_id: str = "<1@baohiemxahoi.gov.vn>",
    alternative: str | None = None,
) -> bytes:
    """The bytes of one mail, CRLF, as the standard library writes it."""
    message = EmailMessage()
    message["From"] = sender
    message["To"] = to
    message["Subject"] = subject
    message["Date"] = "Sun, 22 Nov 2026 08:00:00 +0700"
    message["Message-ID"] = message_id
    message.set_content(body, subtype=subtype)
    if alternative is not None:
        message.add_alternative(alternative, subtype="html")
    return message.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def activation(name: str = NAME, unit: str = UNIT, code: str = CODE, **headers: str) -> bytes:
    """An activation mail as the agency writes it."""
    return mail(REAL_LAYOUT % {"name": name, "unit": unit, "code": code}, "html", **headers)


def stop_result(text: str, subject: str = "Thông báo kết quả đăng ký ngừng giao dịch điện tử", **headers: str) -> bytes:
    """A mail about a stop with the given lines."""
    return mail(text, subject=subject, **headers)


CHANGE_SUBJECT = "Thông báo kết quả đăng ký thay đổi thông tin sử dụng dịch vụ I-VAN"
CODE_SUBJECT = "Thông báo kết quả hồ sơ đăng ký tham gia BHXH lần đầu"
GRANTED = "YN0001A"


def change_result(text: str, subject: str = CHANGE_SUBJECT, **headers: str) -> bytes:
    """A mail about a change dossier with the given lines; invented, no text of one is public."""
    return mail(text, subject=subject, **headers)


def unit_code_result(text: str, subject: str = CODE_SUBJECT, **headers: str) -> bytes:
    """The officer's mail about a first-time dossier with the given lines; invented."""
    return mail(text, subject=subject, **headers)
