"""The relay itself: what is encrypted, and what a refusal means."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hoso.runtime.failures import SettingsError, Transient
from services.notifier.smtp_relay import Relay, SmtpRelay, Tls, relay
from tests.integration.notifier.stage import MailHost, mail_host

MAIL = b"Subject: x\r\n\r\nx\r\n"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A key and a certificate of its own for 127.0.0.1, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(True, None), True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "mail.pem"
    plain = serialization.NoEncryption()
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


def context(file: Path) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(file)
    return made


async def sent(host: MailHost, tls: Tls, ca: Path | None = None) -> None:
    to = SmtpRelay(Relay("127.0.0.1", host.port, tls, "hoso@x.example", ca=ca), timeout=5)
    try:
        await to.send("lan@acme.vn", MAIL)
    finally:
        await to.close()


async def test_starttls_is_spoken(certificate: Path) -> None:
    async with mail_host(MailHost(), context(certificate)) as host:
        await sent(host, "starttls", certificate)
        assert len(host.taken) == 1
        with pytest.raises(Transient):  # it is nobody we know
            await sent(host, "starttls")
    assert len(host.taken) == 1


async def test_implicit_tls(certificate: Path) -> None:
    async with mail_host(MailHost(), context(certificate), implicit=True) as host:
        await sent(host, "implicit", certificate)
    assert len(host.taken) == 1


async def test_a_relay_that_offers_no_starttls_gets_nothing() -> None:
    async with mail_host(MailHost()) as host:
        with pytest.raises(Transient):
            await sent(host, "starttls")
    assert host.taken == []


@pytest.mark.parametrize(
    ("url", "tls", "port"),
    [
        ("smtp://mail.acme.vn", "starttls", 587),
        ("smtp://mail.acme.vn:25", "starttls", 25),
        ("smtps://u@mail.acme.vn", "implicit", 465),
        ("smtp://127.0.0.1:2525", "none", 2525),
        ("smtp://localhost:2525", "none", 2525),
    ],
)
def test_only_this_machine_is_spoken_to_in_clear(url: str, tls: str, port: int) -> None:
    found = relay(url, "a@b.vn", None, None)
    assert found is not None
    assert (found.tls, found.port) == (tls, port)


@pytest.mark.parametrize("url", ["mail.acme.vn", "http://x", "smtp://", "smtp://u:geheim@x", "smtp://x:99999"])
def test_settings_that_will_not_do(url: str) -> None:
    with pytest.raises(SettingsError) as refused:
        relay(url, "a@b.vn", None, None)
    assert "geheim" not in str(refused.value)


def test_mails_are_off_or_have_a_sender() -> None:
    assert relay("", "", None, None) is None
    with pytest.raises(SettingsError, match="HOSO_SMTP_FROM"):
        relay("smtp://x", "", None, None)
