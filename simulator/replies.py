"""The agency's replies in the layout of form 01/TB-GD (domain.md §4.10, docs/gateway.md)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any
from xml.sax.saxutils import escape

from simulator.clock import iso
from simulator.refusals import Refusal

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
TITLES = {"04_DK-IVAN": "Đăng ký sử dụng dịch vụ I-VAN", "06_NG-IVAN": "Ngừng sử dụng dịch vụ I-VAN"}
SIGNED_BY = (
    "<TTCKY_BHXH><TTCKY><SUBJECT>CN=BHXH Việt Nam (mô phỏng)</SUBJECT><SERIAL>00</SERIAL><TIME>"
    "{time}</TIME></TTCKY></TTCKY_BHXH>"
)
NOTE = (
    "<XACNHAN_GDICH><TTDVI><TEN_DVI>{unit_name}</TEN_DVI><MA_DVI>{unit_code}</MA_DVI><MST>{tax_code}</MST><TEN_COQUAN>{agency}</TEN_COQUAN>"
    "<DIADIEM>{place}</DIADIEM><NGAY_THONGBAO>{today}</NGAY_THONGBAO></TTDVI><TTGDICH><SO_HSO>{number}</SO_HSO><TEN_GDICH>{title}</TEN_GDICH>"
    "<MALOAI_HSO>{procedure}</MALOAI_HSO><NGAY_GDICH>{filed}</NGAY_GDICH><KY_KKHAI/><MA_GDICH>{transaction}</MA_GDICH><MA_KQUA>{result}</MA_KQUA>"
    "<KQUA>{state}</KQUA><MA_LOI>{code}</MA_LOI><MOTA_LOI>{reason}</MOTA_LOI><SHA256>{sha256}</SHA256></TTGDICH>{steps}{signed}</XACNHAN_GDICH>"
)


def step(name: str, code: str, words: str, at: float) -> dict[str, str]:
    """One step of the officer's work, as it is stored."""
    return {"name": name, "code": code, "words": words, "at": iso(at) or ""}


def _steps(steps: Iterable[Mapping[str, str]]) -> str:
    return "".join(
        f"<BUOC><TEN>{escape(s['name'])}</TEN><KET_QUA>{escape(s['words'])}</KET_QUA><MA_KET_QUA>{escape(s['code'])}</MA_KET_QUA>"
        f"<THOI_GIAN>{s['at']}</THOI_GIAN></BUOC>"
        for s in steps
    )


def note(filing: Mapping[str, Any] | Any, now: float, quirks: Iterable[str] = (), with_steps: bool = True) -> str:
    """One XACNHAN_GDICH of a filing row. Quirks: A9-TWICE and A9-ORDER disturb its steps."""
    steps = json.loads(filing["steps"]) if with_steps else []
    if "A9-TWICE" in quirks:
        steps = [s for s in steps for _ in range(2)]
    if "A9-ORDER" in quirks:
        steps = steps[::-1]
    time = iso(now) or ""
    return NOTE.format(
        unit_name=escape(filing["unit_name"]),
        unit_code=escape(filing["unit_code"]),
        tax_code=escape(filing["tax_code"]),
        agency=escape(filing["agency"]),
        place=escape(filing["place"]),
        today=time[:10],
        number=filing["number"],
        title=TITLES.get(filing["procedure"], ""),
        procedure=escape(filing["procedure"]),
        filed=iso(filing["received_world"]),
        transaction=escape(filing["transaction_id"]),
        result=filing["code"] or "00",
        state=filing["state"],
        code=filing["code"],
        reason=escape(filing["reason"]),
        sha256=filing["sha256"],
        steps=_steps(steps),
        signed=SIGNED_BY.format(time=time),
    )


def receipt(one: str) -> bytes:
    """A document with a single note."""
    return f"{HEAD}<BHXH>{one}</BHXH>".encode()


def listing(many: Iterable[str]) -> bytes:
    """A document with any number of notes."""
    return f"{HEAD}<BHXH><DANH_SACH>{''.join(many)}</DANH_SACH></BHXH>".encode()


def refused(refusal: Refusal, filing: Mapping[str, Any], now: float) -> str:
    """A refusal's note about a filing that stays what it is: a duplicate, or an activation."""
    return note({**filing, "state": "TU_CHOI", "code": refusal.code, "reason": refusal.reason}, now, with_steps=False)


def blank(transaction: str, unit_code: str, now: float, procedure: str = "04_DK-IVAN") -> dict[str, Any]:
    """A filing row that is nobody's, to answer about what is not there."""
    texts = dict.fromkeys(("unit_name", "tax_code", "agency", "place", "number", "code", "reason", "sha256"), "")
    return {
        **texts,
        "transaction_id": transaction,
        "unit_code": unit_code,
        "procedure": procedure,
        "state": "TIEP_NHAN",
        "steps": "[]",
        "received_world": now,
    }
