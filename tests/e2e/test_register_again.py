"""PAGE-A, step 2: registered again from the refused dossier, signed anew, and activated within its 24 hours (domain.md §2.1)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.e2e.scene import Branch, Scene, in_order

REGISTER = "04_DK-IVAN"
DATED = {"NGAY_LAP"}
"""The fields of a form that say when it was written; all others are copied."""


@pytest.mark.statement("A19", "A20", "A21")
async def test_the_new_registration_is_the_refused_one_signed_anew(scene: Scene) -> None:
    branch = await scene.ask(scene.branch("C04", phone="0912 000 111", address="Số 7, ngõ 12 phố Huế"))
    await scene.until(branch, "enrolled")
    assert scene.filings(branch) == ["register refused CE007", "stop accepted", "register accepted"]

    refused, accepted = await scene.documents(branch, "register")
    copied = refused.fields.keys() - DATED
    assert {key: accepted.fields[key] for key in copied} == {key: refused.fields[key] for key in copied}
    assert {"TEN_DVI", "MA_DVI", "DIACHI_LHE", "EMAIL", "DIEN_THOAI"} <= copied
    assert refused.signed_at != accepted.signed_at
    assert refused.data != accepted.data
    [dossiers] = scene.town.agency(
        "select count(distinct idempotency_key) as n from filings where unit_code = ? and procedure = ?",
        branch.unit_code,
        REGISTER,
    )
    assert dossiers["n"] == 2  # a dossier of its own


@pytest.mark.statement("A19", "A21")
async def test_a_request_from_the_topic_is_stopped_and_registered_again_the_same_way(scene: Scene) -> None:
    branch = await scene.publish(scene.branch("C05"))
    await scene.until(branch, "enrolled")

    assert scene.filings(branch) == ["register refused CE044", "stop accepted", "register accepted"]
    told = await scene.story(branch)
    assert told.count("Đã ký hồ sơ đăng ký (04/ĐK-IVAN)") == 2


@pytest.mark.statement("A22")
async def test_the_code_goes_to_the_address_declared_in_this_dossier(scene: Scene) -> None:
    addresses = [box for t in scene.town.arena.tenants if t.name == "demo" for box in (t.mailbox, *t.mailboxes)]
    branches = [await scene.ask(scene.branch(email=address)) for address in addresses[:2]]
    for branch, address in zip(branches, addresses, strict=False):
        await scene.until(branch, "enrolled")
        [mail] = scene.town.agency("select recipient from mails where unit_code = ? and genuine", branch.unit_code)
        assert mail["recipient"] == address
        [form] = await scene.documents(branch, "register")
        assert form.fields["EMAIL"] == address


@pytest.mark.statement("A22", "A23")
async def test_only_the_activation_makes_it_enrolled(scene: Scene) -> None:
    branch = await scene.ask(scene.branch("M02"))
    await scene.until(branch, "awaiting-code")
    await scene.settled(branch)
    assert scene.filings(branch) == ["register accepted"]
    assert scene.mails(branch) == []
    assert not scene.active(branch)

    await scene.until(branch, "enrolled")
    assert scene.mails(branch) == ["activation"]
    assert scene.active(branch)
    assert _activations(scene, branch) == ["00"]


@pytest.mark.statement("A24")
async def test_a_code_that_cannot_be_used_is_warned_of_and_after_24_hours_asked_for_again(scene: Scene) -> None:
    branch = scene.branch()
    await scene.script(branch, "activate", "503")
    await scene.ask(branch)
    await scene.until(branch, "activating")
    for hours in (13, 7.5, 3):
        await scene.pass_time(timedelta(hours=hours))
        await scene.warned(branch)
    told = await scene.story(branch)
    warned = [line.partition("còn hiệu lực ")[2].split()[0] for line in told.splitlines() if "còn hiệu lực" in line]
    assert [int(hours) for hours in warned] == [10, 3, 0]  # at 12 h, 4 h and 1 h left, or as soon after as it was seen

    await scene.pass_time(timedelta(hours=1))
    await scene.unscript()
    await scene.until(branch, "enrolled")

    assert scene.filings(branch) == ["register accepted"] * 2
    first, second = scene.town.agency(
        "select c.used_world, c.expires_world from codes c join filings f using (transaction_id) where f.unit_code = ? "
        "order by f.received_world",
        branch.unit_code,
    )
    assert first["used_world"] is None
    assert second["used_world"] < second["expires_world"]


@pytest.mark.statement("A24")
async def test_a_code_that_the_agency_calls_expired_leads_to_a_new_attempt_and_a_new_code(scene: Scene) -> None:
    branch = await scene.ask(scene.branch("M04"))
    await scene.until(branch, "enrolled")

    assert scene.filings(branch) == ["register accepted"] * 2
    assert scene.mails(branch).count("activation") == 2
    assert _activations(scene, branch) == ["SIM014", "00"]


@pytest.mark.statement("A22", "A24")
async def test_an_activation_mail_that_never_comes_is_asked_about_told_and_filed_anew(scene: Scene) -> None:
    branch = await scene.ask(scene.branch("M08"))
    await scene.until(branch, "enrolled")

    assert scene.filings(branch) == ["register accepted"] * 2
    told = await scene.story(branch)
    steps = ["Hỏi cơ quan BHXH tình trạng", "Chưa nhận được email mã kích hoạt gửi tới", "lần 2"]
    lines = [step for line in told.splitlines() for step in steps if step in line]
    assert in_order(steps, lines)


@pytest.mark.statement("A23")
async def test_a_double_or_early_code_activates_once(scene: Scene) -> None:
    for flow in ("M01", "M11"):
        branch = await scene.ask(scene.branch(flow))
        await scene.until(branch, "enrolled")
        assert len(scene.filings(branch)) == 1
        assert _activations(scene, branch).count("00") == 1


def _activations(scene: Scene, branch: Branch) -> list[str]:
    rows = scene.town.agency("select outcome from activations where unit_code = ? order by id", branch.unit_code)
    return [row["outcome"] for row in rows]
