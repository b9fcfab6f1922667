"""One enrolment told as a story: in order, with who did it, and the agency's words as they came."""

from __future__ import annotations

from datetime import timedelta

from hoso.store.postgres import Database
from schemas.events import StepResult
from tests.integration.cli.command import Cli
from tests.integration.cli.test_http import Api, api
from tests.integration.cli.told import ENROLMENT, Heard, tell_ops
from tests.support.stories import STRANGE

__all__ = ["api"]
SOON = timedelta(minutes=7)
ODD = "Đơn vị đã đăng ký   với IVAN khác\n(xem công văn)"
"""The agency's words are nobody's to tidy up."""


def with_a_stop(tenant: str = "hoasen") -> Heard:
    """Refused, a person names the provider, stopped, refused again for a reason nobody knows."""
    story = Heard()
    story.requested().later(SOON).signed(method="misa_esign", certificate_subject="CN=Hoa Sen")
    steps = [StepResult(step="Tiếp nhận", result="Không đạt", code="CE007", at=story.now)]
    story.later(SOON).received(number="HS-1").later(SOON).refused(("CE007", ODD), steps=steps)
    story.later(SOON).answered("provider", "00040").later(SOON).filed().accepted().later(
        timedelta(hours=23)
    ).stop_mail()
    story.later(SOON).filed().refused(STRANGE)
    story.log = [event.model_copy(update={"tenant": tenant}) for event in story.log]
    return story


async def test_the_whole_story_in_vietnamese(cli: Cli, db: Database) -> None:
    await tell_ops(db, with_a_stop())
    shown = await cli("enrolment", "show", "TZ0001Z", HOSO_LANGUAGE="vi")
    assert shown.status == 0, shown.err
    lines = shown.out.splitlines()
    for said in (
        "Đang ở: Chờ người xử lý",
        " ! Đăng ký dịch vụ: chờ người – Cơ quan BHXH trả về mã lỗi chưa rõ cách xử lý",
        "     ký lúc 02/03/2026 09:07:00 bằng misa_esign, chứng thư 54010101 CN=Hoa Sen",
        " 02/03/2026 09:21:00 provider: lan trả lời provider, xong lúc 02/03/2026 09:28:00",
        "  09:28:00  lan             trả lời: provider 00040",
        "  09:21:00  cơ quan BHXH    từ chối hồ sơ đăng ký (04/ĐK-IVAN), lần 1: CE007 Đơn vị đã đăng ký với IVAN khác (xem công văn)",
        "                            │ CE007 | Đơn vị đã đăng ký   với IVAN khác",
        "                            │ (xem công văn)",
        "                            │ Tiếp nhận · Không đạt · CE007 · 02/03/2026 09:07:00",
    ):
        assert said in lines, said
    order = [lines.index(day) for day in ("02/03/2026", "03/03/2026")]
    assert order == sorted(order)
    assert any(line.startswith("Lệnh trả lời: hoso enrolment answer") and "treatment" in line for line in lines)


async def test_programs_read_the_same(cli: Cli, db: Database) -> None:
    await tell_ops(db, with_a_stop())
    found = (await cli("enrolment", "show", "TZ0001Z", "--json")).json
    first, stop, again = found["attempts"]
    assert (first["code"], first["text"], first["number"]) == ("CE007", ODD, "HS-1")
    assert (stop["kind"], stop["mail_accepted"], again["code"]) == ("stop", True, STRANGE[0])
    assert [(task["cause"], task["answer"], task["actor"]) for task in found["tasks"]] == [
        ("provider", "provider", "lan"),
        ("unknown-code", None, None),
    ]
    raw = [event for event in found["timeline"] if event["type"].endswith("dossier-decided.v1")]
    assert raw[0]["data"]["text"] == ODD
    assert found["checklist"]["percent"] == 60
    assert all(event["who"] and event["text"] for event in found["timeline"])


async def test_a_checklist(cli: Cli, db: Database) -> None:
    await tell_ops(db, with_a_stop())
    shown = await cli("unit", "checklist", "TZ0001Z", HOSO_LANGUAGE="vi")
    assert "Tiến độ: 60 %" in shown.out
    assert " ○ Lấy lao động: chưa làm (trước đó cần: Đăng ký dịch vụ)" in shown.out
    made = (await cli("unit", "checklist", str(ENROLMENT), "--json")).json
    assert [step["state"] for step in made["steps"]] == ["done", "done", "done", "waiting", "todo"]
    assert (await cli("unit", "checklist", "TZ9999Z")).status == 1
    assert (await cli("unit", "checklist", "TZ0001Z", "--tenant", "globex")).status == 1


async def test_a_tenant_reads_its_own(api: Api, db: Database) -> None:
    await tell_ops(db, with_a_stop("acme"))
    where = f"/v1/enrolments/{ENROLMENT}"
    status, found = await api("GET", f"{where}/timeline")
    assert (status, [one["code"] for one in found["attempts"]]) == (200, ["CE007", "00", "CE999"])
    assert [task["cause"] for task in found["tasks"]] == ["provider", "unknown-code"]
    assert any(detail.endswith(ODD) for event in found["timeline"] for detail in event["details"])
    status, made = await api("GET", f"{where}/checklist")
    assert (status, made["percent"]) == (200, 60)
    for path in ("timeline", "checklist"):
        assert (await api("GET", f"{where}/{path}", "globex"))[0] == 404
