"""Which certificate of a remote account is meant."""

from __future__ import annotations

import hashlib

import pytest

from app.remote_signing import named
from hoso.runtime.failures import HosoError
from services.signer.keys.misa_wire import RemoteCertificate
from tests.contract.signing.pki import employer

DER = employer().der
"""Its serial number is A1B2C: five digits, which many programs show as 0A1B2C or 0a:1b:2c."""


@pytest.mark.parametrize("told", ["", "A1B2C", "a1b2c", "0A1B2C", "0a:1b:2c", "0A 1B 2C", "its SHA-256"])
def test_a_certificate_is_named_however_its_serial_is_written(told: str) -> None:
    told = hashlib.sha256(DER).hexdigest() if "SHA" in told else told
    wanted = RemoteCertificate("one", "user", True, DER)
    assert named([wanted, RemoteCertificate("old", "user", False, DER)], told) is wanted


@pytest.mark.parametrize("told", ["A1B2", "1A1B2C", "A1B2C0"])
def test_another_number_is_none_of_them_and_those_there_are_listed(told: str) -> None:
    with pytest.raises(HosoError, match="0?A1B2C"):
        named([RemoteCertificate("one", "user", True, DER)], told)
