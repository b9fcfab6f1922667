"""What a workstation has to install: the standard library, three packages, and nothing of one system only."""

from __future__ import annotations

import ast
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ALLOWED = {"agent", "cryptography", "lxml", "pkcs11"}
ONE_SYSTEM_ONLY = {
    "fcntl", "grp", "pwd", "posix", "resource", "syslog", "termios", "tty", "pty", "crypt", "spwd", "nis", "readline",
    "msvcrt", "winreg", "winsound", "_winapi",
}  # fmt: skip
"""Modules of the standard library that Windows lacks, or that only Windows has."""
NO_THREADS = {"threading", "concurrent", "multiprocessing", "asyncio", "_thread"}
FILES = sorted((ROOT / "agent").rglob("*.py"))


def imported(file: Path) -> set[str]:
    """The first names of everything a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            assert node.module is not None
            found.add(node.module.split(".")[0])
    return found


def test_there_is_a_program_to_look_at() -> None:
    assert {file.name for file in FILES} >= {"main.py", "usb_token.py", "work.py", "xmldsig.py"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_only_what_every_workstation_can_have_is_imported(file: Path) -> None:
    names = imported(file)
    assert names - ALLOWED - sys.stdlib_module_names == set()
    assert names & (ONE_SYSTEM_ONLY | NO_THREADS) == set()


def test_calls_that_windows_lacks_are_not_made() -> None:
    lacking = {"fork", "setsid", "getuid", "geteuid", "chown", "killpg", "mkfifo", "getpgid"}
    used = {
        f"{file.name}: os.{node.attr}"
        for file in FILES
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os"
        if node.attr in lacking
    }
    assert used == set()


def test_the_running_program_has_loaded_nothing_else() -> None:
    """The whole graph, as it is at run time: nothing of hoso, no database driver, no event loop."""
    program = (
        "import sys, agent.main, agent.work\n"
        "print('\\n'.join(sorted({name.split('.')[0] for name, module in sys.modules.items() "
        "if 'site-packages' in (getattr(module, '__file__', None) or '')})))"
    )
    said = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(said.stdout.split()) - {"_cffi_backend", "_distutils_hack", "_virtualenv", "sitecustomize"}
    assert loaded <= {"cryptography", "lxml", "pkcs11", "asn1crypto", "cffi"}
    ours = subprocess.run(
        [sys.executable, "-c", "import sys, agent.main; print(*(n for n in sys.modules if n.split('.')[0] in "
         "('hoso', 'schemas', 'services', 'app', 'uvloop', 'asyncpg', 'asyncio', 'fcntl')))"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ours.stdout.split() == []


def test_its_own_wheel_holds_the_program_and_asks_for_three_packages(tmp_path: Path) -> None:
    build = "import hatchling.build, os, sys; os.chdir(sys.argv[1]); print(hatchling.build.build_wheel(sys.argv[2]))"
    subprocess.run([sys.executable, "-c", build, str(ROOT / "agent"), str(tmp_path)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        names = {name for name in opened.namelist() if name.endswith(".py")}
        metadata = opened.read(next(n for n in opened.namelist() if n.endswith("METADATA"))).decode()
    assert names == {f"agent/{file.name}" for file in FILES}
    assert {line.split()[1].split(">")[0] for line in metadata.splitlines() if line.startswith("Requires-Dist")} == {
        "cryptography", "lxml", "python-pkcs11",
    }  # fmt: skip
