"""Files sent ahead of the rows that name them; own addresses; a row of a unit that takes part for the first time."""

from __future__ import annotations

import hashlib
from urllib.parse import quote

from schemas.events import EnrolmentRequested
from tests.integration.intake.house import EMAIL, OTHER_EMAIL, Answer, Door, House, fields, line, sheet
from tests.integration.intake.test_bodies import raw
from tests.unit.intake.sheets_made import HEADERS, ROW, xlsx

PDF = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\nstartxref\n9\n%%EOF\n"
NEW = {
    "unit_code": "",
    "branch_id": "CN-9",
    "first_time": "Có",
    "contact_name": "Nguyễn Thị Hoa",
    "representative": "Trần Văn Núi",
    "licence_number": "9001234568-001",
    "licence_place": "Phòng Đăng ký kinh doanh Hà Nội",
    "licence_date": "5/3/2026",
    "attachments": "Giấy phép.pdf",
}


async def put(door: Door, name: str, data: bytes = PDF) -> Answer:
    return await door.ask("PUT", f"/v1/attachments/{quote(name, safe='')}", data)


async def files_of(told: EnrolmentRequested) -> list[tuple[str, str]]:
    assert told.form.first_time is not None
    return [(file.name, file.sha256) for file in told.form.first_time.attachments]


async def test_a_first_time_row_takes_the_files_it_names(house: House) -> None:
    door = house.door()
    sent = await put(door, "Giấy phép.pdf")
    assert (sent.status, sent.json["media"], sent.json["version"]) == (201, "pdf", 1)
    answer = await door.enrol("a", {**fields(), **NEW, "attachments": "GIẤY PHÉP.pdf"})
    assert answer.status == 202, answer.body
    (told,) = await house.requested()
    assert await files_of(told) == [("Giấy phép.pdf", hashlib.sha256(PDF).hexdigest())]
    assert told.form.first_time is not None
    assert await house.vault.get(told.form.first_time.attachments[0].document) == PDF


async def test_a_row_that_names_a_file_nobody_sent_is_refused_with_a_cure(house: House) -> None:
    door = house.door()
    answer = await door.enrol("a", {**fields(), **NEW})
    assert (answer.status, answer.problem) == (422, "attachment-unknown")
    (error,) = answer.json["errors"]
    assert error["column"] == "attachments"
    assert "PUT /v1/attachments" in error["cure"]
    await put(door, "Giấy phép.pdf")
    assert (await door.enrol("a", {**fields(), **NEW})).status == 202, "the key is free for the mended one"


async def test_rows_of_a_sheet_and_of_a_dry_run_say_it_each_for_itself(house: House) -> None:
    door = house.door()
    headers = [*HEADERS, "Mã chi nhánh", "Tham gia lần đầu", "Người liên hệ", "Người đại diện", "Số giấy phép", "Nơi cấp", "Ngày cấp", "Tệp đính kèm"]  # fmt: skip
    common = ["", *line(1)[1:]]
    more = ["Có", "Hoa", "Núi", "123", "Hà Nội", "5/3/2026"]
    data = xlsx([headers, [*common, "CN-1", *more, "a.pdf"], [*common, "CN-2", *more, "b.pdf"], ROW[:7]])
    await put(door, "a.pdf")
    dry = (await door.upload(data, "/v1/batches?dry_run=true")).json
    found = await door.enrolled(data)

    assert [row["errors"][0]["column"] for row in dry["row_remarks"] if row["errors"] and row["row"] == 3] == [
        "attachments"
    ]
    assert [row["outcome"] for row in found["page"]][:2] == ["accepted", "refused"]


async def test_the_same_name_again_is_for_later_rows(house: House) -> None:
    door = house.door()
    other = PDF + b"\n%%EOF\n"
    await put(door, "a.pdf")
    await door.enrol("a", {**fields(), **NEW, "attachments": "a.pdf"})
    again = await put(door, "a.pdf")
    assert (again.status, again.json["version"]) == (200, 1), "the same bytes are the same file"
    assert (await put(door, "A.pdf", other)).json["version"] == 2
    await door.enrol("b", {**fields(), **NEW, "branch_id": "CN-10", "attachments": "a.pdf"})
    first, second = await house.requested()
    assert [await files_of(one) for one in (first, second)] == [
        [("a.pdf", hashlib.sha256(PDF).hexdigest())],
        [("A.pdf", hashlib.sha256(other).hexdigest())],
    ]
    same = await door.enrol("c", {**fields(), **NEW, "attachments": "a.pdf"})
    assert same.json["outcome"] == "amended", "another licence is other data"


async def test_a_file_that_cannot_travel_is_refused_in_a_sentence(house: House) -> None:
    door = house.door()
    for name, data in (("a.exe", b"MZ..."), ("a.pdf", b""), ("a;b.pdf", PDF), ("a\x07.pdf", PDF)):
        answer = await put(door, name, data)
        assert (answer.status, answer.problem) == (422, "attachment-unfit")
        assert answer.json["detail"].startswith("Tệp") or "Tên tệp" in answer.json["detail"]
    length = {"Content-Type": "application/pdf", "Content-Length": str(3 * 1024 * 1024)}
    status, told = await raw(house, "/v1/attachments/big.pdf", length, method="PUT")
    assert (status, "nhiều nhất là 2 MB".encode() in told) == (413, True)
    assert (await door.get("/v1/attachments")).json == {"attachments": []}


async def test_files_are_their_tenants_own(house: House) -> None:
    await put(house.door(), "a.pdf")
    theirs = house.door("lienminh")
    assert (await theirs.get("/v1/attachments")).json == {"attachments": []}
    refused = await theirs.enrol("a", {**fields(), **NEW, "email": OTHER_EMAIL, "attachments": "a.pdf"})
    assert refused.problem == "attachment-unknown"
    assert (await theirs.ask("DELETE", "/v1/attachments/a.pdf")).problem == "not-found"


async def test_a_removed_file_can_be_named_no_more(house: House) -> None:
    door = house.door()
    await put(door, "used.pdf")
    await put(door, "unused.pdf", PDF + b"\n%%EOF")
    await door.enrol("a", {**fields(), **NEW, "attachments": "used.pdf"})
    for name in ("used.pdf", "unused.pdf"):
        assert (await door.ask("DELETE", f"/v1/attachments/{name}")).status == 204
        assert (await door.ask("DELETE", f"/v1/attachments/{name}")).problem == "not-found"
    assert (await door.enrol("b", {**fields(), **NEW, "branch_id": "B", "attachments": "used.pdf"})).status == 422
    documents = await house.db.pool.fetch("select name, document from intake.attachment order by name")
    kept = {
        row["name"]: await house.db.pool.fetchval("select 1 from store.vault_item where id = $1", row["document"])
        for row in documents
    }
    assert kept == {"used.pdf": 1, "unused.pdf": None}, "what a request took stays with it"
    assert (await put(door, "used.pdf")).json["version"] == 2


# --- addresses ----------------------------------------------------------------------------------------------------


async def declare(house: House, mode: str) -> None:
    (mailbox, *_) = await house.set_up.mailboxes("hoaban")
    await house.set_up.add_mailbox("hoaban", mailbox.address, mode, mailbox.settings, "p", "test")


async def test_every_enrolment_gets_an_address_of_its_own_and_keeps_it(house: House) -> None:
    await declare(house, "own")
    door = house.door()
    await door.enrolled(sheet([line(1), line(2)]))
    await door.enrol("again", fields(1, phone="0987654321"))
    told = await house.requested()
    contacts = [fact.contact for fact in told]

    assert all(fact.own_address for fact in told)
    assert all(contact.startswith("bhxh+") and contact.endswith("@hoaban.example") for contact in contacts)
    assert len(set(contacts)) == 2
    assert told[2].enrolment in (told[0].enrolment, told[1].enrolment)
    assert contacts[2] == contacts[[told[0].enrolment, told[1].enrolment].index(told[2].enrolment)]


async def test_a_mailbox_that_catches_all_of_its_domain(house: House) -> None:
    await declare(house, "catch-all")
    answer = await house.door().enrol("a", fields(email="gialam@hoaban.example"))
    assert answer.status == 202, answer.body
    (told,) = await house.requested()
    assert told.own_address
    assert told.contact.startswith("bhxh.")
    assert (await house.door().enrol("b", fields(2, email="a@khac.example"))).problem == "mailbox-unknown"


async def test_a_shared_mailbox_is_nobodys_own(house: House) -> None:
    await house.door().enrol("a", fields())
    (told,) = await house.requested()
    assert (told.contact, told.own_address) == (EMAIL, False)
