"""What comes into a mailbox: sorted out as spam, forged, twice, too early, or fitting several units (domain.md §6)."""

from __future__ import annotations

import json
import re
import time
from datetime import datetime, timedelta, timezone

import pytest

from tests.e2e.looks import activations, counter, eventually, folder, tasks, told
from tests.e2e.scene import Branch, Scene

VIETNAM = timezone(timedelta(hours=7))


async def a_branch(scene: Scene, flow: str) -> Branch:
    """Asked for: a newcomer for the families of first-time dossiers (N15: of the grant only the mail tells), else a unit with a code."""
    if not flow.startswith("N"):
        return await scene.ask(scene.branch(flow))
    await scene.attach("demo")
    return await scene.ask(scene.newcomer(flow))


def filed(flow: str) -> list[str]:
    """What the agency has in the end of a branch for which nothing went wrong."""
    if flow.startswith("N"):
        return ["first_code accepted", "change accepted"]
    stop = ["register refused CE007", "stop accepted"] if flow.startswith("T") else []
    return [*stop, "register accepted"]


# --- the junk folder ---------------------------------------------------------------------------------------------


@pytest.mark.statement("B16", "B13", "B28")
@pytest.mark.parametrize("flow", ["M15", "N10", "N11 N15", "T16"])
async def test_a_mail_that_was_sorted_out_as_spam_is_found_in_the_junk_folder(scene: Scene, flow: str) -> None:
    branch = await a_branch(scene, flow)
    await scene.until(branch, "enrolled")

    assert scene.filings(branch) == filed(flow)
    written = {row["message_id"] for row in _mails(scene, branch)}
    junk = {str(mail["Message-ID"]) for mail in await folder(scene, branch.fields["email"], "Junk")}
    assert len(written & junk) == 1


# --- forged ------------------------------------------------------------------------------------------------------


@pytest.mark.statement("B13", "B17", "B28")
@pytest.mark.parametrize("flow", ["M03", "M13", "M23", "N12 N15", "N13 N15", "N14 N15"])
async def test_a_forged_mail_before_the_true_one_is_never_believed(scene: Scene, flow: str) -> None:
    branch = await a_branch(scene, flow)
    await scene.until(branch, "enrolled")

    assert [row["genuine"] for row in _mails(scene, branch)].count(0) == 1
    assert scene.filings(branch) == filed(flow)
    assert activations(scene, branch) == ["00"]  # the forged code was never given to the agency
    if flow.startswith("N"):
        [granted] = scene.town.agency("select unit_code from granted where name = ?", branch.name)
        [changed] = scene.town.agency(
            "select unit_code from filings where unit_name = ? and procedure = '05_SD-IVAN'", branch.name
        )
        assert changed["unit_code"] == granted["unit_code"]


# --- more than one ----------------------------------------------------------------------------------------------


@pytest.mark.statement("B13", "B28")
@pytest.mark.parametrize("flow", ["M16", "N08"])
async def test_of_two_codes_the_newer_one_counts(scene: Scene, flow: str) -> None:
    await counter(
        scene, "/script", [{"match": {"call": "activate"}, "fault": "503"}]
    )  # the older code cannot be used before the newer one comes
    try:
        branch = await a_branch(scene, flow)
        await scene.until(branch, "activating")
        assert await eventually(lambda: scene.mails(branch).count("activation") == 2)
        assert await eventually(lambda: _came_twice(scene, branch))
    finally:
        await scene.unscript()
    await scene.until(branch, "enrolled")

    assert scene.filings(branch) == filed(flow)
    assert activations(scene, branch) == ["SIM014", "00"]


@pytest.mark.statement("B13", "B28")
@pytest.mark.parametrize("flow", ["M01", "N07"])
async def test_a_mail_that_comes_twice_is_used_once(scene: Scene, flow: str) -> None:
    branch = await a_branch(scene, flow)
    await scene.until(branch, "enrolled")

    assert await eventually(lambda: scene.mails(branch).count("activation") == 2)
    assert scene.filings(branch) == filed(flow)
    assert activations(scene, branch) == ["00"]


# --- whose is it ------------------------------------------------------------------------------------------------


@pytest.mark.statement("A14")
async def test_a_mail_that_fits_two_units_waits_for_a_person_who_sees_them_and_chooses(scene: Scene) -> None:
    one, two = (scene.branch("C00", provider=True, purpose="Chỉ ngừng") for _ in range(2))
    name = f"{one.name} - Kho {one.unit_code}"  # no third unit has it
    for branch in (one, two):
        branch.fields |= {"name": name, "tax_code": one.fields["tax_code"], "email": one.fields["email"]}
    for branch in (one, two):
        await scene.script(branch, "mail", "NEVER")
        await scene.ask(branch)
    for branch in (one, two):
        await scene.until(branch, "awaiting-stop-mail")

    mail = {"kind": "stop-result", "recipient": one.fields["email"], "name": one.name, "bare": True}
    await counter(scene, "/mails", mail)
    enrolments = {one.enrolment, two.enrolment}

    async def asked() -> bool:
        return any(_candidates(task) == enrolments for task in await tasks(scene, "demo"))

    assert await eventually(asked)
    [task] = [task for task in await tasks(scene, "demo") if _candidates(task) == enrolments]
    assert task["enrolment"] is None
    assert {candidate["unit_code"] for candidate in task["candidates"]} == {one.unit_code, two.unit_code}

    number = next(n for n, who in enumerate(task["candidates"], 1) if who["enrolment"] == two.enrolment)
    body = {"answer": "assign", "value": str(number), "reason": "đã gọi hỏi cơ quan BHXH"}
    status, said = await scene.http("demo", "POST", f"/v1/tasks/{task['task']}/answer", body)
    assert status == 202, said
    await scene.until(two, "stopped")
    assert (await scene.view(one))["stage"] == "awaiting-stop-mail"
    assert await told(scene, two, "đã gọi hỏi cơ quan BHXH") or await told(scene, two, "key:chaos")

    await scene.unscript()
    await counter(scene, "/mails", {**mail, "bare": False, "unit_code": one.unit_code})
    await scene.until(one, "stopped")
    assert scene.filings(one) == scene.filings(two) == ["stop accepted"]


@pytest.mark.statement("B28")
async def test_a_code_for_nobody_is_kept_until_somebody_waits_for_it(scene: Scene) -> None:
    branch = scene.branch("M02")  # the agency's own mail is two hours late
    await counter(
        scene,
        "/mails",
        {
            "kind": "activation",
            "recipient": branch.fields["email"],
            "name": branch.name,
            "unit_code": branch.unit_code,
            "tax_code": branch.fields["tax_code"],
            "code": "QW7ER8TY9U",
        },
    )

    assert await eventually(lambda: _parked(scene, branch))
    await scene.ask(branch)
    assert await eventually(lambda: activations(scene, branch) == ["SIM013"])  # it was taken for this unit's, and tried

    await scene.until(branch, "enrolled")
    assert activations(scene, branch) == ["SIM013", "00"]
    assert scene.filings(branch) == ["register accepted"]


@pytest.mark.statement("B15")
async def test_the_24_hours_begin_when_the_mail_arrives_not_when_the_dossier_was_filed(scene: Scene) -> None:
    branch = scene.branch()
    await scene.script(branch, "mail", "NEVER")
    await scene.script(branch, "activate", "503")
    await scene.ask(branch)
    await scene.until(branch, "awaiting-code")
    await scene.pass_time(timedelta(hours=3))
    leap = int(time.time())  # the server's time is in whole seconds, and must not be that of the leap
    assert await eventually(lambda: int(time.time()) > leap)
    [filing] = scene.town.agency(
        "select transaction_id, received_world from filings where unit_code = ?", branch.unit_code
    )
    await counter(scene, "/mails/deliver", {"transaction": filing["transaction_id"]})
    await scene.until(branch, "activating")

    [until] = re.findall(r"dùng được đến (\S+ \S+)", await scene.story(branch))
    told_until = datetime.strptime(until, "%d/%m/%Y %H:%M:%S").replace(tzinfo=VIETNAM).timestamp()
    [mail] = scene.town.agency("select sent_world from mails where unit_code = ?", branch.unit_code)
    assert mail["sent_world"] - filing["received_world"] > 3 * 3600
    assert told_until - 24 * 3600 > mail["sent_world"] - 2

    await scene.unscript()
    await scene.until(branch, "enrolled")
    assert activations(scene, branch)[-1] == "00"


async def _came_twice(scene: Scene, branch: Branch) -> bool:
    return (await scene.story(branch)).count("Mã kích hoạt đã tới") == 2


async def _parked(scene: Scene, branch: Branch) -> bool:
    """Whether a mail for the branch was read and lies waiting for somebody who expects it."""
    _, said = await scene.town.cli("mail", "list", "--undecided", "--json")
    return any(row["state"] == "parked" and branch.unit_code in json.dumps(row) for row in json.loads(said) or ())


def _mails(scene: Scene, branch: Branch) -> list[dict[str, object]]:
    rows = scene.town.agency(
        "select message_id, genuine, kind from mails where state = 'sent' and (unit_code = ? or transaction_id in "
        "(select transaction_id from filings where unit_name = ? and unit_code = ''))",
        branch.key[0],
        branch.name,
    )
    return [dict(row) for row in rows]


def _candidates(task: dict[str, object]) -> set[str]:
    found = task.get("candidates") or []
    assert isinstance(found, list)
    return {candidate["enrolment"] for candidate in found}
