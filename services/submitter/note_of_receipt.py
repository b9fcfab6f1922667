"""Form 01/TB-GD, the agency's note of receipt, as docs/gateway.md lays it out: XML in, receipts out."""

from __future__ import annotations

from base64 import b64decode
from datetime import datetime
from typing import Literal

from lxml import etree

from hoso.dossiers.safexml import HostileXml, parse
from hoso.runtime.failures import OutcomeUnknown
from schemas.events import StepResult
from services.submitter.gateway import Receipt

MAX_REPLY_BYTES = 2_000_000
MAX_NAME = 64
"""Of a transaction, a dossier number or a code: what does not fit is no receipt, and must not grow an event beyond the log."""
NOTE = "XACNHAN_GDICH"
_OUTCOMES: dict[str, Literal["received", "accepted", "refused"]] = {
    "TIEP_NHAN": "received",
    "CHAP_NHAN": "accepted",
    "TU_CHOI": "refused",
}


def one(body: bytes) -> Receipt:
    """The receipt of an answer that holds one. Raises OutcomeUnknown."""
    found = tree(body).findall(NOTE)
    if len(found) != 1:
        raise OutcomeUnknown(f"the answer holds {len(found)} receipts, not one")
    return receipt(found[0])


def listed(body: bytes) -> list[etree._Element]:
    """The notes of an answer that is a list. Raises OutcomeUnknown."""
    found = tree(body).find("DANH_SACH")
    if found is None:
        raise OutcomeUnknown("the answer holds no list of receipts")
    return found.findall(NOTE)


def tree(body: bytes) -> etree._Element:
    """The root `BHXH`. Raises OutcomeUnknown."""
    try:
        root = parse(body, max_bytes=MAX_REPLY_BYTES)
    except HostileXml as error:
        raise OutcomeUnknown(f"the answer is not the XML it should be: {error}") from error
    if root.tag != "BHXH":
        raise OutcomeUnknown(f"the answer is a <{root.tag}>, not a reply of the agency")
    return root


def receipt(node: etree._Element) -> Receipt:
    """What one note says. Raises OutcomeUnknown for one that nobody can act upon."""

    def text(path: str, within: etree._Element = node) -> str:
        return (within.findtext(path) or "").strip()

    outcome = _OUTCOMES.get(text("TTGDICH/KQUA"))
    if outcome is None:
        raise OutcomeUnknown(f"a receipt says KQUA={text('TTGDICH/KQUA')[:40]!r}, which means nothing to us")
    code = text("TTGDICH/MA_LOI") if outcome == "refused" else text("TTGDICH/MA_KQUA")
    names = text("TTGDICH/MA_GDICH"), text("TTGDICH/SO_HSO"), code, text("TTDVI/MA_DVI"), text("TTGDICH/SHA256")
    if not names[0] and outcome != "refused":
        raise OutcomeUnknown("a receipt names no transaction, so nobody could ask what became of it")
    if max(map(len, names)) > MAX_NAME:
        raise OutcomeUnknown("a receipt has a transaction, number or code longer than any should be")
    steps = tuple(
        StepResult(
            step=text("TEN", s)[:100],
            result=text("KET_QUA", s)[:150],
            code=text("MA_KET_QUA", s)[:MAX_NAME],
            at=_time(text("THOI_GIAN", s)),
        )
        for s in node.findall("BUOC")
    )
    return Receipt(
        outcome,
        names[0],
        names[1] or None,
        code,
        text("TTGDICH/MOTA_LOI")[:2000],
        steps,
        names[3],
        text("TTGDICH/MALOAI_HSO")[:MAX_NAME],
        names[4].lower(),
        _document(node.findtext("TAI_LIEU")),
        unit_name=text("TTDVI/TEN_DVI")[:500],
        filed_at=_time(text("TTGDICH/NGAY_GDICH")),
    )


def _document(text: str | None) -> bytes | None:
    """The signed form; b"" for what is no base64: something was there, and it verifies as nothing."""
    if text is None or not text.strip():
        return None
    try:
        return b64decode("".join(text.split()), validate=True)
    except ValueError:
        return b""


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
