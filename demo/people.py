"""The people of the demo: what a sensible person answers to each cause, over HTTP, after a call to the agency where he would make one.

`ANSWERS` is the table: cause -> what he does the first time, the second, …; when it is used up the task stays open for somebody who knows
more. A person rings the agency by reading its ledger; he knows nothing of how hoso works inside.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from demo.api import Api, told
from demo.judge import ledger
from demo.preparing import Preparing
from demo.signing import Phone
from schemas.units import UnitForm

Task = dict[str, Any]
VIETNAM = timezone(timedelta(hours=7))
PAPER_TAKES = timedelta(days=3)
"""Of the world's time, between posting a form and its code at the counter."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said to a task, and why."""

    answer: str
    value: str | None = None
    why: str = ""
    fields: dict[str, str] | None = None


class NotYet(Exception):
    """He will look again later."""


@dataclass
class People:
    """Everybody who is asked something in the demo."""

    api: Api
    agency: Api
    ledger_file: Path
    preparing: Preparing
    phone: Phone | None
    folder: Path
    say: Callable[[str], None]
    rows: dict[str, UnitForm] = field(default_factory=dict)
    """Good rows of the sheets handed in, by unit code and by name."""
    answered: list[tuple[Task, Answer]] = field(default_factory=list)
    """Everything that was answered, in order."""
    _asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    _done: set[str] = field(default_factory=set)
    """Tasks answered or left."""
    _later: dict[str, datetime] = field(default_factory=dict)

    async def act(self, now: datetime) -> int:
        """Look at the phones and at the tasks, and answer what can be answered; how much was done."""
        done = await self.phone.look(now) if self.phone is not None else 0
        if done:
            self.say(f"  a director approves {done} prompt{'s' * (done > 1)} on his phone")
        tasks = (await self.api.ask("GET", "/v1/tasks?limit=1000"))["tasks"]
        new = [task for task in tasks if task["task"] not in self._done]
        if any(task["cause"] == "paper-form" for task in new):
            await self._print_all()
        for task in new:
            if self._later.get(task["task"], now) <= now:
                done += await self._take(task, now)
        return done

    def later(self, now: datetime) -> list[datetime]:
        """When somebody means to look again."""
        return [moment for moment in self._later.values() if moment > now]

    async def rest(self) -> None:
        """Between two looks."""
        await asyncio.sleep(0.15)

    async def _take(self, task: Task, now: datetime) -> int:
        id_, cause, who = task["task"], task["cause"], str(task["enrolment"] or task["task"])
        steps = ANSWERS.get(cause, ())
        turn = self._asked[who, cause]
        if turn >= len(steps):
            self._done.add(id_)
            return 0
        try:
            answer = await steps[turn](self, task, now)
        except NotYet:
            return 0
        self._later.pop(id_, None)
        self._done.add(id_)
        if answer is None:
            return 0
        self._asked[who, cause] += 1
        body: dict[str, Any] = {"answer": answer.answer, "reason": answer.why[:500]}
        body |= {"value": answer.value} if answer.value else {}
        body |= {"fields": answer.fields} if answer.fields else {}
        status, said = await self.api.try_("POST", f"/v1/tasks/{id_}/answer", body)
        if status >= 300:
            self.say(f"  {_who(task)}: {cause}: {answer.answer} was not taken: {told(said)}")
            return 0
        self.say(f"  {_who(task)}: {cause}: a person answers {answer.answer} {answer.value or ''}{_because(answer)}")
        self.answered.append((task, answer))
        return 1

    async def _print_all(self) -> None:
        """The paper forms of everybody who waits, as one file."""
        status, data = await self.api.try_("GET", "/v1/forms.pdf")
        if status == 200:
            self.folder.mkdir(exist_ok=True)
            (self.folder / "TK3-TS.pdf").write_bytes(data)

    # --- what a person can find out ----------------------------------------------------------------------------

    def ring(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """Ask the agency."""
        with contextlib.closing(ledger(self.ledger_file)) as agency:
            return agency.execute(sql, values).fetchall()

    def newest(self, task: Task, procedures: Sequence[str]) -> sqlite3.Row | None:
        """The newest filing that the agency has of this unit, of these procedures."""
        rows = self.ring(
            f"select * from filings where procedure in ({', '.join('?' * len(procedures))}) and (unit_code = ? or "
            "(unit_code = '' and unit_name = ?)) order by received_world desc, rowid desc limit 1",
            *procedures,
            task["unit_code"] or "-",
            task["name"],
        )
        return rows[0] if rows else None

    def row(self, task: Task) -> UnitForm | None:
        """The row of this unit in the people's own sheet."""
        return self.rows.get(task["unit_code"] or "") or self.rows.get(task["name"])

    def put_off(self, task: Task, until: datetime, now: datetime) -> None:
        """Look at this again then. Raises NotYet before."""
        due = self._later.setdefault(task["task"], until)
        if now < due:
            raise NotYet


Step = Callable[[People, Task, datetime], Awaitable[Answer | None]]


def plain(answer: str, why: str) -> Step:
    """An answer that needs nothing to be found out."""

    async def step(people: People, task: Task, now: datetime) -> Answer | None:
        return Answer(answer, why=why)

    return step


RETRY = plain("retry", "nộp lại")


async def _provider(people: People, task: Task, now: datetime) -> Answer | None:
    """Ring the agency: who holds the unit? Where it does not say, the one the accountant remembers."""
    rows = people.ring("select provider_code from units where unit_code = ?", task["unit_code"])
    held = str(rows[0]["provider_code"]) if rows else ""
    known = held == "VSS" or re.fullmatch(r"\d{5}", held)
    value = held if known and held not in ("", "00000") else "00040"
    why = "cơ quan BHXH cho biết" if value == held else "kế toán nhớ là nơi này"
    return Answer("provider", value, why)


async def _own_profile(people: People, task: Task, now: datetime) -> Answer | None:
    """The certificate is somebody else's: choose the unit's own; declined or expired: sign again."""
    if "HOSO-CERT" not in task["text"]:
        return Answer("retry", why="ký lại")
    form = people.row(task)
    return Answer("profile", f"MST {form.tax_code}", "chọn chữ ký số của đúng đơn vị") if form else None


async def _another_certificate(people: People, task: Task, now: datetime) -> Answer | None:
    """The agency will not have this certificate: a new one is bought, declared and chosen."""
    form = people.row(task)
    if form is None:
        return None
    name = f"MST {form.tax_code} mới {task['unit_code']}"
    await people.preparing.key_file(name, form.tax_code, form.name)
    return Answer("profile", name, "chứng thư số mới của đơn vị")


async def _filed(people: People, task: Task, now: datetime) -> Answer | None:
    """Ring the agency: did it get the dossier?"""
    kinds = ("04_DK-IVAN", "06_NG-IVAN", "05_SD-IVAN", "604")
    found = people.newest(task, kinds)
    if found is None or found["state"] == "TU_CHOI":
        return (
            Answer("not-filed", why="cơ quan BHXH không có hồ sơ nào đang xử lý") if _may(task, "not-filed") else None
        )
    return Answer("filed", found["transaction_id"], "cơ quan BHXH đã nhận") if _may(task, "filed") else None


async def _stopped(people: People, task: Task, now: datetime) -> Answer | None:
    """Ring the agency: is the old provider stopped?"""
    found = people.newest(task, ("06_NG-IVAN",))
    done = found is not None and found["state"] == "CHAP_NHAN"
    return Answer("continue", why="cơ quan BHXH đã ngừng") if done else Answer("retry", why="chưa ngừng, nộp lại")


async def _active(people: People, task: Task, now: datetime) -> Answer | None:
    """Ring the agency: is the unit active?"""
    rows = people.ring("select active_transaction from units where unit_code = ?", task["unit_code"] or "")
    return Answer("continue" if rows and rows[0]["active_transaction"] else "retry", why="đã hỏi cơ quan BHXH")


async def _mend(people: People, task: Task, now: datetime) -> Answer | None:
    """Put right what the refusal names, as far as the row can: here the address as the licence has it."""
    form = people.row(task)
    if form is None:
        return None
    return Answer("data", why="ghi địa chỉ đúng như giấy phép", fields={"licensed_address": form.address})


async def _officer(people: People, task: Task, now: datetime) -> Answer | None:
    """Ring the officer: has he granted a code?"""
    rows = people.ring(
        "select granted_code from first_time where granted_code is not null and transaction_id in "
        "(select transaction_id from filings where unit_name = ?) order by rowid desc limit 1",
        task["name"],
    )
    if rows:
        return Answer("accepted", rows[0]["granted_code"], "cán bộ BHXH cho biết đã cấp mã")
    return Answer("continue", why="cán bộ BHXH nói còn đang xử lý")


async def _change(people: People, task: Task, now: datetime) -> Answer | None:
    """Ring the agency: is the change accepted?"""
    found = people.newest(task, ("05_SD-IVAN",))
    if found is None or found["state"] == "TIEP_NHAN":
        return Answer("continue", why="cơ quan BHXH nói còn đang xử lý")
    if found["state"] == "CHAP_NHAN":
        return Answer("accepted", why="cơ quan BHXH đã chấp nhận")
    return Answer("refused", found["reason"] or found["code"], "cơ quan BHXH từ chối")


async def _print_and_post(people: People, task: Task, now: datetime) -> Answer | None:
    """Print the form, have it signed and stamped, post it."""
    data = await people.api.ask("GET", f"/v1/enrolments/{task['enrolment']}/form.pdf")
    people.folder.mkdir(exist_ok=True)
    name = re.sub(r"[^\w -]", "", task["name"].rpartition(" - ")[2] or task["name"])
    (people.folder / f"TK3-TS {name}.pdf").write_bytes(data)
    return Answer("sent", f"post {now.astimezone(VIETNAM):%Y-%m-%d}", "đã gửi bưu điện")


async def _at_the_counter(people: People, task: Task, now: datetime) -> Answer | None:
    """Days later, at the agency's counter: the code that was granted on paper."""
    people.put_off(task, now + PAPER_TAKES, now)
    form = people.row(task)
    if form is None:
        return None
    said = {"name": form.name, "tax_code": form.tax_code, "address": form.address, "phone": form.phone}
    granted = await people.agency.ask("POST", "/paper", {**said, "email": form.email})
    return Answer("unit-code", granted["unit_code"], "mã được cấp trên giấy")


async def _look_up(people: People, task: Task, now: datetime) -> Answer | None:
    """Look the code up in the unit directory; left open when it knows none."""
    form = people.row(task)
    if form is None:
        return None
    said = await people.api.ask("GET", f"/v1/unit-codes?tax_code={form.tax_code}")
    found = [unit for unit in said["units"] if unit["name"].casefold() == form.name.casefold()]
    code = found[0]["unit_code"] if len(found) == 1 else None
    return Answer("unit-code", code, "tra cứu theo mã số thuế và tên") if code else None


async def _by_hand(people: People, task: Task, now: datetime) -> Answer | None:
    """Type the code on the agency's portal."""
    code = (await people.api.ask("POST", f"/v1/tasks/{task['task']}/code"))["code"]
    status, _ = await people.agency.try_("POST", "/portal/activations", {"code": code})
    return (
        Answer("activated", why="đã nhập mã trên cổng") if status < 300 else Answer("retry", why="mã không được nhận")
    )


ANSWERS: dict[str, tuple[Step, ...]] = {
    "no-unit-code": (_look_up,),
    "provider": (_provider, _provider),
    "still-held": (_provider,),
    "signing": (_own_profile, RETRY),
    "certificate": (RETRY, _another_certificate),
    "unknown-code": (RETRY,),
    "system-error": (RETRY, RETRY),
    "filing-uncertain": (_filed, _filed),
    "duplicate": (_filed, _filed),
    "transaction-missing": (_filed,),
    "earlier-filing": (_filed,),
    "filing-failed": (RETRY,),
    "stop-mail-missing": (_stopped, _stopped),
    "stop-refused": (RETRY,),
    "activation-mail-missing": (RETRY,),
    "code-expired": (RETRY,),
    "wrong-code": (RETRY,),
    "activation-uncertain": (_active, _active),
    "activate-by-hand": (_by_hand, _by_hand),
    "roster-failed": (RETRY,),
    "first-code-refused": (_mend,),
    "officer-late": (_officer,),
    "change-refused": (RETRY,),
    "change-late": (_change,),
    "paper-form": (_print_and_post,),
    "paper-code": (_at_the_counter,),
}
"""Not here, and so always left to somebody who knows more: data, unit-code-held, no-profile, and mails that fit several dossiers."""


def _may(task: Task, answer: str) -> bool:
    return answer in task["answers"]


def _who(task: Task) -> str:
    return str(task["unit_code"] or task["name"] or task["task"])


def _because(answer: Answer) -> str:
    return f" ({answer.why})" if answer.why else ""


def answered_with(answered: Iterable[tuple[Task, Answer]], answer: str) -> set[str]:
    """Enrolments for which a person gave this answer."""
    return {str(task["enrolment"]) for task, said in answered if said.answer == answer}
