"""Named points where the chaos suite kills or stops a process, and the fences it removes one at a time.

Nothing happens unless the environment is `test` and `HOSO_POINTS` names a folder. A file `<point>` in it, holding
`kill` or `stop`, is taken by the first process that passes there: it sends itself that signal. Removing the file is the
claim, so one file is one fault. A file `break-<fence>` switches one fence of docs/kernel.md off: only to prove that the suite sees it.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

FENCES = (
    "position",
    "outcome",
    "mailbox",
    "sleeper",
    "mark",
    "mark-with-effects",
    "restore",
    "back-to-position",
    "idempotent",
)

_folder: Path | None = None
_broken: frozenset[str] = frozenset()


def arm(folder: str | None, environment: str) -> None:
    """Take faults from `folder` from now on; ignored outside `test`."""
    global _folder, _broken
    _folder = Path(folder) if folder and environment == "test" else None
    _broken = frozenset(f for f in FENCES if _folder is not None and (_folder / f"break-{f}").exists())


def holds(fence: str) -> bool:
    """Whether a fence stands. Always, except in the chaos suite's own control runs."""
    return fence not in _broken


async def point(name: str) -> None:
    """A place where this process may be killed or stopped."""
    if _folder is None:
        return
    armed = _folder / name
    if not armed.exists():
        return
    try:
        action = armed.read_text().strip()
        armed.rename(_folder / f"taken-{name}-{os.getpid()}")
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL if action == "kill" else signal.SIGSTOP)
