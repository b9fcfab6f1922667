"""What the agency's mails say. The activation mail follows domain.md §6.1; the results are invented, none is public.

Each result has two layouts: a letter, and a table of labels and values. `LAYOUTS` is all of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape, unescape

from simulator.looks import Look

FIRST_TIME = "DKTGLD"
"""The Số định danh of every unit without a code (domain.md §4.7)."""

FRAME = """<html><head><meta charset="{charset}"></head><body style="font-family:Arial,sans-serif">
<div style="background:#0054a6;color:#fff;padding:12px;font-size:18px">BẢO HIỂM XÃ HỘI VIỆT NAM</div>
<div style="padding:16px">
{inner}
</div>
<div style="background:#333;color:#fff;padding:12px;font-size:12px">{foot}</div>
</body></html>
"""
ACTIVATION_SUBJECT = (
    "Xác nhận đăng ký tham gia giao dịch điện tử về bảo hiểm xã hội, bảo hiểm y tế, bảo hiểm thất nghiệp"
)
ACTIVATION = """<p>Chúc mừng bạn đã đăng ký thành công phương thức giao dịch điện tử với cơ quan Bảo hiểm xã hội.</p>
<p>Kính gửi (đơn vị/cá nhân): <b>{name}</b>.</p>
<p>Số định danh: <b>{unit_code}</b>.</p>
<p>Cảm ơn đơn vị/cá nhân đã đăng ký phương thức giao dịch điện tử
về bảo hiểm xã hội, bảo hiểm y tế, bảo hiểm thất nghiệp.</p>
<p>Đề nghị đơn vị/cá nhân gửi mã kích hoạt dưới đây về Cổng thông tin điện tử
theo đường dẫn <a href="{link}">bấm vào đây</a>:</p>
<p style="text-align:center;font-size:20px"><b style="color:#f7941d">{code}</b></p>
<p>(*) Mã kích hoạt chỉ có hiệu lực trong vòng 24h kể từ khi nhận được email này.</p>"""
ACTIVATION_FOOT = (
    "Email này dùng để xác minh địa chỉ nhận thông báo của đơn vị/cá nhân. Mọi kết quả giao dịch về sau được gửi "
    "tới địa chỉ này; "
    "nếu không còn sử dụng, đề nghị đăng ký thay đổi."
)
ACTIVATION_PLAIN = (
    "Kính gửi (đơn vị/cá nhân): {name}.\nSố định danh: {unit_code}.\nMã kích hoạt:\n\n{code}\n\n"
    "(*) Mã kích hoạt chỉ có hiệu lực trong vòng 24h kể từ khi nhận được email này.\n"
)
RESULT_FOOT = "Email này được gửi tự động, đề nghị không trả lời."


@dataclass(frozen=True, slots=True)
class Wording:
    """A mail in words."""

    subject: str
    html: str
    plain: str


@dataclass(frozen=True, slots=True)
class Result:
    """The words of one kind of result. `{…}` are fields of a Look; a `then` is a sentence that follows."""

    subjects: tuple[str, str]
    about: tuple[str, str]
    done: tuple[str, str]
    refused: tuple[str, str]
    then: tuple[str, str]


RESULTS = {
    "stop-result": Result(
        subjects=(
            "Thông báo kết quả đăng ký ngừng sử dụng dịch vụ I-VAN",
            "V/v trả kết quả hồ sơ 06/NG-IVAN (ngừng sử dụng dịch vụ I-VAN)",
        ),
        about=(
            "Cơ quan Bảo hiểm xã hội thông báo kết quả xử lý hồ sơ đăng ký ngừng sử dụng dịch vụ I-VAN của đơn vị:",
            "Ngừng sử dụng dịch vụ I-VAN (06/NG-IVAN)",
        ),
        done=("Ngừng sử dụng dịch vụ thành công", "Đã được chấp nhận ngừng sử dụng dịch vụ"),
        refused=("Hồ sơ đăng ký ngừng không được chấp nhận", "Từ chối: không được ngừng sử dụng dịch vụ"),
        then=(
            "Đơn vị có thể đăng ký sử dụng dịch vụ của nhà cung cấp khác kể từ thời điểm nhận được thông báo này.",
            "Kể từ hôm nay đơn vị được đăng ký với nhà cung cấp khác.",
        ),
    ),
    "change-result": Result(
        subjects=(
            "Thông báo kết quả đăng ký thay đổi, bổ sung thông tin sử dụng dịch vụ I-VAN",
            "V/v trả kết quả hồ sơ 05/SĐ-IVAN (thay đổi thông tin)",
        ),
        about=(
            "Cơ quan Bảo hiểm xã hội thông báo kết quả xử lý hồ sơ thay đổi, bổ sung thông tin của đơn vị:",
            "Thay đổi, bổ sung thông tin (05/SĐ-IVAN)",
        ),
        done=("Thay đổi thông tin thành công", "Đã được chấp nhận"),
        refused=("Hồ sơ thay đổi thông tin không được chấp nhận", "Từ chối"),
        then=("Thông tin mới có hiệu lực kể từ thời điểm nhận được thông báo này.", "Thông tin mới đã được cập nhật."),
    ),
    "unit-code-result": Result(
        subjects=(
            "Thông báo kết quả giải quyết hồ sơ đăng ký tham gia bảo hiểm xã hội lần đầu",
            "V/v cấp mã đơn vị tham gia BHXH, BHYT, BHTN",
        ),
        about=(
            "Cơ quan Bảo hiểm xã hội thông báo kết quả giải quyết hồ sơ đề nghị cấp mã đơn vị tham gia lần đầu:",
            "Cấp mã đơn vị tham gia lần đầu (TK3-TS)",
        ),
        done=("Hồ sơ đã được chấp nhận. Mã đơn vị được cấp: {granted}", "Đã cấp mã đơn vị"),
        refused=("Hồ sơ đề nghị cấp mã đơn vị không được chấp nhận", "Từ chối cấp mã đơn vị"),
        then=(
            "Đề nghị đơn vị cập nhật mã đơn vị và nộp hồ sơ thay đổi thông tin.",
            "Đề nghị đơn vị sử dụng mã này trong mọi giao dịch.",
        ),
    ),
}
Row = tuple[str, str]


def activation(look: Look, link: str) -> Wording:
    """The mail with a code."""
    identity = look.unit_code or FIRST_TIME
    inner = ACTIVATION.format(name=escape(look.name), unit_code=identity, code=look.code, link=link)
    html = FRAME.format(charset=look.charset, inner=inner, foot=ACTIVATION_FOOT)
    return Wording(
        ACTIVATION_SUBJECT, html, ACTIVATION_PLAIN.format(name=look.name, unit_code=identity, code=look.code)
    )


def letter(look: Look) -> Wording:
    """The first layout of a result: sentences."""
    words = RESULTS[look.kind]
    keys = "".join(
        f" {label}: <b>{escape(value)}</b>." for label, value in _keys(look, ("Mã đơn vị", "Mã số thuế", "Số hồ sơ"))
    )
    told = words.refused[0] if look.refused else words.done[0].format(granted=f"<b>{look.granted}</b>")
    inner = (
        f"<p>Kính gửi: <b>{escape(look.name)}</b>.</p>\n"
        + (f"<p>{keys.strip()}</p>\n" if keys else "")
        + f"<p>{words.about[0]}</p>\n"
        + f'<p style="text-align:center;font-size:18px">{told if look.granted else f"<b>{told}</b>"}</p>\n'
        + f"<p>{f'Lý do: {escape(look.refused)}' if look.refused else words.then[0]}</p>"
    )
    return _framed(words.subjects[0], inner, look)


def table(look: Look) -> Wording:
    """The second layout of a result: labels and values in cells."""
    words = RESULTS[look.kind]
    rows: list[Row] = [("Thủ tục", words.about[1]), ("Tên đơn vị", look.name)]
    rows += _keys(look, ("Mã đơn vị", "MST", "Số hồ sơ"))
    rows.append(("Kết quả", words.refused[1] if look.refused else words.done[1]))
    if look.refused:
        rows.append(("Lý do", look.refused))
    elif look.granted:
        rows.append(("Mã đơn vị được cấp", look.granted))
    cells = "\n".join(f"<tr><td>{label}</td><td><b>{escape(value)}</b></td></tr>" for label, value in rows)
    inner = f"<p>Kính gửi Quý đơn vị,</p>\n<table>\n{cells}\n</table>" + (
        "" if look.refused else f"\n<p>{words.then[1]}</p>"
    )
    return _framed(words.subjects[1], inner, look)


LAYOUTS: Sequence[Callable[[Look], Wording]] = (letter, table)


def _keys(look: Look, labels: tuple[str, str, str]) -> list[Row]:
    """What a result names beside the unit's name; a bare one names nothing."""
    if look.bare:
        return []
    return [
        (label, value)
        for label, value in zip(labels, (look.unit_code, look.tax_code, look.number), strict=True)
        if value
    ]


def _framed(subject: str, inner: str, look: Look) -> Wording:
    html = FRAME.format(charset=look.charset, inner=inner, foot=RESULT_FOOT)
    return Wording(subject, html, plain(inner) + f"\n\n{RESULT_FOOT}\n")


def plain(html: str) -> str:
    """The words of a layout without its tags: a line for each line, a colon between label and value."""
    text = html.replace("</td><td>", ": ")
    return unescape(re.sub(r"\n{2,}", "\n", re.sub(r"<[^>]+>", "", text)).strip())


def worded(look: Look, link: str) -> Wording:
    """A mail in words; `link` is where an activation mail sends its reader."""
    return activation(look, link) if look.kind == "activation" else LAYOUTS[look.layout](look)
