"""PAGE-B I: units that never took part apply for a code, electronically in Hanoi, on paper elsewhere (domain.md §2.2)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.e2e.looks import counter, download, eventually, refused_row, registered, told, words_of
from tests.e2e.scene import Branch, Scene


async def a_newcomer(scene: Scene, words: str = "", **fields: str) -> Branch:
    """A newcomer that was asked for, with its licence sent ahead."""
    await scene.attach("demo", "giay-phep.pdf")
    return await scene.ask(scene.newcomer(words, **fields))


# --- electronic -------------------------------------------------------------------------------------------------


@pytest.mark.statement("B2", "B3", "B17", "B20")
async def test_a_newcomer_in_hanoi_gets_its_code_by_mail_and_is_enrolled(scene: Scene) -> None:
    branch = await a_newcomer(scene)
    done = await scene.until(branch, "enrolled")

    assert scene.filings(branch) == ["first_code accepted", "change accepted"]
    assert scene.mails(branch)[:2] == ["activation", "unit-code-result"]
    [granted] = scene.town.agency(
        "select g.* from granted g join filings f on f.transaction_id = g.transaction_id where f.unit_name = ?",
        branch.name,
    )
    assert granted["effective_world"] is not None
    assert registered(scene, granted["unit_code"])
    assert done["employees"] == 0


@pytest.mark.statement("B12", "B13")
async def test_both_forms_and_the_licence_travel_signed_in_one_envelope(scene: Scene) -> None:
    branch = await a_newcomer(scene)
    await scene.until(branch, "enrolled")

    [first] = scene.town.agency(
        "select t.*, f.certificate, f.email from first_time t join filings f using (transaction_id) where f.unit_name = ?",
        branch.name,
    )
    assert first["licence"] == branch.fields["licence_number"]
    assert "giay-phep.pdf" in first["files"]
    assert first["email"] == branch.fields["email"]


@pytest.mark.statement("B14")
async def test_the_activation_code_only_releases_the_dossier_to_the_officer(scene: Scene) -> None:
    branch = await a_newcomer(scene, "N03")
    review = await scene.until(branch, "agency-review")

    [first] = scene.town.agency(
        "select t.* from first_time t join filings f using (transaction_id) where f.unit_name = ?", branch.name
    )
    assert first["released_world"] is not None
    assert first["granted_code"] is None
    assert scene.filings(branch) == ["first_code open"]
    assert review["employees"] is None


@pytest.mark.statement("B17")
async def test_an_officer_silent_for_three_working_days_is_asked_and_then_a_person(scene: Scene) -> None:
    branch = await a_newcomer(scene, "N03")
    await scene.until(branch, "waiting-for-person", "officer-late")
    asked = scene.town.agency("select sum(times) as n from status_asks")[0]["n"]
    assert asked

    await scene.answer(branch, "refused", "Cán bộ nói thiếu giấy tờ")
    waiting = await scene.until(branch, "waiting-for-person", "first-code-refused")
    assert "thiếu giấy tờ" in waiting["message"]


@pytest.mark.statement("B17")
async def test_an_officer_who_answers_only_when_asked_is_asked(scene: Scene) -> None:
    branch = await a_newcomer(scene, "N04")
    await scene.until(branch, "waiting-for-person", "officer-late")
    await scene.until(branch, "enrolled")
    assert scene.filings(branch) == ["first_code accepted", "change accepted"]


@pytest.mark.statement("B18")
async def test_a_refused_application_is_sent_again_from_the_refused_dossier_after_an_edit(scene: Scene) -> None:
    branch = await a_newcomer(scene, "N01")
    waiting = await scene.until(branch, "waiting-for-person", "first-code-refused")
    assert "thiếu giấy tờ" in waiting["message"]  # by gateway or by mail, whoever is first

    await scene.answer(branch, "data", fields={"address": "Số 99 đường Mới"})
    await scene.until(branch, "enrolled")

    assert scene.filings(branch) == ["first_code refused SIM044", "first_code accepted", "change accepted"]
    addresses = scene.town.agency(
        "select t.address from first_time t join filings f using (transaction_id) where f.unit_name = ? order by f.rowid",
        branch.name,
    )
    assert [row["address"] for row in addresses] == [branch.fields["address"], "Số 99 đường Mới"]


@pytest.mark.statement("B19")
async def test_the_granted_code_is_taken_out_of_the_mail_when_the_gateway_says_nothing(scene: Scene) -> None:
    branch = await a_newcomer(scene, "N15")
    await scene.until(branch, "enrolled")
    assert scene.filings(branch) == ["first_code accepted", "change accepted"]


@pytest.mark.statement("B17", "B19")
async def test_a_grant_that_neither_mail_nor_gateway_tells_is_entered_by_a_person(scene: Scene) -> None:
    branch = await a_newcomer(scene, "N31")
    await scene.until(branch, "waiting-for-person", "officer-late")
    [granted] = scene.town.agency("select unit_code from granted where name = ?", branch.name)

    await scene.answer(branch, "accepted", granted["unit_code"])
    await scene.until(branch, "enrolled")
    assert scene.filings(branch)[-1] == "change accepted"


@pytest.mark.statement("B20")
async def test_an_activation_mail_after_the_change_is_used_and_never_awaited(scene: Scene) -> None:
    branch = await a_newcomer(scene, "N24")
    await scene.until(branch, "enrolled")
    assert await eventually(lambda: scene.mails(branch).count("activation") == 2)


@pytest.mark.statement("B20")
async def test_a_refused_change_waits_for_a_person_and_is_filed_again(scene: Scene) -> None:
    branch = await a_newcomer(scene, "N20")
    waiting = await scene.until(branch, "waiting-for-person", "change-refused")
    assert "SIM053" in waiting["message"]

    await scene.answer(branch, "retry")
    await scene.until(branch, "enrolled")
    assert scene.filings(branch)[1:] == ["change refused SIM053", "change accepted"]


@pytest.mark.statement("B9")
async def test_first_time_and_a_unit_code_is_an_error_of_the_row(scene: Scene) -> None:
    await scene.attach("demo", "giay-phep.pdf")
    branch = scene.newcomer(unit_code="TZ1234Z")
    errors = await refused_row(scene, branch)
    assert {error["column"] for error in errors} & {"unit_code", "first_time"}
    assert scene.filings(branch) == []


@pytest.mark.statement("B15", "B16")
async def test_no_mail_climbs_the_ladder_and_files_a_new_attempt_whose_mail_comes(scene: Scene) -> None:
    branch = await a_newcomer(scene, "N06")
    await scene.until(branch, "enrolled")

    assert scene.filings(branch).count("first_code accepted") == 1
    assert [filing for filing in scene.filings(branch) if filing.startswith("first_code")][:2] != [
        "first_code accepted"
    ]
    story = await scene.story(branch)
    assert "Chưa nhận được email mã kích hoạt" in story


# --- mails that read alike --------------------------------------------------------------------------------------


@pytest.mark.statement("B13")
async def test_of_one_name_only_one_first_time_dossier_waits_in_a_mailbox(scene: Scene) -> None:
    await scene.attach("demo", "giay-phep.pdf")
    one, two = scene.newcomer("N09"), scene.newcomer("N09")
    two.fields |= {"name": one.name, "tax_code": one.fields["tax_code"]}
    await scene.ask(one)
    await scene.ask(two)
    await scene.until(one, "enrolled")
    await scene.until(two, "enrolled")

    received = scene.town.agency(
        "select f.received_world, t.released_world from filings f join first_time t using (transaction_id) "
        "where f.unit_name = ? order by 1",
        one.name,
    )
    assert len(received) == 2
    assert received[1]["received_world"] >= received[0]["released_world"]


@pytest.mark.statement("B13")
async def test_with_an_address_of_its_own_nobody_waits_for_a_turn(scene: Scene) -> None:
    await scene.attach("rieng", "giay-phep.pdf")
    one, two = scene.newcomer("N09", tenant="rieng"), scene.newcomer("N09", tenant="rieng")
    two.fields |= {"name": one.name, "tax_code": one.fields["tax_code"]}
    await scene.ask(one)
    await scene.ask(two)
    await scene.until(one, "enrolled")
    await scene.until(two, "enrolled")

    addresses = {
        row["email"]
        for row in scene.town.agency("select email from filings where unit_name = ? and procedure = '604'", one.name)
    }
    assert len(addresses) == 2


# --- paper ------------------------------------------------------------------------------------------------------


@pytest.mark.statement("B21", "B22", "B23")
async def test_elsewhere_the_form_is_printed_posted_and_its_code_entered_then_registered(scene: Scene) -> None:
    branch = await a_newcomer(scene, province="Huế")
    await scene.until(branch, "waiting-for-person", "paper-form")
    form = await download(scene, branch.tenant, f"/v1/enrolments/{branch.enrolment}/form.pdf")
    assert branch.name.split()[0] in words_of(form)
    assert scene.filings(branch) == []

    await scene.answer(branch, "sent", f"post {(await scene.now()):%Y-%m-%d}")
    await scene.until(branch, "waiting-for-person", "paper-code")
    granted = await counter(scene, "/paper", {"name": branch.name, "tax_code": branch.fields["tax_code"]})
    await scene.pass_time(timedelta(days=8))
    assert await eventually(lambda: told(scene, branch, "Hồ sơ giấy đã nộp mà chưa có mã đơn vị"))

    await scene.answer(branch, "unit-code", granted["unit_code"])
    await scene.until(branch, "enrolled")
    branch.fields["unit_code"] = granted["unit_code"]
    assert scene.filings(branch) == ["register accepted"]


@pytest.mark.statement("B21", "B22")
async def test_many_paper_forms_are_printed_as_one_file(scene: Scene) -> None:
    branches = [await a_newcomer(scene, province="Huế") for _ in range(3)]
    for branch in branches:
        await scene.until(branch, "waiting-for-person", "paper-form")
    words = words_of(await download(scene, "demo", "/v1/forms.pdf"))
    for branch in branches:
        assert branch.name.split()[-1] in words
