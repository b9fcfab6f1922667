"""The agency's replies in the layout of form 01/TB-GD (domain.md §4.10, docs/gateway.md)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any
from xml.sax.saxutils import escape

from simulator.clock import iso
from simulator.refusals import Refusal
from simulator.seal import Seal

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
TITLES = {
    "04_DK-IVAN": "Đăng ký sử dụng dịch vụ I-VAN",
    "05_SD-IVAN": "Thay đổi, bổ sung thông tin sử dụng dịch vụ I-VAN",
    "06_NG-IVAN": "Ngừng sử dụng dịch vụ I-VAN",
    "604": "Đăng ký, điều chỉnh thông tin đơn vị tham gia (TK3-TS)",
}
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


def unsigned(filing: Mapping[str, Any] | Any, now: float, quirks: Iterable[str] = (), with_steps: bool = True) -> str:
    """One XACNHAN_GDICH of a filing row, as it is before it is signed. A decided one says when it was decided, so it reads
    the same whenever it is asked for. Quirks: A9-TWICE and A9-ORDER disturb its steps."""
    steps = json.loads(filing["steps"]) if with_steps else []
    if "A9-TWICE" in quirks:
        steps = [s for s in steps for _ in range(2)]
    if "A9-ORDER" in quirks:
        steps = steps[::-1]
    time = iso(filing["decided_world"] or now) or ""
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


def turned_round(filing: Mapping[str, Any]) -> dict[str, Any]:
    """The same filing with the opposite outcome: what a forger would have a note say."""
    if filing["state"] == "TU_CHOI":
        return {**filing, "state": "CHAP_NHAN", "code": "", "reason": ""}
    return {**filing, "state": "TU_CHOI", "code": "SIM001", "reason": Refusal("SIM001").reason}


class Notes:
    """Writes notes; a decision is a signed document too (docs/gateway.md, "Signed replies") where there is a seal."""

    def __init__(self, seal: Seal | None) -> None:
        self._seal = seal

    def note(
        self,
        filing: Mapping[str, Any] | Any,
        now: float,
        quirks: Iterable[str] = (),
        *,
        with_steps: bool = True,
        a12: str = "",
    ) -> str:
        """One XACNHAN_GDICH, with TAI_LIEU when it says accepted or refused. `a12` spoils the signature: BROKEN, STRANGER,
        TAMPERED (says the opposite of what was signed), UNSIGNED, FOREIGN (another filing's document)."""
        text = unsigned(filing, now, quirks, with_steps)
        if a12 == "TAMPERED":
            false = unsigned(turned_round(dict(filing)), now, quirks, with_steps)
            return self._with(false, self._seal.tampered(text, false)) if self._seal else false
        if self._seal is None or filing["state"] == "TIEP_NHAN" or a12 == "UNSIGNED":
            return text
        if a12 == "FOREIGN":
            return self._with(text, self._seal.document(unsigned({**dict(filing), "transaction_id": "GD0"}, now)))
        if a12:
            return self._with(text, self._seal.spoiled(text, a12))
        return self._with(text, self._seal.document(text))

    @staticmethod
    def _with(text: str, document: str) -> str:
        return text.replace("</XACNHAN_GDICH>", f"<TAI_LIEU>{document}</TAI_LIEU></XACNHAN_GDICH>")

    def refused(self, refusal: Refusal, filing: Mapping[str, Any], now: float) -> str:
        """A refusal's note about a filing that stays what it is: a duplicate."""
        return self.note(_refusing(refusal, filing, now), now, with_steps=False)


def _refusing(refusal: Refusal, filing: Mapping[str, Any], now: float) -> dict[str, Any]:
    return {**filing, "state": "TU_CHOI", "code": refusal.code, "reason": refusal.reason, "decided_world": now}


def answer(filing: Mapping[str, Any], now: float, refusal: Refusal | None = None) -> str:
    """What is said to an activation: no form 01/TB-GD, so never signed."""
    told = _refusing(refusal, filing, now) if refusal else filing
    return unsigned({**told, "decided_world": now}, now, with_steps=False)


def receipt(one: str) -> bytes:
    """A document with a single note."""
    return f"{HEAD}<BHXH>{one}</BHXH>".encode()


def listing(many: Iterable[str]) -> bytes:
    """A document with any number of notes."""
    return f"{HEAD}<BHXH><DANH_SACH>{''.join(many)}</DANH_SACH></BHXH>".encode()


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
        "decided_world": None,
    }
