"""A server made by hand: it answers with exactly the bytes it is told to, and keeps every byte that arrives."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class ByHand:
    """`answer` is sent once a request is there as a whole; `script` takes the connection over instead."""

    answer: bytes = b""
    script: Script | None = None
    url: str = ""
    arrived: list[bytes] = field(default_factory=list)
    """What came on each connection, as far as it came."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a connection has ended."""

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[ByHand]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()

    def says(self, status: int, body: bytes = b"", **headers: str) -> ByHand:
        """From now on answer so."""
        told = {"Content-Length": str(len(body)), **{name.replace("_", "-"): value for name, value in headers.items()}}
        head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        self.answer = f"HTTP/1.1 {status} Word\r\n{head}\r\n".encode() + body
        return self

    @property
    def requests(self) -> list[bytes]:
        """The first lines of the requests that came."""
        lines = [re.findall(rb"(?:GET|POST) /[^ ]* HTTP/1.1", each) for each in self.arrived]
        return [line for each in lines for line in each]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        place = len(self.arrived)
        self.arrived.append(b"")
        try:
            if self.script is not None:
                await self.script(reader, writer)
                return
            while piece := await reader.read(65_536):
                self.arrived[place] += piece
                if self._whole(self.arrived[place]):
                    writer.write(self.answer)
                    await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()
            self.ended.set()

    @staticmethod
    def _whole(came: bytes) -> bool:
        """Whether the last request on the connection has come as a whole."""
        start = max(came.rfind(b"POST /"), came.rfind(b"GET /"))
        head, found, body = came[start:].partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        return bool(found) and len(body) >= int(length.group(1) if length else 0)


def receipt(kqua: str = "TIEP_NHAN", transaction: str = "GD1", more: str = "", steps: str = "") -> str:
    """One XACNHAN_GDICH."""
    return (
        f"<XACNHAN_GDICH><TTGDICH><SO_HSO>00001/2026/00101</SO_HSO><MA_GDICH>{transaction}</MA_GDICH><MA_KQUA>00</MA_KQUA>"
        f"<KQUA>{kqua}</KQUA>{more}</TTGDICH>{steps}</XACNHAN_GDICH>"
    )


def one(*receipts: str) -> bytes:
    """The answer to a filing."""
    return f"<BHXH>{''.join(receipts)}</BHXH>".encode()


def listed(*receipts: str) -> bytes:
    """The answer to a question about several."""
    return f"<BHXH><DANH_SACH>{''.join(receipts)}</DANH_SACH></BHXH>".encode()
