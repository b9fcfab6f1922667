"""One enrolment told as a story: events happen, and one looks at where it stands and what was said. For tests only.

Facts are made up for the attempt under way unless the test says otherwise, so that a flow reads like its description.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid5

from hoso.domain.decisions import Answer, Forget, Remind, Rules, decide
from hoso.domain.rejections import rejections
from hoso.domain.states import Case, Filing, New, State, Waiting
from schemas import events as e
from schemas.envelope import Event, Fact, envelope_of
from schemas.units import Stage, UnitForm

F = TypeVar("F")

SPACE = UUID("00000000-0000-5000-8000-000000000000")
UNIT = uuid5(SPACE, "unit")
ENROLMENT = uuid5(SPACE, "enrolment")
MAILBOX = uuid5(SPACE, "mailbox")
PROFILE = uuid5(SPACE, "profile")
MONDAY = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
DAY = timedelta(hours=24)

OURS = "00110"
OTHER = "00040"
RULES = Rules(rejections(), OURS, "Công ty Cổ phần MISA")

CE007 = ("CE007", "Đơn vị đã đăng ký với IVAN khác")
CE007_NAMING = ("CE007", f"Đơn vị đã đăng ký với IVAN khác ({OTHER})")
CE044 = ("CE044", "Đơn vị đã đăng ký giao dịch tại cổng thông tin BHXH Việt Nam")
BUSY = ("SIM099", "Hệ thống đang bận")
BAD_SIGNATURE = ("SIM006", "Chữ ký số không hợp lệ")
NOT_WITH_THAT_ONE = ("SIM012", "Sai nhà cung cấp")
NO_PROVIDER = ("SIM011", "Không có nhà cung cấp nào")
DUPLICATE = ("SIM010", "Hồ sơ trùng")
STRANGE = ("CE999", "Lý do không rõ")


def a_form(**other: Any) -> UnitForm:
    """A made-up branch in Huế; `other` replaces or adds fields."""
    fields = {
        "unit_code": "TZ0001Z",
        "name": "Chi nhánh Huế – Công ty TNHH Hoa Sen Thử Nghiệm",
        "tax_code": "0101243150-001",
        "province": "46",
        "address": "1 Lê Lợi, Huế",
        "email": "hue@hoasen.example",
        "phone": "0901234567",
    }
    return UnitForm.model_validate({**fields, **other})


def a_first_form(**other: Any) -> UnitForm:
    """A made-up branch in Hanoi that never took part; `other` replaces or adds fields."""
    first_time = {
        "representative": "Trần Thị Thử",
        "licence_number": "0109999999",
        "licence_place": "Sở Tài chính Hà Nội",
        "licence_date": "05/01/2026",
    }
    return a_form(**{"unit_code": None, "branch_id": "HN-01", "province": "01", "first_time": first_time, **other})


def a_request(request: str = "batch:1", **other: Any) -> e.EnrolmentRequested:
    """A request for that branch; `other` are fields of the request, `form` among them."""
    fields = {
        "enrolment": ENROLMENT,
        "request": request,
        "form": a_form(),
        "mailbox": MAILBOX,
        "contact": "hue@hoasen.example",
        "profile": PROFILE,
        "actor": "lan",
    }
    return e.EnrolmentRequested.model_validate({**fields, **other})


def envelope(fact: Fact, id_: UUID, at: datetime) -> Event[Any]:
    """The fact as it comes off the log."""
    return envelope_of(type(fact))(
        id=id_,
        source="hoso.test",
        type=fact.TYPE,
        subject=UNIT,
        time=at,
        correlationid=getattr(fact, "enrolment", ENROLMENT),
        tenant="hoasen",
        environment="test",
        data=fact,
    )


class Story:
    """A unit, the state of its enrolment, and everything said about it."""

    def __init__(self, rules: Rules = RULES, *, now: datetime = MONDAY) -> None:
        self.rules = rules
        self.now = now
        self.state: State = New()
        self.last: Sequence[Answer] = ()
        self.all: list[Answer] = []
        self.timers: dict[str, Remind] = {}
        self.heard: list[tuple[Event[Any], datetime]] = []

    # --- what happens -------------------------------------------------------------------------------------------

    def hear(self, fact: Fact) -> Sequence[Answer]:
        """One event; what the decisions answered."""
        event = envelope(fact, uuid5(SPACE, f"event {len(self.heard)}"), self.now)
        self.heard.append((event, self.now))
        self.state, self.last = decide(self.rules, self.state, event, self.now)
        self.all.extend(self.last)
        for answer in self.last:
            if isinstance(answer, Remind):
                self.timers[answer.name] = answer
            if isinstance(answer, Forget):
                self.timers.pop(answer.name, None)
        return self.last

    def again(self) -> Story:
        """The last event comes a second time."""
        self.hear(self.heard[-1][0].data)
        return self

    def requested(self, request: str = "batch:1", **other: Any) -> Story:
        self.hear(a_request(request, **other))
        return self

    def signed(self, **other: Any) -> Story:
        signature = {
            "document": uuid5(self.filing.dossier, f"document {self.filing.attempt}"),
            "sha256": "ab" * 32,
            "method": "pkcs12",
            "certificate_sha256": "cd" * 32,
            "certificate_serial": "54010101",
        }
        self.hear(e.DossierSigned.model_validate({**self.attempt, **signature, **other}))
        return self

    def not_signed(self, code: str = "HOSO-CERT-EXPIRED", text: str = "Chứng thư số đã hết hạn") -> Story:
        self.hear(e.SigningRefused.model_validate({**self.attempt, "code": code, "text": text}))
        return self

    def received(self, **other: Any) -> Story:
        self.hear(e.DossierReceived.model_validate({**self.attempt, "transaction": self.transaction, **other}))
        return self

    def accepted(self, **other: Any) -> Story:
        self.hear(e.DossierDecided.model_validate({**self.attempt, "accepted": True, "code": "00", **other}))
        return self

    def refused(self, why: tuple[str, str], **other: Any) -> Story:
        code, text = why
        said = {**self.attempt, "accepted": False, "code": code, "text": text, **other}
        self.hear(e.DossierDecided.model_validate(said))
        return self

    def uncertain(self, reached: str = "unknown", **other: Any) -> Story:
        said = {**self.attempt, "reached": reached, "text": "không có trả lời", **other}
        self.hear(e.FilingUncertain.model_validate(said))
        return self

    def stop_mail(self, accepted: bool = True, **other: Any) -> Story:
        mail = {**self.attempt, "mail": uuid5(SPACE, f"mail {len(self.heard)}"), "accepted": accepted, **other}
        self.hear(e.StopResultArrived.model_validate(mail))
        return self

    def turn(self) -> Story:
        self.hear(e.TurnGranted(enrolment=self.case.enrolment, dossier=self.filing.dossier))
        return self

    def released(self) -> Story:
        """The code came and was taken: the first-time dossier is with the officer."""
        return self.code_mail(f"code {len(self.case.tried)}").activation("activated")

    def unit_code_mail(self, unit_code: str | None = "TZ0007Z", **other: Any) -> Story:
        mail = {**self.attempt, "mail": uuid5(SPACE, f"mail {len(self.heard)}"), "granted": unit_code is not None}
        text = "" if unit_code else "Thiếu giấy tờ"
        self.hear(e.UnitCodeResultArrived.model_validate({**mail, "unit_code": unit_code, "text": text, **other}))
        return self

    def noted(self, unit_code: str = "TZ0007Z", foreign: bool = False) -> Story:
        self.hear(e.UnitCodeNoted(enrolment=self.case.enrolment, unit_code=unit_code, foreign=foreign))
        return self

    def granted(self) -> Story:
        """The officer's mail brought the code, and it is the unit's alone."""
        return self.unit_code_mail().noted()

    def change_mail(self, accepted: bool = True, **other: Any) -> Story:
        mail = {**self.attempt, "mail": uuid5(SPACE, f"mail {len(self.heard)}"), "accepted": accepted, **other}
        self.hear(e.ChangeResultArrived.model_validate({"text": "" if accepted else "Sai thông tin", **mail}))
        return self

    def looked(self, status: str = "processing", **other: Any) -> Story:
        asked = self.told_ever(e.StatusAsked)[-1]
        names = {"enrolment": asked.enrolment, "dossier": asked.dossier, "attempt": asked.attempt, "go": asked.go}
        self.hear(e.StatusAnswered.model_validate({**names, "status": status, **other}))
        return self

    def code_mail(self, name: str = "code", **other: Any) -> Story:
        mail = {
            "mail": uuid5(SPACE, f"mail {name}"),
            "code": uuid5(SPACE, name),
            "arrived_at": self.now,
            "expires_at": self.now + DAY,
        }
        self.hear(e.ActivationCodeArrived.model_validate({**self.attempt, **mail, **other}))
        return self

    def activation(self, outcome: str, *, early: bool = False, **other: Any) -> Story:
        asked = self.told_ever(e.ActivationAsked)[-1]
        if outcome == "expired" and not early:
            self.now = max(self.now, asked.expires_at)
        answer = {
            "enrolment": asked.enrolment,
            "dossier": asked.dossier,
            "attempt": asked.attempt,
            "go": asked.go,
            "outcome": outcome,
        }
        self.hear(e.ActivationAnswered.model_validate({**answer, **other}))
        return self

    def roster(self, employees: int = 12) -> Story:
        self.hear(e.RosterFetched(enrolment=self.case.enrolment, employees=employees))
        return self

    def employees_wanted(self) -> Story:
        """Somebody asks for the employees as they are now."""
        self.hear(e.EmployeesRequested(enrolment=self.case.enrolment, actor="lan"))
        return self

    def no_roster(self) -> Story:
        self.hear(e.RosterFailed(enrolment=self.case.enrolment, text="không lấy được"))
        return self

    def answered(self, answer: str, value: str | None = None, **other: Any) -> Story:
        fact: dict[str, Any] = {"enrolment": self.case.enrolment, "answer": answer, "value": value, "actor": "lan"}
        if answer == "data":
            fact["form"] = self.case.form.model_copy(update={"address": "2 Lê Lợi"})
            if self.case.form.unit_code is None and self.case.form.first_time is None:
                fact["form"] = a_first_form()
        if answer == "address":
            fact |= {"contact": "hue2@hoasen.example", "mailbox": MAILBOX}
        if answer == "activation-code":
            fact |= {"code": uuid5(SPACE, f"typed {len(self.heard)}"), "arrived_at": self.now}
        fact |= other
        self.hear(e.EnrolmentAnswered.model_validate(fact))
        return self

    def cancelled(self) -> Story:
        self.hear(e.EnrolmentCancelled(enrolment=self.case.enrolment, actor="lan"))
        return self

    def later(self, passed: timedelta) -> Story:
        """Time passes; nothing rings."""
        self.now += passed
        return self

    def rings(self) -> Story:
        """The wait under way goes on to its end: its timer rings, rung by rung, each just in time."""
        where = (self.at, self.attempt["attempt"])
        while (self.at, self.attempt["attempt"]) == where:
            self.rings_once()
        return self

    def rings_once(self) -> Story:
        """The one timer that is set rings, just in time."""
        (timer,) = self.timers.values()
        del self.timers[timer.name]
        self.now = max(self.now, timer.due)
        self.hear(timer.fact)
        return self

    # --- whole stretches of the way -----------------------------------------------------------------------------

    def filed(self) -> Story:
        """Signed, handed over, received."""
        return self.signed().received()

    def activated(self) -> Story:
        """The code came and was taken, the employees fetched."""
        return self.code_mail(f"code {len(self.case.tried)}").activation("activated").roster()

    # --- where it stands ----------------------------------------------------------------------------------------

    @property
    def case(self) -> Case:
        assert not isinstance(self.state, New)
        return self.state.case

    @property
    def filing(self) -> Filing:
        assert not isinstance(self.state, New)
        assert self.state.filing is not None
        return self.state.filing

    @property
    def transaction(self) -> str:
        """What the made-up agency calls the attempt under way."""
        return f"GD-{self.filing.kind}-{self.case.dossiers}-{self.filing.attempt}"

    @property
    def attempt(self) -> dict[str, Any]:
        """The names of the attempt under way, as facts carry them."""
        filing = self.filing
        names = {"dossier": filing.dossier, "attempt": filing.attempt, "kind": filing.kind}
        return {"enrolment": self.case.enrolment, **names}

    @property
    def at(self) -> str:
        return self.state.at

    @property
    def until(self) -> datetime:
        """The end of the wait under way."""
        return self.state.until  # type: ignore[union-attr]

    @property
    def cause(self) -> str | None:
        """Why it waits for a person; None when it does not."""
        return self.state.cause if isinstance(self.state, Waiting) else None

    @property
    def stage(self) -> Stage:
        """What was last told to everybody."""
        return self.told_ever(e.EnrolmentProgressed)[-1].stage

    def told(self, kind: type[F]) -> F:
        """The one such answer to the last event."""
        (found,) = (answer for answer in self.last if isinstance(answer, kind))
        return found

    def told_ever(self, kind: type[F]) -> list[F]:
        """All such answers, oldest first."""
        return [answer for answer in self.all if isinstance(answer, kind)]

    @property
    def filings(self) -> list[tuple[str, int]]:
        """What was handed over to be filed: kind and attempt, oldest first."""
        return [(asked.kind, asked.attempt) for asked in self.told_ever(e.FilingAsked)]

    def only_noted(self) -> bool:
        """Whether the last event was noted and nothing else."""
        return [type(answer) for answer in self.last] == [e.NoteTaken]
