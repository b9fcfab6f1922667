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
    "stop": ("ngừng dịch vụ (06/NG-IVAN)", "stop (06/NG-IVAN)"),
}

_SENTENCES: dict[type[Fact], tuple[str, str]] = {
    e.EnrolmentRequested: (
        "{actor} yêu cầu đăng ký {unit} (yêu cầu {request})",
        "{actor} asked for {unit} (request {request})",
    ),
    e.EnrolmentAnswered: ("{actor} trả lời: {answer} {value}", "{actor} answered: {answer} {value}"),
    e.EnrolmentCancelled: ("{actor} huỷ đăng ký: {reason}", "{actor} cancelled: {reason}"),
    e.DossierPrepared: ("Chuẩn bị hồ sơ {kind}, lần {attempt}", "Dossier prepared: {kind}, attempt {attempt}"),
    e.DossierSigned: (
        "Đã ký hồ sơ {kind}, lần {attempt} (chứng thư {certificate_serial})",
        "Signed: {kind}, attempt {attempt} (certificate {certificate_serial})",
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
    e.ReminderDue: ("Hết giờ chờ: {name}, lần {attempt}", "A wait is over: {name}, attempt {attempt}"),
    e.EnrolmentProgressed: ("→ {stage} {message}", "→ {stage} {message}"),
    e.RequestRefused: ("Yêu cầu {request} không được nhận: {errors}", "Request {request} was not taken: {errors}"),
    e.NoteTaken: (
        "Ghi lại: {event} không hợp với bước {state}, không thay đổi gì",
        "Noted: {event} did not fit {state}, nothing changed",
    ),
}
SENTENCES: dict[str, tuple[str, str]] = {fact.TYPE: pair for fact, pair in _SENTENCES.items()}
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
    if "accepted" in fact:
        said["decision"] = _DECISIONS[bool(fact["accepted"])][place]
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
