"""What the processes of a world cost: CPU from the kernel's books, and memory."""

from __future__ import annotations

import contextlib

import psutil

PARTS = {
    "benchmarks.mailhost": "mail host",
    "demo.post": "mail host",
    "simulator": "agency",
    "pymap": "mailboxes",
    "dovecot": "mailboxes",
    "postgres": "database",
    "kafka.Kafka": "kafka",
    "demo.broker": "kafka",
}


class Books:
    """CPU seconds and memory of every process of a world, by part."""

    def __init__(self, root: psutil.Process) -> None:
        self._root = root
        self._before: dict[int, float] = {}
        self._before = {pid: cpu for pid, (_, cpu, _) in self._look().items()}

    def _look(self) -> dict[int, tuple[str, float, int]]:
        found = {}
        for process in self._root.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                words = process.cmdline()
                times = process.cpu_times()
                found[process.pid] = (
                    _part(process.name(), words),
                    times.user + times.system,
                    process.memory_info().rss,
                )
        return found

    def cpu(self) -> dict[str, float]:
        parts: dict[str, float] = {}
        for pid, (part, cpu, _) in self._look().items():
            parts[part] = parts.get(part, 0.0) + cpu - self._before.get(pid, 0.0)
        return parts

    def memory(self) -> dict[str, int]:
        parts: dict[str, int] = {}
        for part, _, size in self._look().values():
            parts[part] = max(parts.get(part, 0), size)
        return parts


def _part(name: str, words: list[str]) -> str:
    line = " ".join(words)
    if name == "postgres":
        return "database"
    if "app.main run" in line:
        return words[words.index("run") + 1]
    if name in ("imap", "lmtp", "imap-login", "auth", "anvil", "log", "config", "stats"):
        return "mailboxes"
    for word, part in PARTS.items():
        if word in line:
            return part
    return "supervisor" if "app.main up" in line else "other"
