"""The process: refusing to start, surviving kill -9, ending in time; and its contract in writing."""

from __future__ import annotations

import contextlib
import http.client
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml
from openapi_spec_validator import validate

from simulator.magic import MAGIC
from simulator.refusals import TEXTS
from tests.simulator.agency import ROOT, Agency, Mailbox, code_in, free_port, until
from tests.simulator.dossiers import Dossier

Make = Callable[[str], str]


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "simulator", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_refuses_outside_the_test_environment(tmp_path: Path) -> None:
    for environment in ([], ["--environment", "production"]):
        ended = _run("--data", str(tmp_path), "--smtp", "127.0.0.1:1", *environment)
        assert ended.returncode == 2
        assert ended.stderr.count("\n") == 1
        assert "only in environment test" in ended.stderr
    assert not list(tmp_path.iterdir())


def test_says_in_a_sentence_why_it_cannot_start(tmp_path: Path, agency: Agency) -> None:
    common = ["--environment", "test", "--smtp", "127.0.0.1:1"]
    taken = _run("--data", str(tmp_path / "a"), "--listen", f"127.0.0.1:{agency.port}", *common)
    assert (taken.returncode, "cannot be listened on" in taken.stderr, taken.stderr.count("\n")) == (1, True, 1)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "simulator.db").write_text("this is no database, and long enough to be seen as none " * 40)
    foreign = _run("--data", str(tmp_path / "b"), *common)
    assert (foreign.returncode, "cannot be used" in foreign.stderr, foreign.stderr.count("\n")) == (1, True, 1)
    (tmp_path / "script.json").write_text('[{"fault": "A99"}]')
    script = _run("--data", str(tmp_path / "c"), "--script", str(tmp_path / "script.json"), *common)
    assert (script.returncode, "A99" in script.stderr, script.stderr.count("\n")) == (1, True, 1)


def test_help_says_every_option() -> None:
    told = _run("--help").stdout
    for option in (
        "--listen",
        "--data",
        "--environment",
        "--smtp",
        "--honour-keys",
        "--script",
        "--mail-from",
        "--speed",
        "--fast",
        "--late-seconds",
        "--review-days",
        "--electronic",
        "--without",
        "--no-activation",
        "--unsigned-replies",
        "--agency-certificate",
        "--lookups",
    ):
        assert option in told


def test_kill_9_under_load_loses_nothing_it_told(
    start_agency: Callable[..., Agency], mailbox: Mailbox, unit_code: Make
) -> None:
    agency = start_agency("--number-delay", "0.5", "--decision-delay", "0.6", "--mail-delay", "0.5")
    units = [unit_code("") for _ in range(60)]
    bodies = {unit: (dossier := Dossier(unit_code=unit), dossier.body()) for unit in units}
    told: dict[str, str] = {}

    def file(unit: str) -> None:
        for _ in range(400):
            with contextlib.suppress(OSError, http.client.HTTPException):
                told[unit] = agency.file(*bodies[unit], timeout=2).text("MA_GDICH")
                return
            time.sleep(0.02)  # the agency is being started again

    with ThreadPoolExecutor(4) as callers:
        filing = [callers.submit(file, unit) for unit in units]
        for part in (10, 25, 40):
            until(lambda part=part: len(told) >= part, f"{part} filed")  # type: ignore[misc]
            agency.stop(signal.SIGKILL)
            agency.start()
        for one in filing:
            one.result()
    shown = agency.ledger()
    received = {row["unit_code"]: row["transaction_id"] for row in shown["arrivals"] if row["outcome"] == "received"}
    assert received == told, "a second try of one that arrived names the first one's transaction"
    assert len(shown["filings"]) == len(units)
    for unit, transaction in told.items():
        assert agency.decided(transaction).findtext(".//KQUA") == "CHAP_NHAN"
        code = code_in(until(lambda unit=unit: mailbox.to(unit), "mail")[0])  # type: ignore[misc]
        assert agency.activate(transaction, unit, code).text("MA_KQUA") == "00"


def test_a_filing_put_off_survives_kill_9(start_agency: Callable[..., Agency], unit_code: Make) -> None:
    agency = start_agency("--late-seconds", "0.5")
    dossier = Dossier(unit_code=unit_code("F04"))
    try:
        agency.file(dossier)
    except OSError:
        agency.stop(signal.SIGKILL)
    agency.start()
    until(
        lambda: agency.ledger(dossier.unit_code)["arrivals"][0]["outcome"] == "received", "processed after the restart"
    )


def test_mails_wait_for_the_server(start_agency: Callable[..., Agency], unit_code: Make) -> None:
    port = free_port()
    agency = start_agency("--fast", smtp_port=port)
    unit = unit_code("")
    agency.decided(agency.file(Dossier(unit_code=unit)).text("MA_GDICH"))
    until(lambda: agency.ledger(unit)["mails"][0]["tries"] >= 2, "tried")
    assert agency.ledger(unit)["mails"][0]["state"] == "queued"
    box = Mailbox(port)
    controller = box.start()
    try:
        assert code_in(until(lambda: box.to(unit), "mail")[0])
        other = unit_code("")
        box.refuses = other.lower()
        agency.file(Dossier(unit_code=other))
        until(lambda: agency.ledger(other)["mails"][0]["state"] == "refused", "refused by the server")
    finally:
        controller.stop()


def test_sigterm_ends_within_two_seconds_even_with_a_hanging_call(
    start_agency: Callable[..., Agency], unit_code: Make
) -> None:
    agency = start_agency()
    try:
        agency.file(Dossier(unit_code=unit_code("F03")), timeout=0.2)
    except TimeoutError:
        began = time.monotonic()
    assert agency.stop() == 0
    assert time.monotonic() - began < 2.5
    assert not (agency.folder / "simulator.json").exists()


def test_keys_are_honoured_only_when_told(agency: Agency, start_agency: Callable[..., Agency], unit_code: Make) -> None:
    honouring = start_agency("--honour-keys")
    for one, outcomes in ((agency, ["received", "duplicate"]), (honouring, ["received"])):
        dossier = Dossier(unit_code=unit_code(""))
        body = dossier.body()
        first, second = one.file(dossier, body), one.file(dossier, body)
        assert first.text("MA_GDICH") == second.text("MA_GDICH")
        assert second.status == 200
        assert second.text("KQUA") == ("TU_CHOI" if one is agency else "TIEP_NHAN")
        assert [row["outcome"] for row in one.ledger(dossier.unit_code)["arrivals"]] == outcomes
    key = dossier.sent_headers()["Idempotency-Key"]
    assert honouring.get(
        "/v1/dossiers", ("unit_code", dossier.unit_code), ("procedure", dossier.procedure), ("key", key)
    ).notes()


def test_the_ledger_can_be_read_from_the_file(agency: Agency, unit_code: Make) -> None:
    unit = unit_code("")
    agency.decided(agency.file(Dossier(unit_code=unit)).text("MA_GDICH"))
    with sqlite3.connect(f"file:{agency.folder / 'simulator.db'}?mode=ro", uri=True) as db:
        rows = db.execute(
            "select outcome, dossier_number, filing_state from ledger where unit_code = ?", (unit,)
        ).fetchall()
    assert [(outcome, bool(number), state) for outcome, number, state in rows] == [("received", True, "CHAP_NHAN")]


def test_the_clock(start_agency: Callable[..., Agency]) -> None:
    agency = start_agency()
    shown = agency.post("/clock", {"base": "2030-01-01T00:00:00+07:00", "rate": 0}, "PUT").json()
    assert shown["now"] == "2030-01-01T00:00:00+07:00"
    agency.stop()
    agency.start()
    assert agency.get("/clock").json()["now"] == "2030-01-01T00:00:00+07:00"
    assert agency.post("/clock", {"base": "tomorrow"}, "PUT").status == 400


def test_bad_requests_are_told_so(agency: Agency) -> None:
    assert agency.get("/v1/nothing").status == 404
    assert agency.get("/v1/dossiers", ("unit_code", "AA0001A")).status == 400
    assert agency.get("/v1/replies").status == 400
    assert agency.get("/v1/replies", *[("transaction", str(n)) for n in range(201)]).status == 400
    assert agency.post("/v1/activations", {"transaction": "x"}).status == 400
    assert agency.get("/v1/roster", ("unit_code", "AA0001A"), ("page", "0")).status == 400


def test_the_contract_in_writing_is_valid_and_names_every_call() -> None:
    document = yaml.safe_load((ROOT / "simulator" / "openapi.yaml").read_text("utf-8"))
    validate(document)
    calls = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    gateway = (ROOT / "docs" / "gateway.md").read_text("utf-8")
    assert {(method, path) for method, path in re.findall(r"`(GET|POST) (/v1/\w+)", gateway)} <= calls
    assert {
        ("GET", "/ledger"),
        ("GET", "/clock"),
        ("PUT", "/clock"),
        ("GET", "/script"),
        ("POST", "/script"),
        ("DELETE", "/script"),
    } <= calls


def test_the_readme_lists_every_magic_code_and_every_refusal() -> None:
    readme = (ROOT / "simulator" / "README.md").read_text("utf-8")
    assert dict(re.findall(r"^\| `\?\?(\w{3})\?\?` \| (.*?) \|$", readme, re.MULTILINE)) == {
        k: m.words for k, m in MAGIC.items()
    }
    assert dict(re.findall(r"^\| ((?:SIM|CE)\d+) \| (.*?) \|$", readme, re.MULTILINE)) == TEXTS


def test_the_agency_stands_alone() -> None:
    for file in (ROOT / "simulator").glob("*.py"):
        assert not re.search(
            r"^\s*(from|import) (hoso|schemas|services|demo|tests)\b", file.read_text("utf-8"), re.MULTILINE
        ), file.name
    for folder in ("hoso", "schemas", "services"):
        for file in (ROOT / folder).rglob("*.py"):
            assert not re.search(r"^\s*(from|import) simulator\b", file.read_text("utf-8"), re.MULTILINE), file
