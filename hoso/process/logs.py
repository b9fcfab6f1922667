"""Logs: JSON lines in rotated files, a readable form on a terminal. Only fields of the allow-list are written.

A field nobody listed here is dropped, so that a code, PIN, citizen id, phone or mail body cannot slip into a log by a new
`extra={...}`. Libraries that log what they receive are kept at WARNING.
"""

from __future__ import annotations

import logging
import logging.handlers
import sys
from collections.abc import MutableMapping
from pathlib import Path
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


def _allowed(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: value for key, value in fields.items() if key in FIELDS or key.startswith("_")}


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
                    structlog.processors.format_exc_info,
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
