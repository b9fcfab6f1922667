"""Logs: JSON lines in rotated files, a readable form on a terminal. Only fields of the allow-list are written.

A field nobody listed here is dropped, so that a code, PIN, citizen id, phone or mail body cannot slip into a log by a new
`extra={...}`. Libraries that log what they receive are kept at WARNING. Of an exception its type and its frames are written,
never its message nor a value: both may carry what a person typed.
"""

from __future__ import annotations

import logging
import logging.handlers
import sys
import traceback
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from types import TracebackType
from typing import Any

import structlog

FIELDS = frozenset(
    [
        "event",
        "level",
        "logger",
        "timestamp",
        "group",
        "lane",
        "call",
        "unit",
        "type",
        "error",
        "enrolment",
        "dossier",
        "attempt",
        "event_id",
        "mailbox",
        "mail",
        "verdict",
        "reason",
        "count",
        "calls",
        "table",
        "topic",
        "path",
        "status",
        "method",
        "seconds",
        "service",
        "pid",
        "code_of",
        "signal",
        "address",
        "batch",
        "row",
        "rows",
        "request",
        "tenant",
        "records",
        "uid",
        "uidvalidity",
        "exception",
        "transaction",
        "url",
        "port",
        "state",
        "folder",
        "host",
        "attempt_number",
    ]
)
"""What may be written beside the sentence."""

NOISY = (
    "aioimaplib",
    "aioimaplib.aioimaplib",
    "signxml",
    "asyncio",
    "uvicorn.access",
    "aiohttp.access",
    "mail.log",
    "imapclient",
    "dkimpy",
)


_FRAMES, _CHAIN = 30, 6
"""Frames of one exception, the innermost; exceptions of one chain or group."""


def _allowed(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    thrown = _thrown(fields.get("exc_info"))
    kept = {key: value for key, value in fields.items() if key in FIELDS or key.startswith("_")}
    if thrown is not None:
        kept["exception"] = "\n".join(_told(thrown, _CHAIN))
    if fields.get("logger") == "asyncio":
        kept["event"] = str(fields.get("event", "")).partition("\n")[
            0
        ]  # below it repeats exceptions with their messages
    return kept


def _thrown(exc_info: Any) -> BaseException | None:
    """The exception of a record, in whichever form a logger was given it."""
    if isinstance(exc_info, BaseException):
        return exc_info
    found = sys.exc_info() if exc_info is True else exc_info
    return found[1] if isinstance(found, tuple) else None


def _told(error: BaseException, most: int) -> Iterator[str]:
    """Type and frames of an exception, then of what it came from: a line each."""
    yield f"{type(error).__module__}.{type(error).__qualname__}"
    yield from _frames(error.__traceback__)
    inner = list(error.exceptions) if isinstance(error, BaseExceptionGroup) else []
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    for one in [*inner, *([before] if before is not None else [])][:most]:
        yield "in it:" if one in inner else "from:"
        yield from _told(one, most // 2)


def _frames(where: TracebackType | None) -> Iterator[str]:
    for frame in traceback.extract_tb(where)[-_FRAMES:]:
        yield f"  {_short(frame.filename)}:{frame.lineno} {frame.name}"


_ROOT = str(Path(__file__).parents[2])


def _short(file: str) -> str:
    return file.rpartition("site-packages/")[2].removeprefix(_ROOT).lstrip("/")


def set_up(service: str, folder: Path | None, level: str, *, quiet: bool = False) -> None:
    """Log from now on: to `<folder>/<service>.log` (10 MB, 5 old ones), and readable to stderr when it is a terminal.

    `quiet`: the terminal gets warnings and worse only, because several processes share it."""
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _allowed,
    ]
    handlers: list[logging.Handler] = []
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        file = logging.handlers.RotatingFileHandler(
            folder / f"{service}.log", maxBytes=10_000_000, backupCount=5, encoding="utf-8"
        )
        file.setFormatter(
            structlog.stdlib.ProcessorFormatter(
                foreign_pre_chain=shared,
                processors=[
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.JSONRenderer(ensure_ascii=False),
                ],
            )
        )
        handlers.append(file)
    if folder is None or sys.stderr.isatty():
        terminal = logging.StreamHandler(sys.stderr)
        terminal.setFormatter(
            structlog.stdlib.ProcessorFormatter(
                foreign_pre_chain=shared,
                processors=[
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
                ],
            )
        )
        if quiet:
            terminal.setLevel(logging.WARNING)
        handlers.append(terminal)
    root = logging.getLogger()
    root.handlers = handlers
    root.setLevel(level)
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
