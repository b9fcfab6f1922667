"""The values of answers as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.ops import values
from services.ops.said import Unanswerable

NOW = datetime(2026, 3, 2, 20, 0, tzinfo=UTC)
"""03:00 of the 3rd of March in Vietnam."""


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("post 2026-03-02", "post 2026-03-02"),
        ("one-stop 3/3/2026", "one-stop 2026-03-03"),
        ("buu-dien 02/03/2026", "post 2026-03-02"),
    ],
)
def test_how_a_paper_form_was_handed_in(written: str, kept: str) -> None:
    assert values.sent(written, NOW) == kept


@pytest.mark.parametrize(
    "written",
    [
        "post",
        "2026-03-02",
        "fax 2026-03-02",
        "post 2026-02-30",
        "post 2026-03-04",
        "post 2019-12-31",
        "post 0026-03-02",
        "",
    ],
)
def test_no_channel_no_day_or_a_day_to_come(written: str) -> None:
    with pytest.raises(Unanswerable) as refused:
        values.sent(written, NOW)
    assert refused.value.code == "sent-bad"


def test_a_code_is_ten_letters_and_digits() -> None:
    assert values.code(" ab12 cd34ef\n") == "AB12CD34EF"
    for bad in ("", "AB12CD34E", "AB12CD34EFG", "ÀB12CD34EF"):
        with pytest.raises(Unanswerable):
            values.code(bad)


def test_when_a_codes_mail_came() -> None:
    assert values.arrived(None, NOW) == NOW
    written = datetime(2026, 3, 3, 2, 30)
    assert values.arrived(written, NOW) == NOW - timedelta(minutes=30), "without a zone it is Vietnam's"
    assert values.arrived(NOW + timedelta(minutes=1), NOW) == NOW
    for bad in (NOW + timedelta(hours=1), NOW - timedelta(hours=24)):
        with pytest.raises(Unanswerable):
            values.arrived(bad, NOW)


def test_treatments_and_addresses() -> None:
    assert values.treatment("fix-data") == "fix-data"
    assert values.email("a@B.vn") == "a@b.vn"
    for reader, bad in ((values.treatment, "ignore"), (values.email, "a@b, c@d")):
        with pytest.raises(Unanswerable):
            reader(bad)
