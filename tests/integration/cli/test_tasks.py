"""Everything that waits for a person: by the command line and over HTTP, each tenant its own."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid4

from hoso.store.postgres import Database
from schemas import events as e
from schemas.envelope import Event, Fact
from services.ops.projection import Projection
from tests.integration.cli.command import Cli
from tests.integration.cli.made import on_the_log
from tests.integration.cli.test_http import Api, api
from tests.support.stories import a_form
from tests.unit.ops.heard import DOSSIER, ENROLMENT, MAIL, OTHER, UNIT, at, undecided, waits

__all__ = ["api"]
UNIT_2 = uuid4()


async def heard(db: Database, *facts: Fact, tenant: str = "acme") -> list[Event[Any]]:
    """Ops reads these events, a minute apart."""
    events = [at(n, fact, tenant=tenant, subject=getattr(fact, "mail", UNIT)) for n, fact in enumerate(facts)]
    async with db.pool.acquire() as tx, tx.transaction():
        for event in events:
            await Projection().save(tx, {event.subject: (event,)})
    return events


def requested(enrolment: UUID = ENROLMENT) -> e.EnrolmentRequested:
    return e.EnrolmentRequested(
        enrolment=enrolment, request="r", form=a_form(), mailbox=uuid4(), contact="hue@hoasen.example", actor="lan"
    )


async def test_a_row_is_mended_where_it_waits(cli: Cli, db: Database) -> None:
    _, wait = await heard(db, requested(), waits("data", message="Sai địa chỉ.", answers=("data", "retry")))
    listed = await cli("tasks", "list", "--json")
    assert listed.status == 0, listed.err
    assert [(row["task"], row["cause"], row["name"]) for row in listed.json] == [(str(wait.id), "data", a_form().name)]
    assert (await cli("tasks", "list", "--tenant", "globex")).status == 1
    shown = await cli("tasks", "show", str(wait.id)[:13], HOSO_LANGUAGE="vi")
    assert "Sai địa chỉ." in shown.out
    assert f"hoso tasks answer {wait.id} data …|retry" in shown.out

    wrong = await cli("tasks", "answer", str(wait.id), "data", '{"phone": "1"}', HOSO_LANGUAGE="vi")
    assert (wrong.status, "số điện thoại" in wrong.err) == (2, True)
    unknown = await cli("tasks", "answer", str(wait.id), "data", '{"colour": "red"}')
    assert (unknown.status, "no such column: colour" in unknown.err) == (2, True)
    assert await on_the_log(db) == []
    mended = '{"address": "2 Lê Lợi, Huế"}'
    done = await cli("tasks", "answer", str(wait.id), "data", mended, "--reason", "gõ nhầm", "--actor", "lan")
    assert done.status == 0, done.err
    (event,) = await on_the_log(db)
    assert event.data.form == a_form(address="2 Lê Lợi, Huế")
    assert (event.data.cause, event.data.reason, event.data.contact) == ("data", "gõ nhầm", None)


async def test_a_treatment_is_for_one_case_and_says_how_it_is_for_all(cli: Cli, db: Database) -> None:
    _, wait = await heard(db, requested(), waits("unknown-code"))
    done = await cli("tasks", "answer", str(wait.id), "treatment", "fix-data")
    assert (done.status, '"treatment": "fix-data"' in done.out, "HOSO_REJECTIONS" in done.out) == (0, True, True)


async def test_a_code_is_read_and_never_an_argument(cli: Cli, db: Database) -> None:
    _, wait = await heard(db, requested(), waits("wrong-code"))
    shown = await cli("tasks", "answer", str(wait.id), "activation-code", "AB12CD34EF")
    assert (shown.status, await on_the_log(db)) == (2, [])
    gone = await cli("tasks", "answer", str(uuid4()), "activation-code")
    assert (gone.status, "there is no task" in gone.err) == (2, True), "said before a code is asked for"
    done = await cli("tasks", "answer", str(wait.id), "activation-code", given="ab12cd34ef\n")
    assert done.status == 0, done.err
    assert "AB12CD34EF" not in done.out.upper()
    (event,) = await on_the_log(db)
    assert event.data.code is not None
    sealed = await db.pool.fetchval("select count(*) from store.vault_item where id = $1", event.data.code)
    assert sealed == 1


async def test_a_task_is_given_to_somebody(cli: Cli, db: Database) -> None:
    _, wait = await heard(db, requested(), waits("data"))
    assert (await cli("tasks", "assign", str(wait.id), "minh", "--actor", "lan")).status == 0
    assert len((await cli("tasks", "list", "--assignee", "minh", "--json")).json) == 1
    assert (await cli("tasks", "list", "--assignee", "lan")).status == 1
    assert await db.pool.fetchval("select detail->>'assignee' from store.audit where what = 'task.assign'") == "minh"
    assert (await cli("tasks", "assign", str(uuid4()), "minh")).status == 2


async def test_a_held_unit_is_a_task_too(cli: Cli, db: Database) -> None:
    await db.pool.execute(
        "insert into log.held(grp, subject, since, reason, error) values ('hoso.enrolment', $1, now(), 'KeyError', 'x')",
        UNIT,
    )
    (task,) = (await cli("tasks", "list", "--json")).json
    assert (task["cause"], task["answers"]) == ("unit-held", ["release"])
    assert (await cli("tasks", "answer", task["task"], "retry")).status == 2
    done = await cli("tasks", "answer", task["task"], "release", "--actor", "lan")
    assert done.status == 0, done.err
    assert await db.pool.fetchval("select released from log.held")
    assert await db.pool.fetchval("select actor from store.audit where what = 'held.release'") == "lan"


async def test_the_code_is_shown_only_where_a_person_has_to_type_it(cli: Cli, db: Database) -> None:
    _, wait = await heard(db, requested(), waits("wrong-code"))
    assert (await cli("tasks", "code", str(wait.id))).status == 2
    assert await db.pool.fetchval("select count(*) from store.audit where what = 'task.code'") == 0


async def test_what_cannot_be_answered_is_said_first_and_in_the_readers_language(cli: Cli, db: Database) -> None:
    _, wait = await heard(db, requested(), waits("data", answers=("data", "retry")))
    early = await cli("tasks", "answer", str(wait.id), "activation-code")
    assert (early.status, "data, retry" in early.err, early.out) == (2, True, ""), "before a code is asked for"
    for words in (("tasks", "answer", str(wait.id)), ("enrolment", "answer", str(ENROLMENT))):
        vi = await cli(*words, "data", "nojson", HOSO_LANGUAGE="vi")
        assert (vi.status, "đối tượng JSON" in vi.err) == (2, True)
        assert "must be a JSON object" in (await cli(*words, "data", "nojson")).err
    code = await cli("enrolment", "answer", str(ENROLMENT), "activation-code")
    assert (code.status, "data, retry" in code.err) == (2, True)


async def test_tasks_over_http(api: Api, db: Database) -> None:
    _, wait = await heard(db, requested(), waits("system-error"))
    candidates = [{"enrolment": one, "dossier": DOSSIER, "attempt": 2, "unit_name": "A"} for one in (OTHER, ENROLMENT)]
    (mail,) = await heard(db, undecided("several", candidates=candidates))
    status, found = await api("GET", "/v1/tasks")
    assert (status, [task["cause"] for task in found["tasks"]]) == (200, ["mail-several", "system-error"])
    assert (await api("GET", "/v1/tasks", "globex"))[1] == {"tasks": []}
    where = f"/v1/tasks/{wait.id}"
    for method, path in (("GET", where), ("POST", f"{where}/answer"), ("POST", f"{where}/code")):
        status, problem = await api(
            method, path, "globex", **({"json": {"answer": "retry"}} if "answer" in path else {})
        )
        assert (status, problem["type"]) == (404, "urn:hoso:problem:not-found")
    status, problem = await api("POST", f"{where}/answer", json={"answer": "filed"})
    assert (status, problem["type"], "retry" in problem["detail"]) == (409, "urn:hoso:problem:not-this-answer", True)
    assert (await api("POST", f"{where}/code"))[0] == 422
    assert (await api("POST", f"{where}/answer", json={"answer": "retry", "reason": "hết bận"}))[0] == 202

    letter = f"/v1/tasks/{mail.id}"
    assert [one["enrolment"] for one in (await api("GET", letter))[1]["candidates"]] == [str(OTHER), str(ENROLMENT)]
    for value in ("3", str(OTHER), ""):
        status, problem = await api("POST", f"{letter}/answer", json={"answer": "assign", "value": value})
        assert (status, problem["type"]) == (422, "urn:hoso:problem:candidate-unknown"), value
    assert (await api("POST", f"{letter}/answer", json={"answer": "assign", "value": "2"}))[0] == 202
    retried, assigned = await on_the_log(db)
    assert (retried.data.reason, retried.data.actor) == ("hết bận", "key:setup")
    assert (assigned.data.mail, assigned.data.enrolment, assigned.data.attempt) == (MAIL, ENROLMENT, 2)
    assert assigned.subject == UNIT

    api.keys["reader"] = (await api("POST", "/v1/keys", json={"name": "r", "scopes": ["read"]}))[1]["token"]
    assert (await api("POST", f"{where}/answer", "reader", json={"answer": "retry"}))[0] == 403
    assert (await api("GET", where, "reader"))[0] == 200


async def test_what_has_ended_is_answered_no_more(api: Api, db: Database) -> None:
    said = e.EnrolmentAnswered(enrolment=ENROLMENT, answer="retry", cause="data", actor="lan", reason="đã sửa")
    gone_on = e.EnrolmentProgressed.model_validate({"enrolment": ENROLMENT, "request": "r", "stage": "signing"})
    _, wait, _, _ = await heard(db, requested(), waits("data"), said, gone_on)
    status, shown = await api("GET", f"/v1/tasks/{wait.id}")
    assert (status, shown["answer"], shown["actor"], shown["reason"]) == (200, "retry", "lan", "đã sửa")
    status, problem = await api("POST", f"/v1/tasks/{wait.id}/answer", json={"answer": "retry"})
    assert (status, problem["type"]) == (409, "urn:hoso:problem:ended")
    assert json.dumps(problem, ensure_ascii=False).count("Việc này đã xong") == 1
