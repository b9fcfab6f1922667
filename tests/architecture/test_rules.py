"""Rules of the whole tree that no single test can see."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hoso import settings

ROOT = Path(__file__).parents[2]
KERNEL = ("hoso/log", "hoso/runtime", "hoso/store")


def test_the_kernel_can_be_read_in_one_sitting() -> None:
    lines = sum(
        len(file.read_text("utf-8").splitlines()) for folder in KERNEL for file in (ROOT / folder).rglob("*.py")
    )
    assert lines < 2500
    said = subprocess.run(["bash", "scripts/kernel-size.sh"], cwd=ROOT, capture_output=True, text=True)
    assert said.stdout == f"kernel: {lines} of 2500 lines\n", "the script counts as this test does"


def test_imports_point_one_way() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    assert re.search(r"Contracts: [1-9]\d* kept, 0 broken", done.stdout)


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_names_versions_and_hashes_and_no_addresses(name: str) -> None:
    text = (ROOT / name).read_text()
    assert re.search(r"(?m)^asyncpg==\S+", text)
    assert "://" not in text
    assert not re.search(r"(?m)^\s*(--?\w*(index|find-links|trusted)|-e |\S+ @ )", text)


def test_every_setting_is_documented() -> None:
    assert (ROOT / "docs" / "settings.md").read_text("utf-8") == settings.markdown(), "run `make docs`"
    for name, field in settings.Settings.model_fields.items():
        assert field.description, name


def _sleeps(file: Path) -> list[str]:
    """Calls of sleep with anything but a literal 0 (which only lets others run)."""
    found = []
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            yields = len(node.args) == 1 and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0
            if name == "sleep" and not yields:
                found.append(f"{file.relative_to(ROOT)}:{node.lineno}")
    return found


POLLS = {
    # each looks again until a deadline, as tests/support/waiting.py does
    "tests/simulator/agency.py",
    "tests/simulator/test_process.py",
}
TOOLS = ("tests/chaos/", "tests/support/", "tests/e2e/scene.py", "tests/e2e/looks.py")
"""Programs that drive the world from outside; they are no tests."""


def test_no_test_sleeps() -> None:
    found = [place for file in sorted((ROOT / "tests").rglob("*.py")) for place in _sleeps(file)]
    left = [p for p in found if not p.startswith(TOOLS) and p.split(":")[0] not in POLLS]
    assert left == [], "wait for a condition: tests/support/waiting.py"


def test_nothing_is_patched() -> None:
    patched = [
        str(file.relative_to(ROOT))
        for file in sorted((ROOT / "tests").rglob("*.py"))
        if file != Path(__file__)
        and re.search(r"unittest\.mock|monkeypatch\.setattr|mocker\b", file.read_text("utf-8"))
    ]
    assert patched == []
