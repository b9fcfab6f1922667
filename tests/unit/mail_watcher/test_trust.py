"""Whom a mailbox believes, attack by attack."""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from services.mail_watcher.parser import parse
from services.mail_watcher.trust import Policy, Quarantined, Trusted, TrustSettings, Verdict, judge, key_names
from tests.unit.mail_watcher.mails import SENDER, activation

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
AGENCY, EVIL = "baohiemxahoi.gov.vn", "evil.example"
SIGNED = [b"from", b"to", b"subject", b"date", b"message-id"]


@cache
def key(domain: str) -> tuple[bytes, str]:
    made = rsa.generate_private_key(65537, 2048)
    pem = made.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    public = made.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return pem, f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}"


def records(*domains: str) -> dict[str, str]:
    return {f"s1._domainkey.{domain}": key(domain)[1] for domain in domains or (AGENCY, EVIL)}


def signed(raw: bytes, domain: str = AGENCY, headers: list[bytes] | None = None, **how: Any) -> bytes:
    made: bytes = dkim.sign(raw, b"s1", domain.encode(), key(domain)[0], include_headers=headers or SIGNED, **how)
    return made + raw


def verdict(raw: bytes, trust: TrustSettings | None = None, at: datetime | None = None) -> Verdict:
    return judge(raw, parse(raw), trust or TrustSettings(), records(), at or datetime.now(UTC))


def why(raw: bytes, trust: TrustSettings | None = None, at: datetime | None = None) -> str:
    found = verdict(raw, trust, at)
    assert isinstance(found, Quarantined)
    return found.why


def test_the_agencys_signature_is_believed() -> None:
    assert verdict(signed(activation())) == Trusted(f"dkim {AGENCY}")
    relaxed = signed(activation(), canonicalize=(b"relaxed", b"relaxed"))
    assert isinstance(verdict(relaxed), Trusted)


def test_a_second_signature_by_a_relay_does_no_harm() -> None:
    assert isinstance(verdict(signed(signed(activation()), EVIL)), Trusted)


def test_keys_may_stand_in_the_settings() -> None:
    raw = signed(activation())
    trust = TrustSettings(records=records(AGENCY))
    assert key_names(raw, trust) == []
    assert isinstance(judge(raw, parse(raw), trust, {}, datetime.now(UTC)), Trusted)
    assert key_names(raw, TrustSettings()) == [f"s1._domainkey.{AGENCY}"]
    assert isinstance(judge(raw, parse(raw), TrustSettings(), {}, datetime.now(UTC)), Quarantined)


def test_only_keys_of_listed_domains_are_asked_for() -> None:
    assert key_names(signed(activation(), EVIL), TrustSettings()) == []


def test_unsigned() -> None:
    assert "no DKIM signature" in why(activation())


def test_a_changed_body() -> None:
    raw = signed(activation())
    assert "verifies" in why(raw[:-20] + b"x" + raw[-19:])


def test_signed_by_somebody_else_in_the_agencys_name() -> None:
    assert "verifies" in why(signed(activation(), EVIL))


def test_a_sender_not_on_the_list() -> None:
    assert "list" in why(signed(activation(sender=f"{SENDER.split(' <')[0]} <thongbao@{EVIL}>"), EVIL))
    assert "list" in why(signed(activation(sender=f"a <a@sub.{AGENCY}>")))
    assert "sender" in why(signed(activation(sender=f'"thongbao@{AGENCY}" <a@{EVIL}>, b <b@{AGENCY}>'), EVIL))


@pytest.mark.parametrize("name", [b"From", b"Subject", b"Date", b"To", b"Message-ID"])
def test_a_header_added_to_a_signed_mail(name: bytes) -> None:
    assert "more than one" in why(name + b": x@evil.example\r\n" + signed(activation()))
    assert "more than one" in why(signed(activation()).replace(b"\r\n\r\n", b"\r\n" + name.upper() + b": a\r\n\r\n", 1))


def test_room_to_append_text() -> None:
    raw = signed(activation(), length=True)
    assert "l=" in why(raw)
    assert "l=" in why(raw + b"<p>XX</p>")


def test_a_signature_that_leaves_headers_out() -> None:
    assert "cover" in why(signed(activation(), headers=[b"from", b"to"]))


def test_sha1_is_no_signature() -> None:
    raw = signed(activation()).replace(b"a=rsa-sha256", b"a=rsa-sha1", 1)
    assert "malformed" in why(raw)


def test_a_signature_is_held_against_the_worlds_clock() -> None:
    ahead = datetime.now(UTC) + timedelta(days=30)
    raw = signed(activation())
    assert isinstance(verdict(raw, at=ahead), Trusted)
    assert "time" in why(raw, at=datetime.now(UTC) - timedelta(days=2))


def test_blanks_that_would_take_for_ever() -> None:
    raw = signed(activation()) + b" " * 50_000 + b"x"
    started = time.process_time()
    assert "blanks" in why(raw)
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize(
    "junk",
    [
        b"DKIM-Signature: \r\n",
        b"DKIM-Signature: v=1; d=baohiemxahoi.gov.vn; h=from:subject; s=s1; a=rsa-sha256; b=x; bh=x\r\n",
        b"DKIM-Signature: ;;;==\xff\r\n",
    ],
)
def test_junk_is_no_signature(junk: bytes) -> None:
    assert isinstance(verdict(junk + activation()), Quarantined)


RESULTS = TrustSettings(policy=Policy.AUTH_RESULTS, authserv_id="mx.daiphuc.example")


def stamped(value: str) -> bytes:
    return f"Authentication-Results: {value}\r\n".encode() + activation()


@pytest.mark.parametrize(
    "value",
    [
        f"mx.daiphuc.example; dkim=pass header.d={AGENCY} header.s=s1",
        f"MX.daiphuc.example 1;\r\n spf=fail smtp.mailfrom=x;\r\n dkim=pass (2048-bit key)"
        f" header.i=@{AGENCY} header.d={AGENCY}",
        f"mx.daiphuc.example; dmarc=pass (p=reject) header.from={AGENCY}",
    ],
)
def test_the_servers_word_is_believed_where_chosen(value: str) -> None:
    assert isinstance(verdict(stamped(value), RESULTS), Trusted)
    assert isinstance(verdict(stamped(value)), Quarantined)


@pytest.mark.parametrize(
    "value",
    [
        f"mx.evil.example; dkim=pass header.d={AGENCY}",
        f"mx.daiphuc.example; dkim=fail header.d={AGENCY}",
        "mx.daiphuc.example; dkim=pass header.d=evil.example",
        f"mx.daiphuc.example; dkim=fail (dkim=pass header.d={AGENCY}) header.d={AGENCY}",
        f"mx.daiphuc.example; spf=pass smtp.mailfrom={AGENCY}",
        "none",
    ],
)
def test_another_word_is_not(value: str) -> None:
    assert isinstance(verdict(stamped(value), RESULTS), Quarantined)


def test_only_the_topmost_word_counts() -> None:
    good = f"mx.daiphuc.example; dkim=pass header.d={AGENCY}"
    forged = stamped("mx.daiphuc.example; dkim=fail header.d=x").replace(
        b"\r\nFrom:", f"\r\nAuthentication-Results: {good}\r\nFrom:".encode(), 1
    )
    assert isinstance(verdict(forged, RESULTS), Quarantined)
    assert isinstance(verdict(activation(), RESULTS), Quarantined)


def test_sender_only_believes_the_sender_and_nobody_else() -> None:
    trust = TrustSettings(policy=Policy.SENDER_ONLY)
    assert verdict(activation(), trust) == Trusted("sender only")
    assert isinstance(verdict(activation(sender=f"a@{EVIL}"), trust), Quarantined)
