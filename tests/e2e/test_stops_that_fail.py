"""PAGE-A, what becomes of a stop that fails: its words, the person who goes on, the attempts that follow by themselves."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.e2e.scene import Scene, in_order

STOP = "06_NG-IVAN"


@pytest.mark.statement("A5")
async def test_a_failed_stop_keeps_the_agencys_words_and_is_filed_again_as_a_new_attempt(scene: Scene) -> None:
    branch = scene.branch("C00", provider=True, purpose="Chỉ ngừng")
    await scene.script(branch, "gate", "REFUSE:CE999", STOP, times=1)
    await scene.ask(branch)
    found = await scene.until(branch, "waiting-for-person", "unknown-code")
    assert "CE999" in found["message"]
    assert "Lỗi nghiệp vụ chưa phân loại" in found["message"]

    await scene.answer(branch, "retry")
    await scene.until(branch, "stopped")

    assert scene.filings(branch) == ["stop refused CE999", "stop accepted"]
    told = await scene.story(branch)
    assert "lần 1: CE999 Lỗi nghiệp vụ chưa phân loại" in told
    assert "đã nhận hồ sơ ngừng dịch vụ (06/NG-IVAN), lần 2" in told
    first, second = await scene.documents(branch, "stop")
    assert first.signed_at != second.signed_at


@pytest.mark.statement("A5")
@pytest.mark.parametrize("flow", ["T03", "T12"])
async def test_a_stop_refused_by_mail_waits_for_a_person_who_has_it_filed_again(scene: Scene, flow: str) -> None:
    branch = await scene.ask(scene.branch(flow))
    found = await scene.until(branch, "waiting-for-person")
    assert scene.filings(branch) == ["register refused CE007", "stop refused SIM012"]
    assert "Đơn vị không sử dụng dịch vụ của nhà cung cấp được nêu" in found["message"]

    await scene.restop(branch, scene.named_provider(branch))
    await scene.until(branch, "enrolled")

    assert in_order(["stop accepted", "register accepted"], scene.filings(branch)[2:])


@pytest.mark.statement("A5")
async def test_a_stop_that_is_always_refused_always_waits_for_a_person_who_may_give_up(scene: Scene) -> None:
    branch = await scene.ask(scene.branch("T13"))
    await scene.until(branch, "waiting-for-person")
    await scene.restop(branch, scene.named_provider(branch))
    await scene.until(branch, "waiting-for-person")
    assert scene.filings(branch) == ["register refused CE007", "stop refused SIM012", "stop refused SIM012"]

    status, said = await scene.town.cli("enrolment", "cancel", branch.enrolment, "--reason", "thôi", "--actor", "lan")
    assert status == 0, said
    await scene.until(branch, "cancelled")
    assert not scene.active(branch)


@pytest.mark.statement("A16")
async def test_a_stop_refused_for_its_signature_waits_for_a_person_and_is_never_tried_blindly(scene: Scene) -> None:
    branch = await scene.ask(scene.branch("T15"))
    await scene.until(branch, "waiting-for-person", "certificate")
    await scene.pass_time(timedelta(days=3))
    await scene.settled(branch)
    assert scene.filings(branch) == ["register refused CE007", "stop refused SIM006"]
    assert "SIM006 Chữ ký số không hợp lệ" in await scene.story(branch)

    await scene.answer(branch, "retry")
    await scene.until(branch, "enrolled")

    assert scene.filings(branch)[2:] == ["stop accepted", "register accepted"]
    refused, accepted = await scene.documents(branch, "stop")
    assert refused.signed_at != accepted.signed_at


@pytest.mark.statement("A17")
async def test_a_system_error_is_answered_by_a_new_attempt_at_once(scene: Scene) -> None:
    branch = await scene.ask(scene.branch("T04"))
    await scene.until(branch, "enrolled")

    assert scene.filings(branch) == [
        "register refused CE007",
        "stop refused SIM099",
        "stop refused SIM099",
        "stop accepted",
        "register accepted",
    ]
    first, _, last = scene.times(branch, STOP)
    assert last - first < timedelta(minutes=5)


@pytest.mark.statement("A17")
async def test_a_system_that_stays_broken_is_a_persons_matter_after_five_attempts(scene: Scene) -> None:
    branch = scene.branch("C00", provider=True)
    await scene.script(branch, "gate", "REFUSE:SIM099", STOP)
    await scene.ask(branch)
    await scene.until(branch, "waiting-for-person", "system-error")
    await scene.pass_time(timedelta(days=1))
    await scene.settled(branch)
    assert scene.filings(branch) == ["stop refused SIM099"] * 5

    await scene.unscript()
    await scene.answer(branch, "retry")
    await scene.until(branch, "enrolled")

    assert scene.filings(branch)[5:] == ["stop accepted", "register accepted"]


@pytest.mark.statement("A18")
async def test_already_stopped_is_as_good_as_stopped(scene: Scene) -> None:
    branch = await scene.ask(scene.branch("C03"))
    await scene.until(branch, "enrolled")

    assert scene.filings(branch) == ["register refused CE007", "stop refused SIM011", "register accepted"]
    assert scene.mails(branch) == ["activation"]
