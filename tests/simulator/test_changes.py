"""Change dossiers of an enrolled unit, and the certificate the agency holds for it."""

from __future__ import annotations

from collections.abc import Callable
from email import message_from_bytes

import pytest

from tests.simulator.agency import Agency, Mailbox, code_in, until, words_of
from tests.simulator.dossiers import MST, STOP, Dossier, signer
from tests.simulator.first_dossiers import change
from tests.simulator.test_flows import registered

Make = Callable[[str], str]
NEWER = signer(f"MST:{MST}", number=5)


def serial(of: object = NEWER) -> str:
    return f"{of.certificate.serial_number:X}"  # type: ignore[attr-defined]


def enrolled(agency: Agency, mailbox: Mailbox, unit: str) -> str:
    transaction, code = registered(agency, mailbox, Dossier(unit_code=unit))
    assert agency.activate(transaction, unit, code).text("MA_KQUA") == "00"
    return unit


def result(agency: Agency, dossier: Dossier) -> str:
    """How a change ends: 00, or the refusal's code."""
    answer = agency.file(dossier)
    if answer.text("KQUA") == "TU_CHOI":
        return answer.text("MA_LOI")
    return agency.decided(answer.text("MA_GDICH")).findtext(".//MA_KQUA") or ""


def test_a_new_address_is_where_later_mails_go(agency: Agency, mailbox: Mailbox, unit_code: Make) -> None:
    unit = enrolled(agency, mailbox, unit_code(""))
    new = f"moi-{unit.lower()}@branches.example"
    assert result(agency, change(unit, ("EMAIL", f"{unit.lower()}@branches.example", new))) == "00"
    mail = until(lambda: mailbox.to(f"moi-{unit}"), "the result goes to the new address")[0]
    assert unit in words_of(mail)
    row = agency.ledger(unit)["changes"][0]
    assert (row["field"], row["new"], row["effective_world"] is not None) == ("EMAIL", new, True)
    assert result(agency, change(unit, ("DIEN_THOAI", "0912345678", "0999999999"))) == "00"
    until(lambda: len(mailbox.to(f"moi-{unit}")) == 2, "and the next one too")


def test_a_refused_change_is_told_to_the_old_address(agency: Agency, mailbox: Mailbox, unit_code: Make) -> None:
    unit = enrolled(agency, mailbox, unit_code("N20"))
    new = ("EMAIL", "", f"neu-{unit.lower()}@branches.example")
    assert result(agency, change(unit, new)) == "SIM053"
    mail = until(lambda: mailbox.to(unit)[1:], "result mail")[0]
    assert "Hồ sơ thay đổi không được chấp nhận" in words_of(mail)
    assert agency.ledger(unit)["units"][0]["email"] == f"{unit.lower()}@branches.example"
    assert result(agency, change(unit, new, nonce="2")) == "00"


def test_the_held_certificate(agency: Agency, mailbox: Mailbox, unit_code: Make) -> None:
    unit = enrolled(agency, mailbox, unit_code(""))
    foreign = change(unit, ("DIEN_THOAI", "", "0999999999"), by=NEWER)
    answer = agency.file(foreign)
    assert answer.text("MA_LOI") == "SIM007"
    sentence = f"Chữ ký số {{{serial().lower()}}} không phải của đơn vị {{{unit}}}"
    assert sentence in answer.text("MOTA_LOI")
    another = change(unit, ("CHUNG_THU_SO", "", "ABCDEF"), by=NEWER)
    assert result(agency, another) == "SIM007", "announces a certificate that is not its signer's"
    announced = change(
        unit, ("CHUNG_THU_SO", serial(signer()), serial()), ("PHUONG_THUC_KY", "USB", "REMOTE"), by=NEWER
    )
    assert result(agency, announced) == "00"
    assert agency.ledger(unit)["registered"][0]["serial"] == serial().lower()
    assert agency.ledger(unit)["registered"][0]["method"] == "REMOTE"
    assert result(agency, change(unit, ("DIEN_THOAI", "", "0999999999"), nonce="old")) == "SIM007", (
        "the old one is none now"
    )
    assert result(agency, foreign) == "00"


def test_the_old_certificate_may_announce_the_new_one(agency: Agency, mailbox: Mailbox, unit_code: Make) -> None:
    unit = enrolled(agency, mailbox, unit_code(""))
    assert result(agency, change(unit, ("CHUNG_THU_SO", serial(signer()), serial()))) == "00"
    assert result(agency, change(unit, ("DIEN_THOAI", "", "0999999999"), by=NEWER)) == "00"


def test_a_stop_forgets_the_certificate(agency: Agency, mailbox: Mailbox, unit_code: Make) -> None:
    unit = enrolled(agency, mailbox, unit_code(""))
    stop = Dossier(unit_code=unit, procedure=STOP, fields={"MA_IVAN": "00110", "TEN_IVAN": "Công ty Cổ phần MISA"})
    assert agency.file(stop.but(by=NEWER)).text("MA_LOI") == "SIM007"
    assert result(agency, stop) == "00"
    assert [row["unit_code"] for row in agency.ledger(unit)["stops"]] == [unit]
    assert agency.ledger(unit)["registered"] == []
    assert result(agency, Dossier(unit_code=unit, by=NEWER, nonce="again")) == "00"


def test_a_unit_that_is_not_active_may_register_with_another_certificate(
    agency: Agency, mailbox: Mailbox, unit_code: Make
) -> None:
    unit = unit_code("")
    registered(agency, mailbox, Dossier(unit_code=unit))
    assert result(agency, Dossier(unit_code=unit, by=NEWER, nonce="2")) == "00"


def test_changes_that_are_none(agency: Agency, mailbox: Mailbox, unit_code: Make) -> None:
    stranger = unit_code("")
    assert result(agency, change(stranger, ("DIEN_THOAI", "", "0999999999"))) == "SIM042"
    unit = enrolled(agency, mailbox, unit_code(""))
    for wrong in (
        change(unit, ("TEN_DVI", "a", "b")),
        change(unit, ("DIEN_THOAI", "0999999999", "0999999999")),
        change(unit, ("DIEN_THOAI", "", "0999999999"), fields={"DIEN_THOAI": "0911111111"}),
        change(unit, ("DIEN_THOAI", "", "0999999999"), ("DIEN_THOAI", "", "0999999999")),
        change(unit, ("MA_DVI", "", "AB0001C")),
    ):
        assert result(agency, wrong) == "SIM051"
    assert result(agency, change(unit, ("MA_DVI", "", unit))) == "SIM043", "nobody granted this code"
    without = change(unit, ("DIEN_THOAI", "", "0999999999"), fields={"DS_THAYDOI": None})
    assert result(agency, without) == "SIM008"
    other_sender = change(
        unit, ("DIEN_THOAI", "", "0999999999"), headers={"X-Sender": "00040"}, fields={"MA_IVAN": "00040"}
    )
    assert result(agency, other_sender) == "SIM042"


def test_the_same_change_twice(start_agency: Callable[..., Agency], mailbox: Mailbox, unit_code: Make) -> None:
    agency = start_agency("--decision-delay", "1")
    unit = enrolled(agency, mailbox, unit_code(""))
    dossier = change(unit, ("DIEN_THOAI", "", "0999999999"))
    body = dossier.body()
    first = agency.file(dossier, body)
    assert agency.file(dossier, body).text("MA_GDICH") == first.text("MA_GDICH")
    assert agency.file(dossier.but(nonce="2")).text("MA_LOI") == "SIM010", "one is undecided"
    agency.decided(first.text("MA_GDICH"))
    assert result(agency, dossier.but(nonce="3")) == "00"


def test_an_activation_mail_after_the_change(agency: Agency, mailbox: Mailbox, unit_code: Make) -> None:
    unit = enrolled(agency, mailbox, unit_code("N24"))
    answer = agency.file(change(unit, ("DIEN_THOAI", "", "0999999999")))
    transaction = answer.text("MA_GDICH")
    mails = until(lambda: m if len(m := mailbox.to(unit)) == 3 else None, "result and code")
    code = next(code_in(mail) for mail in mails[1:] if "Mã kích hoạt" in words_of(mail))
    assert agency.activate(transaction, unit, code).text("MA_KQUA") == "00"
    assert agency.activate(transaction, unit, code).text("MA_LOI") == "SIM016"
    assert agency.get("/v1/roster", ("unit_code", unit)).status == 200


@pytest.mark.parametrize(
    ("family", "mailed", "shown"),
    [("N22", True, False), ("N23", False, True), ("N25", False, False), ("N28", True, True)],
)
def test_where_a_change_result_is_told(
    family: str, mailed: bool, shown: bool, agency: Agency, mailbox: Mailbox, unit_code: Make
) -> None:
    unit = enrolled(agency, mailbox, unit_code(family))
    transaction = agency.file(change(unit, ("DIEN_THOAI", "", "0999999999"))).text("MA_GDICH")
    until(lambda: agency.ledger(unit)["changes"][0]["effective_world"], "in force")
    states = agency.get("/mails", ("unit_code", unit), ("kind", "change-result")).json()["mails"]
    assert [row["state"] == "withheld" for row in states] == [not mailed]
    assert (agency.reply(transaction).findtext(".//KQUA") == "CHAP_NHAN") == shown
    if mailed:
        mail = until(lambda: mailbox.to(unit)[1:], "result")[0]
        assert (message_from_bytes(mail)["X-Spam-Flag"] == "YES") == (family == "N28")


def test_a_forged_change_result_says_the_opposite(agency: Agency, mailbox: Mailbox, unit_code: Make) -> None:
    unit = enrolled(agency, mailbox, unit_code("N26"))
    assert result(agency, change(unit, ("DIEN_THOAI", "", "0999999999"))) == "00"
    mails = until(lambda: m if len(m := mailbox.to(unit)) == 3 else None, "two result mails")[1:]
    forged = [mail for mail in mails if "impostor" in str(message_from_bytes(mail)["From"])]
    assert ["Lý do" in words_of(mail) for mail in forged] == [True]


def test_change_refused_always_and_busy(agency: Agency, mailbox: Mailbox, unit_code: Make) -> None:
    always, busy = (enrolled(agency, mailbox, unit_code(family)) for family in ("N21", "N27"))
    phone = ("DIEN_THOAI", "", "0999999999")
    assert [result(agency, change(always, phone, nonce=n)) for n in "12"] == ["SIM053"] * 2
    assert [result(agency, change(busy, phone, nonce=n)) for n in "123"] == ["SIM099", "SIM099", "00"]
