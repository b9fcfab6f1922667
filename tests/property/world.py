"""A made-up world around one enrolment: signer, agency, mails, clock and people, in any order and as mean as it likes.

A tape of numbers decides everything that is open: what is delivered next, how each ask ends, who comes in between.
After the tape's end the mood decides, always the same way. After every event the world checks what must always hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, get_args
from uuid import UUID, uuid5

from hoso.domain.causes import CAUSES
from hoso.domain.decisions import Remind, decide
from hoso.domain.states import (
    OPEN,
    Activating,
    AgencyReview,
    AwaitingCode,
    AwaitingResult,
    AwaitingStopMail,
    AwaitingTurn,
    Cancelled,
    Enrolled,
    Fetching,
    Filed,
    New,
    NotingCode,
    Signing,
    State,
    Stopped,
    Waiting,
)
from hoso.domain.waits import timer
from schemas import events as e
from schemas.envelope import Fact
from services.enrolment.service import STATE
from tests.support import stories as s

ANSWERS: tuple[str, ...] = get_args(e.PersonsAnswer)
VALUES = {"unit-code": "TZ0009Z", "provider": "00060", "profile": str(s.PROFILE), "treatment": "fix-data"}
VALUES |= {"sent": "post 2026-03-02", "accepted": "TZ0009Z", "refused": "thiếu giấy tờ"}
REFUSALS = (
    s.BUSY,
    s.CE007_NAMING,
    s.CE044,
    s.CE007,
    s.NO_PROVIDER,
    s.STRANGE,
    s.DUPLICATE,
    s.BAD_SIGNATURE,
    s.NOT_WITH_THAT_ONE,
    ("", "Đơn vị đã ngừng dịch vụ trước đó"),
    ("HOSO-NO-DECISION", ""),
)
FORMS = (
    s.a_form(),
    s.a_form(current_provider=s.OTHER),
    s.a_form(phone="0912345678"),
    s.a_form(unit_code=None, branch_id="HUE-01"),
    s.a_form(current_provider="VSS"),
    s.a_form(current_provider=s.OTHER, purpose="stop"),
    s.a_first_form(),
    s.a_first_form(province="46"),
)
PROVIDERS = 4
"""Whom this world can name: two I-VANs, the portal, and whom a person names."""

PER_DOSSIER = 1 + (s.RULES.system_tries - 1) + (s.RULES.attempts - 1)
MOST_FILINGS = PER_DOSSIER * (2 * PROVIDERS + 3)
"""What may be filed without a person: each provider stopped once, a registration before and after, a first-time dossier
and the change after it, all bounds used."""


class World:
    """One unit and everything around it."""

    def __init__(self, tape: Sequence[int], mood: int) -> None:
        self._tape: Iterator[int] = iter(tape)
        self._mood = mood
        self.over = False
        self.story = s.Story()
        self.tray: list[Fact] = []
        """Under way to the enrolment."""
        self.delivered: list[Fact] = []
        self.rung: list[Fact] = []
        """Every reminder that was ever set."""
        self._requests = 0
        self._mails = 0
        self._typed = 0
        self._filings_since_person = 0
        self._unconfirmed: set[UUID] = set()
        """Stops that were filed and that nothing has settled yet."""
        self._coded: set[UUID] = set()
        """Dossiers for which a code has come, and no refusal since."""

    def choose(self, among: int) -> int:
        """A number below `among`: the tape's, then the mood's."""
        number = next(self._tape, None)
        if number is None:
            self.over = True
            number = self._mood
        return number % among

    # --- running ------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """The tape to its end, then until nothing is under way any more."""
        self.hear(self._request(fresh=True))
        while not self.over:
            self._turn()
        for _ in range(3000):
            if self.tray:
                self.hear(self.tray.pop(0))
            elif self.story.timers:
                self._ring()
            else:
                break
        else:
            raise AssertionError(f"no end in sight, at {self.story.state}")
        assert isinstance(self.story.state, Enrolled | Stopped | Cancelled | Waiting)
        self._check_turns()
        self._replay()

    def _turn(self) -> None:
        action = self.choose(16)
        if action < 9:
            if self.tray:
                self.hear(self.tray.pop(self.choose(len(self.tray))))
            elif self.story.timers:
                self._ring()
        elif action == 9:
            self.hear(self.delivered[self.choose(len(self.delivered))])
        elif action == 10 and self.story.timers:
            self._ring()
        elif action == 11 and self.rung:
            self.hear(self.rung[self.choose(len(self.rung))])
        elif action in (12, 13):
            self.hear(self._answer())
        elif action == 14:
            self.hear(self._request(fresh=self.choose(2) == 0))
        elif action == 15:
            self.story.later(timedelta(hours=self.choose(30)))
            if self.choose(8) == 0 and not isinstance(self.story.state, New):
                self.hear(e.EnrolmentCancelled(enrolment=self.story.case.enrolment, actor="lan"))

    def _ring(self) -> None:
        (timer,) = self.story.timers.values()
        del self.story.timers[timer.name]
        self.story.now = max(self.story.now, timer.due)
        self.hear(timer.fact)

    def _replay(self) -> None:
        state: State = New()
        answers: list[Any] = []
        for event, now in self.story.heard:
            state, said = decide(self.story.rules, state, event, now)
            answers.extend(said)
        assert state == self.story.state
        assert answers == self.story.all

    # --- one event, and what must hold after it -----------------------------------------------------------------

    def hear(self, fact: Fact) -> None:
        """Deliver, check, and let the world act on what was asked."""
        before = self.story.state
        self.story.hear(fact)
        self.delivered.append(fact)
        after, last = self.story.state, self.story.last
        if any(isinstance(answer, e.NoteTaken) for answer in last):
            assert self.story.only_noted()
            assert after == before
        if isinstance(fact, e.EnrolmentAnswered | e.EnrolmentRequested | e.EnrolmentCancelled):
            self._filings_since_person = 0
        self._settle(fact)
        for answer in last:
            self._act(answer, fact)
        self._check_codes(before, after, fact)
        self._check_form(before, after)
        self._check_timers(after)
        assert STATE.validate_json(STATE.dump_json(after)) == after
        if isinstance(after, OPEN):
            self._check_way_out(after)

    def _settle(self, fact: Fact) -> None:
        if self.story.only_noted():
            return
        stopped = isinstance(fact, e.StopResultArrived) and fact.accepted
        needless = isinstance(fact, e.DossierDecided) and not fact.accepted
        if stopped or needless:
            self._unconfirmed.discard(fact.dossier)  # type: ignore[attr-defined]
        if isinstance(fact, e.EnrolmentRequested | e.EnrolmentCancelled):
            self._unconfirmed.clear()
        if isinstance(fact, e.EnrolmentAnswered) and fact.answer in ("continue", "provider"):
            self._unconfirmed.clear()

    def _check_codes(self, before: State, after: State, fact: Fact) -> None:
        """None is given to the agency twice; none is lost: nobody waits for a mail or a person with a code unused."""
        asked = self.story.told_ever(e.ActivationAsked)
        assert len({ask.code for ask in asked}) == len(asked)
        if isinstance(before, New) or isinstance(after, New) or before.filing is None:
            return
        if isinstance(fact, e.ActivationCodeArrived) and fact.dossier == before.filing.dossier:
            moot = isinstance(before, Waiting) and before.cause in (
                "officer-late",
                "unit-code-held",
                "first-code-refused",
            )
            if not isinstance(before, Cancelled | NotingCode) and before.filing.kind != "change" and not moot:
                self._coded.add(fact.dossier)
        elif isinstance(fact, e.UnitCodeResultArrived) or (isinstance(fact, e.DossierDecided) and not fact.accepted):
            self._coded.discard(fact.dossier)
        waits = isinstance(after, AwaitingCode | Signing) or (isinstance(after, Waiting) and after.code is None)
        if waits and after.filing is not None and after.filing.dossier in self._coded:
            assert any(ask.dossier == after.filing.dossier for ask in asked)

    def _check_form(self, before: State, after: State) -> None:
        if isinstance(before, New | Cancelled | Stopped | Enrolled) or isinstance(after, New):
            return
        assert after.case.enrolment == before.case.enrolment
        said = self.delivered[-1]
        mended = isinstance(said, e.EnrolmentRequested) or getattr(said, "answer", None) in ("data", "unit-code")
        coded = isinstance(said, e.UnitCodeNoted)
        coded = coded or (isinstance(said, e.EnrolmentCancelled) and before.case.member)  # what the agency knows holds
        if before.case.filed and not (mended or coded or isinstance(before, Enrolled | Stopped)):
            assert after.case.filed
            assert after.case.form == before.case.form

    def _check_timers(self, state: State) -> None:
        """The one timer is the one the state keeps; a state that only waits has one."""
        due = timer(self.story.rules, state)
        rung = [one for one in self.story.timers.values() if one == due]
        assert list(self.story.timers.values()) == rung or due is None
        if due is None:
            assert self.story.timers == {}
        if isinstance(state, AwaitingCode | AwaitingStopMail):
            assert self.story.timers

    def _check_turns(self) -> None:
        """Every turn that was asked for is given back, except the one that is still used."""
        asked = {one.dossier for one in self.story.told_ever(e.TurnAsked)}
        ended = {one.dossier for one in self.story.told_ever(e.TurnEnded)}
        held = set() if isinstance(self.story.state, New) else {self.story.state.case.turn} - {None}
        assert asked - ended == held

    def _check_way_out(self, state: State) -> None:
        """Something under way, a timer or a person moves every open state."""
        assert not isinstance(state, New | Enrolled | Stopped | Cancelled)
        assert self._moves(e.EnrolmentCancelled(enrolment=state.case.enrolment, actor="lan"))
        filing = state.filing
        expected: tuple[type[Fact], ...]
        match state:
            case Signing():
                expected = (e.DossierSigned, e.SigningRefused)
            case Filed():
                expected = (e.DossierReceived, e.DossierDecided, e.FilingUncertain)
            case AwaitingTurn():
                expected = (e.TurnGranted,)
            case NotingCode():
                expected = (e.UnitCodeNoted,)
            case AgencyReview() | AwaitingResult() if state.rung == 1:
                expected = (e.StatusAnswered,)
            case Activating():
                expected = (e.ActivationAnswered,)
            case Fetching():
                expected = (e.RosterFetched, e.RosterFailed)
            case Waiting():
                for answer in CAUSES[state.cause].answers:
                    assert self._moves(self._said(answer)), (state, answer)
                return
            case AwaitingCode() | AwaitingStopMail() | AgencyReview() | AwaitingResult():
                (due,) = self.story.timers.values()
                assert self._moves(due.fact, at_due=due)
                return
        coming = [fact for fact in self.tray if isinstance(fact, expected) and self._moves(fact)]
        assert coming, (state, filing)

    def _moves(self, fact: Fact, at_due: Remind | None = None) -> bool:
        now = max(self.story.now, at_due.due) if at_due else self.story.now
        following, said = decide(self.story.rules, self.story.state, s.envelope(fact, s.UNIT, now), now)
        return following != self.story.state and not any(isinstance(answer, e.NoteTaken) for answer in said)

    # --- the others ---------------------------------------------------------------------------------------------

    def _act(self, answer: object, cause: Fact) -> None:
        match answer:
            case Remind():
                self.rung.append(answer.fact)
            case e.DossierPrepared():
                self._sign(answer)
            case e.FilingAsked():
                self._check_filing(answer, cause)
                self._file(answer)
            case e.ActivationAsked():
                self._activate(answer)
            case e.TurnAsked():
                self.tray.append(e.TurnGranted(enrolment=answer.enrolment, dossier=answer.dossier))
            case e.UnitCodeGranted():
                foreign = self.choose(6) == 5
                noted = {"enrolment": answer.enrolment, "unit_code": answer.unit_code, "foreign": foreign}
                self.tray.append(e.UnitCodeNoted.model_validate(noted))
            case e.StatusAsked():
                names = {"enrolment": answer.enrolment, "dossier": answer.dossier, "attempt": answer.attempt}
                status = ("processing", "unknown", "absent", "accepted", "refused")[self.choose(5)]
                self.tray.append(e.StatusAnswered.model_validate({**names, "go": answer.go, "status": status}))
            case e.RosterAsked():
                failed = self.choose(4) == 3
                self.tray.append(
                    e.RosterFailed(enrolment=answer.enrolment, text="không lấy được")
                    if failed
                    else e.RosterFetched(enrolment=answer.enrolment, employees=3)
                )

    def _check_filing(self, ask: e.FilingAsked, cause: Fact) -> None:
        assert isinstance(cause, e.DossierSigned)  # signed for this very attempt
        assert (cause.dossier, cause.attempt, cause.document) == (ask.dossier, ask.attempt, ask.document)
        filed = [(one.dossier, one.attempt) for one in self.story.told_ever(e.FilingAsked)]
        assert len(set(filed)) == len(filed)
        self._filings_since_person += 1
        assert self._filings_since_person <= MOST_FILINGS
        if ask.kind == "stop":
            self._unconfirmed.add(ask.dossier)
        elif ask.kind == "register":
            assert not self._unconfirmed
            assert self.story.case.provider is None
        elif ask.kind == "first_code":
            assert ask.unit_code == ""
            assert self.story.case.own_address or self.story.case.turn == ask.dossier
        else:
            assert ask.unit_code

    def _sign(self, ask: e.DossierPrepared) -> None:
        names = {"enrolment": ask.enrolment, "dossier": ask.dossier, "attempt": ask.attempt, "kind": ask.kind}
        if self.choose(8) == 7:
            self.tray.append(e.SigningRefused.model_validate({**names, "code": "HOSO-CERT-EXPIRED", "text": "hết hạn"}))
            return
        document = uuid5(ask.dossier, f"document {ask.attempt}")
        signature = {"document": document, "sha256": "ab" * 32, "method": "pkcs12"}
        certificate = {"certificate_sha256": "cd" * 32, "certificate_serial": "54"}
        self.tray.append(e.DossierSigned.model_validate({**names, **signature, **certificate}))

    def _file(self, ask: e.FilingAsked) -> None:
        """Received, refused at the gate, or nobody knows; and what the agency then really does."""
        names = {"enrolment": ask.enrolment, "dossier": ask.dossier, "attempt": ask.attempt, "kind": ask.kind}
        way = self.choose(8)
        if way == 6:
            self._refuse(names)
            return
        if way == 7:
            reached = "never" if self.choose(3) == 2 else "unknown"
            self.tray.append(e.FilingUncertain.model_validate({**names, "reached": reached, "text": "không rõ"}))
            if self.choose(2) == 0:
                return  # it never arrived
        else:
            transaction = f"GD-{ask.dossier}-{ask.attempt}"
            self.tray.append(e.DossierReceived.model_validate({**names, "transaction": transaction}))
        verdict = self.choose(6)
        if verdict == 5:
            self._refuse(names)
            return
        if verdict > 0:
            accepted = {"accepted": True, "code": "00", "number": "46-1"}
            self.tray.append(e.DossierDecided.model_validate({**names, **accepted}))
        for _ in range(min(self.choose(6), 2) if verdict != 4 else 1):
            self._mail(ask)

    def _refuse(self, names: dict[str, Any]) -> None:
        code, text = REFUSALS[self.choose(len(REFUSALS))]
        refused = {"accepted": False, "code": code, "text": text}
        self.tray.append(e.DossierDecided.model_validate({**names, **refused}))

    def _mail(self, ask: e.FilingAsked) -> None:
        self._mails += 1
        mail = {"mail": uuid5(s.SPACE, f"mail {self._mails}")}
        names = {"enrolment": ask.enrolment, "dossier": ask.dossier, "attempt": ask.attempt}
        if ask.kind == "stop":
            verdict = {"accepted": self.choose(4) != 3}
            self.tray.append(e.StopResultArrived.model_validate({**names, **mail, **verdict}))
            return
        if ask.kind == "change" and self.choose(4):
            verdict = {"accepted": self.choose(4) != 3}
            self.tray.append(e.ChangeResultArrived.model_validate({**names, **mail, **verdict}))
            return
        at = self.story.now + timedelta(minutes=self.choose(90))
        code = {"code": uuid5(s.SPACE, f"code {self._mails}"), "arrived_at": at, "expires_at": at + s.DAY}
        self.tray.append(e.ActivationCodeArrived.model_validate({**names, **mail, **code}))
        if ask.kind == "first_code":
            granted = self.choose(4) != 3
            officer = {"mail": uuid5(s.SPACE, f"officer {self._mails}"), "granted": granted}
            officer |= {"unit_code": "TZ0007Z" if granted else None, "text": "" if granted else "thiếu giấy tờ"}
            self.tray.append(e.UnitCodeResultArrived.model_validate({**names, **officer}))

    def _activate(self, ask: e.ActivationAsked) -> None:
        outcomes = ("activated", "activated", "wrong-code", "expired", "unknown", "refused", "unsupported")
        names = {"enrolment": ask.enrolment, "dossier": ask.dossier, "attempt": ask.attempt, "go": ask.go}
        outcome = outcomes[self.choose(len(outcomes))]
        self.tray.append(e.ActivationAnswered.model_validate({**names, "outcome": outcome}))

    def _answer(self) -> Fact:
        """Mostly what was asked for; sometimes anything."""
        state = self.story.state
        fitting = CAUSES[state.cause].answers if isinstance(state, Waiting) and self.choose(8) else ANSWERS
        return self._said((fitting or ANSWERS)[self.choose(len(fitting or ANSWERS))])

    def _said(self, answer: str) -> Fact:
        enrolment = self.story.case.enrolment
        fact: dict[str, Any] = {"enrolment": enrolment, "answer": answer, "value": VALUES.get(answer), "actor": "lan"}
        match answer:
            case "data":
                self._typed += 1
                form = self.story.case.form
                bare = form.unit_code is None and form.first_time is None
                fact["form"] = (
                    s.a_first_form() if bare else form.model_copy(update={"address": f"{self._typed} Lê Lợi"})
                )
            case "address":
                fact |= {"contact": "hue2@hoasen.example", "mailbox": s.MAILBOX}
            case "activation-code":
                self._typed += 1
                fact |= {"code": uuid5(s.SPACE, f"typed {self._typed}"), "arrived_at": self.story.now}
        return e.EnrolmentAnswered.model_validate(fact)

    def _request(self, fresh: bool) -> Fact:
        self._requests += 1
        known = None if isinstance(self.story.state, New) else self.story.case.enrolment
        enrolment = uuid5(s.SPACE, f"enrolment {self._requests}") if fresh or known is None else known
        rest = {
            "form": FORMS[self.choose(len(FORMS))],
            "profile": None if self.choose(6) == 5 else s.PROFILE,
            "foreign": self.choose(12) == 11,
            "own_address": self.choose(3) == 2,
        }
        return s.a_request(f"batch:{self._requests}", enrolment=enrolment, **rest)
