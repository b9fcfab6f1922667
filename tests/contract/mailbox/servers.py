"""Real IMAP servers for the contract suite, and one that misbehaves on purpose."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import getpass
import imaplib
import ipaddress
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PASSWORD = 'se"cret'
JUNK = "Th&AbA- kh&APQ-ng m&Ht0-i"
"""Dovecot's junk folder (Thư không mời) in modified UTF-7; found by its special use only."""

DOVECOT = """
base_dir = {dir}/run
state_dir = {dir}/state
instance_name = hoso-test
default_internal_user = {user}
default_internal_group = {user}
default_login_user = {login}
log_path = {dir}/log
protocols = imap
listen = 127.0.0.1
ssl = yes
ssl_cert = <{dir}/cert.pem
ssl_key = <{dir}/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain login xoauth2 oauthbearer
auth_username_chars =
mail_location = mdbox:{dir}/mail/%n
mail_fsync = never
first_valid_uid = 1
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {dir}/oauth2.conf
}}
passdb {{
  driver = static
  mechanisms = plain login
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={user} gid={user} home={dir}/mail/%n allow_all_users=yes
}}
namespace inbox {{
  inbox = yes
  mailbox "Thư không mời" {{
    special_use = \\Junk
    auto = create
  }}
  mailbox Archive {{
    special_use = \\All
    auto = create
  }}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
  }}
}}
auth_failure_delay = 0
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


class Server(Protocol):
    """A running IMAP server with a mailbox of its own for each test."""

    name: str
    port: int

    def user(self) -> str:
        """Somebody whose INBOX is empty."""
        ...

    def deliver(self, user: str, mails: Sequence[bytes]) -> None: ...

    def change_uidvalidity(self, user: str) -> None:
        """Afterwards the INBOX has another UIDVALIDITY; what it held may be gone."""
        ...


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def until_answers(port: int, seconds: float = 15.0) -> None:
    ends = time.monotonic() + seconds
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as greeted:
                greeted.settimeout(2)
                if greeted.recv(4).startswith(b"* OK"):
                    return
        except OSError:
            pass
        if time.monotonic() > ends:
            raise TimeoutError(f"nothing answers on port {port}")


def append(port: int, user: str, password: str, mails: Sequence[bytes], folder: str = "INBOX") -> None:
    client = imaplib.IMAP4("127.0.0.1", port)
    client.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.login(f'"{user}"', password)
    for mail in mails:
        kind, _ = client.append(f'"{folder}"', "", "", mail)  # rewrites bare line ends only: the mails have none
        assert kind == "OK"
    client.logout()


def self_signed(folder: Path) -> None:
    """A certificate for 127.0.0.1, made for one run."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hoso-test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


class Dovecot:
    """Debian's dovecot-imapd below a temporary folder, as root or as anybody."""

    name = "dovecot"

    def __init__(self, introspection: str = "http://127.0.0.1:9/") -> None:
        """`introspection`: where XOAUTH2 tokens are asked about."""
        self.dir = Path(tempfile.mkdtemp(prefix="hoso-dovecot-"))
        self.dir.chmod(0o755)
        self.port, self.tls_port = free_port(), free_port()
        self.users = 0
        root = os.getuid() == 0
        user = "dovecot" if root else getpass.getuser()
        self.conf = self.dir / "dovecot.conf"
        self_signed(self.dir)
        self.conf.write_text(
            DOVECOT.format(
                dir=self.dir,
                user=user,
                login="dovenull" if root else user,
                port=self.port,
                tls_port=self.tls_port,
                password=PASSWORD,
            )
        )
        (self.dir / "oauth2.conf").write_text(
            f"introspection_url = {introspection}\nintrospection_mode = get\nusername_attribute = username\n"
            "active_attribute = active\nactive_value = true\n"
        )
        (self.dir / "mail").mkdir()
        if root:
            shutil.chown(self.dir, user, user)
            for path in self.dir.iterdir():
                shutil.chown(path, user, user)
        self.process = subprocess.Popen([self.binary() or "", "-F", "-c", str(self.conf)], start_new_session=True)
        until_answers(self.port)

    @staticmethod
    def binary() -> str | None:
        return shutil.which("dovecot") or shutil.which("dovecot", path="/usr/sbin")

    def user(self) -> str:
        self.users += 1
        return f"box {self.users}"  # with a blank: user names have to be quoted

    def deliver(self, user: str, mails: Sequence[bytes], folder: str = "INBOX") -> None:
        append(self.port, user, PASSWORD, mails, folder)

    def move(self, user: str, folder: str, to: str) -> None:
        """All mails of `folder` into another, as people do."""
        client = imaplib.IMAP4("127.0.0.1", self.port)
        client.login(f'"{user}"', PASSWORD)
        assert client.select(f'"{folder}"')[0] == "OK"
        assert client.copy("1:*", f'"{to}"')[0] == "OK"
        client.store("1:*", "+FLAGS.SILENT", "\\Deleted")
        client.expunge()
        client.logout()

    def change_uidvalidity(self, user: str) -> None:
        doveadm = shutil.which("doveadm") or "/usr/bin/doveadm"
        command = ["mailbox", "update", "--uid-validity", str(2_000_000_000 + self.users), "-u", user, "INBOX"]
        subprocess.run([doveadm, "-c", str(self.conf), *command], check=True, capture_output=True)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)
        shutil.rmtree(self.dir, ignore_errors=True)


class Pymap:
    """pymap with one user in memory; a process for each mailbox."""

    name = "pymap"

    def __init__(self) -> None:
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def user(self) -> str:
        self._restart()
        return "demo"

    def _restart(self) -> None:
        self.stop()
        program = Path(sys.executable).parent / "pymap"
        login = ["--demo-user", "demo", "--demo-password", PASSWORD]
        self.process = subprocess.Popen(
            [program, "--host", "127.0.0.1", "--port", str(self.port), "--no-tls", "dict", *login],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        until_answers(self.port)
        client = imaplib.IMAP4("127.0.0.1", self.port)
        client.login("demo", PASSWORD)
        client.select("INBOX")
        client.store("1:*", "+FLAGS.SILENT", "\\Deleted")
        client.expunge()
        client.logout()

    def deliver(self, user: str, mails: Sequence[bytes]) -> None:
        append(self.port, user, PASSWORD, mails)

    def change_uidvalidity(self, user: str) -> None:
        self._restart()

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(10)
            self.process = None


class HostileServer:
    """Speaks enough IMAP to be let in, then does what `misdeed` says.

    silent-greeting, bye-greeting, garbage-greeting, silent-login, foreign-tag-login, silent-search, drop-search,
    garbage-search, many-lines, silent-idle, chatter-idle, bye-idle, no-idle-word, drop-idle, no-login-now, endless-line,
    and what is allowed and rare: mail-before-idle, mail-with-idle, mail-in-pieces
    """

    def __init__(self, misdeed: str) -> None:
        self.misdeed = misdeed
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []
        self.idling = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            await self._talk(reader, writer)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        greeting = {
            "silent-greeting": b"",
            "bye-greeting": b"* BYE full\r\n",
            "garbage-greeting": b"\x00\xff HTTP/1.1 200\r\n\r\n",
        }
        writer.write(greeting.get(self.misdeed, b"* OK hello\r\n"))
        idle = b""
        while line := await reader.readline():
            tag, _, rest = line.strip().partition(b" ")
            word = rest.split(b" ")[0].upper()
            if word == b"UID":
                word = rest.split(b" ")[1].upper()
            done = tag + b" OK done\r\n"
            if word == b"CAPABILITY":
                writer.write(b"* CAPABILITY IMAP4rev1 IDLE\r\n" + done)
            elif word == b"LOGIN" and self.misdeed == "silent-login":
                continue
            elif word == b"LOGIN" and self.misdeed == "foreign-tag-login":
                writer.write(b"ZZZZ9 OK surprise\r\n")
            elif word == b"LOGIN" and self.misdeed == "no-login-now":
                writer.write(tag + b" NO [UNAVAILABLE] later\r\n")
            elif word == b"SELECT":
                writer.write(b"* 1 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT 9] x\r\n" + done)
            elif word == b"SEARCH":
                if self._misbehave_in_search(writer):
                    continue
                writer.write(b"* SEARCH 8\r\n" + done)
            elif word == b"IDLE":
                idle = tag
                self._idle(writer)
            elif rest.upper() == b"" and tag.upper() == b"DONE":
                if self.misdeed.startswith("mail-"):
                    writer.write(idle + b" OK done\r\n")
            else:
                writer.write(done)
            await writer.drain()

    def _misbehave_in_search(self, writer: asyncio.StreamWriter) -> bool:
        match self.misdeed:
            case "silent-search":
                pass
            case "drop-search":
                writer.transport.abort()
            case "garbage-search":
                writer.write(b"ZZZZ9 OK {9999999}\r\n\xff\xfe((((\r\n")
            case "many-lines":
                writer.write(b"".join(b"* %d FETCH (FLAGS (\\Seen))\r\n" % n for n in range(1, 5_000)))
            case "endless-line":
                writer.write(b"* SEARCH " + b"1 " * 50_000)
            case _:
                return False
        return True

    def _chatter(self, writer: asyncio.StreamWriter) -> None:
        """Lines without end, and never the one that is waited for."""
        if not writer.transport.is_closing():
            writer.write(b"* OK still here\r\n" * 200)
            asyncio.get_running_loop().call_later(0.01, self._chatter, writer)

    def _idle(self, writer: asyncio.StreamWriter) -> None:
        self.idling.set()
        match self.misdeed:
            case "silent-idle":
                writer.write(b"+ idling\r\n")
            case "bye-idle":
                writer.write(b"* BYE timeout\r\n")
                writer.close()
            case "drop-idle":
                writer.write(b"+ idling\r\n")
                writer.transport.abort()
            case "chatter-idle":
                self._chatter(writer)
            case "mail-before-idle":
                writer.write(b"* 2 EXISTS\r\n+ idling\r\n")
            case "mail-with-idle":
                writer.write(b"+ idling\r\n* 2 EXISTS\r\n")
            case "mail-in-pieces":
                for n, piece in enumerate((b"+ idling\r\n", b"* 2", b" EXISTS", b"\r", b"\n")):
                    asyncio.get_running_loop().call_later(0.05 * n, writer.write, piece)
            case "no-idle-word":
                pass
