"""People, their certificates and their tokens: made when asked for, with keys of the service's own."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from cryptography.x509.oid import NameOID

from simulator.esign.ledger import Ledger

AUTHORITY = "Dịch vụ ký số từ xa MÔ PHỎNG CA"
ACCESS_SECONDS = 3600
"""domain.md §5.2: 60 minutes."""
REFRESH_SECONDS = 30 * 86400
LOCKED_AFTER = 5


@dataclass(frozen=True, slots=True)
class Wanted:
    """A certificate somebody shall have."""

    tax_code: str
    name: str
    status: str = "ACTIVE"
    auto: bool = False
    days: int = 730


class People:
    """Who may sign here."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def add(self, name: str, password: str, two_factor: bool, certificates: list[Wanted]) -> list[dict[str, Any]]:
        """A person; the same name again changes password and second factor, and adds the certificates. Their aliases."""
        self._ledger.write(
            "insert into person(name, password, user_id, two_factor) values (?, ?, ?, ?) on conflict(name) do update set "
            "password = excluded.password, two_factor = excluded.two_factor, remembered = 0, wrong = 0",
            name,
            password,
            secrets.token_hex(8),
            int(two_factor),
        )
        return [self._certificate(name, wanted) for wanted in certificates]

    def _certificate(self, person: str, wanted: Wanted) -> dict[str, Any]:
        key = rsa.generate_private_key(65537, 2048)
        now = datetime.fromtimestamp(self._ledger.now(), UTC)
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.USER_ID, f"MST:{wanted.tax_code}"),
                x509.NameAttribute(NameOID.COMMON_NAME, wanted.name),
            ]
        )
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, AUTHORITY)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=wanted.days))
            .sign(key, hashes.SHA256())
        )
        alias, der = secrets.token_hex(6), made.public_bytes(Encoding.DER)
        self._ledger.write(
            "insert into certificate(alias, person, status, auto, der, key) values (?, ?, ?, ?, ?, ?)",
            alias,
            person,
            wanted.status,
            int(wanted.auto),
            der,
            key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        )
        sha256 = made.fingerprint(hashes.SHA256()).hex()
        return {"alias": alias, "serial": f"{made.serial_number:X}", "sha256": sha256, "certificate": der.hex()}

    # --- logging in -------------------------------------------------------------------------------------------------

    def check(self, name: str, password: str) -> str:
        """in, code (a second factor is needed and was sent), wrong or locked."""
        person = self._ledger.row("select * from person where name = ?", name)
        if person is None:
            return "wrong"
        if person["wrong"] >= LOCKED_AFTER:
            return "locked"
        if not secrets.compare_digest(str(person["password"]).encode(), password.encode()):
            self._ledger.write("update person set wrong = wrong + 1 where name = ?", name)
            return "wrong"
        self._ledger.write("update person set wrong = 0 where name = ?", name)
        if person["two_factor"] and not person["remembered"]:
            self.send_code(name)
            return "code"
        return "in"

    def send_code(self, name: str) -> None:
        """A new one-time code; the older one is void. Whoever may see the ledger sees it."""
        self._ledger.write("update person set otp = ? where name = ?", f"{secrets.randbelow(10**6):06}", name)

    def check_code(self, name: str, code: str, remember: bool) -> bool:
        """Whether this is the code; it is good once."""
        person = self._ledger.row("select otp from person where name = ?", name)
        if (
            person is None
            or not person["otp"]
            or not secrets.compare_digest(str(person["otp"]).encode(), code.encode())
        ):
            return False
        self._ledger.write("update person set otp = null, remembered = ? where name = ?", int(remember), name)
        return True

    def tokens(self, name: str) -> dict[str, Any]:
        """A new pair, as the service answers it."""
        made = {kind: secrets.token_urlsafe(24) for kind in ("access", "refresh")}
        now = self._ledger.now()
        for kind, seconds in (("access", ACCESS_SECONDS), ("refresh", REFRESH_SECONDS)):
            self._ledger.write(
                "insert into token(value, person, kind, expires) values (?, ?, ?, ?)",
                made[kind],
                name,
                kind,
                now + seconds,
            )
        person = self._ledger.row("select user_id from person where name = ?", name)
        return {
            "remoteSigningAccessToken": made["access"],
            "refreshToken": made["refresh"],
            "expiresIn": ACCESS_SECONDS,
            "userId": person["user_id"] if person else "",
        }

    def holder(self, token: str, kind: str = "access") -> str | None:
        """Whose token it is; None when nobody's or too old."""
        row = self._ledger.row(
            "select person from token where value = ? and kind = ? and expires > ?", token, kind, self._ledger.now()
        )
        return None if row is None else str(row["person"])

    def expire(self, name: str, refresh: bool) -> None:
        """The person's access tokens are no longer good; the refresh tokens neither, and nobody is remembered, if asked."""
        kinds = "('access', 'refresh')" if refresh else "('access')"
        self._ledger.write(f"delete from token where person = ? and kind in {kinds}", name)
        if refresh:
            self._ledger.write("update person set remembered = 0 where name = ?", name)

    # --- signing ----------------------------------------------------------------------------------------------------

    def certificates(self, name: str) -> list[dict[str, Any]]:
        return self._ledger.rows("select * from certificate where person = ? order by rowid", name)

    def certificate(self, name: str, alias: str) -> dict[str, Any] | None:
        return self._ledger.row("select * from certificate where person = ? and alias = ?", name, alias)

    def signature(self, alias: str, digest: bytes) -> bytes:
        """Raw PKCS#1 v1.5 over a SHA-256 digest."""
        row = self._ledger.row("select key from certificate where alias = ?", alias)
        assert row is not None
        key = load_der_private_key(row["key"], None)
        assert isinstance(key, rsa.RSAPrivateKey)
        return key.sign(digest, padding.PKCS1v15(), Prehashed(hashes.SHA256()))
