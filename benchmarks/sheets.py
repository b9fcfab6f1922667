"""A big sheet: `python -m benchmarks.sheets [--rows 100000]`.

Makes a workbook of that many units, and measures intake as it is deployed, in a process of its own: from the upload until every row
is accepted, how far it was when, and the most memory the process ever had. A second tenant sends a hundred rows in the middle.
PostgreSQL is the embedded server, with fsync. Prints a table, or JSON with `--json`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import xlsxwriter  # type: ignore[import-untyped]

from app.house import house, key_ring
from app.preparing import prepare
from hoso.process.embedded import EmbeddedServer
from hoso.settings import load
from hoso.setup.declarations import MailboxSettings

HEADERS = (
    "STT", "Mã đơn vị", "Mã chi nhánh", "Tên đơn vị *", "MST *", "Tỉnh/TP *", "Cơ quan BHXH", "Địa chỉ *", "Email *", "Nhập lại email",
    "Số điện thoại *", "Người liên hệ", "Nhà cung cấp hiện tại", "Lý do ngừng", "Chữ ký số", "Ghi chú",
)  # fmt: skip


def code(number: int) -> str:
    """A unit code of the usual shape."""
    high, low = divmod(number, 1_000)
    return f"T{chr(65 + high // 36 % 26)}{'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'[high % 36]}{low:03}Z"


def workbook(rows: int, first: int, email: str, *, inline: bool = False) -> bytes:
    """Units `first` to `first + rows`, every one good. Excel keeps texts in a list of their own; `inline`: in the cells."""
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"constant_memory": inline}) as book:
        page = book.add_worksheet("Đơn vị")
        page.write_row(0, 0, HEADERS)
        for n in range(rows):
            page.write_row(
                n + 1, 0,
                (str(n), code(first + n), f"CN-{n}", f"CÔNG TY TNHH Thực phẩm Hoa Ban - Chi nhánh số {n}", "9001234568", "Hà Nội",
                 "00112", f"Số {n} đường Ngô Xuân Quảng, xã Gia Lâm", email, email, "0912345678", "Nguyễn Thị Hoa", "", "", "", "thẳng"),
            )  # fmt: skip
    return buffer.getvalue()


def most_memory(pid: int) -> float:
    """The peak resident set of a process, in MB."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.split("VmHWM:")[1].split()[0]) / 1024


async def settled(url: str, folder: Path) -> dict[str, str]:
    """Tenants with a mailbox each; their API keys."""
    settings = load(environment="test", database=url, var=folder)
    key_ring(settings)
    tokens = {}
    async with house(settings, "bench") as own:
        for tenant in ("hoaban", "lienminh"):
            await own.set_up.add_tenant(tenant, tenant, "bench")
            where = MailboxSettings("127.0.0.1", 1143, "u", tls="none")
            await own.set_up.add_mailbox(tenant, f"bhxh@{tenant}.example", "shared", where, "p", "bench")
            tokens[tenant] = await own.set_up.add_key(tenant, "bench", ["submit", "read"], "bench")
    return tokens


@contextlib.asynccontextmanager
async def intake(url: str, folder: Path) -> Any:
    """`hoso run intake` and where it serves."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HOSO_")}
    own = {"HOSO_ENVIRONMENT": "test", "HOSO_DATABASE": url, "HOSO_VAR": str(folder), "HOSO_HTTP": "127.0.0.1:0"}
    reading, writing = os.pipe()
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app.main", "run", "intake", "--ready-fd", str(writing)),
        env=clean | own,
        pass_fds=(writing,),
    )
    os.close(writing)
    with os.fdopen(reading) as pipe:
        told = json.loads(await asyncio.to_thread(pipe.readline))
    try:
        yield told["http"], child.pid
    finally:
        child.terminate()
        await child.wait()


class Tenant:
    """Whoever sends a sheet and follows it."""

    def __init__(self, http: aiohttp.ClientSession, url: str, token: str) -> None:
        self._http, self._url, self._headers = http, url, {"Authorization": f"Bearer {token}"}

    async def send(self, data: bytes) -> str:
        """Upload; the batch."""
        async with self._http.post(f"{self._url}/v1/batches", data=data, headers=self._headers) as answer:
            assert answer.status == 202, await answer.text()
            return str((await answer.json())["batch"])

    async def look(self, batch: str) -> dict[str, Any]:
        """How far it is."""
        async with self._http.get(f"{self._url}/v1/batches/{batch}?limit=1", headers=self._headers) as answer:
            return dict(await answer.json())

    async def done(self, batch: str) -> dict[str, Any]:
        """Once every row is taken."""
        while (found := await self.look(batch))["state"] == "working":
            await asyncio.sleep(0.5)
        assert found["state"] == "done", found["notes"]
        return found

    async def result(self, batch: str) -> int:
        """The size of the result sheet."""
        async with self._http.get(f"{self._url}/v1/batches/{batch}/result.xlsx", headers=self._headers) as answer:
            body = await answer.read()
            assert answer.status == 200, body[:500]
            return len(body)


async def measured(rows: int, *, inline: bool) -> dict[str, Any]:
    """One run."""
    with tempfile.TemporaryDirectory(prefix="hoso-bench-sheets-") as name:
        folder = Path(name)
        server = EmbeddedServer(folder / "pg")
        await asyncio.to_thread(server.start)
        try:
            await prepare(load(environment="test", var=folder), server.url)
            tokens = await settled(server.url, folder)
            big = await asyncio.to_thread(workbook, rows, 0, "bhxh@hoaban.example", inline=inline)
            small = await asyncio.to_thread(workbook, 100, rows, "bhxh@lienminh.example")
            timeout = aiohttp.ClientTimeout(total=None)
            async with intake(server.url, folder) as (url, pid), aiohttp.ClientSession(timeout=timeout) as http:
                first, second = (Tenant(http, url, tokens[tenant]) for tenant in ("hoaban", "lienminh"))
                idle = most_memory(pid)
                began = time.perf_counter()
                batch = await first.send(big)
                promised = time.perf_counter() - began
                other = time.perf_counter()
                theirs = await second.done(await second.send(small))
                waited = time.perf_counter() - other
                found = await first.done(batch)
                took, after = time.perf_counter() - began, most_memory(pid)
                assert found["outcomes"] == {"accepted": rows}, found["outcomes"]
                assert theirs["outcomes"] == {"accepted": 100}, theirs["outcomes"]
                began = time.perf_counter()
                size = await first.result(batch)
                return {
                    "rows": rows,
                    "file_mb": round(len(big) / 1e6, 1),
                    "promised_s": round(promised, 1),
                    "accepted_s": round(took, 1),
                    "rows_per_s": round(rows / took),
                    "other_tenant_100_rows_s": round(waited, 1),
                    "memory_idle_mb": round(idle),
                    "memory_most_mb": round(after),
                    "result_sheet_s": round(time.perf_counter() - began, 1),
                    "result_sheet_mb": round(size / 1e6, 1),
                    "memory_most_after_result_mb": round(most_memory(pid)),
                }
        finally:
            await asyncio.to_thread(server.stop)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--inline", action="store_true", help="texts in the cells, as some programs write them")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = asyncio.run(measured(given.rows, inline=given.inline))
    if given.json:
        print(json.dumps(found))
        return
    for what, value in found.items():
        print(f"{what:32} {value}")


if __name__ == "__main__":
    main()
