"""The supervisor's decisions, without a database."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.leftovers import end_leftovers, leftovers
from app.supervisor import Child, Supervisor
from hoso.process import logs
from hoso.settings import Settings
from hoso.store.postgres import redacted


def supervisor(tmp_path: Path, *names: str) -> Supervisor:
    url = "postgresql://hoso:geheim@db/hoso?sslpassword=geheim"
    return Supervisor(Settings(var=tmp_path, database=url, environment="test"), names, lambda _line: None)


def test_no_password_is_written_down(tmp_path: Path) -> None:
    (tmp_path / "up.new").write_text("left by somebody")
    supervisor(tmp_path, "ops")._write()
    file = tmp_path / "up.json"
    assert "geheim" not in file.read_text()
    assert json.loads(file.read_text())["services"] == {"ops": {}}
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:pw@h/db", "postgresql://me@h/db"),
        ("postgresql://h/db?user=me&password=pw&port=1", "postgresql://h/db?user=me&password=***&port=1"),
        ("postgresql://me:pw@h/db?PASSWORD=p@w", "postgresql://me@h/db?PASSWORD=***"),
        ("postgresql://hoso@/hoso?host=/run", "postgresql://hoso@/hoso?host=/run"),
        ("http://h:80/", "http://h:80/"),
    ],
)
def test_redacted(url: str, shown: str) -> None:
    assert redacted(url) == shown


class Rehearsal(Supervisor):
    """A supervisor whose children refuse their settings at once; the third life ends the rehearsal."""

    lives = 0

    async def _live(self, child: Child) -> int:
        self.lives += 1
        if self.lives == 3:
            self._stopping.set()
        return 2

    async def _bury(self, child: Child) -> None:
        return


@pytest.mark.parametrize("was_ready", [False, True])
async def test_refusing_the_settings_ends_everything_only_before_the_first_ready(
    tmp_path: Path, was_ready: bool
) -> None:
    url = "postgresql://hoso@db/hoso"
    tried = Rehearsal(Settings(var=tmp_path, database=url, environment="test"), ["ops"], lambda _line: None)
    (child,) = tried._children
    child.facts = {"pid": 1} if was_ready else {}
    await asyncio.wait_for(tried._keep(child), 5)
    assert (tried.lives, tried._failed is None) == ((3, True) if was_ready else (1, False))


async def test_a_child_that_is_never_ready_is_killed(tmp_path: Path) -> None:
    tried = supervisor(tmp_path, "ops")
    (child,) = tried._children
    child.process = await asyncio.create_subprocess_exec("sleep", "60")
    os.kill(child.process.pid, signal.SIGSTOP)
    child.facts = {"pid": 1}  # of the process before
    child.starts = [time.monotonic() - 29]
    await tried._ask(None, child)  # type: ignore[arg-type]
    assert child.process.returncode is None
    child.starts = [time.monotonic() - 31]
    await tried._ask(None, child)  # type: ignore[arg-type]
    assert await asyncio.wait_for(child.process.wait(), 5) == -signal.SIGKILL


def test_leftovers_are_waited_for_and_at_last_killed(tmp_path: Path) -> None:
    def service(var: Path, code: str, **more: str) -> subprocess.Popen[bytes]:
        words = [sys.executable, "-c", f"{code}; print(flush=True); time.sleep(60)", "app.main", "run", "ops"]
        env = {**os.environ, "HOSO_VAR": str(var), **more}
        made = subprocess.Popen(words, env=env, stdout=subprocess.PIPE)
        assert made.stdout is not None
        made.stdout.readline()
        return made

    deaf = "import time, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    mine = [service(tmp_path, code, SUPERVISED_BY="1") for code in ("import time", deaf)]
    others = [service(tmp_path / "other", "import time", SUPERVISED_BY="1"), service(tmp_path, "import time")]
    try:
        assert set(leftovers(tmp_path)) == {one.pid for one in mine}
        assert end_leftovers(tmp_path, lambda: False, 0.3) == 2
        assert [one.wait(5) for one in mine] == [-signal.SIGTERM, -signal.SIGKILL]
        assert [one.poll() for one in others] == [None, None]
        assert end_leftovers(tmp_path, lambda: False) == 0
    finally:
        for one in (*mine, *others):
            one.kill()
            one.communicate()


def test_a_shared_terminal_gets_warnings_only(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = (root.handlers, root.level)
    try:
        logs.set_up("ops", None, "INFO", quiet=True)
        root.info("all is well")
        root.warning("look here")
    finally:
        root.handlers, root.level = before
    said = capsys.readouterr().err
    assert "look here" in said
    assert "all is well" not in said
