"""Which folders are read beside the main one: the junk folder, where half of the missing mails lie (domain.md §6.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.mail_watcher.mailbox import Folder
from services.mail_watcher.text import fold

AUTO, NONE = "auto", "none"
JUNK = "\\junk"
NAMES = (
    "junk", "junk e-mail", "junk email", "junk mail", "spam", "bulk mail", "bulk", "thu rac", "quarantine",
)  # fmt: skip
"""What servers without special uses (RFC 6154) call it: the last part of the name, folded."""
MOST = 5


@dataclass(frozen=True, slots=True)
class Beside:
    """The folders to read, and the names that no folder bears."""

    folders: tuple[str, ...]
    missing: tuple[str, ...] = ()


def beside(wanted: str, listed: Sequence[Folder], main: str) -> Beside:
    """`wanted`: `auto` = the junk folder by its special use, else by its name; `none`; or names and special uses such as
    `\\All`, separated by commas."""
    others = [folder for folder in listed if folder.name.lower() != main.lower()]
    if wanted == NONE:
        return Beside(())
    if wanted == AUTO:
        marked = [folder.name for folder in others if JUNK in folder.flags]
        return Beside(tuple((marked or [folder.name for folder in others if _last(folder.name) in NAMES])[:MOST]))
    found: list[str] = []
    missing: list[str] = []
    for name in filter(None, (part.strip() for part in wanted.split(","))):
        fitting = [f.name for f in others if (name.lower() in f.flags if name.startswith("\\") else f.name == name)]
        found += fitting
        if not fitting and name.lower() != main.lower():
            missing.append(name)
    return Beside(tuple(dict.fromkeys(found))[:MOST], tuple(missing))


def _last(name: str) -> str:
    return fold(name).replace(".", "/").rsplit("/", 1)[-1]
