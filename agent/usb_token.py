"""The token, through its PKCS#11 library: found by the exact certificate, logged in to once, never with a doubtful PIN.

PIN rules (docs/agent.md): a try is written down before the token sees it and crossed out only when the token said yes.
So a wrong PIN, an error that hides one (several libraries answer CKR_GENERAL_ERROR), and a process that died meanwhile
are all the same fact: the PIN is suspect, and stays it until a person resets it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import pkcs11
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from pkcs11 import Attribute, Mechanism, ObjectClass, TokenFlag

from agent.failures import PinSuspect, TokenAbsent, WrongUsage
from agent.state import State

DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
"""RFC 8017 §9.2: the DER before a SHA-256 value; the token pads and signs, it does not hash."""
_NOT_THERE = (
    pkcs11.TokenNotPresent,
    pkcs11.DeviceRemoved,
    pkcs11.SlotIDInvalid,
    pkcs11.NoSuchToken,
    pkcs11.TokenNotRecognised,
)
"""Errors of opening that come from before the token looked at a PIN."""
_LAST_TRY = (
    "Token chỉ còn một lần thử PIN, hoặc đã khoá. Hãy mở token bằng phần mềm của nhà cung cấp với đúng PIN trước."
)
SUSPECT = (
    "PIN của token có thể sai; chương trình không tự thử lại để token không bị khoá. Hãy chắc chắn về PIN, chạy "
    "`hoso-agent reset-pin-suspect`, rồi chạy lại chương trình."
)


@dataclass(frozen=True, slots=True)
class Found:
    """A certificate on a token that is plugged in."""

    token: str
    """The token's label."""
    certificate: bytes
    key_id: bytes


def sha256_of(certificate: bytes) -> str:
    return sha256(certificate).hexdigest()


class Module:
    """One PKCS#11 library in this process. Not for a second thread, not across a fork."""

    def __init__(self, path: str) -> None:
        """Raises WrongUsage."""
        try:
            self._lib = pkcs11.lib(path)
        except (pkcs11.PKCS11Error, RuntimeError, OSError) as error:
            raise WrongUsage(f"Không nạp được thư viện PKCS#11 {path}: {error}. Hãy kiểm tra --module.") from error

    def again(self) -> None:
        """Forget everything, sessions included, and look at the readers anew. Some libraries see a token that came
        back only so."""
        self._lib.reinitialize()

    def certificates(self) -> Sequence[tuple[Any, Found]]:
        """Every certificate that can be read without a PIN, with its token."""
        found = []
        for slot in self._lib.get_slots(token_present=True):
            try:
                token = slot.get_token()
                if not token.flags & TokenFlag.TOKEN_INITIALIZED:
                    continue
                with token.open() as session:
                    for one in session.get_objects({Attribute.CLASS: ObjectClass.CERTIFICATE}):
                        value = bytes(one[Attribute.VALUE])
                        found.append((token, Found(token.label.strip(), value, bytes(one[Attribute.ID]))))
            except (pkcs11.PKCS11Error, KeyError):
                continue  # another token, or one that is just being pulled out: not ours to complain about
        return found


class Token:
    """The one token whose certificate is ours."""

    def __init__(self, module: Module, certificate: bytes, state: State) -> None:
        """Raises WrongUsage for a certificate that cannot be signed with."""
        self.certificate_sha256 = sha256_of(certificate)
        self._module = module
        self._certificate = certificate
        self._state = state
        self._public = rsa_key(certificate)
        self._session: Any = None
        self._key: Any = None
        self._serial = b""
        self._wrong = False

    def check(self) -> None:
        """The token is there and its PIN is not in doubt. Raises TokenAbsent, PinSuspect. Never tries the PIN."""
        if self._session is not None and not self._still_there():
            self._drop()
        self._not_suspect()
        if self._session is None:
            token, _ = self._find()
            if token.flags & (TokenFlag.USER_PIN_FINAL_TRY | TokenFlag.USER_PIN_LOCKED):
                raise PinSuspect(_LAST_TRY)

    def open(self, pin: str) -> None:
        """Log in, unless that was done. Raises TokenAbsent, PinSuspect."""
        self.check()
        if self._session is not None:
            return
        token, key_id = self._find()
        before = self._state.pin(self.certificate_sha256)
        self._state.pin_is(self.certificate_sha256, "trying")
        try:
            session = token.open(user_pin=pin)
        except _NOT_THERE as error:
            self._state.pin_is(self.certificate_sha256, before)
            raise TokenAbsent(absent()) from error
        except pkcs11.PKCS11Error as error:
            self._wrong = True
            self._state.pin_is(self.certificate_sha256, "suspect")
            raise PinSuspect(f"Token không nhận PIN ({type(error).__name__}). {SUSPECT}") from error
        self._state.pin_is(self.certificate_sha256, "")
        try:
            self._key = session.get_key(object_class=ObjectClass.PRIVATE_KEY, id=key_id)
        except pkcs11.PKCS11Error as error:
            session.close()
            raise WrongUsage(
                "Trên token không có khoá riêng của chứng thư số này; hãy hỏi nhà cung cấp token."
            ) from error
        self._session, self._serial = session, bytes(token.serial)

    def sign(self, digest: bytes) -> bytes:
        """The raw PKCS#1 v1.5 signature of a SHA-256, checked against the certificate. Raises TokenAbsent."""
        if self._session is None:
            raise TokenAbsent(absent())
        try:
            signature = bytes(self._key.sign(DIGEST_INFO + digest, mechanism=Mechanism.RSA_PKCS))
        except pkcs11.PKCS11Error as error:
            self._drop()
            raise TokenAbsent(f"Token không ký được ({type(error).__name__}). {absent()}") from error
        try:
            self._public.verify(signature, digest, padding.PKCS1v15(), Prehashed(hashes.SHA256()))
        except InvalidSignature:
            raise WrongUsage("Chữ ký của token không khớp với chứng thư số; khoá trên token là khoá khác.") from None
        return signature

    def close(self) -> None:
        self._drop()

    def _not_suspect(self) -> None:
        """A PIN that was wrong in this process stays wrong in it, also after a reset: it holds that PIN."""
        if self._wrong or self._state.pin(self.certificate_sha256):
            raise PinSuspect(SUSPECT)

    def _find(self) -> tuple[Any, bytes]:
        for attempt in (1, 2):
            for token, found in self._module.certificates():
                if found.certificate == self._certificate:
                    return token, found.key_id
            if attempt == 1:
                self._module.again()
        raise TokenAbsent(absent())

    def _still_there(self) -> bool:
        try:
            token = self._session.token.slot.get_token()
            return bytes(token.serial) == self._serial
        except pkcs11.PKCS11Error:
            return False

    def _drop(self) -> None:
        """Log out and forget; nothing of the old session is used again."""
        if self._session is not None:
            self._session = self._key = None
            self._module.again()


def absent() -> str:
    return "Không thấy token có đúng chứng thư số đã đăng ký; hãy cắm token vào máy này. Chương trình tự tiếp tục."


def rsa_key(certificate: bytes) -> rsa.RSAPublicKey:
    """The public key. Raises WrongUsage for a certificate that cannot be signed with."""
    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise WrongUsage("Không đọc được chứng thư số trên token.") from error
    if not isinstance(key, rsa.RSAPublicKey):
        raise WrongUsage("Khoá của chứng thư số không phải RSA; cơ quan BHXH chỉ nhận rsa-sha256.")
    return key
