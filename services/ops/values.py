"""The values of answers, read as people write them. Pure; raises Unanswerable."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from typing import Any

from hoso.domain.identifiers import BadValue, read_email, read_unit_code
from hoso.domain.providers import read_provider
from hoso.domain.rejections import Treatment
from services.ops.said import Unanswerable

VIETNAM = timezone(timedelta(hours=7))
CODE_LIFETIME = timedelta(hours=24)
_CODE = re.compile(r"[A-Z0-9]{10}")
"""A mã kích hoạt (domain.md §6.2)."""
CHANNELS = {"post": "post", "buu-dien": "post", "one-stop": "one-stop", "mot-cua": "one-stop"}
_LONGEST = 500
_FIRST_DAY = date(2020, 1, 1)
"""Nothing of ours was handed in before; an earlier year is a slip."""


def unit_code(value: str) -> str:
    """A mã đơn vị, in upper case."""
    en = f"'{value}' is no unit code: 7 letters and digits such as TZ1234Z"
    return _read(read_unit_code, value, "unit-code-bad", en)


def email(value: str) -> str:
    """One address."""
    return _read(read_email, value, "address-bad", f"'{value}' is no e-mail address: give one, such as a@b.vn")


def provider(value: str, own: str) -> str:
    """The I-VAN code of another provider than ours, or VSS."""
    en = f"'{value}' is no provider: give its I-VAN code, its name, or VSS for the portal"
    code = _read(read_provider, value, "provider-bad", en)
    if not code or code == own:
        raise Unanswerable(
            "provider-bad",
            "Ghi mã hoặc tên nhà cung cấp khác đang giữ đơn vị.",
            "name the other provider that holds the unit: its I-VAN code, its name, or VSS for the portal",
        )
    return code


def treatment(value: str) -> str:
    """What an unknown code shall mean for this case: a word of `hoso.domain.rejections.Treatment`."""
    words = [one.value for one in Treatment]
    if value not in words:
        raise Unanswerable(
            "treatment-bad",
            f"“{value}” không phải cách xử lý; có: {', '.join(words)}.",
            f"'{value}' is no treatment; there are: {', '.join(words)}",
        )
    return value


def sent(value: str, now: datetime) -> str:
    """How and when a paper form was handed in: `post|one-stop yyyy-mm-dd`, or dd/mm/yyyy; since 2020, never in the future."""
    channel, _, day = value.partition(" ")
    try:
        given = datetime.strptime(day.strip(), "%d/%m/%Y").date() if "/" in day else date.fromisoformat(day.strip())
    except ValueError:
        given = None
    if channel not in CHANNELS or given is None:
        raise Unanswerable(
            "sent-bad",
            f"“{value}” không đúng; ghi cách nộp (post: bưu điện, one-stop: bộ phận một cửa) và ngày, ví dụ: post 2026-03-02.",
            f"'{value}' will not do: give the channel (post or one-stop) and the day, e.g. post 2026-03-02",
        )
    if given > now.astimezone(VIETNAM).date():
        raise Unanswerable(
            "sent-bad",
            f"Ngày {given:%d/%m/%Y} chưa tới; ghi ngày đã nộp.",
            f"{given} is not over yet: give the day on which it was handed in",
        )
    if given < _FIRST_DAY:
        raise Unanswerable(
            "sent-bad",
            f"Ngày {given:%d/%m/%Y} quá xa; kiểm tra lại năm của ngày đã nộp.",
            f"{given} is too long ago: check the year of the day on which it was handed in",
        )
    return f"{CHANNELS[channel]} {given.isoformat()}"


def code(given: str) -> str:
    """An activation code: ten letters and digits."""
    found = re.sub(r"\s", "", given).upper()
    if not _CODE.fullmatch(found):
        raise Unanswerable(
            "code-bad",
            "Mã kích hoạt gồm đúng 10 chữ cái và chữ số; chép lại từ email của cơ quan BHXH.",
            "an activation code is ten letters and digits: copy it from the agency's mail",
        )
    return found


def arrived(given: datetime | None, now: datetime) -> datetime:
    """When the code's mail came: now when nobody says; never in the future, never longer ago than a code lives."""
    if given is None:
        return now
    at = given if given.tzinfo is not None else given.replace(tzinfo=VIETNAM)
    if at > now + timedelta(minutes=5):
        raise Unanswerable("arrived-bad", "Giờ nhận email ở tương lai; ghi lại.", "the mail cannot come in the future")
    if at <= now - CODE_LIFETIME:
        raise Unanswerable(
            "code-expired",
            "Mã kích hoạt chỉ có hiệu lực 24 giờ từ khi nhận email; mã này đã hết hạn, hãy trả lời retry để nộp lại.",
            "a code is good for 24 hours from its mail; this one has expired: answer retry to file again",
        )
    return min(at, now)


def words(value: str) -> str:
    """The agency's words, or a transaction, as they are."""
    return value[:_LONGEST]


def _read(reader: Callable[[str], Any], value: str, code: str, en: str) -> str:
    try:
        return str(reader(value).value)
    except BadValue as error:
        raise Unanswerable(code, str(error), en) from error
