"""PAGE-A, the stop: when it may be asked for, how it is filed, what fails, and what waits for its mail (domain.md §2.1)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.e2e.scene import Branch, Scene

STOP = "06_NG-IVAN"


# --- how a stop begins ------------------------------------------------------------------------------------------


@pytest.mark.statement("A1", "A4")
async def test_only_a_stop_is_asked_for_in_one_request_and_nothing_is_registered(scene: Scene) -> None:
    branch = await scene.ask(scene.branch("C00", provider=True, purpose="Chỉ ngừng"))
    await scene.until(branch, "stopped")

    assert scene.filings(branch) == ["stop accepted"]
    assert not scene.active(branch)
    [with_whom] = scene.town.agency("select provider_code from units where unit_code = ?", branch.unit_code)
    assert with_whom["provider_code"] == ""
    [form] = await scene.documents(branch, "stop")
    wanted = {
        "TEN_DVI": branch.name,
        "MA_DVI": branch.unit_code,
        "MST": branch.fields["tax_code"],
        "MA_IVAN": branch.fields["current_provider"],
        "LYDO_NGUNG": "Chuyển đổi đơn vị cung cấp",
    }
    assert wanted.items() <= form.fields.items()
    assert form.fields["TEN_IVAN"]
    assert form.fields["NGAY_NGUNG"] == form.fields["NGAY_LAP"]


@pytest.mark.statement("A1")
async def test_a_unit_that_was_only_stopped_can_be_registered_afterwards(scene: Scene) -> None:
    branch = await scene.ask(scene.branch("C02", provider=True, purpose="Chỉ ngừng"))
    await scene.until(branch, "stopped")

    await scene.ask(branch, purpose="", current_provider="")
    await scene.until(branch, "enrolled")

    assert scene.filings(branch) == ["stop accepted", "register accepted"]
    assert scene.active(branch)


@pytest.mark.statement("A4")
async def test_a_stop_that_names_nobody_or_lacks_a_field_of_the_form_is_refused_with_its_cures(scene: Scene) -> None:
    whole = scene.branch("C00", provider=True, purpose="Chỉ ngừng")
    needed = {"current_provider", "unit_code", "tax_code", "name", "province"}
    lacking = [Branch(whole.tenant, {**whole.fields, key: ""}) for key in sorted(needed)]
    rows = await scene.sheet(*lacking)

    assert {row["outcome"] for row in rows} == {"invalid"}
    assert all(
        key in {error["column"] for error in row["errors"]} for key, row in zip(sorted(needed), rows, strict=True)
    )
    assert all(error["cure"] for row in rows for error in row["errors"])
    assert scene.filings(whole) == []


@pytest.mark.statement("A3", "A14")
async def test_a_row_that_names_its_provider_is_stopped_before_anything_is_registered(scene: Scene) -> None:
    elsewhere = scene.branch("C00", provider=True)
    portal = scene.branch("C02", provider=True)
    nobody = scene.branch()
    await scene.sheet(elsewhere, portal, nobody)
    for branch in (elsewhere, portal, nobody):
        await scene.until(branch, "enrolled")

    assert scene.filings(elsewhere) == ["stop accepted", "register accepted"]
    assert scene.filings(portal) == ["stop accepted", "register accepted"]
    assert scene.filings(nobody) == ["register accepted"]


@pytest.mark.statement("A2", "A8", "A19")
async def test_refused_for_another_provider_the_unit_is_stopped_and_registered_again(scene: Scene) -> None:
    branch = await scene.ask(scene.branch("C00"))
    await scene.until(branch, "enrolled")

    assert scene.filings(branch) == ["register refused CE007", "stop accepted", "register accepted"]
    assert scene.active(branch)
    assert "CE007 Đơn vị đã đăng ký với IVAN khác" in await scene.story(branch)

    await scene.ask(branch)  # once more: the unit has its one enrolment, and nothing more is filed
    assert branch.said["outcome"] == "already-enrolled"
    assert len(scene.filings(branch)) == 3


@pytest.mark.statement("A9")
async def test_refused_for_the_state_portal_the_portal_is_stopped(scene: Scene) -> None:
    branch = await scene.ask(scene.branch("C02"))
    await scene.until(branch, "enrolled")

    assert scene.filings(branch) == ["register refused CE044", "stop accepted", "register accepted"]
    [form] = await scene.documents(branch, "stop")
    assert form.fields["MA_IVAN"] == "VSS"
    assert "CE044" in await scene.story(branch)


# --- when it is allowed ----------------------------------------------------------------------------------------


@pytest.mark.statement("A7")
async def test_a_stop_asked_for_while_a_registration_is_under_way_is_refused_with_its_reason(scene: Scene) -> None:
    branch = await scene.ask(scene.branch("M02"))
    await scene.until(branch, "awaiting-code")

    [row] = await scene.sheet(_only_stop(branch))
    assert row["outcome"] == "refused"
    assert [error["column"] for error in row["errors"]] == ["unit_code"]
    assert all(error["message"] and error["cure"] for error in row["errors"])
    await scene.until(branch, "enrolled")

    assert scene.filings(branch) == ["register accepted"]


@pytest.mark.statement("A7")
async def test_a_stop_asked_for_an_enrolled_unit_is_refused_with_its_reason(scene: Scene) -> None:
    branch = await scene.ask(scene.branch())
    await scene.until(branch, "enrolled")

    stop = _only_stop(branch)
    await scene.sheet(stop)
    said = await scene.outcome_of(stop)

    assert "Chỉ được ngừng nhà cung cấp cũ khi" in said
    assert scene.filings(branch) == ["register accepted"]
    assert scene.active(branch)


@pytest.mark.statement("A6", "A7")
async def test_refused_for_a_provider_that_nobody_names_the_stop_may_be_asked_for_by_a_row(scene: Scene) -> None:
    branch = await scene.ask(scene.branch("C01"))
    await scene.until(branch, "waiting-for-person", "provider")

    await scene.sheet(_only_stop(branch))
    await scene.until(branch, "enrolled")

    assert scene.filings(branch) == ["register refused CE007", "stop accepted", "register accepted"]
    [form] = await scene.documents(branch, "stop")
    assert form.fields["MA_IVAN"] == "00040"


@pytest.mark.statement("A6", "A8")
async def test_refused_for_a_provider_that_nobody_names_a_person_names_it(scene: Scene) -> None:
    branch = await scene.ask(scene.branch("C01"))
    await scene.until(branch, "waiting-for-person", "provider")
    await scene.answer(branch, "provider", "00060")
    await scene.until(branch, "enrolled")

    assert scene.filings(branch) == ["register refused CE007", "stop accepted", "register accepted"]
    [form] = await scene.documents(branch, "stop")
    assert form.fields["MA_IVAN"] == "00060"


@pytest.mark.statement("A8")
async def test_the_wrong_provider_was_named_so_a_person_names_the_right_one(scene: Scene) -> None:
    branch = await scene.ask(scene.branch("T14"))
    await scene.until(branch, "waiting-for-person")
    assert scene.filings(branch) == ["register refused CE007", "stop refused SIM012"]

    await scene.restop(branch, scene.named_provider(branch))
    await scene.until(branch, "enrolled")

    assert scene.filings(branch)[2:] == ["stop accepted", "register accepted"]


# --- the form ---------------------------------------------------------------------------------------------------


@pytest.mark.statement("A10")
async def test_a_reason_comes_from_the_list_and_khac_needs_its_text(scene: Scene) -> None:
    def only_stop(**reason: str) -> Branch:
        return scene.branch("C00", provider=True, purpose="Chỉ ngừng", **reason)

    listed = only_stop(stop_reason="Hết hạn dịch vụ")
    told = only_stop(stop_reason="Khác", stop_reason_text="Chuyển về một mối cho cả tập đoàn")
    mute, unknown = only_stop(stop_reason="Khác"), only_stop(stop_reason="Không thích nữa")
    rows = await scene.sheet(listed, told, mute, unknown)

    assert [row["outcome"] for row in rows] == ["accepted", "accepted", "invalid", "invalid"]
    assert [error["column"] for error in rows[2]["errors"]] == ["stop_reason_text"]
    assert [error["column"] for error in rows[3]["errors"]] == ["stop_reason"]
    assert all(error["cure"] for row in rows[2:] for error in row["errors"])
    reasons = []
    for branch in (listed, told):
        await scene.until(branch, "stopped")
        [form] = await scene.documents(branch, "stop")
        reasons.append(form.fields["LYDO_NGUNG"])
    assert reasons == ["Hết hạn dịch vụ", "Chuyển về một mối cho cả tập đoàn"]
    assert scene.filings(mute) == scene.filings(unknown) == []


@pytest.mark.statement("A11")
async def test_the_stop_is_signed_with_the_units_key_and_the_attempt_says_how(scene: Scene) -> None:
    branch = await scene.ask(scene.branch("C00", provider=True, purpose="Chỉ ngừng"))
    await scene.until(branch, "stopped")

    [signer] = scene.town.agency(
        "select c.serial, c.subject from filings f join certificates c on c.sha256 = f.certificate where f.unit_code = ?",
        branch.unit_code,
    )
    assert f"MST:{branch.fields['tax_code'][:10]}" in signer["subject"]
    assert "Đã ký hồ sơ ngừng dịch vụ (06/NG-IVAN), lần 1, bằng pkcs12" in await scene.story(branch)


# --- filed, and its mail ----------------------------------------------------------------------------------------


@pytest.mark.statement("A12", "A13", "A14")
async def test_filed_and_mailed_are_two_events_and_the_registration_waits_for_the_mail(scene: Scene) -> None:
    branch = await scene.ask(scene.branch("T06"))
    await scene.until(branch, "awaiting-stop-mail")

    await scene.settled(branch)
    assert scene.filings(branch) == ["register refused CE007", "stop accepted"]  # accepted, and nothing follows
    assert scene.mails(branch) == []
    [filed] = scene.town.agency(
        "select number, email, contact from filings where unit_code = ? and procedure = ?", branch.unit_code, STOP
    )
    assert filed["number"]
    assert f"Số hồ sơ: {filed['number']}" in await scene.story(branch)

    await scene.until(branch, "enrolled")
    assert scene.mails(branch) == ["stop-result", "activation"]
    assert scene.filings(branch)[2:] == ["register accepted"]
    [mailed] = scene.town.agency(
        "select sent_world, recipient from mails where unit_code = ? and kind = 'stop-result'", branch.unit_code
    )
    [again] = scene.town.agency(
        "select max(received_world) as at from filings where unit_code = ? and procedure = '04_DK-IVAN'",
        branch.unit_code,
    )
    assert mailed["recipient"] == branch.fields["email"]
    assert again["at"] >= mailed["sent_world"]


@pytest.mark.statement("A14", "A15")
async def test_accepted_by_the_gateway_but_never_mailed_is_asked_again_after_a_day(scene: Scene) -> None:
    branch = await scene.ask(scene.branch("T18"))
    await scene.until(branch, "enrolled")

    assert scene.filings(branch) == [
        "register refused CE007",
        "stop accepted",
        "stop refused SIM011",
        "register accepted",
    ]
    first, second = scene.times(branch, STOP)
    assert second - first >= timedelta(hours=24)


@pytest.mark.statement("A15")
async def test_stop_mail_never_comes_so_the_stop_is_filed_again(scene: Scene) -> None:
    branch = await scene.ask(scene.branch("T10"))
    await scene.until(branch, "enrolled")

    assert scene.filings(branch).count("stop accepted") == 3
    assert scene.mails(branch).count("stop-result") == 1
    times = scene.times(branch, STOP)
    assert all(later - earlier >= timedelta(hours=24) for earlier, later in zip(times, times[1:], strict=False))


@pytest.mark.statement("A15")
async def test_after_three_stops_without_a_mail_a_person_decides(scene: Scene) -> None:
    branch = await scene.ask(scene.branch("T09"))
    await scene.until(branch, "waiting-for-person", "stop-mail-missing")
    await scene.pass_time(timedelta(days=2))
    await scene.settled(branch)
    assert scene.filings(branch) == ["register refused CE007", *["stop accepted"] * 3]

    await scene.answer(branch, "continue")  # he has asked the agency: it is stopped
    await scene.until(branch, "enrolled")

    assert scene.filings(branch)[4:] == ["register accepted"]


@pytest.mark.statement("A15")
async def test_a_late_mail_of_an_earlier_attempt_counts(scene: Scene) -> None:
    branch = await scene.ask(scene.branch("T11"))
    await scene.until(branch, "enrolled")

    assert scene.filings(branch) == ["register refused CE007", "stop accepted", "stop accepted", "register accepted"]
    assert scene.mails(branch).count("stop-result") == 1


@pytest.mark.statement("A14")
@pytest.mark.parametrize("flow", ["T01", "T05", "T16", "T17"])
async def test_a_bare_double_junked_or_forged_stop_mail_opens_the_way_once(scene: Scene, flow: str) -> None:
    branch = scene.branch(flow)
    await scene.ask(branch, name=f"Công ty TNHH Một Mình {branch.unit_code}")  # a bare mail has only the name
    await scene.until(branch, "enrolled")

    assert scene.filings(branch) == ["register refused CE007", "stop accepted", "register accepted"]


def _only_stop(branch: Branch) -> Branch:
    """The row again, wanting only the stop of its provider."""
    fields = {
        **branch.fields,
        "purpose": "Chỉ ngừng",
        "current_provider": branch.fields.get("current_provider", "00040"),
    }
    return Branch(branch.tenant, fields)
