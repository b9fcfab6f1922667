"""The demonstration's mail host: mails get through it, and through the death of any of its processes."""

from __future__ import annotations

import imaplib
import json
import os
import signal
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.simulator.agency import ROOT, Agency, free_port, until
from tests.simulator.dossiers import Dossier

BOXES = {
    "boxes": ["hanoi@demo.example", {"address": "hue@demo.example", "user": "hue", "password": 'se"cret'}],
    "aliases": {"giamdoc@demo.example": "hue@demo.example", "*@branches.example": "hanoi@demo.example"},
}


class Post:
    """A running mail host."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "boxes.json").write_text(json.dumps(BOXES))
        self.process: subprocess.Popen[bytes] | None = None
        self.told: Any = None

    def start(self) -> Post:
        ready = self.folder / "data" / "post.json"
        ready.unlink(missing_ok=True)
        command = [
            sys.executable,
            "-m",
            "demo.post",
            "--boxes",
            str(self.folder / "boxes.json"),
            "--data",
            str(self.folder / "data"),
        ]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, stderr=log, stdout=log)
        until(lambda: ready.exists() or self.process is None or self.process.poll() is not None, "ready", 40)
        self.told = json.loads(ready.read_text())
        return self

    def children(self) -> list[int]:
        assert self.process is not None
        return [
            int(pid) for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        ]

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process is None:
            return 0
        os.kill(self.process.pid, number)
        status = self.process.wait(10)
        self.process = None
        return status

    def send(self, recipient: str, *subjects: str, headers: str = "") -> None:
        with smtplib.SMTP("127.0.0.1", self.told["smtp"]["port"], timeout=30) as smtp:
            for subject in subjects:
                smtp.sendmail("a@agency.example", [recipient], f"Subject: {subject}\r\n{headers}\r\n.dot\r\nbody\r\n")

    def read(self, box: str, folder: str = "INBOX") -> tuple[int, list[bytes]]:
        """UIDVALIDITY and all mails of a folder of a mailbox."""
        how = self.told["boxes"][box]
        with imaplib.IMAP4(how["host"], how["port"]) as imap:
            imap.login(how["user"], how["password"])
            imap.select(folder)
            validity = int(imap.response("UIDVALIDITY")[1][0])
            found = imap.search(None, "ALL")[1][0].split()
            return validity, [imap.fetch(number, "(BODY.PEEK[])")[1][0][1] for number in found]


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    made = Post(tmp_path / "post").start()
    yield made
    made.stop()


def test_mails_reach_the_mailbox_of_their_recipient(post: Post) -> None:
    post.send("hanoi+tz1234z@demo.example", "plus")
    post.send("GiamDoc@demo.example", "alias")
    post.send("aa0001a@branches.example", "domain")
    _, hanoi = post.read("hanoi@demo.example")
    _, hue = post.read("hue@demo.example")
    assert [b"Subject: plus" in mail or b"Subject: domain" in mail for mail in hanoi] == [True, True]
    assert [b"Subject: alias" in mail for mail in hue] == [True]
    assert b"Delivered-To: hanoi+tz1234z@demo.example" in hanoi[0]
    assert hanoi[0].endswith(b"\r\n\r\n.dot\r\nbody\r\n")
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        post.send("nobody@demo.example", "x")
    assert refused.value.recipients["nobody@demo.example"][0] == 550


def test_what_calls_itself_spam_lies_in_the_junk_folder_also_after_a_restart(post: Post) -> None:
    post.send("hue@demo.example", "junk", headers="X-Spam-Flag: YES\r\n")
    post.send("hue@demo.example", "good", headers="X-Spam-Flag: NO\r\nX-Other: X-Spam-Flag: YES\r\n")
    post.stop(signal.SIGKILL)
    post.start()
    for folder, subject in (("Junk", b"Subject: junk"), ("INBOX", b"Subject: good")):
        [mail] = post.read("hue@demo.example", folder)[1]
        assert subject in mail


def test_a_mailbox_that_died_is_started_again_and_refilled(post: Post) -> None:
    post.send("hue@demo.example", *(f"n{number}" for number in range(30)))
    before, mails = post.read("hue@demo.example")
    for pid in post.children():
        os.kill(pid, signal.SIGKILL)

    def sent() -> bool:
        """While the mailbox is away the host says "try again later", as any mail server does."""
        try:
            post.send("hue@demo.example", "after")
        except smtplib.SMTPDataError as refused:
            if refused.smtp_code != 451:
                raise
            return False
        return True

    until(sent, "the mailbox takes mail again")
    after, again = post.read("hue@demo.example")
    assert after != before
    assert again[:30] == mails
    assert b"Subject: after" in again[30]


def test_kill_9_leaves_no_child_and_loses_no_mail(post: Post) -> None:
    post.send("hanoi@demo.example", "one")
    told, children = post.told, post.children()
    assert len(children) == 2
    post.stop(signal.SIGKILL)
    until(lambda: not any(_runs(pid) for pid in children), "children die with it")
    post.start()
    assert post.told["smtp"] == told["smtp"], "ports and passwords stay"
    assert post.told["boxes"] == told["boxes"]
    assert len(post.read("hanoi@demo.example")[1]) == 1
    children = post.children()
    assert post.stop() == 0
    until(lambda: not any(_runs(pid) for pid in children), "children end with it")
    assert not (post.folder / "data" / "post.json").exists()


def _runs(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_the_agency_mails_through_it(post: Post, tmp_path: Path) -> None:
    agency = Agency(tmp_path / "agency", post.told["smtp"]["port"], "--fast").start()
    try:
        for number in range(20):
            agency.file(Dossier(unit_code=f"AA0{number:03}A"))
        until(lambda: all(row["state"] == "sent" for row in agency.ledger()["mails"]), "all sent")
        assert len(post.read("hanoi@demo.example")[1]) == 20
    finally:
        agency.stop()


def test_says_in_a_sentence_why_it_cannot_start(tmp_path: Path) -> None:
    (tmp_path / "boxes.json").write_text('{"boxes": ["a@x.example"], "aliases": {"b@x.example": "c@x.example"}}')
    command = [
        sys.executable,
        "-m",
        "demo.post",
        "--data",
        str(tmp_path / "d"),
        "--smtp-port",
        str(free_port()),
        "--boxes",
    ]
    for file in (tmp_path / "boxes.json", tmp_path / "none.json"):
        ended = subprocess.run([*command, str(file)], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
        assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
