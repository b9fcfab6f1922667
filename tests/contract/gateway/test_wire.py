"""What no honest agency answers: none of it may be taken for an answer, and none of it may cost more than a bound."""

from __future__ import annotations

import asyncio
import gzip
import resource
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from hoso.runtime.failures import Invalid, OutcomeUnknown, Transient
from services.submitter.gateway import Capabilities, Dossier
from services.submitter.http_gateway import HttpAgencyGateway
from services.submitter.note_of_receipt import MAX_REPLY_BYTES
from tests.contract.gateway.byhand import ByHand, listed, one, receipt
from tests.contract.gateway.conftest import signed, soon

Gateways = Callable[..., HttpAgencyGateway]
FILED = signed("QC0001K")
ENTITIES = b'<!DOCTYPE BHXH [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
DEEP = "".join("<a>" for _ in range(500)) + "".join("</a>" for _ in range(500))


async def test_the_plain_answer_is_understood(by_hand: ByHand, gateways: Gateways) -> None:
    """The control of this file: what is spoilt below is right here."""
    gateway = gateways(by_hand.says(200, one(receipt())).url)
    found = await gateway.submit(FILED, "k", soon())

    assert (found.outcome, found.transaction, found.number, found.code) == ("received", "GD1", "00001/2026/00101", "00")
    assert by_hand.arrived[0].endswith(FILED.data)
    head = by_hand.arrived[0][: -len(FILED.data)].lower()
    assert f"content-length: {len(FILED.data)}\r\n".encode() in head
    assert b"accept-encoding: identity\r\n" in head
    assert b"idempotency-key: k\r\n" in head


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(ENTITIES + one(receipt()), id="doctype"),
        pytest.param(ENTITIES + one(receipt(more="<MA_LOI>&b;</MA_LOI>")), id="entities"),
        pytest.param(b'<?xml version="1.0" encoding="utf-7"?>' + one(receipt()), id="hidden-encoding"),
        pytest.param(one(receipt()).decode().encode("utf-16"), id="utf-16"),
        pytest.param(b"<BHXH><XACNHAN_GDICH>" + b"\xff" * 10, id="no-text"),
        pytest.param(one(receipt())[:-9], id="truncated"),
        pytest.param(one(receipt(more=DEEP)), id="deep"),
        pytest.param(b"<html><body>welcome to the captive portal</body></html>", id="web-page"),
        pytest.param(b"<KHAC>" + receipt().encode() + b"</KHAC>", id="wrong-root"),
        pytest.param(b'<BHXH xmlns="urn:khac">' + receipt().encode() + b"</BHXH>", id="wrong-namespace"),
        pytest.param(one(receipt(), receipt(transaction="GD2")), id="two-receipts"),
        pytest.param(one(), id="no-receipt"),
        pytest.param(listed(receipt()), id="a-list"),
        pytest.param(one(receipt("XONG")), id="kqua-unknown"),
        pytest.param(one(receipt("")), id="kqua-empty"),
        pytest.param(one(receipt(transaction="")), id="no-transaction"),
        pytest.param(one(receipt(transaction="G" * 5_000)), id="long-transaction"),
        pytest.param(b"", id="nothing"),
        pytest.param(b'{"MA_GDICH": "GD1"}', id="json"),
        pytest.param(gzip.compress(one(receipt())), id="gzip-undeclared"),
    ],
)
async def test_an_answer_that_is_no_receipt_is_an_unknown_outcome(
    by_hand: ByHand, gateways: Gateways, body: bytes
) -> None:
    with pytest.raises(OutcomeUnknown):
        await gateways(by_hand.says(200, body).url).submit(FILED, "k", soon())


async def test_packed_answers_are_not_unpacked(by_hand: ByHand, gateways: Gateways) -> None:
    """A megabyte that unpacks to a gigabyte stays a megabyte."""
    bomb = gzip.compress(b"<BHXH>" + b" " * 50_000_000 + b"</BHXH>")
    with pytest.raises(OutcomeUnknown):
        await gateways(by_hand.says(200, bomb, Content_Encoding="gzip").url).submit(FILED, "k", soon())


@pytest.mark.parametrize(
    ("status", "kind"),
    [(201, OutcomeUnknown), (202, OutcomeUnknown), (204, OutcomeUnknown), (208, OutcomeUnknown), (301, OutcomeUnknown)]
    + [
        (302, OutcomeUnknown),
        (307, OutcomeUnknown),
        (408, OutcomeUnknown),
        (409, OutcomeUnknown),
        (500, OutcomeUnknown),
    ]
    + [(502, OutcomeUnknown), (503, OutcomeUnknown), (504, OutcomeUnknown), (599, OutcomeUnknown)]
    + [(400, Invalid), (401, Invalid), (403, Invalid), (404, Invalid), (413, Invalid), (415, Invalid), (422, Invalid)]
    + [(429, Transient)],
)
async def test_every_status_has_its_class(
    by_hand: ByHand, gateways: Gateways, status: int, kind: type[Exception]
) -> None:
    """A proper receipt inside changes nothing: only a 200 is an answer, only 4xx says never, only 429 says not yet."""
    body = b"" if status == 204 else one(receipt())
    with pytest.raises(kind):
        await gateways(by_hand.says(status, body).url).submit(FILED, "k", soon())


async def test_redirects_are_not_followed(by_hand: ByHand, gateways: Gateways) -> None:
    """A signed dossier goes where it was sent, and nowhere else."""
    gateway = gateways(by_hand.says(307, b"", Location="/elsewhere").url)
    with pytest.raises(OutcomeUnknown, match="307"):
        await gateway.submit(FILED, "k", soon())
    with pytest.raises(OutcomeUnknown, match="307"):
        await gateway.find(FILED, "k")
    assert [line.split()[1].partition(b"?")[0] for line in by_hand.requests] == [b"/v1/dossiers"] * 2


async def _fifty_megabytes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(65_536)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n")
    for _ in range(50):
        writer.write(b" " * 1_000_000)
        await writer.drain()


async def _endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(65_536)
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + b" " * 65_536 + b"\r\n")
        await writer.drain()


async def _drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A byte now and then: never silent, never done."""
    await reader.read(65_536)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while not writer.is_closing():
        writer.write(b" ")
        await writer.drain()
        await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0.05)


async def _no_end_of_headers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(65_536)
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-More: " + b"y" * 1_000 + b"\r\n")
        await writer.drain()


async def _shut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(65_536)


@pytest.mark.parametrize("script", [_fifty_megabytes, _endless, _drip, _no_end_of_headers])
async def test_answers_without_measure_end_within_bounds(by_hand: ByHand, gateways: Gateways, script: object) -> None:
    by_hand.script = script  # type: ignore[assignment]
    gateway = gateways(by_hand.url, read_timeout=1)
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, asyncio.get_running_loop().time()
    with pytest.raises(OutcomeUnknown):
        await gateway.submit(FILED, "k", soon(1))
    with pytest.raises(OutcomeUnknown):
        await gateway.replies(["GD1"])

    assert asyncio.get_running_loop().time() - began < 8
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 20 * MAX_REPLY_BYTES


async def test_a_filing_cut_off_is_a_doubt_and_a_question_cut_off_is_no_look(
    by_hand: ByHand, gateways: Gateways
) -> None:
    """The question had no effects and is simply asked again: it neither ends a doubt nor counts as a look in vain."""
    by_hand.script = _shut
    gateway = gateways(by_hand.url)
    with pytest.raises(OutcomeUnknown):
        await gateway.submit(FILED, "k", soon())
    with pytest.raises(OutcomeUnknown):
        await gateway.activate("GD1", "QC0001K", "SECRETCODE", soon())
    for question in (gateway.find(FILED, "k"), gateway.replies(["GD1"]), gateway.activated("GD1", "QC0001K")):
        with pytest.raises(Transient, match="cut off"):
            await question


@pytest.mark.parametrize(
    ("said", "least", "most"),
    [
        ("7", 7, 7),
        ("0", 0, 0),
        ("999999", 3600, 3600),
        (timedelta(seconds=90), 50, 90),
        (timedelta(days=-1), 0, 0),
        (timedelta(days=1), 3600, 3600),
    ],
)
async def test_how_long_to_wait(
    by_hand: ByHand, gateways: Gateways, said: str | timedelta, least: int, most: int
) -> None:
    """Seconds, or a date."""
    if isinstance(said, timedelta):
        said = format_datetime(datetime.now(UTC) + said, usegmt=True)
    with pytest.raises(Transient) as told:
        await gateways(by_hand.says(429, b"", Retry_After=said).url).submit(FILED, "k", soon())
    assert told.value.retry_after is not None
    assert least <= told.value.retry_after.total_seconds() <= most


@pytest.mark.parametrize("said", ["soon", "-1", "²", "1" * 5_000, ""])
async def test_a_wait_nobody_understands_is_a_second_for_everybody(
    by_hand: ByHand, gateways: Gateways, said: str
) -> None:
    gateway = gateways(by_hand.says(429, b"", Retry_After=said).url)
    with pytest.raises(Transient) as told:
        await gateway.submit(FILED, "k", soon())
    assert told.value.retry_after is None
    with pytest.raises(Transient, match="asked to wait"):
        await gateway.submit(FILED, "another", soon())
    assert len(by_hand.requests) == 1


async def test_who_may_not_file_may_still_ask(by_hand: ByHand, gateways: Gateways) -> None:
    gateway = gateways(by_hand.says(429, b"", Retry_After="60").url)
    with pytest.raises(Transient):
        await gateway.submit(FILED, "k", soon())
    by_hand.says(200, listed())
    assert await gateway.find(FILED, "k") == []
    assert await gateway.replies(["GD1"]) == {}


async def test_a_unit_without_a_code_is_looked_for_by_its_tax_code(by_hand: ByHand, gateways: Gateways) -> None:
    first = replace(FILED, unit_code="", procedure="604")
    await gateways(by_hand.says(200, listed()).url).find(first, "k")
    await gateways(by_hand.url).find(FILED, "k")

    asked, plain = by_hand.requests
    assert b"unit_code=&" in asked
    assert f"tax_code={FILED.tax_code}".encode() in asked
    assert b"tax_code" not in plain


# --- what it can do -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "able"),
    [
        (404, b"<html>no such page</html>", Capabilities()),
        (200, b"{}", Capabilities()),
        (200, b'{"activation": false, "colour": 1}', Capabilities(activation=False)),
        (200, b'{"signed_replies": true, "find": false}', Capabilities(signed_replies=True, find=False)),
    ],
)
async def test_what_a_gateway_can_do_is_asked_once(
    by_hand: ByHand, gateways: Gateways, status: int, body: bytes, able: Capabilities
) -> None:
    gateway = gateways(by_hand.says(status, body).url)
    found = await asyncio.gather(*[gateway.capabilities() for _ in range(20)])

    assert set(found) == {able}
    assert by_hand.requests == [b"GET /v1/capabilities HTTP/1.1"]


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, b""), (200, b"<html>"), (200, b"[]x"), (200, b'{"find": "no"}'), (200, b'"find"'), (403, b"")],
)
async def test_while_nobody_knows_what_it_can_do_nothing_is_sent(
    by_hand: ByHand, gateways: Gateways, status: int, body: bytes
) -> None:
    with pytest.raises(Transient, match="not known yet"):
        await gateways(by_hand.says(status, body).url).capabilities()


async def test_a_shorter_wait_does_not_end_a_longer_one(by_hand: ByHand, gateways: Gateways) -> None:
    """Two answers on their way at once: the later, shorter one does not open the gate for everybody."""
    gate, answers = asyncio.Event(), iter((b"60", b"0"))
    waiting = 0

    async def both_then(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal waiting
        await reader.read(65_536)
        waiting += 1
        if waiting == 2:
            gate.set()
        await gate.wait()
        writer.write(b"HTTP/1.1 429 No\r\nContent-Length: 0\r\nRetry-After: " + next(answers) + b"\r\n\r\n")
        await writer.drain()

    by_hand.script = both_then
    gateway = gateways(by_hand.url)
    found = await asyncio.gather(gateway.replies(["a"]), gateway.replies(["b"]), return_exceptions=True)
    assert all(isinstance(one, Transient) for one in found)
    with pytest.raises(Transient, match="asked to wait"):
        await gateway.replies(["c"])


async def test_503_counts_as_not_processed_only_with_the_very_word(by_hand: ByHand, gateways: Gateways) -> None:
    with pytest.raises(Transient):
        await gateways(by_hand.says(503, b"", X_Processed="no").url).submit(FILED, "k", soon())
    for other in ("yes", "", "unknown"):
        with pytest.raises(OutcomeUnknown):
            await gateways(by_hand.says(503, b"", X_Processed=other).url).submit(FILED, "k", soon())


# --- lists --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [one(), one(receipt()), b"<BHXH/>", b"<BHXH><LOI>bao tri</LOI></BHXH>"])
async def test_absence_is_an_empty_list_and_nothing_less(by_hand: ByHand, gateways: Gateways, body: bytes) -> None:
    """Another filing follows from "absent": only a list that is there and empty says so."""
    with pytest.raises(OutcomeUnknown):
        await gateways(by_hand.says(200, body).url).find(FILED, "k")


async def test_an_empty_list_is_absence(by_hand: ByHand, gateways: Gateways) -> None:
    assert await gateways(by_hand.says(200, listed()).url).find(FILED, "k") == []


async def test_a_found_filing_nobody_can_read_is_not_left_out(by_hand: ByHand, gateways: Gateways) -> None:
    with pytest.raises(OutcomeUnknown):
        await gateways(by_hand.says(200, listed(receipt(), receipt("XONG", "GD2"))).url).find(FILED, "k")


async def test_one_reply_nobody_can_read_stops_no_other(by_hand: ByHand, gateways: Gateways) -> None:
    body = listed(
        receipt("CHAP_NHAN", "GD1"), receipt("XONG", "GD2"), receipt("TU_CHOI", "GD3", "<MA_LOI>CE007</MA_LOI>")
    )
    found = await gateways(by_hand.says(200, body).url).replies(["GD1", "GD2", "GD3"])

    assert {name: one.outcome for name, one in found.items()} == {"GD1": "accepted", "GD3": "refused"}
    assert found["GD3"].code == "CE007"


async def test_steps_of_any_length_and_time_fit_an_event(by_hand: ByHand, gateways: Gateways) -> None:
    step = f"<BUOC><TEN>{'ệ' * 9_000}</TEN><KET_QUA>{'ệ' * 9_000}</KET_QUA><MA_KET_QUA>{'9' * 900}</MA_KET_QUA></BUOC>"
    when = "<BUOC><TEN>a</TEN><KET_QUA>b</KET_QUA><MA_KET_QUA>00</MA_KET_QUA><THOI_GIAN>hôm qua</THOI_GIAN></BUOC>"
    body = listed(receipt("TU_CHOI", "GD1", f"<MA_LOI>X1</MA_LOI><MOTA_LOI>{'ệ' * 9_000}</MOTA_LOI>", step * 20 + when))
    found = (await gateways(by_hand.says(200, body).url).replies(["GD1"]))["GD1"]

    assert sum(len(s.step.encode()) + len(s.result.encode()) + len(s.code) for s in found.steps) < 40_000
    assert len(found.text) <= 2_000
    assert found.steps[-1].at is None


# --- what is told of an answer ------------------------------------------------------------------------------------


async def test_an_answer_that_repeats_the_code_is_told_without_it(by_hand: ByHand, gateways: Gateways) -> None:
    with pytest.raises(Invalid) as told:
        await gateways(by_hand.says(400, b'{"error": "SECRETCODE is wrong"}').url).activate(
            "GD1", "QC0001K", "SECRETCODE", soon()
        )
    assert "SECRETCODE" not in str(told.value)
    assert told.value.__cause__ is None
    assert told.value.__suppress_context__


async def test_an_answer_is_quoted_in_what_a_table_can_hold(by_hand: ByHand, gateways: Gateways) -> None:
    with pytest.raises(Invalid) as told:
        await gateways(by_hand.says(400, b"a\0b\x1b[31m\xff").url).submit(FILED, "k", soon())
    assert str(told.value).isprintable()


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{}",
        b"<html>",
        b'{"TotalRecords": "x", "employees": []}',
        b'{"TotalRecords": 1, "employees": 5}',
        b"\xff",
    ],
)
async def test_a_roster_that_is_none_is_an_unknown_outcome(by_hand: ByHand, gateways: Gateways, body: bytes) -> None:
    with pytest.raises(OutcomeUnknown):
        await gateways(by_hand.says(200, body).url).roster("QC0001K", 1, 200)


async def test_a_connection_the_agency_has_closed_meanwhile_is_no_refusal(
    by_hand: ByHand, gateways: Gateways, dossier: Callable[..., Dossier]
) -> None:
    """A kept connection that ends as the request is written: it may have arrived, so it is not simply sent again."""
    served = 0

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        await reader.readuntil(b"\r\n\r\n")
        served += 1
        body = listed()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        await reader.readuntil(b"\r\n\r\n")  # the second request on this connection gets no answer
        served += 1

    by_hand.script = once
    gateway = gateways(by_hand.url)
    assert await gateway.find(FILED, "k") == []
    with pytest.raises(OutcomeUnknown):
        await gateway.submit(FILED, "k", soon(2))
    assert served == 2, "the filing was written once and never again"
