"""First-time dossiers: what is refused, and every way from the dossier to the unit code."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email import message_from_bytes
from itertools import count

import dkim
import pytest

from tests.simulator.agency import Agency, Mailbox, code_in, subject_of, text_of, until, words_of
from tests.simulator.dossiers import OTHER_MST, Dossier, signer
from tests.simulator.first_dossiers import DOCX, PDF, File, FirstDossier, change
from tests.simulator.test_flows import resolve

_numbers = count(1)


@dataclass
class Town:
    """An agency, its mails, and one unit of a fresh name and address."""

    agency: Agency
    mailbox: Mailbox

    def unit(self, family: str = "", **changes: object) -> FirstDossier:
        number = next(_numbers)
        name = f"Chi nhánh {family} Bưởi {number} – Công ty TNHH Thử Nghiệm"
        return FirstDossier(name, f"moi{number}@branches.example").but(**changes)

    def mails(self, dossier: FirstDossier, kind: str = "") -> list[bytes]:
        box = self.mailbox.to(dossier.email.partition("@")[0])
        sought = {"": "", "code": "Xác nhận đăng ký tham gia", "result": "mã đơn vị|tham gia bảo hiểm xã hội lần đầu"}[
            kind
        ]
        return [mail for mail in box if re.search(sought, subject_of(mail))]

    def code(self, dossier: FirstDossier, at: int = 0) -> str:
        return code_in(until(lambda: self.mails(dossier, "code")[at:], "activation mail")[0])

    def released(self, dossier: FirstDossier) -> str:
        """File a dossier and use its code; the transaction."""
        before = len(self.mails(dossier, "code"))
        answer = self.agency.file(dossier)
        assert answer.text("KQUA") == "TIEP_NHAN", answer.body.decode()
        transaction = answer.text("MA_GDICH")
        assert self.agency.activate(transaction, "", self.code(dossier, before)).text("MA_KQUA") == "00"
        return transaction

    def granted(self, dossier: FirstDossier) -> str:
        """The unit code a dossier brings, by the gateway."""
        return self.agency.decided(self.released(dossier)).findtext(".//MA_DVI") or ""

    def result(self, dossier: FirstDossier) -> bytes:
        return until(lambda: self.mails(dossier, "result"), "result mail")[0]

    def mail_states(self, dossier: FirstDossier) -> list[tuple[str, str]]:
        rows = self.agency.get("/mails", ("recipient", dossier.email)).json()["mails"]
        return [(row["kind"], row["state"]) for row in rows]


@pytest.fixture
def town(agency: Agency, mailbox: Mailbox) -> Town:
    return Town(agency, mailbox)


def test_the_way_from_dossier_to_unit_code(town: Town) -> None:
    dossier, agency = town.unit(), town.agency
    answer = agency.file(dossier)
    transaction = answer.text("MA_GDICH")
    assert (answer.text("KQUA"), answer.text("MA_DVI"), answer.text("MALOAI_HSO")) == ("TIEP_NHAN", "", "604")
    numbered = until(lambda: n if (n := agency.reply(transaction)).findtext(".//SO_HSO") else None, "number")
    assert numbered.findtext(".//KQUA") == "TIEP_NHAN"
    mail = until(lambda: town.mails(dossier), "activation mail")[0]
    text = text_of(mail)
    assert "Số định danh: <b>DKTGLD</b>" in text
    assert dossier.name in text
    assert dkim.verify(mail, dnsfunc=resolve(agency))
    assert agency.activate(transaction, "", "AAAAAAAAA1").text("MA_LOI") == "SIM013"
    asked = (("unit_code", ""), ("transaction", transaction))
    assert agency.get("/v1/activations", *asked).text("MA_KQUA") == "01"
    assert agency.reply(transaction).findtext(".//KQUA") == "TIEP_NHAN", "without its code the officer does not see it"
    assert agency.activate(transaction, "", code_in(mail)).text("MA_KQUA") == "00"
    assert agency.get("/v1/activations", *asked).text("MA_KQUA") == "00"
    assert agency.activate(transaction, "", code_in(mail)).text("MA_LOI") == "SIM016"
    unit = agency.decided(transaction).findtext(".//MA_DVI") or ""
    assert re.fullmatch(r"[A-Z]{2}\d{4}[A-Z]", unit)
    result = town.result(dossier)
    assert unit in words_of(result)
    assert dossier.name in words_of(result)
    assert dkim.verify(result, dnsfunc=resolve(agency))
    assert agency.get("/v1/roster", ("unit_code", unit)).status == 403, "granted is not effective"

    by_change = agency.file(
        change(unit, ("MA_DVI", "", unit), fields={"TEN_DVI": dossier.name, "EMAIL": dossier.email})
    )
    assert agency.decided(by_change.text("MA_GDICH")).findtext(".//KQUA") == "CHAP_NHAN"
    assert agency.get("/v1/roster", ("unit_code", unit)).json() == {"TotalRecords": 0, "page": 1, "employees": []}
    ledger = agency.ledger(unit)
    assert (ledger["granted"][0]["how"], ledger["granted"][0]["effective_world"] is not None) == ("dossier", True)
    assert ledger["units"][0]["provider_code"] == "00110"
    assert ledger["registered"][0]["serial"] == f"{signer().certificate.serial_number:x}"


def _tampered(dossier: FirstDossier) -> bytes:
    return dossier.body().replace("Số 1 phố Thử".encode(), "Số 3 phố Thử".encode(), 1)


Build = Callable[[FirstDossier], tuple[FirstDossier, bytes | None]]
XML = File(b"<a/>", "TK1-TS.xml", "TK1-TS", ".xml")
WRONG: dict[str, tuple[str, Build]] = {
    "the envelope is not signed": ("SIM024", lambda d: (d, d.unsigned().encode())),
    "the form is not signed": ("SIM024", lambda d: (d.but(form_signed=False), None)),
    "the envelope was altered": ("SIM028", lambda d: (d, _tampered(d))),
    "form and envelope by two certificates": ("SIM006", lambda d: (d.but(form_by=signer(number=3)), None)),
    "the signer is another employer": ("SIM007", lambda d: (d.but(by=signer(f"MST:{OTHER_MST}")), None)),
    "the certificate is over": ("SIM004", lambda d: (d.but(by=signer(begins=-60, ends=-1)), None)),
    "the length is the file's": ("SIM049", lambda d: (d.but(files=(File(PDF, length=len(PDF)),)), None)),
    "the text is no base64": ("SIM050", lambda d: (d.but(files=(File(PDF, text="@@@@"),)), None)),
    "no attachment": ("SIM047", lambda d: (d.but(files=()), None)),
    "a pdf by name only": ("SIM048", lambda d: (d.but(files=(File(DOCX),)), None)),
    "a docx that is a xlsx": ("SIM048", lambda d: (d.but(files=(File(DOCX, "a.xlsx", ending=".xlsx"),)), None)),
    "another type": ("SIM048", lambda d: (d.but(files=(File(b"MZ", "a.exe", ending=".exe"),)), None)),
    "another form beside": ("SIM009", lambda d: (d.but(files=(XML,)), None)),
    "a unit code in the form": ("SIM008", lambda d: (d.but(form={"MA_DVI": "AA0001A"}), None)),
    "a unit code in the headers": ("SIM019", lambda d: (d.but(headers={"X-Unit-Code": "AA0001A"}), None)),
    "two names": ("SIM052", lambda d: (d.but(form={"TEN_DVI": "Khác"}), None)),
    "two addresses": ("SIM052", lambda d: (d.but(form={"EMAIL": "b@branches.example"}), None)),
    "wrong number of attachments": ("SIM052", lambda d: (d.but(form={"HOSO_KEMTHEO": "3"}), None)),
    "two tax codes": ("SIM022", lambda d: (d.but(headers={"X-Tax-Code": OTHER_MST}), None)),
    "two e-mail addresses in one": ("SIM032", lambda d: (d.but(email="a@b.example;c@d.example"), None)),
    "a date that is none": ("SIM036", lambda d: (d.but(form={"NGAYCAP_QD": "31/02/2020"}), None)),
    "a province that takes paper": ("SIM046", lambda d: (d.but(province="79", agency="07901"), None)),
    "an office of another province": ("SIM003", lambda d: (d.but(agency="07901"), None)),
    "not our sender": ("SIM040", lambda d: (d.but(headers={"X-Sender": "00040"}), None)),
    "no XML": ("SIM017", lambda d: (d, d.body()[:-3])),
    "a DOCTYPE": ("SIM018", lambda d: (d, b"<!DOCTYPE Hoso>" + d.body())),
}


@pytest.mark.parametrize("fault", sorted(WRONG))
def test_a_wrong_first_time_dossier_is_refused_at_the_gate(fault: str, town: Town) -> None:
    code, build = WRONG[fault]
    right = town.unit()
    wrong, body = build(right)
    answer = town.agency.file(wrong, body)
    assert (answer.text("KQUA"), answer.text("MA_LOI")) == ("TU_CHOI", code), answer.text("MOTA_LOI")
    assert town.agency.file(right).text("KQUA") == "TIEP_NHAN", "the right dossier is taken in"


def test_a_docx_and_more_than_a_mebibyte_of_scans_are_taken(town: Town) -> None:
    big = File(PDF + b"\0" * 1_500_000, "scan.pdf")
    dossier = town.unit(files=(big, File(DOCX, "uy-quyen.docx", ending=".docx")))
    assert town.agency.file(dossier).text("KQUA") == "TIEP_NHAN"
    too_big = town.unit(files=(File(PDF + b"\0" * 5_000_000),))
    assert town.agency.file(too_big).status == 413


def test_filed_twice(town: Town) -> None:
    dossier, agency = town.unit(), town.agency
    body = dossier.body()
    first = agency.file(dossier, body)
    assert (again := agency.file(dossier, body)).text("MA_LOI") == "SIM010"
    assert again.text("MA_GDICH") == first.text("MA_GDICH")
    assert agency.file(dossier.but(nonce="2")).text("MA_LOI") == "SIM010", "one open dossier an employer"
    spelled = dossier.but(name=dossier.name.upper(), nonce="3")
    assert agency.file(spelled).text("MA_LOI") == "SIM010", "names are compared folded"
    found = agency.get(
        "/v1/dossiers",
        ("unit_code", ""),
        ("tax_code", dossier.tax_code),
        ("procedure", "604"),
        ("sha256", hashlib.sha256(body).hexdigest()),
    )
    assert [note.findtext(".//MA_GDICH") for note in found.notes()] == [first.text("MA_GDICH")]
    assert agency.get("/v1/dossiers", ("procedure", "604"), ("sha256", "0" * 64)).status == 400
    assert agency.activate(first.text("MA_GDICH"), "DKTGLD", town.code(dossier)).text("MA_KQUA") == "00"
    unit = agency.decided(first.text("MA_GDICH"))
    refused = agency.file(dossier.but(nonce="4"))
    assert refused.text("MA_LOI") == "SIM010"
    assert (unit.findtext(".//MA_DVI") or "?") in refused.text("MOTA_LOI")


def test_same_named_units_by_tax_code_and_by_magic(town: Town) -> None:
    one = town.unit()
    other = one.but(tax_code=OTHER_MST, by=signer(f"MST:{OTHER_MST}"))
    assert [town.agency.file(d).text("KQUA") for d in (one, other)] == ["TIEP_NHAN"] * 2
    assert len(until(lambda: m if len(m := town.mails(one)) == 2 else None, "two mails")) == 2
    alike = town.unit("N09")
    codes = {
        town.granted(alike.but(licence=licence, email=f"{licence.lower()}@branches.example"))
        for licence in ("L1", "L2")
    }
    assert len(codes) == 2


def test_a_dossier_that_was_never_released_makes_room(start_agency: Callable[..., Agency], mailbox: Mailbox) -> None:
    town = Town(start_agency("--fast"), mailbox)
    dossier, silent, expired = town.unit(), town.unit("N05"), town.unit("N30")
    first = town.agency.file(dossier).text("MA_GDICH")
    code = town.code(dossier)
    town.agency.jump(timedelta(hours=24, seconds=2))
    assert town.agency.activate(first, "", code).text("MA_LOI") == "SIM014"
    assert town.granted(dossier.but(nonce="2"))
    transaction = town.agency.file(silent).text("MA_GDICH")
    assert town.mail_states(silent) == [("activation", "withheld")]
    assert town.agency.file(silent.but(nonce="2")).text("KQUA") == "TIEP_NHAN"
    assert town.agency.post("/mails/deliver", {"transaction": transaction}).json() == {"delivered": 1}
    assert town.agency.activate(transaction, "", town.code(silent)).text("MA_KQUA") == "00"
    transaction = town.agency.file(expired).text("MA_GDICH")
    assert town.agency.activate(transaction, "", town.code(expired)).text("MA_LOI") == "SIM014"
    assert town.released(expired.but(nonce="2"))


def test_refused_once_then_granted(town: Town) -> None:
    dossier = town.unit("N01")
    note = town.agency.decided(town.released(dossier))
    assert (note.findtext(".//KQUA"), note.findtext(".//MA_LOI"), note.findtext(".//MA_DVI")) == (
        "TU_CHOI",
        "SIM044",
        "",
    )
    assert "Hồ sơ thiếu giấy tờ" in words_of(town.result(dossier))
    assert town.granted(dossier.but(nonce="2"))


def test_refused_always(town: Town) -> None:
    dossier = town.unit(licence="N02-0101")
    for nonce in "12":
        assert town.agency.decided(town.released(dossier.but(nonce=nonce))).findtext(".//MA_LOI") == "SIM045"


def test_the_officer_takes_his_working_days(start_agency: Callable[..., Agency], mailbox: Mailbox) -> None:
    town = Town(start_agency("--fast", "--review-days", "2"), mailbox)
    friday = datetime.fromisoformat("2026-12-11T10:00:00+07:00")
    town.agency.post("/clock", {"base": friday.isoformat(), "rate": 0}, "PUT")
    dossier = town.unit(form={"NGAY_LAP": "11/12/2026"}, envelope={"NgayLap": "11/12/2026"})
    transaction = town.released(dossier)
    for days, state in ((1, "TIEP_NHAN"), (3, "TIEP_NHAN"), (4, "CHAP_NHAN")):
        town.agency.post("/clock", {"base": (friday + timedelta(days=days, seconds=1)).isoformat(), "rate": 0}, "PUT")
        until(lambda: town.agency.get("/health").json()["mails_queued"] == 0, "mails are out")
        if state == "CHAP_NHAN":
            town.agency.decided(transaction)
        assert town.agency.reply(transaction).findtext(".//KQUA") == state, f"{days} days later"


def test_a_silent_officer_and_one_who_must_be_asked(start_agency: Callable[..., Agency], mailbox: Mailbox) -> None:
    town = Town(start_agency("--fast"), mailbox)
    silent, asked = town.unit("N03"), town.unit("N04")
    transactions = [town.released(silent), town.released(asked)]
    for _ in range(3):
        assert {town.agency.reply(t).findtext(".//KQUA") for t in transactions} == {"TIEP_NHAN"}
    town.agency.jump(timedelta(days=10))
    assert not town.mails(asked, "result")
    town.agency.reply(transactions[1])
    assert town.agency.decided(transactions[1]).findtext(".//KQUA") == "CHAP_NHAN"
    assert town.agency.reply(transactions[0]).findtext(".//KQUA") == "TIEP_NHAN"
    assert {row["times"] >= 3 for row in town.agency.ledger()["status_asks"]} == {True}
    told = town.agency.post("/officer", {"transaction": transactions[0], "refuse": "SIM045", "reason": "viết tắt"})
    assert told.json() == {"unit_code": ""}
    assert town.agency.reply(transactions[0]).findtext(".//MOTA_LOI") == "Tên đơn vị không khớp với giấy phép: viết tắt"
    assert "viết tắt" in words_of(town.result(silent))
    assert town.agency.post("/officer", {"transaction": transactions[0]}).status == 400


def test_activation_mails_of_first_time_dossiers(town: Town) -> None:
    once, twice, two, junk = (town.unit(family) for family in ("N06", "N07", "N08", "N10"))
    town.agency.file(once)
    until(lambda: town.mail_states(once) == [("activation", "withheld")], "held back")
    assert town.released(once.but(nonce="2"))
    town.agency.file(twice)
    mails = until(lambda: m if len(m := town.mails(twice, "code")) == 2 else None, "two mails")
    assert len({message_from_bytes(m)["Message-ID"] for m in mails}) == 2
    transaction = town.agency.file(two).text("MA_GDICH")
    older = town.code(two)
    assert town.agency.activate(transaction, "", older).text("MA_LOI") == "SIM014"
    town.agency.post("/mails/deliver", {"transaction": transaction})
    newer = town.code(two, 1)
    assert newer != older
    assert town.agency.activate(transaction, "", newer).text("MA_KQUA") == "00"
    town.agency.file(junk)
    mail = until(lambda: town.mails(junk), "spam")[0]
    assert message_from_bytes(mail)["X-Spam-Flag"] == "YES"
    assert dkim.verify(mail, dnsfunc=resolve(town.agency))


def test_unit_code_mails(town: Town) -> None:
    by_mail, by_gateway, refused_by_mail, nowhere = (town.unit(family) for family in ("N15", "N16", "N17", "N31"))
    transaction = town.released(by_mail)
    assert re.search(r"[A-Z]{2}\d{4}[A-Z]", words_of(town.result(by_mail)))
    assert town.agency.reply(transaction).findtext(".//KQUA") == "TIEP_NHAN"
    assert town.granted(by_gateway)
    assert town.mail_states(by_gateway)[-1] == ("unit-code-result", "withheld")
    transaction = town.released(refused_by_mail)
    assert "Tên đơn vị không khớp" in words_of(town.result(refused_by_mail))
    assert town.agency.reply(transaction).findtext(".//KQUA") == "TIEP_NHAN"
    assert town.released(refused_by_mail.but(nonce="2"))
    transaction = town.released(nowhere)
    until(lambda: town.mail_states(nowhere)[-1] == ("unit-code-result", "withheld"), "decided")
    assert town.agency.reply(transaction).findtext(".//KQUA") == "TIEP_NHAN"


@pytest.mark.parametrize(("family", "passes"), [("N12", False), ("N13", True), ("N14", False)])
def test_a_forged_unit_code_mail(family: str, passes: bool, town: Town) -> None:
    dossier = town.unit(family)
    unit = town.granted(dossier)
    false, true = until(lambda: m if len(m := town.mails(dossier, "result")) == 2 else None, "two mails")
    if unit in words_of(false):
        false, true = true, false
    assert unit in words_of(true)
    assert dkim.verify(false, dnsfunc=resolve(town.agency)) == passes


def test_what_was_granted_is_inherited_and_guarded(town: Town) -> None:
    dossier, agency = town.unit("N20"), town.agency
    unit = town.granted(dossier)
    own = {"TEN_DVI": dossier.name, "EMAIL": dossier.email}
    stranger = change("AB1234C", ("MA_DVI", "", "AB1234C"), fields=own)
    assert agency.file(stranger).text("MA_LOI") == "SIM043"
    misnamed = change(unit, ("MA_DVI", "", unit), fields={**own, "TEN_DVI": "Đơn vị khác"})
    assert agency.file(misnamed).text("MA_LOI") == "SIM043"
    foreign = change(unit, ("MA_DVI", "", unit), fields=own, by=signer(number=4))
    assert agency.file(foreign).text("MA_LOI") == "SIM007"
    first = agency.decided(agency.file(change(unit, ("MA_DVI", "", unit), fields=own)).text("MA_GDICH"))
    assert first.findtext(".//MA_LOI") == "SIM053", "the name's N20 holds for the granted code"
    second = change(unit, ("MA_DVI", "", unit), fields=own, nonce="2")
    assert agency.decided(agency.file(second).text("MA_GDICH")).findtext(".//KQUA") == "CHAP_NHAN"
    assert agency.file(second.but(nonce="3")).text("MA_LOI") == "SIM010"


def test_transport_faults_by_a_word_of_the_name(town: Town) -> None:
    lost, dropped = town.unit("F02"), town.unit("F01")
    with pytest.raises(OSError):  # noqa: PT011 - reset or closed, by timing
        town.agency.file(lost)
    with pytest.raises(OSError):  # noqa: PT011
        town.agency.file(dropped)
    arrived = {row["idempotency_key"] for row in town.agency.ledger()["arrivals"]}
    assert (f"key-{lost.email}-" in arrived, f"key-{dropped.email}-" in arrived) == (True, False)


def test_a_released_dossier_survives_kill_9(start_agency: Callable[..., Agency], mailbox: Mailbox) -> None:
    town = Town(start_agency("--decision-delay", "0.6"), mailbox)
    transaction = town.released(dossier := town.unit("N20"))
    town.agency.stop(9)
    town.agency.start()
    unit = town.agency.decided(transaction).findtext(".//MA_DVI") or ""
    assert unit in words_of(town.result(dossier))
    own = {"TEN_DVI": dossier.name, "EMAIL": dossier.email}
    refused = town.agency.file(change(unit, ("MA_DVI", "", unit), fields=own))
    assert town.agency.decided(refused.text("MA_GDICH")).findtext(".//MA_LOI") == "SIM053"


def test_a_register_form_filed_as_first_time(town: Town) -> None:
    wrong = Dossier(unit_code="AA0009A", headers={"X-Procedure": "604", "X-Unit-Code": ""})
    assert town.agency.file(wrong).text("MA_LOI") == "SIM008"
