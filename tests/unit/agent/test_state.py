"""What a workstation remembers, and that only one process has a token."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent.failures import TokenBusy, WrongUsage
from agent.lock import only_one
from agent.pins import pin_source
from agent.state import Enrolment, State

ONE = Enrolment("https://desk.example:8443", "", "a1", b"k" * 32, "/lib/p11.so", b"der", "main")


def test_a_new_folder_knows_nobody(tmp_path: Path) -> None:
    state = State(tmp_path / "new")
    assert state.enrolment() is None
    assert state.pin("c") == ""
    assert state.answers() == []
    assert state.path.stat().st_mode & 0o077 == 0


def test_what_was_remembered_is_there_after_a_restart(tmp_path: Path) -> None:
    State(tmp_path).enrol(ONE)
    State(tmp_path).pin_is("c", "suspect")
    State(tmp_path).decided("q", '{"question": "q"}')
    again = State(tmp_path)
    assert again.enrolment() == ONE
    assert again.pin("c") == "suspect"
    assert again.answers() == [("q", '{"question": "q"}')]
    again.delivered("q")
    again.pins_are_good()
    assert (again.answers(), again.pin("c")) == ([], "")


def test_counters_only_grow_also_when_the_clock_goes_back(tmp_path: Path) -> None:
    import sqlite3

    state = State(tmp_path)
    first = state.next_counter()
    with sqlite3.connect(state.path) as db:
        db.execute("update counter set last = last + 1000000000000")
    assert first < state.next_counter() < state.next_counter() < 2**63


def test_a_key_is_never_shown(tmp_path: Path) -> None:
    assert "kkkk" not in repr(ONE)


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(WrongUsage, match="--state"):
        State(tmp_path / "file")


def test_the_lock_is_let_go_when_its_process_dies(tmp_path: Path) -> None:
    holder = (
        "import sys; from pathlib import Path; from agent.lock import only_one\n"
        "with only_one('ab' * 32, Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(TokenBusy, match="Một tiến trình khác"), only_one("ab" * 32, tmp_path):
            pass
        with only_one("cd" * 32, tmp_path):
            pass
        process.kill()
        process.wait()
    with only_one("ab" * 32, tmp_path):
        pass


def test_a_pin_comes_from_a_descriptor_or_a_file_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "pin"
    file.write_bytes(b"123456\r\nrest")
    file.chmod(0o600)
    assert pin_source(None, file)() == "123456"
    file.chmod(0o644)
    with pytest.raises(WrongUsage, match="chmod 600"):
        pin_source(None, file)()
    reading, writing = os.pipe()
    os.write(writing, b"654321\n")
    os.close(writing)
    assert pin_source(reading, None)() == "654321"
    file.write_bytes(b"\n")
    file.chmod(0o600)
    with pytest.raises(WrongUsage, match="trống"):
        pin_source(None, file)()
