"""The statements as the demo recognises them: the same 53 that scenarios prove, and none seen in a branch that shows nothing."""

from __future__ import annotations

from demo.evidence import REGISTER, STOP, Shown
from demo.statements import STATEMENTS, seen_of
from tests.e2e.statements import STATEMENTS as PROVED


def _branch(**known: object) -> Shown:
    return Shown("TZ1234A", "Công ty Thử", {"unit_code": "TZ1234A"}, "accepted", (), "", **known)  # type: ignore[arg-type]


def _filing(procedure: str, state: str, at: float, code: str = "") -> dict[str, object]:
    return {
        "transaction_id": f"{procedure}{at}", "procedure": procedure, "state": state, "code": code, "received_world": at,
        "decided_world": at, "sha256": f"{at}", "email": "a@b.example", "unit_name": "Công ty Thử", "number": "1", "serial": "",
    }  # fmt: skip


def test_they_are_the_same_53_in_the_same_order() -> None:
    assert [one.number for one in STATEMENTS] == [one.name for one in PROVED]
    assert len(STATEMENTS) == 53


def test_a_branch_of_which_nothing_is_known_shows_nothing() -> None:
    assert not any(seen_of([_branch()]).values())


def test_a_straight_branch_shows_that_it_went_straight_and_no_stop() -> None:
    seen = {
        number
        for number, shown in seen_of([_branch(stage="enrolled", filings=[_filing(REGISTER, "CHAP_NHAN", 1)])]).items()
        if shown
    }
    assert {"B24", "B27"} <= seen
    assert not {"A1", "A2", "A8", "A14", "A19", "B26"} & seen


def test_refused_stopped_and_registered_again_shows_so_but_only_after_the_mail() -> None:
    filings = [
        _filing(REGISTER, "TU_CHOI", 1, "CE007"),
        _filing(STOP, "CHAP_NHAN", 2),
        _filing(REGISTER, "CHAP_NHAN", 5),
    ]
    mail = {
        "transaction_id": f"{STOP}2",
        "kind": "stop-result",
        "state": "sent",
        "sent_world": 4,
        "recipient": "a@b.example",
    }
    early = {**mail, "sent_world": 6}
    seen = seen_of([_branch(stage="enrolled", filings=filings, mails=[mail])])
    assert all(seen[number] for number in ("A1", "A2", "A7", "A8", "A13", "A14", "A19", "A21"))
    assert not seen["A15"]
    assert not seen_of([_branch(stage="enrolled", filings=filings, mails=[early])])["A14"]
