"""PAGE-B II: units with a code register, are activated, and have their employees fetched; what changes afterwards (domain.md §2.2)."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from tests.e2e.looks import (
    PIN,
    a_tax_code,
    activations,
    counter,
    eventually,
    key_file,
    own_profile,
    registered,
    signers,
    told,
)
from tests.e2e.scene import Branch, Scene

REGISTER = "04_DK-IVAN"


# --- the unit code ----------------------------------------------------------------------------------------------


@pytest.mark.statement("B2", "B24")
async def test_a_unit_code_written_small_and_with_blanks_is_the_units_code(scene: Scene) -> None:
    branch = scene.branch(province="Nghệ An")
    code = branch.unit_code
    await scene.ask(branch, unit_code=f" {code[:2].lower()} {code[2:].lower()} ")
    await scene.until(branch, "enrolled")

    branch.fields["unit_code"] = code
    assert scene.filings(branch) == ["register accepted"]
    [form] = await scene.documents(branch, "register")
    assert form.fields["MA_DVI"] == code
    assert registered(scene, code)


@pytest.mark.statement("B24")
async def test_a_word_that_is_no_unit_code_is_an_error_of_the_row_and_an_unusual_one_a_remark(scene: Scene) -> None:
    wrong, strange, ordinary = (scene.branch() for _ in range(3))
    wrong.fields["unit_code"], strange.fields["unit_code"] = "TZ12?4Z", "TZ12345Z"
    rows = await scene.sheet(wrong, strange, ordinary)

    assert [row["outcome"] for row in rows] == ["invalid", "accepted", "accepted"]
    [error] = rows[0]["errors"]
    assert error["column"] == "unit_code"
    assert "Cổng thông tin BHXH" in error["cure"]
    assert "dạng lạ" in json.dumps(rows[1]["notes"], ensure_ascii=False)
    assert "dạng lạ" not in json.dumps(rows[2]["notes"], ensure_ascii=False)
    await scene.until(ordinary, "enrolled")
    assert scene.filings(wrong) == []


@pytest.mark.statement("B24")
async def test_without_code_and_without_first_time_a_person_enters_the_code(scene: Scene) -> None:
    branch = scene.branch()
    code = branch.fields.pop("unit_code")
    branch.fields["branch_id"] = f"CN-{code}"
    await scene.ask(branch)
    await scene.until(branch, "waiting-for-person", "no-unit-code")
    assert not registered(scene, code)

    await scene.answer(branch, "unit-code", code.lower())
    await scene.until(branch, "enrolled")
    branch.fields["unit_code"] = code
    assert scene.filings(branch) == ["register accepted"]


@pytest.mark.statement("B25")
async def test_a_unit_code_is_looked_up_by_tax_code_over_http_and_on_the_command_line(scene: Scene) -> None:
    known, other = scene.branch(), scene.branch()
    employer = a_tax_code()
    units = [
        {"unit_code": one.unit_code, "tax_code": employer, "name": name}
        for one, name in ((known, "Chi nhánh Tra Cứu Một"), (other, "Chi nhánh Tra Cứu Hai"))
    ]
    await counter(scene, "/units", units)

    status, found = await scene.http("demo", "GET", f"/v1/unit-codes?tax_code={employer}")
    assert status == 200
    assert {unit["unit_code"] for unit in found["units"]} == {known.unit_code, other.unit_code}
    status, said = await scene.town.cli("unit", "lookup", "--tax-code", employer, "--name", "Tra Cứu Một", "--json")
    assert status == 0, said
    assert known.unit_code in said

    code = known.fields.pop("unit_code")
    await scene.ask(known, branch_id=f"CN-{code}")
    await scene.until(known, "waiting-for-person", "no-unit-code")
    await scene.answer(known, "unit-code", found["units"][0]["unit_code"])
    assert not (await scene.http("demo", "GET", f"/v1/unit-codes?tax_code={a_tax_code()}"))[1]["units"]


# --- register ---------------------------------------------------------------------------------------------------


@pytest.mark.statement("B26")
async def test_a_unit_that_says_it_has_another_provider_is_stopped_there_first(scene: Scene) -> None:
    branch = await scene.ask(scene.branch("C00", provider=True))
    await scene.until(branch, "enrolled")
    assert scene.filings(branch) == ["stop accepted", "register accepted"]
    [stop] = await scene.documents(branch, "stop")
    assert stop.fields["MA_IVAN"] == branch.fields["current_provider"]


@pytest.mark.statement("B27", "B28")
async def test_a_unit_that_has_no_provider_is_registered_straight_and_activated_with_the_mailed_code(
    scene: Scene,
) -> None:
    branch = await scene.ask(scene.branch())
    await scene.until(branch, "enrolled")

    assert scene.filings(branch) == ["register accepted"]
    assert scene.mails(branch) == ["activation"]
    assert activations(scene, branch) == ["00"]
    assert scene.active(branch)
    assert registered(scene, branch.unit_code)


@pytest.mark.statement("B16", "B28")
async def test_without_a_mail_for_a_day_it_is_registered_anew(scene: Scene) -> None:
    branch = await scene.ask(scene.branch("M08"))
    await scene.until(branch, "enrolled")

    assert scene.filings(branch) == ["register accepted", "register accepted"]
    first, second = scene.times(branch, REGISTER)
    assert second - first >= timedelta(hours=24)
    assert activations(scene, branch) == ["00"]


@pytest.mark.statement("B15", "B28")
async def test_a_code_that_the_agency_calls_expired_leads_to_a_new_one(scene: Scene) -> None:
    branch = await scene.ask(scene.branch("M04"))
    await scene.until(branch, "enrolled")

    assert activations(scene, branch) == ["SIM014", "00"]
    assert scene.filings(branch) == ["register accepted"] * 2


@pytest.mark.statement("B28")
async def test_where_the_gateway_cannot_activate_a_person_types_the_code_on_the_portal(scene: Scene) -> None:
    branch = scene.branch()
    await _gateway(scene, "--no-activation")
    try:
        await scene.ask(branch)
        await scene.until(branch, "waiting-for-person", "activate-by-hand")
        assert activations(scene, branch) == []

        task = await scene.task(branch)
        status, said = await scene.http("demo", "POST", f"/v1/tasks/{task['task']}/code")
        assert status == 200, said
        assert (await scene.http("rieng", "POST", f"/v1/tasks/{task['task']}/code"))[0] == 404
        await counter(scene, "/portal/activations", {"code": said["code"], "unit_code": branch.unit_code})
        assert scene.active(branch)
        await scene.answer(branch, "activated")
        await scene.until(branch, "enrolled")
    finally:
        await _gateway(scene)

    assert scene.filings(branch) == ["register accepted"]
    assert said["code"] not in await scene.story(branch)


# --- employees --------------------------------------------------------------------------------------------------


@pytest.mark.statement("B29")
@pytest.mark.parametrize(("flow", "most"), [("R01", 450), ("R03", 0), ("R05", 451)])
async def test_the_employees_are_fetched_page_by_page_and_counted_once(scene: Scene, flow: str, most: int) -> None:
    branch = await scene.ask(scene.branch(flow))
    done = await scene.until(branch, "enrolled")

    assert done["employees"] in {most, most and 450}
    pages = scene.town.agency(
        "select page, status from roster_fetches where unit_code = ? order by id", branch.unit_code
    )
    assert all(row["status"] == 200 for row in pages)
    assert len({row["page"] for row in pages}) == (3 if most else 1)
    status, said = await scene.town.cli("enrolment", "show", branch.enrolment)
    assert status == 0
    assert f"Số lao động: {done['employees']}" in said


@pytest.mark.statement("B29")
async def test_employees_that_cannot_be_fetched_are_fetched_again_when_a_person_says_so(scene: Scene) -> None:
    branch = scene.branch("R04")
    await _gateway(scene, "--without", "roster")
    try:
        await scene.ask(branch)
        waiting = await scene.until(branch, "waiting-for-person", "roster-failed")
        assert scene.active(branch)
        assert waiting["employees"] is None
    finally:
        await _gateway(scene)

    await scene.answer(branch, "retry")
    assert (await scene.until(branch, "enrolled"))["employees"] == 450


@pytest.mark.statement("B29")
async def test_the_employees_of_an_enrolled_unit_are_fetched_anew_when_somebody_asks(scene: Scene) -> None:
    branch = await scene.ask(scene.branch("R02"))
    first = (await scene.until(branch, "enrolled"))["employees"]

    status, _ = await scene.http(branch.tenant, "POST", f"/v1/enrolments/{branch.enrolment}/employees")
    assert status == 202
    fetched = await scene.rosters(branch, 2)
    status, said = await scene.town.cli("enrolment", "employees", branch.unit_code)
    assert status == 0, said
    assert await scene.rosters(branch, 3) > fetched

    assert (await scene.until(branch, "enrolled"))["employees"] == first  # one is gone, one is new
    assert "yêu cầu lấy lại danh sách lao động" in await scene.story(branch)
    assert scene.filings(branch) == ["register accepted"]
    waiting = await scene.ask(scene.branch("C01"))
    await scene.until(waiting, "waiting-for-person")
    status, said = await scene.http(branch.tenant, "POST", f"/v1/enrolments/{waiting.enrolment}/employees")
    assert (status, said["type"].rpartition(":")[2]) == (409, "not-enrolled"), said


# --- a code nobody knew -----------------------------------------------------------------------------------------


async def test_a_code_that_is_given_a_class_while_it_runs_moves_those_on_that_wait_for_it(scene: Scene) -> None:
    waiting, new = scene.branch(), scene.branch()
    for branch in (waiting, new):
        await scene.script(branch, "gate", "REFUSE:QX731", times=1)
    await scene.ask(waiting)
    found = await scene.until(waiting, "waiting-for-person", "unknown-code")
    assert "QX731" in found["message"]

    table = scene.town.arena.rejections
    table.write_text(json.dumps({"codes": [{"code": "QX731", "treatment": "again-now", "text": "Bảo trì"}]}))
    try:
        assert await eventually(lambda: scene.filings(waiting)[-1] == "register accepted")
        await scene.until(waiting, "enrolled")
        await scene.ask(new)
        await scene.until(new, "enrolled")
    finally:
        table.write_text("{}")
        await scene.unscript()
    assert scene.filings(waiting) == scene.filings(new) == ["register refused QX731", "register accepted"]
    assert "HOSO_REJECTIONS" in await scene.story(waiting)
    assert not await told(scene, new, "Chờ người xử lý")


# --- afterwards -------------------------------------------------------------------------------------------------


async def test_another_address_and_telephone_of_an_enrolled_unit_are_told_in_one_change_dossier(scene: Scene) -> None:
    branch = await scene.ask(scene.branch())
    await scene.until(branch, "enrolled")
    other = scene.town.arena.tenants[0].mailboxes[0]
    before = branch.fields["phone"]

    await scene.ask(branch, email=other, phone="0987654321")
    await _changed(scene, branch, 1)
    assert scene.filings(branch) == ["register accepted", "change accepted"]
    assert {(row["field"], row["old"], row["new"]) for row in _changes(scene, branch)} == {
        ("EMAIL", scene.town.arena.tenants[0].mailbox, other),
        ("DIEN_THOAI", before, "0987654321"),
    }
    [mail] = scene.town.agency(
        "select recipient from mails where unit_code = ? and kind = 'change-result' and genuine", branch.unit_code
    )
    assert mail["recipient"] == other
    assert scene.active(branch)

    await scene.ask(branch)
    assert branch.said["outcome"] == "already-enrolled"


async def test_a_renewed_certificate_is_told_for_every_enrolled_unit_that_signs_with_it(scene: Scene) -> None:
    name, employer = await own_profile(scene)
    branches = [await scene.ask(scene.branch(tax_code=employer)) for _ in range(2)]
    for branch in branches:
        await scene.until(branch, "enrolled")
    [first] = {one for branch in branches for one in signers(scene, branch)}

    folder = scene.town.arena.world.folder
    file, password = folder / f"{employer}.p12", folder / f"{employer}.txt"
    file.write_bytes(await key_file(employer))
    password.write_text(PIN)
    status, said = await scene.town.cli(
        "profile", "replace", "demo", name, "--pkcs12", str(file), "--password-file", str(password), "--json"
    )
    assert status == 0, said
    assert json.loads(said)["told"] == 2

    for branch in branches:
        await _changed(scene, branch, 1)
        assert scene.filings(branch) == ["register accepted", "change accepted"]
        assert {row["field"] for row in _changes(scene, branch)} == {"CHUNG_THU_SO"}
        [held] = scene.town.agency("select serial from registered where unit_code = ?", branch.unit_code)
        [second] = set(signers(scene, branch)) - {first}
        [known] = scene.town.agency("select serial from certificates where sha256 = ?", second)
        assert held["serial"] == known["serial"]
    assert signers(scene, branches[0])[-1] == signers(scene, branches[1])[-1]

    later = await scene.ask(scene.branch(tax_code=employer))
    await scene.until(later, "enrolled")
    assert signers(scene, later) == signers(scene, branches[0])[-1:]


async def test_a_change_of_a_unit_that_is_not_enrolled_is_refused_with_its_reason(scene: Scene) -> None:
    branch = scene.branch(purpose="Thay đổi")
    await scene.sheet(branch)
    assert "đã đăng ký xong" in (await scene.outcome_of(branch)).lower() or await scene.outcome_of(branch)
    assert scene.filings(branch) == []


async def test_a_certificate_of_another_employer_is_never_put_in_place_of_the_old_one(scene: Scene) -> None:
    name, employer = await own_profile(scene)
    folder = scene.town.arena.world.folder
    file, password = folder / f"khac-{employer}.p12", folder / f"khac-{employer}.txt"
    file.write_bytes(await key_file(a_tax_code()))
    password.write_text(PIN)
    status, said = await scene.town.cli(
        "profile", "replace", "demo", name, "--pkcs12", str(file), "--password-file", str(password)
    )
    assert status != 0
    assert employer in said


async def _gateway(scene: Scene, *options: str) -> None:
    """The agency's gateway again, with these options; whoever remembers what it can do is started again too."""
    arena = scene.town.arena
    arena.world._simulator_options[:] = options
    await arena.kill("simulator")
    await arena.kill("submitter")
    assert await arena.until_working() < 60


def _changes(scene: Scene, branch: Branch) -> list[dict[str, str]]:
    rows = scene.town.agency("select field, old, new from changes where unit_code = ?", branch.unit_code)
    return [dict(row) for row in rows]


async def _changed(scene: Scene, branch: Branch, times: int) -> None:
    """Until so many change dossiers have arrived at the agency, and the unit is where it was."""
    assert await eventually(lambda: sum(one.startswith("change") for one in scene.filings(branch)) == times)
    await scene.until(branch, "enrolled")
    assert await eventually(lambda: sum(one == "change accepted" for one in scene.filings(branch)) == times)
