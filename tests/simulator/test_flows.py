"""The ways a unit goes, from filing to employees, and the faults of business and mail."""

from __future__ import annotations

import contextlib
import http.client
import json
import unicodedata
from collections.abc import Callable
from datetime import timedelta
from email import message_from_bytes
from email.header import decode_header, make_header

import dkim
import pytest

from simulator.magic import MAGIC
from tests.simulator.agency import Agency, Mailbox, code_in, text_of, until, words_of
from tests.simulator.dossiers import NAME, STOP, Dossier, signer

Make = Callable[[str], str]


def registered(agency: Agency, mailbox: Mailbox, dossier: Dossier) -> tuple[str, str]:
    """Transaction and code of a registration that was accepted."""
    before = len(mailbox.to(dossier.unit_code))
    answer = agency.file(dossier)
    assert answer.text("KQUA") == "TIEP_NHAN", answer.body.decode()
    transaction = answer.text("MA_GDICH")
    assert agency.decided(transaction).findtext(".//KQUA") == "CHAP_NHAN"
    mails = until(lambda: mailbox.to(dossier.unit_code)[before:], "activation mail")
    return transaction, code_in(mails[0])


def stopped(agency: Agency, unit: str, **changes: object) -> str:
    """File a stop; the state it ends in."""
    return (
        agency.decided(agency.file(Dossier(unit_code=unit, procedure=STOP, **changes)).text("MA_GDICH")).findtext(
            ".//KQUA"
        )
        or ""
    )  # type: ignore[arg-type]


def resolve(agency: Agency) -> Callable[..., bytes]:
    """The DNS that knows the agency's keys."""
    told = json.loads((agency.folder / "dkim.json").read_text())
    names = {
        f"{k['selector']}._domainkey.{k['domain']}.".encode(): k["record"].encode() for k in (told, told["impostor"])
    }
    return lambda name, timeout=5: names.get(name, b"")


def test_the_straight_way(agency: Agency, mailbox: Mailbox, unit_code: Make) -> None:
    unit = unit_code("")
    answer = agency.file(dossier := Dossier(unit_code=unit))
    assert (answer.text("KQUA"), answer.text("MA_KQUA"), answer.text("SO_HSO")) == ("TIEP_NHAN", "00", "")
    transaction = answer.text("MA_GDICH")
    note = agency.decided(transaction)
    assert note.findtext(".//KQUA") == "CHAP_NHAN"
    assert (note.findtext(".//SO_HSO") or "").endswith("/00101")
    assert [s.findtext("MA_KET_QUA") for s in note.findall("BUOC")] == ["00", "00", "00"]
    assert agency.get("/v1/roster", ("unit_code", unit)).status == 403
    code = code_in(until(lambda: mailbox.to(unit), "mail")[0])
    asked = (("unit_code", unit), ("transaction", transaction))
    assert agency.get("/v1/activations", *asked).text("MA_KQUA") == "01"
    assert agency.activate(transaction, unit, "AAAAAAAAA1").text("MA_LOI") == "SIM013"
    assert agency.activate(transaction, unit, code).text("MA_KQUA") == "00"
    assert agency.activate(transaction, unit, code).text("MA_LOI") == "SIM016"
    assert agency.get("/v1/activations", *asked).text("MA_KQUA") == "00"
    roster = agency.get("/v1/roster", ("unit_code", unit), ("page", "1"), ("size", "200")).json()
    assert len(roster["employees"]) == roster["TotalRecords"] <= 40
    assert agency.file(dossier.but(nonce="again")).text("MA_LOI") == "SIM010", "an active unit is not registered again"
    shown = agency.ledger(unit)
    assert [row["dossier_number"] for row in shown["arrivals"]] == [note.findtext(".//SO_HSO"), ""]
    assert [row["outcome"] for row in shown["activations"]] == ["SIM013", "00", "SIM016"]
    assert [row["state"] for row in shown["mails"]] == ["sent"]
    assert [row["status"] for row in shown["roster_fetches"]] == [403, 200]


def test_the_activation_mail_looks_as_it_should(agency: Agency, mailbox: Mailbox, unit_code: Make) -> None:
    for unit in (
        unit_code(""),
        unit_code(""),
    ):  # one has base64, one quoted-printable, or both the same: the words are alike
        _, code = registered(agency, mailbox, Dossier(unit_code=unit))
        raw = mailbox.to(unit)[0]
        message = message_from_bytes(raw)
        assert str(make_header(decode_header(str(message["Subject"])))).startswith(
            "Xác nhận đăng ký tham gia giao dịch điện tử"
        )
        text = text_of(raw)
        for part in (
            "BẢO HIỂM XÃ HỘI VIỆT NAM",
            f"<b>{NAME}</b>",
            f"Số định danh: <b>{unit}</b>",
            "bấm vào đây",
            "mã kích hoạt",
            "24h",
        ):
            assert part in text
        assert text.index("mã kích hoạt") < text.index(code) < text.index("trong vòng 24h")
        assert text == unicodedata.normalize("NFC", text)
        assert dkim.verify(raw, dnsfunc=resolve(agency))
        assert not dkim.verify(raw.replace(b"Subject: ", b"Subject: x", 1), dnsfunc=resolve(agency))
        assert not dkim.verify(b"Subject: x\r\n" + raw, dnsfunc=resolve(agency)), (
            "a second subject breaks the signature"
        )


def test_ce007_until_a_stop_is_done(agency: Agency, mailbox: Mailbox, unit_code: Make) -> None:
    unit = unit_code("C00")
    dossier = Dossier(unit_code=unit)
    note = agency.decided(agency.file(dossier).text("MA_GDICH"))
    assert (note.findtext(".//KQUA"), note.findtext(".//MA_LOI")) == ("TU_CHOI", "CE007")
    code = (note.findtext(".//MOTA_LOI") or "").rpartition("(mã ")[2].rstrip(")")
    assert (
        stopped(agency, unit, fields={"MA_IVAN": code}, headers={"X-Contact": f"{unit.lower()}@branches.example"})
        == "CHAP_NHAN"
    )
    mail = until(lambda: mailbox.to(unit), "stop mail")[0]
    assert unit in words_of(mail)
    assert "thành công" in words_of(mail) or "Đã được chấp nhận" in words_of(mail)
    again = Dossier(unit_code=unit, procedure=STOP, nonce="2")
    assert agency.file(again).text("MA_LOI") == "SIM011"
    transaction, activation = registered(agency, mailbox, dossier.but(nonce="2"))
    assert agency.activate(transaction, unit, activation).text("MA_KQUA") == "00"


@pytest.mark.parametrize(
    ("family", "code", "at_gate"),
    [("C01", "CE007", False), ("C02", "CE044", False), ("C04", "CE007", True), ("C05", "CE044", True)],
)
def test_other_providers(family: str, code: str, at_gate: bool, agency: Agency, unit_code: Make) -> None:
    unit = unit_code(family)
    answer = agency.file(Dossier(unit_code=unit))
    assert (answer.text("KQUA") == "TU_CHOI") == at_gate
    note = answer.notes()[0] if at_gate else agency.decided(answer.text("MA_GDICH"))
    assert note.findtext(".//MA_LOI") == code
    assert (family == "C01") == ((note.findtext(".//MOTA_LOI") or "").endswith("IVAN khác"))
    if family != "C04":
        named = (
            {"MA_IVAN": "VSS", "TEN_IVAN": "Cổng thông tin BHXH Việt Nam"} if family != "C01" else {"MA_IVAN": "00040"}
        )
        assert stopped(agency, unit, fields=named) == "CHAP_NHAN"
        assert agency.file(Dossier(unit_code=unit, nonce="2")).text("KQUA") == "TIEP_NHAN"


def test_already_stopped(agency: Agency, unit_code: Make) -> None:
    unit = unit_code("C03")
    assert agency.decided(agency.file(Dossier(unit_code=unit)).text("MA_GDICH")).findtext(".//MA_LOI") == "CE007"
    assert agency.file(Dossier(unit_code=unit, procedure=STOP)).text("MA_LOI") == "SIM011"
    assert (
        agency.decided(agency.file(Dossier(unit_code=unit, nonce="2")).text("MA_GDICH")).findtext(".//KQUA")
        == "CHAP_NHAN"
    )


@pytest.mark.parametrize(("family", "times"), [("S01", 1), ("S02", 2), ("S04", 4)])
def test_busy_then_well(family: str, times: int, agency: Agency, unit_code: Make) -> None:
    dossier = Dossier(unit_code=unit_code(family))
    body = dossier.body()
    answers = [agency.file(dossier, body) for _ in range(times + 1)]
    assert [a.text("MA_LOI") for a in answers] == ["SIM099"] * times + [""]


def test_an_unknown_code_and_a_wrong_certificate(agency: Agency, unit_code: Make) -> None:
    assert (
        agency.decided(agency.file(Dossier(unit_code=unit_code("C06"))).text("MA_GDICH")).findtext(".//MA_LOI")
        == "CE999"
    )
    dossier = Dossier(unit_code=unit_code("C08"))
    for nonce in "12":
        answer = agency.file(dossier.but(nonce=nonce))
        assert answer.text("MA_LOI") == "SIM007"
        assert f"không phải của đơn vị {{{dossier.unit_code}}}" in answer.text("MOTA_LOI")
    assert agency.file(dossier.but(by=signer("MST:0101243150", number=2))).text("KQUA") == "TIEP_NHAN"


def test_stop_mails(agency: Agency, mailbox: Mailbox, unit_code: Make) -> None:
    bare, never, refused = unit_code("T01"), unit_code("T02"), unit_code("T03")
    assert (
        stopped(agency, bare, headers={"X-Contact": f"{bare.lower()}@branches.example"}, fields=_provider(agency, bare))
        == "CHAP_NHAN"
    )
    text = words_of(until(lambda: mailbox.to(bare), "bare stop mail")[0])
    assert bare not in text
    assert "Số hồ sơ" not in text
    assert NAME in text
    assert (
        stopped(
            agency, never, headers={"X-Contact": f"{never.lower()}@branches.example"}, fields=_provider(agency, never)
        )
        == "CHAP_NHAN"
    )
    assert [row["state"] for row in agency.ledger(never)["mails"]] == ["withheld"]
    assert agency.file(Dossier(unit_code=never, procedure=STOP, nonce="2")).text("MA_LOI") == "SIM011"
    assert (
        stopped(
            agency,
            refused,
            headers={"X-Contact": f"{refused.lower()}@branches.example"},
            fields=_provider(agency, refused),
        )
        == "TU_CHOI"
    )
    told = words_of(until(lambda: mailbox.to(refused), "refusing stop mail")[0])
    assert "không được chấp nhận" in told or "Từ chối" in told
    assert stopped(agency, refused, nonce="2", fields=_provider(agency, refused)) == "CHAP_NHAN"


def _provider(agency: Agency, unit: str) -> dict[str, str | None]:
    """Which provider a unit has, as CE007 would tell."""
    row = next(iter(agency.ledger(unit)["units"]), None)
    if row is None:
        agency.decided(agency.file(Dossier(unit_code=unit, nonce="ask")).text("MA_GDICH"))
        row = agency.ledger(unit)["units"][0]
    return {"MA_IVAN": row["provider_code"], "TEN_IVAN": row["provider_name"]}


def test_a_stop_mail_goes_to_the_last_known_address_without_a_contact_header(
    agency: Agency, mailbox: Mailbox, unit_code: Make
) -> None:
    unit = unit_code("C00")
    provider = _provider(agency, unit)
    assert stopped(agency, unit, fields=provider) == "CHAP_NHAN"
    assert until(lambda: mailbox.to(unit), "stop mail")


def test_mail_twice_and_forged(agency: Agency, mailbox: Mailbox, unit_code: Make) -> None:
    twice = unit_code("M01")
    agency.file(Dossier(unit_code=twice))
    mails = until(lambda: mailbox.to(twice) if len(mailbox.to(twice)) == 2 else None, "two mails")
    assert len({message_from_bytes(mail)["Message-ID"] for mail in mails}) == 2
    assert len({code_in(mail) for mail in mails}) == 1
    for family, passes, domain in (
        ("M03", False, "impostor"),
        ("M13", True, "impostor"),
        ("M23", False, "@agency.example"),
    ):
        unit = unit_code(family)
        transaction = agency.file(Dossier(unit_code=unit)).text("MA_GDICH")
        found = until(lambda unit=unit: mailbox.to(unit) if len(mailbox.to(unit)) == 2 else None, "two mails")  # type: ignore[misc]
        codes = {mail: code_in(mail) for mail in found}
        true = agency.get("/codes", ("unit_code", unit)).json()["codes"][0]["code"]
        false = next(mail for mail, code in codes.items() if code != true)
        assert domain in str(message_from_bytes(false)["From"])
        assert dkim.verify(false, dnsfunc=resolve(agency)) == passes
        assert agency.activate(transaction, unit, codes[false]).text("MA_LOI") == "SIM013"
        assert agency.activate(transaction, unit, true).text("MA_KQUA") == "00"


@pytest.mark.parametrize("family", ["M05", "M06", "M10"])
def test_mails_in_odd_dress(family: str, agency: Agency, mailbox: Mailbox, unit_code: Make) -> None:
    unit = unit_code(family)
    transaction, code = registered(agency, mailbox, Dossier(unit_code=unit))
    raw = mailbox.to(unit)[0]
    text = text_of(raw)
    assert NAME in unicodedata.normalize("NFC", text)
    assert (family == "M10") == (unicodedata.normalize("NFC", text) == text)
    assert dkim.verify(raw, dnsfunc=resolve(agency))
    assert agency.activate(transaction, unit, code).text("MA_KQUA") == "00"


def test_a_mislabelled_mail_is_mojibake(agency: Agency, mailbox: Mailbox, unit_code: Make) -> None:
    unit = unit_code("M07")
    registered(agency, mailbox, Dossier(unit_code=unit))
    text = text_of(mailbox.to(unit)[0])
    assert NAME not in text
    assert NAME in text.encode("iso-8859-1").decode()


def test_late_mails_and_expired_codes_go_by_world_time(
    start_agency: Callable[..., Agency], mailbox: Mailbox, unit_code: Make
) -> None:
    agency = start_agency("--fast")
    late, stale, straight, expired = (unit_code(family) for family in ("M02", "M14", "", "M04"))
    transactions = {
        unit: agency.file(Dossier(unit_code=unit)).text("MA_GDICH") for unit in (late, stale, straight, expired)
    }
    code = code_in(until(lambda: mailbox.to(straight), "mail")[0])
    assert not mailbox.to(late)
    agency.jump(timedelta(hours=2, seconds=1))
    until(lambda: mailbox.to(late), "late mail")
    assert not mailbox.to(stale)
    agency.jump(timedelta(hours=23))
    stale_code = code_in(until(lambda: mailbox.to(stale), "stale mail")[0])
    assert agency.activate(transactions[stale], stale, stale_code).text("MA_LOI") == "SIM014"
    assert agency.activate(transactions[straight], straight, code).text("MA_LOI") == "SIM014", "24 h are over"
    assert agency.activate(transactions[late], late, code_in(mailbox.to(late)[0])).text("MA_KQUA") == "00", (
        "its 24 h began with the mail"
    )
    first = code_in(until(lambda: mailbox.to(expired), "mail")[0])
    assert agency.activate(transactions[expired], expired, first).text("MA_LOI") == "SIM014"
    transaction, second = registered(agency, mailbox, Dossier(unit_code=expired, nonce="2"))
    assert agency.activate(transaction, expired, second).text("MA_KQUA") == "00"


def test_five_wrong_codes_lock(agency: Agency, mailbox: Mailbox, unit_code: Make) -> None:
    unit = unit_code("")
    transaction, code = registered(agency, mailbox, Dossier(unit_code=unit))
    answers = [agency.activate(transaction, unit, "WRONGCODE1").text("MA_LOI") for _ in range(5)]
    assert answers == ["SIM013"] * 5
    assert agency.activate(transaction, unit, code).text("MA_LOI") == "SIM015"
    assert agency.activate("GD0", unit, code).text("MA_LOI") == "SIM041"


def test_replies_in_disorder(agency: Agency, unit_code: Make) -> None:
    def note(family: str) -> str:
        return agency.file(Dossier(unit_code=unit_code(family))).text("MA_GDICH")

    early, twice, order, empty = note("F09"), note("F19"), note("F29"), note("F11")
    known = until(lambda: n if (n := agency.reply(early)).findtext(".//KQUA") == "CHAP_NHAN" else None, "decision", 5)
    assert known.findtext(".//SO_HSO") == ""
    assert agency.decided(early).findtext(".//SO_HSO")
    agency.decided(twice)
    notes = agency.get("/v1/replies", ("transaction", twice), ("transaction", "GD-nobody")).notes()
    assert len(notes) == 2
    assert len(notes[0].findall("BUOC")) == 6
    assert agency.decided(order).findtext("BUOC/TEN") == "Phê duyệt"
    assert agency.reply(empty).findtext(".//SO_HSO") == ""
    assert agency.decided(empty).findtext(".//SO_HSO")


def test_a_mail_may_come_before_the_decision(agency: Agency, mailbox: Mailbox, unit_code: Make) -> None:
    unit = unit_code("M11")
    transaction = agency.file(Dossier(unit_code=unit)).text("MA_GDICH")
    mail = until(lambda: mailbox.to(unit), "mail")[0]
    assert agency.reply(transaction).findtext(".//KQUA") == "TIEP_NHAN"
    assert agency.activate(transaction, unit, code_in(mail)).text("MA_KQUA") == "00"


SILENT_OR_REFUSED_FOR_EVER = {"T12", "T13"}
STOPS = [family for family, magic in MAGIC.items() if any(r.procedure == STOP for r in magic.rules)]


@pytest.mark.parametrize("family", sorted(set(STOPS) - SILENT_OR_REFUSED_FOR_EVER))
def test_every_stop_flow_ends_with_a_registration(family: str, agency: Agency, unit_code: Make) -> None:
    unit = unit_code(family)
    held = "CE044" if MAGIC[family].provider == "portal" else "CE007"
    assert agency.decided(agency.file(Dossier(unit_code=unit)).text("MA_GDICH")).findtext(".//MA_LOI") == held
    provider = _provider(agency, unit)
    for nonce in "12345":
        dossier = Dossier(unit_code=unit, procedure=STOP, fields=provider, nonce=nonce)
        try:
            answer = agency.file(dossier)
        except OSError:
            continue
        if (
            answer.text("KQUA") == "TIEP_NHAN"
            and agency.decided(answer.text("MA_GDICH")).findtext(".//KQUA") == "CHAP_NHAN"
        ):
            break
        if answer.text("MA_LOI") == "SIM011":
            break
    assert (
        agency.decided(agency.file(Dossier(unit_code=unit, nonce="last")).text("MA_GDICH")).findtext(".//KQUA")
        == "CHAP_NHAN"
    )


@pytest.mark.parametrize("family", sorted(MAGIC))
def test_no_magic_code_breaks_the_agency(family: str, agency: Agency, unit_code: Make) -> None:
    unit = unit_code(family)
    for nonce in "12":
        with contextlib.suppress(OSError, http.client.HTTPException):
            assert agency.file(Dossier(unit_code=unit, nonce=nonce), timeout=0.5).status in (
                200,
                208,
                409,
                429,
                500,
                502,
                503,
            )
    assert agency.ledger(unit)
    assert "Traceback" not in (agency.folder / "log").read_text()
