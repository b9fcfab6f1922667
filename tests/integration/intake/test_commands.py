"""`hoso sheet` and `hoso org` as people type them, against a served intake."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.commands.organisations import drawn, read_units
from hoso.runtime.failures import HosoError
from tests.integration.intake.house import House, code, line, sheet
from tests.integration.intake.process import ROOT
from tests.integration.intake.test_attachments import PDF


@dataclass(frozen=True, slots=True)
class Said:
    """What a command answered."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Typist:
    """Somebody with a key file and a shell."""

    def __init__(self, house: House, folder: Path) -> None:
        self.key = folder / "a.key"
        self.key.write_text(house.door().token + "\n")
        self._url = house.url

    async def types(self, *words: str) -> Said:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("HOSO_")}
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "app.main", *words, "--url", self._url, "--key-file", str(self.key)),
            **{"cwd": ROOT, "env": clean, "stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE},
        )
        out, err = await asyncio.wait_for(child.communicate(), 60)
        return Said(child.returncode or 0, out.decode(), err.decode())


async def test_a_batch_is_sent_listed_cancelled_and_its_result_fetched(house: House, tmp_path: Path) -> None:
    typist = Typist(house, tmp_path)
    (tmp_path / "u.csv").write_bytes(sheet([line(1), line(2, phone="x")]))
    sent = await typist.types("sheet", "submit", str(tmp_path / "u.csv"), "--json")
    assert (sent.status, sent.json["outcomes"]) == (1, {"accepted": 1, "invalid": 1})
    batch = sent.json["batch"]
    listed = await typist.types("sheet", "list", "--json")
    assert [(one["batch"], one["state"]) for one in listed.json] == [(batch, "done")]
    late = await typist.types("sheet", "pause", batch)
    assert (late.status, "đã xử lý xong" in late.err) == (2, True), late
    gone = await typist.types("sheet", "cancel", batch, "--reason", "nhầm")
    assert (gone.status, "đang huỷ" in gone.out) == (0, True), gone
    result = await typist.types("sheet", "result", batch, str(tmp_path / "r.xlsx"), "--bad-only")
    assert (result.status, (tmp_path / "r.xlsx").read_bytes()[:2]) == (0, b"PK")


async def test_the_files_of_a_folder_go_ahead_of_the_sheet(house: House, tmp_path: Path) -> None:
    typist, folder = Typist(house, tmp_path), tmp_path / "giấy tờ"
    folder.mkdir()
    (folder / "Giấy phép.pdf").write_bytes(PDF)
    (folder / "ghi chú.txt").write_bytes(b"x")
    (folder / "u.csv").write_bytes(sheet([line(1)]))
    sent = await typist.types("sheet", "submit", str(folder / "u.csv"), "--attachments", str(folder), "--json")
    assert sent.status == 0, sent
    found = (await house.door().get("/v1/attachments")).json["attachments"]
    assert [file["name"] for file in found] == ["Giấy phép.pdf"]
    (folder / "xấu.pdf").write_bytes(b"MZ")
    refused = await typist.types("sheet", "submit", str(folder / "u.csv"), "--attachments", str(folder))
    assert (refused.status, "xấu.pdf" in refused.err) == (2, True), "nothing is sent with a file that cannot travel"


async def test_an_organisation_is_told_and_shown(house: House, tmp_path: Path) -> None:
    typist = Typist(house, tmp_path)
    assert (await typist.types("org", "show")).status == 1
    (tmp_path / "o.csv").write_text("id,parent,name\nHB,,Hoa Ban\nHB-1,HB,Gia Lâm\nX,Y,X\n", "utf-8")
    told = await typist.types("org", "import", str(tmp_path / "o.csv"))
    assert (told.status, "Thêm 2" in told.out, "“Y”" in told.out) == (1, True, True), told
    shown = await typist.types("org", "show")
    assert (shown.status, shown.out.splitlines()) == (0, ["HB  Hoa Ban", "  HB-1  Gia Lâm"])


def test_a_tree_is_drawn_in_the_order_of_ids() -> None:
    units = [
        {"id": i, "parent": p, "name": i.upper()}
        for i, p in (("a", None), ("b", "a"), ("c", None), ("d", "b"), ("e", "a"))
    ]
    assert drawn(units) == ["a  A", "  b  B", "    d  D", "  e  E", "c  C"]


def test_files_of_units() -> None:
    assert read_units('[{"id": "a", "name": "Ấ"}]'.encode()) == [{"id": "a", "name": "Ấ"}]
    assert read_units(b'{"units": [{"id": "a"}]}') == [{"id": "a"}]
    assert read_units("\ufeffid,parent,name\na,,Ấ\n".encode()) == [{"id": "a", "name": "Ấ"}]
    for data in (b"[", b"[]", b"[3]", b'{"x": 1}', b"\xff\xfe", b"id,name\n"):
        with pytest.raises(HosoError):
            read_units(data)
    assert code(1) == "TA0001Z"
