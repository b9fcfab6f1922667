"""The loop of the workstation: look at the token, ask the server, show, ask the person, sign, answer. One thread."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from agent.failures import NotAsSaid, PinSuspect, ServerAway, ServerRefuses, TokenAbsent, WrongUsage
from agent.pins import PinSource
from agent.question import Question, doubts, examined, pages, plain, whole
from agent.server import Server
from agent.state import Enrolment, State
from agent.usb_token import Token

LATER_KEPT = 500
Decision = Literal["sign", "sign-all", "decline", "later"]
Ask = Callable[[Question], Decision]


@dataclass(slots=True)
class Workstation:
    """What the loop works with."""

    state: State
    who: Enrolment
    server: Server
    token: Token
    pin: PinSource
    ask: Ask
    say: Callable[[str], None]
    unattended: bool
    look_every: float = 3.0
    """Seconds between two looks while the token or the server is away."""
    wait: float = 25.0
    """Seconds the server may hold a question for questions to come."""
    _pin: str = field(default="", repr=False)
    _said: str = ""
    _later: list[str] = field(default_factory=list)
    _nobody_there: bool = False

    def __post_init__(self) -> None:
        self._nobody_there = self.unattended

    def run(self) -> None:
        """Until somebody ends the process. Raises ServerRefuses when the server wants no more of this agent."""
        while True:
            if not self.turn():
                time.sleep(self.look_every)

    def turn(self) -> bool:
        """Once round. False: somebody is away, look again after a while."""
        try:
            self._deliver()
            status, text = self._status()
            self._tell(text)
            ready = status == "ready"
            told = {
                "status": status,
                "text": text,
                "unattended": self.unattended,
                "wait": self.wait if ready else 0,
                "later": self._later,
            }
            said = self.server.ask(self.state, self.who, "/agent/v1/next", told, self.wait if ready else 0)
            questions = said.get("questions")
            for position, raw in enumerate(questions if ready and isinstance(questions, list) else ()):
                self._answer(raw, len(questions) - position)  # type: ignore[arg-type]
            return ready
        except ServerAway as error:
            self._tell(str(error))
        except TokenAbsent as error:
            self._tell(str(error))
        except ServerRefuses as error:
            if error.code in (401, 403):
                raise
            self._tell(str(error))
        return False

    def _status(self) -> tuple[str, str]:
        """How the token is; logged in when it is `ready`."""
        try:
            self.token.check()
            self._pin = self._pin or self.pin()
            self.token.open(self._pin)
        except TokenAbsent as error:
            return "token-absent", str(error)
        except PinSuspect as error:
            return "pin-suspect", str(error)
        return "ready", "Token sẵn sàng; đang chờ hồ sơ cần ký."

    def _answer(self, raw: Any, left: int) -> None:
        try:
            question = examined(raw, self.token.certificate_sha256)
        except NotAsSaid as error:
            self.say(str(error))
            if isinstance(raw, dict) and isinstance(raw.get("name"), str):
                self._decide(raw["name"], {"refused": str(error)})
            return
        self.say(f"Hồ sơ cần ký ({left} đang chờ):\n{pages(question)}")
        decision = self._decision(question)
        if decision in ("sign", "sign-all"):
            values = [b64encode(self.token.sign(document.digest)).decode() for document in question.documents]
            self._decide(question.name, {"signatures": values})
            self.say("Đã ký.")
        elif decision == "decline":
            self._decide(question.name, {"declined": "Người giữ token đã từ chối ký."})
            self.say("Đã từ chối.")
        else:
            self._later = [*self._later, question.name][-LATER_KEPT:]
            self.say("Để sau; sẽ hỏi lại khi chạy lại chương trình.")

    def _decision(self, question: Question) -> Decision:
        """What is done with it. What is doubtful is never agreed to for all: a person says yes to this very one."""
        doubtful = doubts(question, self.who.certificate)
        if self.unattended and not doubtful:
            return "sign"
        for doubt in doubtful:
            self.say(f"CHÚ Ý: {doubt}")
        if self._nobody_there:
            self.say("Không tự ký hồ sơ này; hãy chạy lại không có --approve-all để xem và trả lời.")
            return "later"
        while (decision := self.ask(question)) == "sign-all":
            self.unattended = True
            if not doubtful:
                return decision
            self.say("Riêng hồ sơ này không ký theo “ký hết”; chọn k nếu bạn vẫn muốn ký.")
        return decision

    def _decide(self, name: str, answer: dict[str, Any]) -> None:
        """Written down before it is sent: after a crash the server hears it, and nobody is asked again."""
        self.state.decided(name, json.dumps({"question": name, **answer}))
        self._deliver()

    def _deliver(self) -> None:
        for name, body in self.state.answers():
            try:
                self.server.ask(self.state, self.who, "/agent/v1/answers", json.loads(body))
            except ServerRefuses as error:
                if error.code in (401, 403):
                    raise
                self.say(f"Máy chủ không nhận câu trả lời cho {plain(name)}: {plain(str(error))}")
            self.state.delivered(name)

    def _tell(self, text: str) -> None:
        """Say it when it is new."""
        if text != self._said:
            self._said = text
            self.say(text)


def at_the_keyboard(question: Question) -> Decision:
    """Ask the person. Raises WrongUsage when nobody can answer."""
    choices: dict[str, Decision] = {"k": "sign", "a": "sign-all", "t": "decline", "s": "later"}
    while True:
        print("  [k] ký   [t] từ chối   [s] để sau   [x] xem toàn văn   [a] ký hết, không hỏi nữa", flush=True)
        try:
            given = input("  Chọn: ").strip().lower()
        except EOFError as error:
            raise WrongUsage(
                "Không có ai trả lời ở bàn phím; hãy chạy trong cửa sổ lệnh, hoặc dùng --approve-all."
            ) from error
        if given == "x":
            print(whole(question), flush=True)
        elif given in choices:
            return choices[given]
