"""`hoso-agent` (also `python -m agent`, `hoso agent`): the commands of the workstation."""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from agent.failures import AgentError, WrongUsage
from agent.here import serve
from agent.lock import only_one
from agent.pins import pin_source
from agent.question import plain
from agent.server import Server
from agent.state import Enrolment, State, folder_of_this_person
from agent.usb_token import Found, Module, Token, rsa_key, sha256_of
from agent.work import Workstation, at_the_keyboard


def main(words: list[str] | None = None) -> None:
    """Run a command and exit: 0 done, 1 no or not now, 2 usage, 3 the server refuses this workstation."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")  # a Windows console may be cp1258
    given = _parser().parse_args(words)
    try:
        sys.exit(given.do(given) or 0)
    except AgentError as error:
        print(f"hoso-agent: {error}", file=sys.stderr)
        sys.exit(error.status)
    except KeyboardInterrupt:
        sys.exit(130)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hoso-agent", description="Ký hồ sơ BHXH bằng USB token cắm ở máy này. Một token một chương trình."
    )
    parser.add_argument(
        "--state",
        type=Path,
        default=None,
        metavar="FOLDER",
        help="Thư mục của chương trình. Mặc định: của người dùng này.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, do: Any, about: str) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=about, description=about)
        one.set_defaults(do=do)
        return one

    module = "Thư viện PKCS#11 của token (.dll, .so, .dylib)."
    tokens = command("tokens", _tokens, "Các chứng thư số trên những token đang cắm. Không cần PIN.")
    tokens.add_argument("--module", required=True, metavar="FILE", help=module)
    tokens.add_argument("--json", action="store_true", help="In ra JSON.")

    enrol = command("enrol", _enrol, "Ghi danh máy này với máy chủ bằng mã dùng một lần.")
    enrol.add_argument("--server", required=True, metavar="URL", help="https://ten-may-chu:cong")
    enrol.add_argument("--module", required=True, metavar="FILE", help=module)
    enrol.add_argument(
        "--ca", default="", metavar="FILE", help="Chứng thư (PEM) để tin máy chủ. Mặc định: của hệ điều hành."
    )
    enrol.add_argument(
        "--certificate", default="", metavar="ID", help="Đầu của SHA-256 hoặc số sê-ri, khi có nhiều chứng thư số."
    )
    enrol.add_argument("--code-file", default="", metavar="FILE", help="Tệp chứa mã dùng một lần. Mặc định: hỏi.")
    _pin_options(enrol)

    run = command("run", _run, "Chờ hồ sơ, hiện ra, hỏi, rồi ký; cho đến khi nhấn Ctrl-C.")
    run.add_argument(
        "--approve-all",
        action="store_true",
        help="Ký mọi hồ sơ hợp lệ mà không hỏi; mẫu không rõ hoặc mã số thuế không có trên token thì để lại cho người.",
    )
    run.add_argument(
        "--look-every",
        type=float,
        default=3.0,
        metavar="SECONDS",
        help="Bao lâu nhìn lại khi token hoặc máy chủ vắng. Mặc định 3.",
    )
    run.add_argument(
        "--wait", type=float, default=25.0, metavar="SECONDS", help="Máy chủ giữ câu hỏi bao lâu. Mặc định 25."
    )
    _pin_options(run)

    here = command("here", _here, "Ký giá trị băm nhận từ stdin; dịch vụ ký của máy chủ tự chạy lệnh này.")
    here.add_argument("--module", required=True, metavar="FILE", help=module)
    here.add_argument("--certificate-file", required=True, type=Path, metavar="FILE", help="Chứng thư số (DER).")
    _pin_options(here)

    status = command("status", _status, "Máy này đã ghi danh với ai, PIN có bị nghi sai không.")
    status.add_argument("--json", action="store_true", help="In ra JSON.")
    command("reset-pin-suspect", _reset, "Cho phép thử PIN lại, sau khi bạn đã chắc chắn về PIN.")
    return parser


def _pin_options(parser: argparse.ArgumentParser) -> None:
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--pin-fd", type=int, metavar="N", help="Đọc PIN từ file descriptor này. Mặc định: hỏi.")
    one.add_argument("--pin-file", type=Path, metavar="FILE", help="Đọc PIN từ tệp chỉ mình bạn đọc được.")


def _state(given: argparse.Namespace) -> State:
    return State(given.state or folder_of_this_person())


def _enrolled(state: State) -> Enrolment:
    who = state.enrolment()
    if who is None:
        raise WrongUsage("Máy này chưa ghi danh; hãy xin mã dùng một lần rồi chạy `hoso-agent enrol`.")
    return who


def _facts(found: Found) -> dict[str, str]:
    certificate = x509.load_der_x509_certificate(found.certificate)
    return {
        "token": found.token,
        "certificate": b64encode(found.certificate).decode(),
        "sha256": sha256_of(found.certificate),
        "serial": f"{certificate.serial_number:X}",
        "subject": certificate.subject.rfc4514_string(),
        "not_after": f"{certificate.not_valid_after_utc:%Y-%m-%d}",
    }


def _tokens(given: argparse.Namespace) -> int:
    facts = [_facts(found) for _, found in Module(given.module).certificates()]
    if given.json:
        print(json.dumps(facts, ensure_ascii=False))
    for one in [] if given.json else facts:
        print(f"{plain(one['token'])}  {one['serial']}  {one['not_after']}  {plain(one['subject'])}\n  {one['sha256']}")
    return 0 if facts else 1


def _enrol(given: argparse.Namespace) -> None:
    state, server = _state(given), Server(given.server, given.ca)
    certificate = _chosen(Module(given.module), given.certificate)
    code = _code(given.code_file)
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    with only_one(sha256_of(certificate)):
        token = Token(Module(given.module), certificate, state)
        token.check()
        token.open(pin_source(given.pin_fd, given.pin_file)())
        proof = token.sign(sha256(possession(code, public)).digest())
        said = server.enrol(
            {
                "code": code,
                "public_key": b64encode(public).decode(),
                "certificate": b64encode(certificate).decode(),
                "proof": b64encode(proof).decode(),
                "host": platform.node()[:100],
            }
        )
        token.close()
    secret = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    ca = str(Path(given.ca).resolve()) if given.ca else ""
    module = str(Path(given.module).resolve()) if Path(given.module).exists() else given.module
    state.enrol(Enrolment(given.server, ca, str(said["agent"]), secret, module, certificate, str(said["profile"])))
    print(f"Đã ghi danh cho cấu hình chữ ký số “{plain(str(said['profile']))}”. Chạy tiếp: hoso-agent run")


def possession(code: str, public: bytes) -> bytes:
    """What the token signs to show that it is there. No XML, so that it can never be a dossier; the code is the nonce."""
    return f"hoso-agent-enrolment-1\n{code}\n{public.hex()}\n".encode()


def _code(file: str) -> str:
    try:
        text = Path(file).read_text("utf-8") if file else input("Mã dùng một lần: ")
    except (OSError, EOFError, ValueError) as error:
        raise WrongUsage("Không đọc được mã dùng một lần.") from error
    return text.strip().upper()


def _chosen(module: Module, wanted: str) -> bytes:
    found = {one.certificate: one for _, one in module.certificates()}
    if wanted:
        low = wanted.lower().replace(":", "").replace(" ", "")
        found = {
            der: one
            for der, one in found.items()
            if sha256_of(der).startswith(low) or _facts(one)["serial"].lower().lstrip("0") == low.lstrip("0")
        }
    if not found:
        raise WrongUsage("Không thấy chứng thư số nào trên token; hãy cắm token và kiểm tra --module, --certificate.")
    if len(found) > 1:
        names = "\n".join(f"  {sha256_of(der)[:16]}  {plain(_facts(one)['subject'])}" for der, one in found.items())
        raise WrongUsage(f"Có nhiều chứng thư số; hãy chọn bằng --certificate:\n{names}")
    certificate = next(iter(found))
    rsa_key(certificate)
    return certificate


def _run(given: argparse.Namespace) -> None:
    state = _state(given)
    who = _enrolled(state)
    with only_one(sha256_of(who.certificate)):
        token = Token(Module(who.module), who.certificate, state)
        Workstation(
            state,
            who,
            Server(who.server, who.ca),
            token,
            pin_source(given.pin_fd, given.pin_file),
            at_the_keyboard,
            _say,
            given.approve_all,
            given.look_every,
            given.wait,
        ).run()


def _here(given: argparse.Namespace) -> None:
    try:
        certificate = given.certificate_file.read_bytes()
    except OSError as error:
        raise WrongUsage(f"Không đọc được {given.certificate_file}: {error.strerror}") from error
    with only_one(sha256_of(certificate)):
        serve(Token(Module(given.module), certificate, _state(given)), pin_source(given.pin_fd, given.pin_file))


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def _status(given: argparse.Namespace) -> int:
    state = _state(given)
    who = state.enrolment()
    facts = {
        "enrolled": who is not None,
        "server": who.server if who else "",
        "profile": who.profile if who else "",
        "certificate_sha256": sha256_of(who.certificate) if who else "",
        "pin_suspect": bool(who and state.pin(sha256_of(who.certificate))),
        "undelivered": len(state.answers()),
    }
    if given.json:
        print(json.dumps(facts, ensure_ascii=False))
    elif who is None:
        print("Máy này chưa ghi danh.")
    else:
        print(f"Máy chủ {who.server}, cấu hình “{plain(who.profile)}”, chứng thư số {facts['certificate_sha256']}")
        print("PIN: BỊ NGHI SAI, không tự thử lại." if facts["pin_suspect"] else "PIN: không có gì nghi ngờ.")
    return 0 if who else 1


def _reset(given: argparse.Namespace) -> None:
    _state(given).pins_are_good()
    print("Đã xoá nghi ngờ về PIN. Hãy chạy lại `hoso-agent run` và nhập đúng PIN.")
