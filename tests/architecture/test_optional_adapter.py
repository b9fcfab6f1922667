"""aioimaplib is GPL: everything else is imported, and a mailbox is opened by the other adapter, without it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

WITHOUT = """
import importlib, pkgutil, sys
from dataclasses import replace
from uuid import uuid4

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {absent!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
import services.mail_watcher, app
for package in (services.mail_watcher, app):
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if found.name not in {others!r}:
            importlib.import_module(found.name)

from services.mail_watcher.mailbox import Access, MailboxRefused
from services.mail_watcher.secret import Secret
from services.mail_watcher.settings import MailboxSettings

access = Access("127.0.0.1", 1, "u", Secret("p"), tls="none")
settings = MailboxSettings(uuid4(), "t", access, adapter={present!r})
assert type(settings.open()).__module__ == "services.mail_watcher.{present}_mailbox"
try:
    replace(settings, adapter={absent!r}).open()
except MailboxRefused as refused:
    print(refused)
assert {absent!r} not in sys.modules
"""


def without(absent: str, present: str) -> str:
    script = WITHOUT.format(absent=absent, present=present, others=(f"services.mail_watcher.{absent}_mailbox",))
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_gpl_package_may_be_left_out() -> None:
    said = without("aioimaplib", "imapclient")
    assert said == "aioimaplib is not installed: install it, or declare the mailbox with another client\n"
