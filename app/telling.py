"""A timeline in words: each event one sentence, in Vietnamese or English. No codes, documents or people in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from app.words import Language, in_language
from schemas import events as e
from schemas.envelope import Fact

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
        "{actor} trả lời việc “{cause}”: {answer} {value} {because}",
        "{actor} answered '{cause}': {answer} {value} {because}",
    ),
    e.CertificateReplaced: (
        "{actor} thay chứng thư số của chữ ký số đang dùng: cần nộp hồ sơ thay đổi",
        "{actor} replaced the certificate of the signing profile: a change has to be filed",
    ),
    e.EnrolmentCancelled: ("{actor} huỷ đăng ký: {reason}", "{actor} cancelled: {reason}"),
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
        "Cơ quan BHXH đã nhận hồ sơ {kind}, lần {attempt}: giao dịch {transaction}, số hồ sơ {number}",
        "The agency has it: {kind}, attempt {attempt}: transaction {transaction}, number {number}",
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
    e.EnrolmentProgressed: ("→ {stage} {message}", "→ {stage} {message}"),
    e.RequestRefused: ("Yêu cầu {request} không được nhận: {errors}", "Request {request} was not taken: {errors}"),
    e.NoteTaken: (
        "Ghi lại: {event} không hợp với bước {state}, không thay đổi gì",
        "Noted: {event} did not fit {state}, nothing changed",
    ),
}
SENTENCES: dict[str, tuple[str, str]] = {fact.TYPE: pair for fact, pair in _SENTENCES.items()}
_AWAITED = {
    "approval": ("chờ phê duyệt", "an approval"),
    "agent-offline": ("máy giữ USB Token chưa kết nối", "the token's agent is offline"),
    "token-absent": ("chưa cắm USB Token", "the token is not plugged in"),
    "pin-suspect": ("mã PIN không được nhận", "the PIN was not taken"),
    "login": ("dịch vụ ký từ xa cần xác thực lại", "the remote service wants a new log-in"),
}
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
    kind = fact.get("kind") or (fact.get("payload") or {}).get("kind")
    if kind in KINDS:
        said["kind"] = KINDS[kind][place]
    for name in ("accepted", "granted"):
        if name in fact:
            said["decision"] = _DECISIONS[bool(fact[name])][place]
    if type_ == e.SignatureAwaited.TYPE:
        said["waiting"] = _AWAITED[fact["reason"]][place]
    if type_ == e.EnrolmentAnswered.TYPE and fact.get("reason"):
        said["because"] = f"({fact['reason']})"
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
    return " ".join(pair[place].format_map(said).split()).rstrip(" :,")


def _plain(value: Any) -> str:
    return "; ".join(map(str, value)) if isinstance(value, list) else str(value)
