"""Paper, the portal by hand, the directory, gateways that cannot do everything, employees, and mails on demand."""

from __future__ import annotations

import re
from collections.abc import Callable
from email import message_from_bytes

import pytest

from tests.simulator.agency import Agency, Mailbox, code_in, subject_of, until, words_of
from tests.simulator.dossiers import MST, NAME, OTHER_MST, STOP, Dossier
from tests.simulator.first_dossiers import FirstDossier, change
from tests.simulator.test_flows import registered

Make = Callable[[str], str]


def enrolled(agency: Agency, mailbox: Mailbox, unit: str) -> str:
    transaction, code = registered(agency, mailbox, Dossier(unit_code=unit))
    assert agency.activate(transaction, unit, code).text("MA_KQUA") == "00"
    return unit


def test_a_code_granted_on_paper_then_registered(agency: Agency, mailbox: Mailbox) -> None:
    told = agency.post("/paper", {"name": "Chi nhánh Giấy M01", "tax_code": MST, "agency": "07901", "address": "Số 9"})
    unit = told.json()["unit_code"]
    assert re.fullmatch(r"[A-Z]{2}\d{4}[A-Z]", unit)
    (found,) = agency.get("/v1/units", ("tax_code", MST), ("name", "giay")).json()["units"]
    assert found == {
        "ma_don_vi": unit,
        "ten_don_vi": "Chi nhánh Giấy M01",
        "ma_so_thue": MST,
        "ma_co_quan": "07901",
        "ten_co_quan": "Bảo hiểm xã hội (mã 07901)",
        "dia_chi": "Số 9",
    }
    assert agency.file(Dossier(unit_code=unit, tax_code=OTHER_MST)).text("MA_LOI") in ("SIM002", "SIM007")
    paperless = change(unit, ("MA_DVI", "", unit), fields={"TEN_DVI": "Chi nhánh Giấy M01"})
    assert agency.file(paperless).text("MA_LOI") == "SIM043", "a code on paper is registered, not changed"
    agency.file(Dossier(unit_code=unit, fields={"TEN_DVI": "Chi nhánh Giấy M01"}))
    mails = until(lambda: m if len(m := mailbox.to(unit)) == 2 else None, "M01 of the name: two mails")
    transaction = agency.ledger(unit)["filings"][-1]["transaction_id"]
    assert agency.activate(transaction, unit, code_in(mails[0])).text("MA_KQUA") == "00"
    grant = agency.ledger(unit)["granted"][0]
    assert (grant["how"], grant["effective_world"] is not None) == ("paper", True)
    assert agency.post("/paper", {"name": "x", "tax_code": "123"}).status == 400
    assert agency.post("/paper", {"tax_code": MST}).status == 400


def test_the_directory(start_agency: Callable[..., Agency], unit_code: Make) -> None:
    agency = start_agency("--fast", "--lookups", "6")
    one, other = unit_code(""), unit_code("")
    known = [
        {"unit_code": one, "tax_code": MST, "name": "Chi nhánh Đà Nẵng – Công ty Thử"},
        {"unit_code": other, "tax_code": MST, "name": "Chi nhánh Huế – Công ty Thử", "provider": "00040"},
    ]
    assert agency.post("/units", known).json() == {"units": 2}
    assert agency.post("/units", [{"unit_code": "1", "tax_code": MST, "name": "x"}]).status == 400

    def codes(*query: tuple[str, str]) -> list[str]:
        return [row["ma_don_vi"] for row in agency.get("/v1/units", *query).json()["units"]]

    assert codes(("tax_code", MST)) == sorted([one, other])
    assert codes(("tax_code", MST), ("name", "DA NANG thu")) == [one]
    assert codes(("tax_code", OTHER_MST)) == []
    assert codes(("tax_code", MST), ("name", "không ai")) == []
    assert agency.get("/v1/units", ("name", "Huế")).status == 400
    assert agency.get("/v1/units", ("tax_code", MST)).status == 200
    limited = agency.get("/v1/units", ("tax_code", MST))
    assert limited.status == 429
    assert 1 <= int(limited.headers["retry-after"]) <= 60
    assert agency.decided(agency.file(Dossier(unit_code=other)).text("MA_GDICH")).findtext(".//MA_LOI") == "CE007"


def test_a_gateway_without_activation(start_agency: Callable[..., Agency], mailbox: Mailbox, unit_code: Make) -> None:
    agency = start_agency("--fast", "--no-activation", "--without", "lookup")
    able = agency.get("/v1/capabilities").json()
    assert [word for word in sorted(able) if not able[word]] == ["activation", "lookup"]
    unit = unit_code("")
    transaction, code = registered(agency, mailbox, Dossier(unit_code=unit))
    assert agency.activate(transaction, unit, code).status == 501
    assert agency.get("/v1/activations", ("unit_code", unit), ("transaction", transaction)).status == 501
    assert agency.get("/v1/units", ("tax_code", MST)).status == 501
    assert agency.post("/portal/activations", {"code": "AAAAAAAAA1"}).text("MA_LOI") == "SIM041"
    assert agency.post("/portal/activations", {"code": code}).text("MA_KQUA") == "00"
    assert agency.get("/v1/roster", ("unit_code", unit)).status == 200
    assert agency.post("/portal/activations", {}).status == 400
    first = FirstDossier("Chi nhánh Tay", "tay@branches.example")
    transaction = agency.file(first).text("MA_GDICH")
    code = code_in(until(lambda: mailbox.to("tay"), "mail")[0])
    assert agency.post("/portal/activations", {"code": code}).text("MA_KQUA") == "00"
    assert agency.decided(transaction).findtext(".//KQUA") == "CHAP_NHAN"


def test_a_stop_on_the_portal(agency: Agency, unit_code: Make) -> None:
    unit = unit_code("C02")
    assert agency.decided(agency.file(Dossier(unit_code=unit)).text("MA_GDICH")).findtext(".//MA_LOI") == "CE044"
    assert agency.post("/portal/stops", {"unit_code": unit}).json() == {"unit_code": unit}
    again = agency.file(Dossier(unit_code=unit, nonce="2"))
    assert agency.decided(again.text("MA_GDICH")).findtext(".//KQUA") == "CHAP_NHAN"


def pages(agency: Agency, unit: str, size: int = 200) -> list[list[str]]:
    """The ids of each page, until all are there or a page is empty."""
    found: list[list[str]] = []
    while True:
        query = (("unit_code", unit), ("page", str(len(found) + 1)), ("size", str(size)))
        shown = agency.get("/v1/roster", *query).json()
        found.append([one["id"] for one in shown["employees"]])
        if not found[-1] or sum(map(len, found)) >= shown["TotalRecords"]:
            return found


def test_rosters(agency: Agency, mailbox: Mailbox, unit_code: Make) -> None:
    doubles, changing, empty, many, growing = (
        enrolled(agency, mailbox, unit_code(family)) for family in ("R01", "R02", "R03", "R04", "R05")
    )
    seen = pages(agency, doubles)
    assert seen[1][0] == seen[0][-1]
    assert len({one for page in seen for one in page}) == 450
    first, second = (agency.get("/v1/roster", ("unit_code", changing)).json()["employees"] for _ in range(2))
    before, after = ({one["id"]: one for one in page} for page in (first, second))
    gone, new = set(before) - set(after), set(after) - set(before)
    altered = [one for one in set(before) & set(after) if before[one] != after[one]]
    assert (len(gone), len(new), len(altered)) == (1, 1, 1)
    assert pages(agency, empty) == [[]]
    assert [len(page) for page in pages(agency, many)] == [200, 200, 50]
    grown = pages(agency, growing)
    assert grown[1][0] == grown[0][-1]
    assert agency.get("/v1/roster", ("unit_code", many)).json()["employees"][0]["cccd"], "more than anybody needs"


def test_mails_on_demand(agency: Agency, mailbox: Mailbox) -> None:
    mail = {"kind": "activation", "recipient": "ai-do@branches.example", "name": "Đơn vị lạ", "code": "AB12CD34EF"}
    told = agency.post("/mails", mail).json()
    raw = until(lambda: mailbox.to("ai-do"), "mail")[0]
    assert message_from_bytes(raw)["Message-ID"] == told["message_id"]
    assert "DKTGLD" in words_of(raw)
    assert code_in(raw) == "AB12CD34EF"
    (listed,) = agency.get("/mails", ("recipient", "ai-do@branches.example")).json()["mails"]
    assert listed["subject"] == subject_of(raw)
    assert "AB12CD34EF" not in str(listed)
    assert agency.post("/mails", {**mail, "kind": "advertisement"}).status == 400
    assert agency.post("/mails", {**mail, "colour": "red"}).status == 400
    assert agency.post("/mails/deliver", {"id": listed["id"]}).status == 400, "it went already"
    assert agency.post("/mails/deliver", {}).status == 400


def test_codes_are_told_only_to_those_who_ask(agency: Agency, mailbox: Mailbox, unit_code: Make) -> None:
    unit = unit_code("")
    transaction, code = registered(agency, mailbox, Dossier(unit_code=unit))
    agency.activate(transaction, unit, code)
    assert code not in str(agency.ledger(unit))
    asked = agency.get("/ledger", ("unit_code", unit), ("codes", "yes")).json()
    assert (asked["codes"][0]["code"], asked["activations"][0]["code"]) == (code, code)
    assert agency.get("/codes", ("transaction", transaction)).json()["codes"][0]["code"] == code


def stop(agency: Agency, unit: str, nonce: str = "") -> str:
    """File a stop of the provider the unit has; its outcome."""
    rows = agency.ledger(unit)["units"]
    if not rows:
        agency.decided(agency.file(Dossier(unit_code=unit, nonce="ask")).text("MA_GDICH"))
        rows = agency.ledger(unit)["units"]
    fields = {"MA_IVAN": rows[0]["provider_code"], "TEN_IVAN": rows[0]["provider_name"]}
    contact = {"X-Contact": f"{unit.lower()}@branches.example"}
    answer = agency.file(Dossier(unit_code=unit, procedure=STOP, nonce=nonce, fields=fields, headers=contact))  # type: ignore[arg-type]
    return answer.text("MA_LOI") or agency.decided(answer.text("MA_GDICH")).findtext(".//MA_KQUA") or ""


def states(agency: Agency, unit: str) -> list[str]:
    return [row["state"] for row in agency.ledger(unit)["mails"] if row["kind"] == "stop-result" and row["genuine"]]


def test_stop_mails_that_never_come_and_one_that_comes_late(agency: Agency, mailbox: Mailbox, unit_code: Make) -> None:
    twice, late = unit_code("T10"), unit_code("T11")
    assert [stop(agency, twice, nonce) for nonce in "123"] == ["00"] * 3
    until(lambda: states(agency, twice) == ["withheld", "withheld", "sent"], "the third mail")
    assert [stop(agency, late, nonce) for nonce in "12"] == ["00"] * 2
    assert states(agency, late) == ["queued", "withheld"]
    first = agency.ledger(late)["filings"][-2]["transaction_id"]
    assert agency.post("/mails/deliver", {"transaction": first}).json() == {"delivered": 1}
    mail = until(lambda: mailbox.to(late), "the late mail of the first attempt")[0]
    assert agency.ledger(late)["filings"][-2]["number"] in words_of(mail)


def test_stops_refused_and_a_provider_misnamed(agency: Agency, mailbox: Mailbox, unit_code: Make) -> None:
    by_mail, always, signature = unit_code("T12"), unit_code("T13"), unit_code("T15")
    agency.decided(agency.file(Dossier(unit_code=by_mail)).text("MA_GDICH"))
    fields = {
        key: agency.ledger(by_mail)["units"][0][column]
        for key, column in (("MA_IVAN", "provider_code"), ("TEN_IVAN", "provider_name"))
    }
    transaction = agency.file(Dossier(unit_code=by_mail, procedure=STOP, fields=fields)).text("MA_GDICH")
    told = words_of(until(lambda: mailbox.to(by_mail), "refusing mail")[0])
    assert "Lý do" in told
    assert agency.reply(transaction).findtext(".//KQUA") == "TIEP_NHAN"
    assert [stop(agency, always, nonce) for nonce in "12"] == ["SIM012"] * 2
    assert [stop(agency, signature, nonce) for nonce in "12"] == ["SIM006", "00"]
    misnamed = unit_code("T14")
    note = agency.decided(agency.file(Dossier(unit_code=misnamed)).text("MA_GDICH"))
    named = (note.findtext(".//MOTA_LOI") or "").rpartition("(mã ")[2].rstrip(")")
    wrong = Dossier(unit_code=misnamed, procedure=STOP, fields={"MA_IVAN": named})
    assert agency.file(wrong).text("MA_LOI") == "SIM012"
    assert stop(agency, misnamed, "right") == "00"


@pytest.mark.parametrize("layout", ["LAYOUT-1", "LAYOUT-2"])
@pytest.mark.parametrize("dress", ["HTML", "PLAIN", "NFD", "CP1258", "QUOTED", "BASE64", "MULTIPART"])
def test_results_in_every_dress(layout: str, dress: str, agency: Agency, mailbox: Mailbox, unit_code: Make) -> None:
    unit = unit_code("C00")
    for fault in (layout, dress):
        match = {"unit_code": unit, "call": "mail", "procedure": STOP}
        assert agency.post("/script", [{"match": match, "times": 1, "fault": fault}]).status == 200
    assert stop(agency, unit) == "00"
    agency.call("DELETE", "/script")
    raw = until(lambda: mailbox.to(unit), "stop mail")[0]
    message = message_from_bytes(raw)
    said = words_of(raw)
    assert (NAME in said, unit in said, MST in said) == (True, True, True)
    assert ("Ngừng sử dụng dịch vụ thành công" in said) == (layout == "LAYOUT-1")
    part = next(part for part in message.walk() if part.get_content_maintype() == "text")
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    if dress in ("HTML", "PLAIN"):
        assert part.get_content_subtype() == dress.lower()
    elif dress in ("QUOTED", "BASE64"):
        assert str(part["Content-Transfer-Encoding"]).startswith({"QUOTED": "quoted", "BASE64": "base64"}[dress])
    elif dress == "NFD":
        assert "ừ" not in payload.decode()
    elif dress == "CP1258":
        assert part.get_content_charset() == "windows-1258"
    else:
        assert message.get_content_type() == "multipart/alternative"


def test_results_of_many_units_come_in_every_variety(start_agency: Callable[..., Agency], mailbox: Mailbox) -> None:
    agency = start_agency("--fast")
    numbers = range(40)
    for number in numbers:
        unit = f"Z{chr(65 + number % 26)}C00{number % 10}{chr(70 + number // 10)}"
        assert stop(agency, unit) == "00"
    mails = until(
        lambda: found if len(found := [raw for to, raw in mailbox.mails if re.match("z.c00", to)]) >= 40 else None,
        "mails",
    )
    seen = set()
    for raw in mails:
        message = message_from_bytes(raw)
        payload = message.get_payload(decode=True)
        assert isinstance(payload, bytes)
        seen |= {
            message.get_content_subtype(),
            str(message["Content-Transfer-Encoding"]),
            "NFC" if "ừ".encode() in payload else "NFD",
            subject_of(raw)[:3],
        }
    assert seen == {"html", "plain", "base64", "quoted-printable", "NFC", "NFD", "Thô", "V/v"}
