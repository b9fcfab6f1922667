"""A cable between clients and a server that can be cut: a TCP proxy on loopback."""

from __future__ import annotations

import asyncio
import contextlib


class Cable:
    """Carries connections from `port` to `target`, until it is cut or goes deaf."""

    def __init__(self, port: int, target: int) -> None:
        self._port, self._target = port, target
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._open = asyncio.Event()
        self._open.set()
        self.carried = 0

    async def start(self) -> None:
        """Take connections."""
        self._server = await asyncio.start_server(self._joined, "127.0.0.1", self._port, reuse_address=True)

    async def cut(self) -> None:
        """Every connection is reset, and new ones are refused."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for end in list(self._ends):
            end.transport.abort()

    def deaf(self) -> None:
        """Connections stay open and nothing comes through: what a lost network looks like."""
        self._open.clear()

    def hear(self) -> None:
        """What was held back comes through."""
        self._open.set()

    async def _joined(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._ends.add(writer)
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            self._ends.discard(writer)
            return
        self._ends.add(back)
        try:
            await asyncio.gather(self._carry(reader, back), self._carry(there, writer))
        finally:
            for end in (writer, back):
                self._ends.discard(end)
                end.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                await self._open.wait()
                self.carried += len(data)
                writer.write(data)
                await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()
