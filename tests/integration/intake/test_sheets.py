"""Sheets over HTTP: each row is taken or has its own error in Vietnamese, with its column and its cure."""

from __future__ import annotations

import asyncio
import io
import unicodedata
from collections import Counter
from datetime import date
from typing import Any
from uuid import UUID

import openpyxl
import pytest

from schemas.events import EnrolmentProgressed
from schemas.units import Stage
from services.intake.sheets_out import RESULT_HEADERS
from tests.integration.intake.house import FIELDS, HEADERS, OTHER_EMAIL, House, code, line, sheet
from tests.support.waiting import eventually
from tests.unit.intake.sheets_made import with_part, xlsx


async def test_good_rows_are_taken_and_bad_ones_get_their_own_errors(house: House) -> None:
    rows = [
        line(1),
        line(2, tax_code="9001234567"),
        line(3, email="", phone="abc"),
        line(4, email="ai@khac.example"),
        line(1),
    ]
    found = await house.door().enrolled(sheet([*rows, line(5)]))

    assert (found["state"], found["rows"], found["rows_done"]) == ("done", 6, 6)
    assert found["outcomes"] == {"accepted": 2, "invalid": 3, "refused": 1}
    errors = {row["row"]: [error["column"] for error in row["errors"]] for row in found["page"]}
    assert errors == {2: [], 3: ["tax_code"], 4: ["email", "phone"], 5: ["email"], 6: ["unit_code"], 7: []}
    every = [error for row in found["page"] for error in row["errors"]]
    assert all(error["message"] and error["cure"] for error in every)
    assert "dòng 2" in found["page"][4]["errors"][0]["message"]
    assert "hoso mailbox add" in found["page"][3]["errors"][0]["cure"]
    told = await house.requested()
    assert {(fact.form.unit_code, fact.row) for fact in told} == {(code(1), 2), (code(5), 7)}
    assert {str(fact.batch) for fact in told} == {found["batch"]}


async def test_a_page_of_errors_only(house: House) -> None:
    door = house.door()
    batch = (await door.enrolled(sheet([line(1), line(2, phone=""), line(3), line(4, phone="")])))["batch"]
    bad = (await door.get(f"/v1/batches/{batch}?errors_only=true")).json
    first = (await door.get(f"/v1/batches/{batch}?limit=3")).json
    rest = (await door.get(f"/v1/batches/{batch}?limit=3&after={first['next']}")).json

    assert [row["row"] for row in bad["page"]] == [3, 5]
    assert ([row["row"] for row in first["page"]], [row["row"] for row in rest["page"]]) == ([2, 3, 4], [5])
    assert rest["next"] is None


async def test_the_same_sheet_twice_enrols_nobody_twice(house: House) -> None:
    door, data = house.door(), sheet([line(n) for n in range(20)])
    first = await door.enrolled(data)
    second = await door.enrolled(data)

    assert second["batch"] != first["batch"]
    assert second["outcomes"] == {"already-open": 20}
    assert [row["enrolment"] for row in first["page"]] == [row["enrolment"] for row in second["page"]]
    assert all(row["notes"] for row in second["page"])
    assert len(await house.requested()) == 20


async def test_the_same_sheet_by_two_uploads_at_the_same_moment(house: House) -> None:
    data = sheet([line(n) for n in range(700)])
    async with house.beside() as second:
        one, two = await asyncio.gather(house.door().enrolled(data), second.door().enrolled(data))

    assert Counter(one["outcomes"]) + Counter(two["outcomes"]) == Counter({"accepted": 700, "already-open": 700})
    assert len(await house.requested()) == 700


async def test_an_upload_repeated_under_its_key_is_one_batch(house: House) -> None:
    door, data = house.door(), sheet([line(1)])
    first = await door.upload(data, Idempotency_Key="may")
    again = await door.upload(data, Idempotency_Key='"may"')
    other = await door.upload(sheet([line(2)]), Idempotency_Key="may")
    theirs = await house.door("lienminh").upload(data, Idempotency_Key="may")

    assert (first.json["repeated"], again.json["repeated"]) == (False, True)
    assert again.json["batch"] == first.json["batch"]
    assert (other.status, other.problem) == (422, "idempotency-key-reused")
    assert theirs.json["batch"] != first.json["batch"], "keys are each tenant's own"
    await house.door("lienminh").finished(theirs.json["batch"])
    await door.finished(first.json["batch"])
    assert [fact.form.unit_code for fact in await house.requested()] == [code(1)]


async def test_two_uploads_under_one_key_at_the_same_moment_are_one_batch(house: House) -> None:
    data = sheet([line(1)])
    async with house.beside() as second:
        asked = (door.upload(data, Idempotency_Key="may") for door in (house.door(), second.door()))
        one, two = await asyncio.gather(*asked)
        assert {one.status, two.status} == {202}
        assert one.json["batch"] == two.json["batch"]
        assert sorted((one.json["repeated"], two.json["repeated"])) == [False, True]
        await house.door().finished(one.json["batch"])


async def test_another_tenants_batch_is_not_there(house: House) -> None:
    batch = (await house.door().enrolled(sheet([line(1)])))["batch"]
    theirs = house.door("lienminh")

    for path in (f"/v1/batches/{batch}", f"/v1/batches/{batch}/result.xlsx"):
        assert (await theirs.get(path)).problem == "not-found"
    listed = await theirs.get(f"/v1/enrolments?batch={batch}")
    assert listed.json["enrolments"] == []
    assert len((await house.door().get(f"/v1/enrolments?batch={batch}")).json["enrolments"]) == 1


async def test_two_tenants_may_send_the_same_sheet(house: House) -> None:
    """Codes held by the other one wait for a person later; here both are taken and neither hears of the other."""
    await house.door().enrolled(sheet([line(1)]))
    theirs = await house.door("lienminh").enrolled(sheet([line(1, email=OTHER_EMAIL)]))

    assert theirs["outcomes"] == {"accepted": 1}
    assert theirs["page"][0]["errors"] == theirs["page"][0]["notes"] == []
    assert [fact.foreign for fact in await house.requested()] == [False, True]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        pytest.param(b"\xd0\xcf\x11\xe0" + b"\0" * 600, ".xls", id="old-excel"),
        pytest.param(b"%PDF-1.7 ...", "PDF", id="pdf"),
        pytest.param(b"PK\x03\x04 not a book", "tệp nén", id="archive"),
        pytest.param(b"<html><table></table></html>", "trang web", id="web-page"),
        pytest.param(bytes(range(256)) * 8, "", id="noise"),
        pytest.param(b"", "rỗng", id="empty"),
        pytest.param("một,hai,ba\r\n1,2,3".encode(), "tiêu đề", id="no-header"),
        pytest.param(sheet([]), "không có dòng dữ liệu", id="no-rows"),
        pytest.param(sheet([["1"] * 5], HEADERS[:5]), "Thiếu cột", id="columns-missing"),
        pytest.param(sheet([line(1) + ["x"]], (*HEADERS, "MST")), "Hai cột cùng nghĩa", id="column-twice"),
        pytest.param(xlsx([HEADERS, line(1)])[:-300], "hỏng", id="torn-xlsx"),
    ],
)
async def test_a_file_nobody_can_read_is_refused_with_a_cure(house: House, data: bytes, says: str) -> None:
    answer = await house.door().upload(data)

    assert (answer.status, answer.problem) == (422, "unreadable-sheet")
    assert says in answer.json["title"]
    assert answer.json["detail"]
    assert await house.db.pool.fetchval("select count(*) from intake.batch") == 0


async def test_cells_a_spreadsheet_has_spoiled_are_row_errors(house: House) -> None:
    """Formulas, dates and rounded numbers: the value is not what was typed, so nobody guesses."""

    def spoil(book: Any, page: Any) -> None:
        page.write_formula(1, 6, "=1+1", None, 2)
        page.write_datetime(2, 0, date(2026, 3, 1), book.add_format({"num_format": "dd/mm/yyyy"}))
        page.write_number(3, 2, 9.00123456812e15)
        page.write_number(4, 2, 101243150)  # the leading zero is gone, and can be put back
        page.write_number(4, 6, 912345678)

    data = xlsx([HEADERS, *(line(n) for n in range(1, 5))], spoil)
    found = await house.door().enrolled(data)

    errors = {row["row"]: [(e["column"], e["cure"]) for e in row["errors"]] for row in found["page"]}
    assert [column for column, _ in errors[2]] == ["phone"]
    assert "Paste values" in errors[2][0][1]
    assert [column for column, _ in errors[3]] == ["unit_code"]
    assert "Text" in errors[3][0][1]
    assert [column for column, _ in errors[4]] == ["tax_code"]
    assert errors[5] == []
    assert {note["column"] for note in found["page"][3]["notes"]} == {"tax_code", "phone"}
    (told,) = await house.requested()
    assert (told.form.tax_code, told.form.phone) == ("0101243150", "0912345678")


async def test_text_in_decomposed_form_and_other_column_names(house: House) -> None:
    headers = ["UNIT CODE", "Tên công ty *", "MST", "tinh thanh", "ĐC", "E-mail", "SĐT", "Ghi chú riêng"]
    rows = [[unicodedata.normalize("NFD", cell) for cell in (*line(1), "x")]]
    data = sheet(rows, [unicodedata.normalize("NFD", header) for header in headers])
    found = await house.door().enrolled(data)

    assert found["outcomes"] == {"accepted": 1}
    assert any("Ghi chú riêng" in unicodedata.normalize("NFC", note) for note in found["notes"])
    (told,) = await house.requested()
    assert (told.form.name, told.form.address) == (FIELDS["name"], FIELDS["address"])


async def test_a_header_with_an_escaped_nul_is_only_a_note(house: House) -> None:
    """A workbook may write any character as _xHHHH_; PostgreSQL keeps no NUL."""
    data = xlsx(
        [(*HEADERS, "la_x0000_", "_x0000_"), (*line(1), "a_x0000_b", "c"), (*line(2)[:1], "T_x0000_en", *line(2)[2:])]
    )
    data = with_part(data, "xl/sharedStrings.xml", lambda body: body.replace(b"_x005F_x0000_", b"_x0000_"))
    found = await house.door().enrolled(data)

    assert found["outcomes"] == {"accepted": 1, "invalid": 1}
    assert [error["column"] for error in found["page"][1]["errors"]] == ["name"]


async def test_a_files_name_is_only_what_can_be_read(house: House) -> None:
    sent = await house.door().upload(sheet([line(1)]), Content_Disposition="attachment; filename*=UTF-8''a%00b%0a.csv")

    assert sent.status == 202
    assert (await house.door().finished(sent.json["batch"]))["filename"] == "ab.csv"


async def test_a_dry_run_says_all_and_takes_nothing(house: House) -> None:
    door = house.door()
    data = sheet([line(1), line(2, phone=""), line(3, email="ai@khac.example")])
    looked = await door.upload(data, "/v1/batches?dry_run=true")

    assert (looked.status, looked.json["rows"], looked.json["good"], looked.json["bad"]) == (200, 3, 1, 2)
    remarks = {row["row"]: row["errors"][0]["column"] for row in looked.json["row_remarks"]}
    assert remarks == {3: "phone", 4: "email"}
    assert await house.requested() == []
    assert await house.db.pool.fetchval("select count(*) from intake.batch") == 0
    assert (await door.upload(sheet([]), "/v1/batches?dry_run=true")).problem == "unreadable-sheet"


async def test_a_form_with_one_file(house: House) -> None:
    edge = "grenze"
    head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="danh sách.csv"\r\n\r\n'
    body = head.encode() + sheet([line(1)]) + f"\r\n--{edge}--\r\n".encode()
    sent = await house.door().upload(body, Content_Type=f"multipart/form-data; boundary={edge}")
    bare = await house.door().upload(b"x", Content_Type="multipart/form-data; boundary=nie")

    assert sent.status == 202
    found = await house.door().finished(sent.json["batch"])
    assert (found["filename"], found["outcomes"]) == ("danh sách.csv", {"accepted": 1})
    assert (bare.status, bare.problem) == (400, "bad-form")


async def test_the_result_sheet_tells_every_row_and_may_be_sent_in_again(listening_house: House) -> None:
    house, door = listening_house, listening_house.door()
    found = await door.enrolled(sheet([line(1), line(2, phone="x"), line(3), line(4)]))
    ids = [row["enrolment"] for row in found["page"]]
    await house.progress(ids[0], Stage.ENROLLED, filed=True, employees=3)
    waits = {"cause": "unit-code-held", "message": "Chờ người đối chiếu."}
    await house.progress(ids[2], Stage.WAITING_FOR_PERSON, **waits)
    answer = await door.get(f"/v1/batches/{found['batch']}/result.xlsx")

    assert answer.headers["Content-Type"].endswith("spreadsheetml.sheet")
    (page,) = openpyxl.load_workbook(io.BytesIO(answer.body)).worksheets
    head, *rows = page.iter_rows(values_only=True)
    assert head == (*HEADERS, *RESULT_HEADERS)
    assert [row[0] for row in rows] == [code(n) for n in range(1, 5)]
    assert [row[7] for row in rows] == ["Đã đăng ký xong", "Dòng có lỗi, chưa đăng ký", "Chờ người xử lý", "Đã nhận"]
    assert "Điện thoại:" in rows[1][8]
    assert rows[2][8] == "Chờ người đối chiếu."
    assert [row[9] for row in rows] == [ids[0], None, ids[2], ids[3]]
    assert [cell.coordinate for cell in page["G"] if cell.fill.fill_type] == ["G1", "G3"], (
        "the cell to mend is coloured"
    )
    to_mend = await door.get(f"/v1/batches/{found['batch']}/result.xlsx?bad_only=true")
    (bad,) = openpyxl.load_workbook(io.BytesIO(to_mend.body)).worksheets
    assert [row[0] for row in bad.iter_rows(min_row=2, values_only=True)] == [code(2)]
    again = await door.enrolled(answer.body)
    assert again["outcomes"] == {"already-enrolled": 1, "invalid": 1, "already-open": 2}


async def test_what_the_decisions_refuse_shows_in_the_rows_result(listening_house: House) -> None:
    house, door = listening_house, listening_house.door()
    found = await door.enrolled(sheet([line(1), line(2)]))
    unit = await house.db.pool.fetchrow(
        "select unit, enrolment, request from intake.enrolment where enrolment = $1",
        UUID(found["page"][0]["enrolment"]),
    )
    told = {"enrolment": unit["enrolment"], "request": unit["request"], "stage": Stage.REFUSED_REQUEST}
    why = "Đơn vị đang được đăng ký trong hồ sơ khác."
    await house.say(EnrolmentProgressed.model_validate({**told, "message": why}), unit["unit"])

    async def known() -> list[Any]:
        rows: list[Any] = (await door.get(f"/v1/batches/{found['batch']}?errors_only=true")).json["page"]
        return rows

    (row,) = await eventually(known, "the refusal in the batch")
    assert (row["row"], row["outcome"], row["message"]) == (2, "refused", why)
    answer = await door.get(f"/v1/batches/{found['batch']}/result.xlsx")
    (page,) = openpyxl.load_workbook(io.BytesIO(answer.body)).worksheets
    lines = list(page.iter_rows(min_row=2, values_only=True))
    assert lines[0][7:9] == ("Chưa nhận", why)
    again = await door.enrolled(sheet([line(1)]))
    assert again["outcomes"] == {"accepted": 1}, "nothing stands in the way of asking again"


async def test_a_sheet_amends_what_another_sheet_asked(house: House) -> None:
    door = house.door()
    first = await door.enrolled(sheet([line(1), line(2)]))
    second = await door.enrolled(sheet([line(1, phone="0987654321"), line(2)]))

    assert second["outcomes"] == {"amended": 1, "already-open": 1}
    assert [row["enrolment"] for row in second["page"]] == [row["enrolment"] for row in first["page"]]
    assert [fact.form.phone for fact in await house.requested() if fact.form.unit_code == code(1)] == [
        "0912345678",
        "0987654321",
    ]


async def test_a_sheet_that_was_erased_ends_its_batch_and_not_the_others(house: House) -> None:
    """Somebody had personal data erased before the rows were worked off: the batch says so, the next one goes on."""
    door = house.door()
    async with house.db.pool.acquire() as tx:
        begun = tx.transaction()
        await begun.start()
        await tx.execute("lock table intake.batch_row in share mode")  # the first batch cannot go on
        first = (await door.upload(sheet([line(1)]))).json["batch"]
        second = (await door.upload(sheet([line(2)]))).json["batch"]
        third = (await door.upload(sheet([line(3)]))).json["batch"]
        await house.vault.erase(UUID(second), "personal")
        await begun.rollback()
    gone = await door.finished(second)

    assert (gone["state"], gone["rows_done"]) == ("failed", 0)
    assert any("vault" in note for note in gone["notes"])
    assert [(await door.finished(batch))["state"] for batch in (first, third)] == ["done", "done"]
    assert {fact.form.unit_code for fact in await house.requested()} == {code(1), code(3)}


async def test_a_lost_connection_is_waited_out(house: House) -> None:
    """The database throws everybody out in the middle of a batch: its rows are taken once all the same."""
    door = house.door()
    batch = (await door.upload(sheet([line(n) for n in range(2_000)]))).json["batch"]

    async def begun() -> Any:
        return await house.db.quick.fetchval("select 1 from intake.batch where position > 0")

    await eventually(begun, "the first chunk")
    await house.db.quick.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where datname = current_database() and pid <> pg_backend_pid()"
    )
    found = await door.finished(batch)
    assert (found["state"], found["outcomes"]) == ("done", {"accepted": 2_000})
    assert len(await house.requested()) == 2_000
