"""Faults on the wire, and what the ledger says of them."""

from __future__ import annotations

import hashlib
import http.client
from collections.abc import Callable

import pytest

from tests.simulator.agency import Agency, Mailbox, code_in, until
from tests.simulator.dossiers import Dossier

Make = Callable[[str], str]
BROKEN = (ConnectionError, http.client.HTTPException)


def arrivals(agency: Agency, unit: str) -> list[str]:
    return [row["outcome"] for row in agency.ledger(unit)["arrivals"]]


def missed(agency: Agency, unit: str) -> list[str]:
    return [row["kind"] for row in agency.ledger(unit)["non_arrivals"]]


@pytest.mark.parametrize(("family", "processed"), [("F01", False), ("F02", True)])
def test_a_lost_connection(family: str, processed: bool, agency: Agency, unit_code: Make) -> None:
    dossier = Dossier(unit_code=unit_code(family))
    body = dossier.body()
    with pytest.raises(BROKEN):
        agency.file(dossier, body)
    found = agency.find(dossier, hashlib.sha256(body).hexdigest())
    assert (len(found), len(arrivals(agency, dossier.unit_code)), len(missed(agency, dossier.unit_code))) == (
        (1, 1, 0) if processed else (0, 0, 1)
    )
    again = agency.file(dossier, body)
    assert again.text("KQUA") == ("TU_CHOI" if processed else "TIEP_NHAN")


@pytest.mark.parametrize(("family", "processed"), [("F03", False), ("F13", True)])
def test_a_hanging_call(family: str, processed: bool, agency: Agency, unit_code: Make) -> None:
    dossier = Dossier(unit_code=unit_code(family))
    body = dossier.body()
    with pytest.raises(TimeoutError):
        agency.file(dossier, body, timeout=0.4)
    if processed:
        until(lambda: agency.find(dossier, hashlib.sha256(body).hexdigest()), "processed after the caller gave up")
        assert arrivals(agency, dossier.unit_code) == ["received"]
    else:
        assert agency.file(dossier, body).text("KQUA") == "TIEP_NHAN"
        assert missed(agency, dossier.unit_code) == ["A3"]


def test_processed_late(start_agency: Callable[..., Agency], unit_code: Make) -> None:
    agency = start_agency("--late-seconds", "0.7")
    dossier = Dossier(unit_code=unit_code("F04"))
    body = dossier.body()
    with pytest.raises(BROKEN):
        agency.file(dossier, body)
    assert agency.find(dossier, hashlib.sha256(body).hexdigest()) == []
    assert arrivals(agency, dossier.unit_code) == ["pending"]
    until(lambda: agency.find(dossier, hashlib.sha256(body).hexdigest()), "visible")
    assert arrivals(agency, dossier.unit_code) == ["received"]


@pytest.mark.parametrize(("family", "status"), [("F05", 409), ("F15", 208), ("F25", 500)])
def test_a_duplicate_after_a_lost_reply(family: str, status: int, agency: Agency, unit_code: Make) -> None:
    dossier = Dossier(unit_code=unit_code(family))
    body = dossier.body()
    with pytest.raises(BROKEN):
        agency.file(dossier, body)
    again = agency.file(dossier, body)
    assert again.status == status
    assert bool(again.body) == (status == 208)
    assert arrivals(agency, dossier.unit_code) == ["received", "duplicate"]


@pytest.mark.parametrize(("family", "always"), [("F06", False), ("F16", True)])
def test_a_false_duplicate(family: str, always: bool, agency: Agency, unit_code: Make) -> None:
    dossier = Dossier(unit_code=unit_code(family))
    body = dossier.body()
    assert agency.file(dossier, body).status == 409
    assert agency.find(dossier, hashlib.sha256(body).hexdigest()) == []
    assert agency.file(dossier, body).status == (409 if always else 200)


def test_too_many_requests_and_unavailable(agency: Agency, unit_code: Make) -> None:
    dossier = Dossier(unit_code=unit_code("F07"))
    answers = [agency.file(dossier) for _ in range(3)]
    assert [(a.status, a.headers.get("retry-after")) for a in answers] == [(429, "1"), (429, "1"), (200, None)]
    dossier = Dossier(unit_code=unit_code("F12"))
    answers = [agency.file(dossier) for _ in range(3)]
    assert [(a.status, a.headers.get("x-processed")) for a in answers] == [(503, "no"), (503, "no"), (200, None)]
    assert missed(agency, dossier.unit_code) == ["503", "503"]


@pytest.mark.parametrize(
    ("family", "status", "processed"),
    [
        ("F08", 502, False),
        ("F18", 502, True),
        ("F22", 503, False),
        ("F32", 503, True),
        ("F28", 200, False),
        ("F38", 200, True),
        ("F48", 200, False),
        ("F58", 200, True),
    ],
)
def test_answers_that_cannot_be_read(
    family: str, status: int, processed: bool, agency: Agency, unit_code: Make
) -> None:
    dossier = Dossier(unit_code=unit_code(family))
    body = dossier.body()
    answer = agency.file(dossier, body)
    assert answer.status == status
    assert "x-processed" not in answer.headers
    assert not answer.readable()
    assert bool(agency.find(dossier, hashlib.sha256(body).hexdigest())) == processed
    assert bool(arrivals(agency, dossier.unit_code)) == processed


def test_a_bad_day_of_one_unit_on_the_other_calls(agency: Agency, mailbox: Mailbox, unit_code: Make) -> None:
    unit = unit_code("P04")
    transaction = agency.file(Dossier(unit_code=unit)).text("MA_GDICH")
    code = code_in(until(lambda: mailbox.to(unit), "mail")[0])
    assert agency.activate(transaction, unit, code).text("MA_KQUA") == "00"
    assert [agency.get("/v1/roster", ("unit_code", unit)).status for _ in range(3)] == [502, 502, 200]
    unit = unit_code("P01")
    transaction = agency.file(Dossier(unit_code=unit)).text("MA_GDICH")
    code = code_in(until(lambda: mailbox.to(unit), "mail")[0])
    with pytest.raises(BROKEN):
        agency.activate(transaction, unit, code)
    assert agency.get("/v1/activations", ("unit_code", unit), ("transaction", transaction)).text("MA_KQUA") == "00"
    unit = unit_code("P03")
    transaction = agency.file(Dossier(unit_code=unit)).text("MA_GDICH")
    assert [agency.get("/v1/replies", ("transaction", transaction)).status for _ in range(3)] == [502, 502, 200]


def test_a_script_of_faults(agency: Agency, unit_code: Make) -> None:
    unit = unit_code("")
    rules = [
        {"match": {"unit_code": f"{unit[:6]}*", "call": "submit"}, "times": 1, "fault": "A7"},
        {"match": {"unit_code": unit, "procedure": "04_DK-IVAN", "call": "gate"}, "times": 1, "fault": "REFUSE:CE007"},
        {"match": {"unit_code": unit, "call": "mail"}, "fault": "TWICE"},
    ]
    assert agency.post("/script", rules).status == 200
    dossier = Dossier(unit_code=unit)
    assert agency.file(dossier).status == 429
    assert agency.file(dossier).text("MA_LOI") == "CE007"
    agency.decided(agency.file(dossier).text("MA_GDICH"))
    assert len(agency.ledger(unit)["mails"]) == 2
    assert [row["used"] for row in agency.get("/script").json()["rules"]] == [1, 1, 1]
    for wrong in (
        [{"fault": "A99"}],
        [{"match": {"call": "nowhere"}, "fault": "A1"}],
        [{"fault": "A1", "times": 0}],
        [3],
        {"mode": "odd"},
    ):
        assert agency.post("/script", wrong).status == 400
    assert agency.call("DELETE", "/script").json()["rules"] == []


@pytest.mark.parametrize("mode", ["refuse", "503", "hang"])
def test_an_outage(mode: str, start_agency: Callable[..., Agency], unit_code: Make) -> None:
    agency = start_agency("--fast", "--hang-seconds", "1")
    dossier = Dossier(unit_code=unit_code(""))
    assert agency.post("/script", {"outage_seconds": 1.5, "mode": mode}).json()["outage"]["mode"] == mode

    def out() -> bool:
        try:
            return agency.file(dossier, timeout=0.3).status == 503
        except (OSError, http.client.HTTPException):
            return True

    assert until(out, "out of service", 1)

    def back() -> bool:
        try:
            return agency.file(dossier, timeout=0.5).status == 200
        except (OSError, http.client.HTTPException):
            return False

    assert until(back, "back in service")
    assert arrivals(agency, dossier.unit_code) == ["received"]


def test_a_filing_whose_body_never_comes_is_no_arrival(agency: Agency, unit_code: Make) -> None:
    dossier = Dossier(unit_code=unit_code(""))
    body = dossier.body()
    for sent in (b"", body[:-1]):
        connection = http.client.HTTPConnection(agency.host, agency.port, timeout=5)
        connection.putrequest("POST", "/v1/dossiers")
        for name, value in {**dossier.sent_headers(), "Content-Length": str(len(body))}.items():
            connection.putheader(name, value)
        connection.endheaders(sent or None)
        connection.close()
    assert agency.file(dossier, body).text("KQUA") == "TIEP_NHAN"
    assert arrivals(agency, dossier.unit_code) == ["received"]
    assert missed(agency, dossier.unit_code) == ["no-body", "no-body"]
    assert "Traceback" not in (agency.folder / "log").read_text()
