"""A mail host as one would be run: Dovecot, LMTP in, IMAP with IDLE out, on loopback. `python -m benchmarks.mailhost --help`

Takes the options of `demo.post` and tells the same `post.json`. Before the LMTP port stands a front that speaks SMTP: the two
protocols differ, for a mail with one recipient, only in the greeting's word (RFC 2033 §4), so the front changes `EHLO`
into `LHLO` and passes the rest on as it is. What a mail that is acknowledged promises is Dovecot's: it is in the mailbox
(`mail_fsync = optimized`).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import getpass
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import uvloop

from demo.ports import free_port
from demo.post_plan import Box, CannotStart, read_plan

CONFIGURATION = """
base_dir = {dir}/run
state_dir = {dir}/state
instance_name = hoso-bench
default_internal_user = {user}
default_internal_group = {user}
default_login_user = {login}
log_path = {dir}/log
protocols = imap lmtp
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_username_format = %Lu
mail_location = mdbox:{dir}/mail/%Lu
first_valid_uid = 1
recipient_delimiter = +
lmtp_rcpt_check_quota = no
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%Lu {dir}/users
}}
userdb {{
  driver = passwd-file
  args = username_format=%Lu {dir}/users
  default_fields = uid={user} gid={user}
}}
namespace inbox {{
  inbox = yes
}}
service imap-login {{
  chroot =
  service_count = 0
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service lmtp {{
  user = {user}
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
auth_failure_delay = 0
mail_max_userip_connections = 100
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
"""


def program() -> str | None:
    """Where Dovecot is installed; None where it is not."""
    return shutil.which("dovecot") or shutil.which("dovecot", path="/usr/sbin")


def configure(folder: Path, boxes: Sequence[Box], imap: int, lmtp: int) -> Path:
    """Write the configuration of a server of these mailboxes, as root or as anybody; returns its file."""
    root = os.getuid() == 0
    user = "dovecot" if root else getpass.getuser()
    file = folder / "dovecot.conf"
    login = "dovenull" if root else user
    file.write_text(CONFIGURATION.format(dir=folder, user=user, login=login, imap=imap, lmtp=lmtp))
    users = folder / "users"
    users.write_text("".join(f"{box.user}:{{PLAIN}}{box.password}::::{folder}/mail/{box.user}::\n" for box in boxes))
    (folder / "mail").mkdir(exist_ok=True)
    if root:
        for path in (folder, folder / "mail", users):
            shutil.chown(path, user, user)
        folder.parent.chmod(0o711)
        shut = [above for above in folder.parent.parents if not above.stat().st_mode & 0o001]
        if shut:
            raise CannotStart(f"{shut[0]} lets only its owner in, and Dovecot runs as {user}: chmod o+x it")
    return file


class Front(asyncio.Protocol):
    """One SMTP connection, passed on to LMTP."""

    def __init__(self, lmtp: int) -> None:
        self._port = lmtp
        self._client: asyncio.Transport | None = None
        self._server: asyncio.Transport | None = None
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._client = cast(asyncio.Transport, transport)  # uvloop's is one without saying so
        self._opening = asyncio.create_task(self._open())

    async def _open(self) -> None:
        assert self._client is not None
        loop, client = asyncio.get_running_loop(), self._client
        try:
            self._server, _ = await loop.create_connection(lambda: Back(client), "127.0.0.1", self._port)
        except OSError:
            client.close()
            return
        for data in self._early:
            self._server.write(data)
        self._early.clear()

    def data_received(self, data: bytes) -> None:
        if data[:4].upper() in (b"EHLO", b"HELO"):
            data = b"LHLO" + data[4:]
        if self._server is None:
            self._early.append(data)
        else:
            self._server.write(data)

    def connection_lost(self, _: Exception | None) -> None:
        if self._server is not None:
            self._server.close()


class Back(asyncio.Protocol):
    """What the LMTP server answers, passed back."""

    def __init__(self, client: asyncio.Transport) -> None:
        self._client = client

    def data_received(self, data: bytes) -> None:
        self._client.write(data)

    def connection_lost(self, _: Exception | None) -> None:
        self._client.close()


async def until_answers(port: int, process: subprocess.Popen[bytes], seconds: float = 20.0) -> None:
    """Until the server greets on this port. Raises CannotStart."""
    ends = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(2):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                greeting = await reader.readline()
                writer.close()
            if greeting:
                return
        if process.poll() is not None or time.monotonic() > ends:
            raise CannotStart(f"dovecot does not answer on port {port}; see its log")
        await asyncio.sleep(0.05)


async def serve(boxes: Sequence[Box], data: Path, port: int) -> None:
    """Run until SIGTERM or SIGINT, or until Dovecot ends. Raises CannotStart."""
    binary = program()
    if binary is None:
        raise CannotStart("dovecot is not installed: apt-get install dovecot-imapd dovecot-lmtpd; or use demo.post")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    data.mkdir(parents=True, exist_ok=True)
    folder = (data / "dovecot").resolve()
    folder.mkdir(exist_ok=True)
    imap, lmtp = free_port(), free_port()
    file = configure(folder, boxes, imap, lmtp)
    process = subprocess.Popen([binary, "-F", "-c", str(file)], stdin=subprocess.DEVNULL)
    try:
        await until_answers(imap, process)
        await until_answers(lmtp, process)
        front = await loop.create_server(lambda: Front(lmtp), "127.0.0.1", port or free_port())
        _tell(data / "post.json", front.sockets[0].getsockname()[1], imap, boxes)
        while not stop.is_set() and process.poll() is None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 1.0)
        front.close()
    finally:
        (data / "post.json").unlink(missing_ok=True)
        process.terminate()
        process.wait(10)


def _tell(file: Path, smtp: int, imap: int, boxes: Sequence[Box]) -> None:
    told = {
        box.address: {"host": "127.0.0.1", "port": imap, "user": box.user, "password": box.password} for box in boxes
    }
    part = file.with_suffix(".part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        json.dump({"pid": os.getpid(), "smtp": {"host": "127.0.0.1", "port": smtp}, "boxes": told}, out, indent=1)
    part.replace(file)


def main() -> int:
    """The process. Answers with its exit status."""
    make = argparse.ArgumentParser(prog="python -m benchmarks.mailhost", description=__doc__)
    make.add_argument("--boxes", type=Path, required=True, metavar="FILE", help="as demo.post takes it; no aliases")
    make.add_argument("--data", type=Path, required=True, metavar="DIR", help="its folder: mails, log, post.json")
    make.add_argument("--smtp-port", type=int, default=0, metavar="PORT", help="0 (default): the system picks")
    given = make.parse_args()
    try:
        uvloop.run(serve(read_plan(given.boxes).boxes, given.data, given.smtp_port))
    except CannotStart as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
