"""Draws the enrolment's state machine from the decisions themselves: every event, in every state that can be reached.

python -m scripts.states          writes docs/states.md

Nothing here is written down twice: from `New`, each event that could happen is put to `hoso.domain.decisions.decide`, and so
on from every state that follows, until no new shape of state appears. What changed is drawn; what was only noted is not.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid5

from hoso.domain.causes import CAUSES
from hoso.domain.decisions import decide
from hoso.domain.states import Cancelled, Enrolled, New, State, Stopped, Waiting
from hoso.domain.waits import timer
from schemas import events as e
from schemas.envelope import Fact
from schemas.units import Change
from tests.support import stories as s

RULES = replace(s.RULES, system_tries=2, attempts=2, wrong_codes=2)
"""Every bound is met sooner; the way past it is the same."""
PAGE = Path(__file__).parents[1] / "docs" / "states.md"
CODE, MAIL, MORE = uuid5(s.SPACE, "code"), uuid5(s.SPACE, "mail"), uuid5(s.SPACE, "newer code")
REFUSALS = (s.CE007_NAMING, s.CE007, s.CE044, s.BUSY, s.BAD_SIGNATURE, s.NOT_WITH_THAT_ONE, s.NO_PROVIDER, s.STRANGE)
REFUSALS += (s.DUPLICATE, ("SIM001", "Mã đơn vị không tồn tại"))
FORMS = (
    s.a_form(),
    s.a_form(current_provider=s.OTHER),
    s.a_form(current_provider=s.OTHER, purpose="stop"),
    s.a_form(phone="0912345678"),
    s.a_form(unit_code=None, branch_id="HUE-01"),
    s.a_first_form(),
    s.a_first_form(province="46"),
)
VALUES = {"unit-code": "TZ0009Z", "provider": "00060", "profile": str(s.PROFILE), "treatment": "fix-data"}
VALUES |= {"sent": "post 2026-03-02", "accepted": "TZ0009Z", "refused": "thiếu giấy tờ"}
Edge = tuple[str, str, str]
"""From, event, to."""


def edges() -> list[Edge]:
    """Every transition, sorted."""
    found: set[Edge] = set()
    start: State = New()
    seen = {_shape(start)}
    open_: deque[tuple[State, datetime]] = deque([(start, s.MONDAY)])
    while open_:
        state, now = open_.popleft()
        for fact, at, label in _events(state, now):
            following, said = decide(RULES, state, s.envelope(fact, s.UNIT, at), at)
            if any(isinstance(one, e.NoteTaken) for one in said):
                continue
            if _node(following) != _node(state) or _moved(state, following):
                found.add((_node(state), label, _node(following)))
            if (shape := _shape(following)) not in seen:
                seen.add(shape)
                open_.append((following, at))
    return sorted(found)


def _moved(before: State, after: State) -> bool:
    """A new attempt in the same state is a transition; a number learned late is not."""
    attempt = [
        None if isinstance(x, New) or x.filing is None else (x.filing.dossier, x.filing.attempt)
        for x in (before, after)
    ]
    return attempt[0] != attempt[1]


def _node(state: State) -> str:
    if isinstance(state, New | Enrolled | Stopped | Cancelled):
        return state.at
    if isinstance(state, Waiting):
        return f"waiting: {state.cause}"
    assert state.filing is not None
    return f"{state.at}: {state.filing.kind}" if state.at in ("signing", "filed", "activating") else state.at


def _shape(state: State) -> tuple[Any, ...]:
    """What makes a difference to the decisions; states of one shape go the same ways."""
    if isinstance(state, New):
        return ("new",)
    case, filing = state.case, state.filing
    bounds = (case.unanswered > 0, case.system_errors > 0, case.wrong_codes > 0)
    extra = tuple(bool(getattr(state, name, None)) for name in ("code", "newer", "asked", "rung"))
    kind = (filing.kind, filing.handed) if filing else ()
    form = (case.form.purpose, case.form.first_time is None, case.form.unit_code is None)
    held = (case.provider is None, len(case.stopped) > 0, case.member)
    if isinstance(state, Waiting | Cancelled):
        held += (case.earlier, case.filed)
    if filing is not None and filing.kind == "first_code":
        held += (case.own_address,)
    return (_node(state), kind, bounds, extra, form, held)


# --- what may happen -------------------------------------------------------------------------------------------------


def _events(state: State, now: datetime) -> Iterator[tuple[Fact, datetime, str]]:
    for n, form in enumerate(FORMS if isinstance(state, New | Enrolled | Stopped | Cancelled) else FORMS[:3]):
        word = "asked for" if isinstance(state, New) else "asked for again"
        yield s.a_request(f"batch:{n}", form=form), now, word
    if isinstance(state, New):
        yield s.a_request("batch:own", form=s.a_first_form(), own_address=True), now, word
        yield s.a_request("batch:none", profile=None), now, word
        yield s.a_request("batch:held", foreign=True), now, word
        return
    case, filing = state.case, state.filing
    yield e.EnrolmentCancelled(enrolment=case.enrolment, actor="lan"), now, "given up"
    if isinstance(state, Enrolled):
        new = (Change(field="certificate", old="1", new="2"),)
        replaced = e.CertificateReplaced(enrolment=case.enrolment, profile=s.PROFILE, changes=new, actor="lan")
        yield replaced, now, "certificate replaced"
        yield e.EmployeesRequested(enrolment=case.enrolment, actor="lan"), now, "employees asked for again"
    if isinstance(state, Waiting):
        for answer in CAUSES[state.cause].answers:
            yield _answer(state, answer, now), now, f"answer {answer}"
    if (due := timer(RULES, state)) is not None:
        yield due.fact, max(due.due, now), "time is up"
    for fact in _about(state, now) if filing is not None else ():
        yield fact, now, _label(fact)


def _answer(state: Waiting, answer: str, now: datetime) -> Fact:
    fact: dict[str, Any] = {"enrolment": state.case.enrolment, "answer": answer, "value": VALUES.get(answer)}
    if answer == "data":
        bare = state.case.form.unit_code is None and state.case.form.first_time is None
        fact["form"] = s.a_first_form() if bare else state.case.form.model_copy(update={"address": "2 Lê Lợi"})
    if answer == "address":
        fact |= {"contact": "hue2@hoasen.example", "mailbox": s.MAILBOX}
    if answer == "activation-code":
        fact |= {"code": uuid5(s.SPACE, f"typed {len(state.case.tried)}"), "arrived_at": now}
    return e.EnrolmentAnswered.model_validate({**fact, "actor": "lan"})


def _about(state: Any, now: datetime) -> Iterator[Fact]:
    """What signer, agency, registry and mails may say of the attempt under way."""
    filing, enrolment = state.filing, state.case.enrolment
    attempt = {"enrolment": enrolment, "dossier": filing.dossier, "attempt": filing.attempt}
    named = {**attempt, "kind": filing.kind}
    signature = {"document": MAIL, "sha256": "ab" * 32, "method": "pkcs12"}
    yield e.TurnGranted(enrolment=enrolment, dossier=filing.dossier)
    yield e.DossierSigned.model_validate(
        {**named, **signature, "certificate_sha256": "cd" * 32, "certificate_serial": "54"}
    )
    yield e.SigningRefused.model_validate({**named, "code": "HOSO-CERT-EXPIRED", "text": "hết hạn"})
    yield e.DossierReceived.model_validate({**named, "transaction": f"GD-{filing.attempt}"})
    yield e.DossierDecided.model_validate({**named, "accepted": True, "code": "00"})
    for code, text in REFUSALS:
        yield e.DossierDecided.model_validate({**named, "accepted": False, "code": code, "text": text})
    for reached in ("unknown", "never"):
        yield e.FilingUncertain.model_validate({**named, "reached": reached, "text": ""})
    for good in (True, False):
        mail = {**attempt, "mail": MAIL}
        yield e.StopResultArrived.model_validate({**mail, "accepted": good})
        yield e.ChangeResultArrived.model_validate({**mail, "accepted": good})
        yield e.UnitCodeResultArrived.model_validate(
            {**mail, "granted": good, "unit_code": "TZ0007Z" if good else None}
        )
        if state.at == "noting-code":
            yield e.UnitCodeNoted(enrolment=enrolment, unit_code=state.unit_code, foreign=not good)
    for n, code in enumerate((CODE, MORE)):
        ends = {"arrived_at": now, "expires_at": now + s.DAY + timedelta(minutes=n)}
        if code not in state.case.tried and filing.kind != "stop":
            yield e.ActivationCodeArrived.model_validate({**attempt, "mail": MAIL, "code": code, **ends})
    go = {"enrolment": enrolment, "dossier": filing.dossier, "go": len(state.case.tried)}
    if state.at == "activating":
        go["attempt"] = state.code.attempt
        for outcome in ("activated", "wrong-code", "expired", "refused", "unknown", "unsupported"):
            yield e.ActivationAnswered.model_validate({**go, "outcome": outcome})
    asked = {**attempt, "go": state.case.looks, "status": "processing"}
    yield e.StatusAnswered.model_validate(asked)
    yield e.RosterFetched(enrolment=enrolment, employees=3)
    yield e.RosterFailed(enrolment=enrolment, text="")


def _label(fact: Any) -> str:
    """The event in few words."""
    word: str = fact.TYPE.removeprefix("vn.hoso.").rpartition(".v")[0]
    match fact:
        case (
            e.DossierDecided(accepted=True) | e.StopResultArrived(accepted=True) | e.ChangeResultArrived(accepted=True)
        ):
            return f"{word} accepted"
        case e.DossierDecided():
            return f"{word} {fact.code}"
        case e.StopResultArrived() | e.ChangeResultArrived():
            return f"{word} refused"
        case e.UnitCodeResultArrived():
            return f"{word} {'granted' if fact.granted else 'refused'}"
        case e.UnitCodeNoted():
            return f"{word} {'of another unit' if fact.foreign else ''}".strip()
        case e.ActivationAnswered():
            return f"{word} {fact.outcome}"
        case e.FilingUncertain():
            return f"{word} {fact.reached}"
    return word


# --- the page --------------------------------------------------------------------------------------------------------


def markdown() -> str:
    """docs/states.md."""
    found = edges()
    waits = defaultdict(set)
    rest: dict[tuple[str, str], set[str]] = defaultdict(set)
    out: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for before, label, after in found:
        if after.startswith("waiting: "):
            waits[after].add((before, label))
        if before.startswith("waiting: "):
            out[before][label].add(after)
        elif not after.startswith("waiting: ") and after != "cancelled":
            rest[before, after].add(label)
    lines = [
        "# The states of an enrolment",
        "",
        "Made by `make docs` from `hoso/domain/decisions.py` (scripts/states.py): every event was put to every state that can be",
        f"reached. {len(found)} transitions. What is only noted changes nothing and is not shown. `given up` leads from every open",
        "state to `cancelled`, or back to `enrolled` where only a change was under way.",
        "",
        "## Under way",
        "",
        "```mermaid",
        "stateDiagram-v2",
        *(f"    {_id(node)} : {node}" for node in sorted({x for pair in rest for x in pair})),
        *(f"    {_id(a)} --> {_id(b)} : {_short(labels)}" for (a, b), labels in sorted(rest.items())),
        "```",
        "",
        "| from | event | to |",
        "|---|---|---|",
        *(f"| {a} | {', '.join(sorted(labels))} | {b} |" for (a, b), labels in sorted(rest.items())),
        "",
        "## Waiting for a person",
        "",
        "| cause | comes from | answers and where they lead |",
        "|---|---|---|",
    ]
    for node in sorted({*waits, *out}):
        came = sorted({f"{before}: {label}" for before, label in waits[node] if not before.startswith("waiting: ")})
        led = [
            f"{label} → {', '.join(sorted(to))}"
            for label, to in sorted(out[node].items())
            if label.startswith("answer")
        ]
        other = sorted(word for word in out[node] if not word.startswith(("answer", "given", "asked")))
        led += [f"{label} → {', '.join(sorted(out[node][label]))}" for label in other]
        lines.append(f"| {node.removeprefix('waiting: ')} | {'<br>'.join(came)} | {'<br>'.join(led)} |")
    return "\n".join(lines) + "\n"


def _id(node: str) -> str:
    return node.replace("-", "_").replace(": ", "__").replace(":", "_")


def _short(labels: set[str]) -> str:
    """The labels of an arrow; many are told in the table below."""
    shown = sorted(labels)
    return ", ".join(shown[:3]) + (f", +{len(shown) - 3}" if len(shown) > 3 else "")


if __name__ == "__main__":
    PAGE.write_text(markdown(), "utf-8")
