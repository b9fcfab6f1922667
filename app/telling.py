"""A timeline in words: each event one sentence, in Vietnamese or English. No codes, documents or people in it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from app.words import Language, in_language
from schemas import events as e
from schemas.envelope import Fact
from services.notifier.english import CAUSES_EN

VIETNAM = timezone(timedelta(hours=7))
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
KINDS = {
    "register": ("đăng ký (04/ĐK-IVAN)", "registration (04/ĐK-IVAN)"),
    "change": ("thay đổi (05/SĐ-IVAN)", "change (05/SĐ-IVAN)"),
    "first_code": ("xin cấp mã lần đầu (TK3-TS)", "first code (TK3-TS)"),
    "stop": ("ngừng dịch vụ (06/NG-IVAN)", "stop (06/NG-IVAN)"),
}

_SENTENCES: dict[type[Fact], tuple[str, str]] = {
    e.EnrolmentRequested: (
        "{actor} yêu cầu đăng ký {unit} (yêu cầu {request})",
        "{actor} asked for {unit} (request {request})",
    ),
    e.EnrolmentAnswered: (
        "{actor} trả lời{about}: {answer} {value} {because}",
        "{actor} answered{about}: {answer} {value} {because}",
    ),
    e.CertificateReplaced: (
        "{actor} thay chứng thư số của chữ ký số đang dùng: cần nộp hồ sơ thay đổi",
        "{actor} replaced the certificate of the signing profile: a change has to be filed",
    ),
    e.EnrolmentCancelled: ("{actor} huỷ đăng ký: {reason}", "{actor} cancelled: {reason}"),
    e.EmployeesRequested: (
        "{actor} yêu cầu lấy lại danh sách lao động",
        "{actor} asked for the employees as they are now",
    ),
    e.DossierPrepared: ("Chuẩn bị hồ sơ {kind}, lần {attempt}", "Dossier prepared: {kind}, attempt {attempt}"),
    e.DossierSigned: (
        "Đã ký hồ sơ {kind}, lần {attempt}, bằng {method} (chứng thư {certificate_serial} {certificate_subject})",
        "Signed: {kind}, attempt {attempt}, with {method} (certificate {certificate_serial} {certificate_subject})",
    ),
    e.SignatureAwaited: (
        "Chờ ký hồ sơ {kind}, lần {attempt}: {waiting}, lượt {round}/{rounds} {text}",
        "Waits for a signature: {kind}, attempt {attempt}: {waiting}, round {round}/{rounds} {text}",
    ),
    e.SigningRefused: (
        "Không ký được hồ sơ {kind}, lần {attempt}: {text} ({code})",
        "Could not be signed: {kind}, attempt {attempt}: {text} ({code})",
    ),
    e.FilingAsked: ("Gửi nộp hồ sơ {kind}, lần {attempt}", "Handed over to be filed: {kind}, attempt {attempt}"),
    e.ActivationAsked: (
        "Gửi mã kích hoạt tới cơ quan BHXH (mã thứ {go})",
        "Activation code given to the agency (code no. {go})",
    ),
    e.StatusAsked: (
        "Hỏi cơ quan BHXH tình trạng hồ sơ {kind}, lần {attempt}",
        "The agency is asked where it stands: {kind}, attempt {attempt}",
    ),
    e.StatusAnswered: (
        "Cơ quan BHXH trả lời về tình trạng: {status} {code} {text} {unit_code}",
        "The agency says where it stands: {status} {code} {text} {unit_code}",
    ),
    e.RosterAsked: ("Hỏi danh sách lao động", "Employees asked for"),
    e.DossierReceived: (
        "Cơ quan BHXH đã nhận hồ sơ {kind}, lần {attempt}: giao dịch {transaction}{numbered}",
        "The agency has it: {kind}, attempt {attempt}: transaction {transaction}{numbered}",
    ),
    e.DossierDecided: (
        "Cơ quan BHXH {decision} hồ sơ {kind}, lần {attempt}: {code} {text}",
        "The agency {decision} it: {kind}, attempt {attempt}: {code} {text}",
    ),
    e.FilingUncertain: (
        "Không rõ số phận hồ sơ {kind}, lần {attempt}: {text}",
        "Nobody knows what became of it: {kind}, attempt {attempt}: {text}",
    ),
    e.ActivationAnswered: (
        "Cơ quan BHXH trả lời mã kích hoạt: {outcome} {code} {text}",
        "The agency's answer to the code: {outcome} {code} {text}",
    ),
    e.RosterFetched: ("Đã lấy danh sách {employees} lao động", "{employees} employees fetched"),
    e.RosterFailed: ("Không lấy được danh sách lao động: {text}", "The employees could not be fetched: {text}"),
    e.MailExpected: (
        "Chờ thư về hồ sơ {kind}, lần {attempt}, ở {contact}",
        "A mail may come: {kind}, attempt {attempt}, to {contact}",
    ),
    e.MailNumbered: ("Số hồ sơ: {number}", "The dossier's number: {number}"),
    e.MailAssigned: (
        "{actor} gán thư cho hồ sơ này, lần {attempt}",
        "{actor} gave a mail to this dossier, attempt {attempt}",
    ),
    e.ActivationCodeArrived: (
        "Mã kích hoạt đã tới, dùng được đến {expires_at}",
        "The activation code came, good until {expires_at}",
    ),
    e.StopResultArrived: ("Thư kết quả ngừng dịch vụ: {decision} {text}", "The mail about the stop: {decision} {text}"),
    e.ChangeResultArrived: (
        "Thư kết quả hồ sơ thay đổi: {decision} {text}",
        "The mail about the change: {decision} {text}",
    ),
    e.UnitCodeResultArrived: (
        "Thư kết quả cấp mã đơn vị: {decision} {unit_code} {text}",
        "The mail about the unit code: {decision} {unit_code} {text}",
    ),
    e.MailUndecided: ("Một thư chờ người xem ({why}): {subject}", "A mail waits for a person ({why}): {subject}"),
    e.MailSettled: ("Thư đã rõ: {how}", "The mail is settled: {how}"),
    e.TurnAsked: (
        "Xin lượt ở hộp thư cho hồ sơ lần đầu của {unit_name}",
        "A turn in the mailbox is asked for the first-time dossier of {unit_name}",
    ),
    e.TurnGranted: ("Đến lượt ở hộp thư", "It is its turn in the mailbox"),
    e.TurnEnded: ("Hết lượt ở hộp thư", "Its turn in the mailbox has ended"),
    e.UnitCodeGranted: ("Được cấp mã đơn vị {unit_code}", "The unit code {unit_code} was granted"),
    e.UnitCodeNoted: ("Đã ghi mã đơn vị {unit_code} {held}", "The unit code {unit_code} is noted {held}"),
    e.EnrolmentWarned: ("Cảnh báo: {message}", "Warning: {message}"),
    e.ReminderDue: ("Hết giờ chờ: {name}, lần {attempt}", "A wait is over: {name}, attempt {attempt}"),
    e.EnrolmentProgressed: ("→ {stage}: {message}", "→ {stage}: {message}"),
    e.RequestRefused: ("Yêu cầu {request} không được nhận: {errors}", "Request {request} was not taken: {errors}"),
    e.NoteTaken: (
        "Ghi lại: {event} không hợp với bước {state}, không thay đổi gì",
        "Noted: {event} did not fit {state}, nothing changed",
    ),
}
SENTENCES: dict[str, tuple[str, str]] = {fact.TYPE: pair for fact, pair in _SENTENCES.items()}
STEPS: dict[str, tuple[str, str]] = {
    "accepted": ("chấp nhận", "accepted"),
    "refused": ("từ chối", "refused"),
    "failed": ("không được", "failed"),
    "mail-accepted": ("thư: chấp nhận", "mail: accepted"),
    "mail-refused": ("thư: từ chối", "mail: refused"),
    "code": ("đã có mã kích hoạt", "the code came"),
    "under-way": ("đang làm", "under way"),
    "activated": ("đã kích hoạt", "activated"),
    "wrong-code": ("mã không đúng", "wrong code"),
    "expired": ("mã hết hạn", "code expired"),
    "unknown": ("không rõ", "unknown"),
    "unsupported": ("cổng này không kích hoạt được", "this gateway cannot activate"),
    "processing": ("đang giải quyết", "being processed"),
    "absent": ("không có hồ sơ này", "no such filing"),
    "matched": ("đã tìm được hồ sơ của nó", "matched"),
    "assigned": ("đã được gán", "assigned"),
    "set-aside": ("bỏ qua", "set aside"),
    "several": ("hợp với nhiều hồ sơ", "fits several"),
    "nobody": ("chưa hợp với hồ sơ nào", "fits nobody"),
    "quarantined": ("người gửi không xác thực được", "its sender is not believed"),
    "unreadable": ("không đọc hiểu chắc chắn được", "not understood for certain"),
    "stop-mail": ("thư kết quả ngừng", "the stop mail"),
    "activation-mail": ("thư mã kích hoạt", "the activation mail"),
    "code-expiry": ("mã kích hoạt sắp hết hạn", "the code ends soon"),
    "decision": ("việc chờ người đã lâu", "a task waits long"),
    "result": ("kết quả của cán bộ BHXH", "the officer's answer"),
    "ladder": ("chưa có thư, bước kiểm tra tiếp theo", "no mail yet, the next look"),
    "paper": ("hồ sơ giấy chưa có mã", "the paper form brought no code"),
}
"""Words of outcomes, whys and waits, as people read them."""
_WORDS = ("outcome", "status", "how", "why", "name")
_AWAITED = {
    "approval": ("chờ phê duyệt", "an approval"),
    "agent-offline": ("máy giữ USB Token chưa kết nối", "the token's agent is offline"),
    "token-absent": ("chưa cắm USB Token", "the token is not plugged in"),
    "pin-suspect": ("mã PIN không được nhận", "the PIN was not taken"),
    "login": ("dịch vụ ký từ xa cần xác thực lại", "the remote service wants a new log-in"),
}
_ABOUT = (" việc “{cause}”", " '{cause}'")
_NUMBERED = (", số hồ sơ {number}", ", number {number}")
_FOREIGN = ("– mã này cần được đối chiếu trước", "– it has to be verified first")
_DECISIONS = {True: ("chấp nhận", "accepted"), False: ("từ chối", "refused")}


class _Said(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return ""


def told(chosen: Language, type_: str, data: str | Mapping[str, Any]) -> str:
    """The event in one sentence; its type alone when nobody wrote a sentence for it."""
    pair = SENTENCES.get(type_)
    if pair is None:
        return type_
    fact: Mapping[str, Any] = json.loads(data) if isinstance(data, str) else data
    place = 1 if chosen == "en" else 0
    said = _Said({key: _plain(value) for key, value in fact.items() if isinstance(value, str | int | list)})
    for name in _WORDS:
        if fact.get(name) in STEPS:
            said[name] = STEPS[fact[name]][place]
    kind = fact.get("kind") or (fact.get("payload") or {}).get("kind")
    if kind in KINDS:
        said["kind"] = KINDS[kind][place]
    for name in ("accepted", "granted"):
        if name in fact:
            said["decision"] = _DECISIONS[bool(fact[name])][place]
    if type_ == e.SignatureAwaited.TYPE:
        said["waiting"] = _AWAITED[fact["reason"]][place]
    if type_ == e.EnrolmentAnswered.TYPE:
        said["because"] = f"({fact['reason']})" if fact.get("reason") else ""
        said["about"] = _ABOUT[place].format(cause=fact["cause"]) if fact.get("cause") else ""
    if fact.get("number"):
        said["numbered"] = _NUMBERED[place].format(number=fact["number"])
    if chosen == "en" and fact.get("stage") == "waiting-for-person":
        said["message"] = CAUSES_EN.get(fact.get("cause") or "", said["message"])
    if fact.get("foreign"):
        said["held"] = _FOREIGN[place]
    if "stage" in fact:
        said["stage"] = in_language(chosen, f"stage.{fact['stage']}")
    form = fact.get("form") or {}
    if form:
        said["unit"] = " ".join(
            part for part in (form.get("unit_code") or form.get("branch_id") or "", form.get("name", "")) if part
        )
    if type_ == e.EnrolmentAnswered.TYPE and said["answer"] == "profile":
        said["value"] = ""  # an id says nothing to people
    return " ".join(pair[place].format_map(said).split()).replace(" )", ")").rstrip(" :,")


def _plain(value: Any) -> str:
    if isinstance(value, str) and _TIME.fullmatch(value):
        return when(value)
    return "; ".join(map(str, value)) if isinstance(value, list) else str(value)


def when(written: str) -> str:
    """A time of an event, in Vietnam."""
    return f"{datetime.fromisoformat(written).astimezone(VIETNAM):%d/%m/%Y %H:%M:%S}"
