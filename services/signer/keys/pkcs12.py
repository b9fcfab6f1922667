"""A private key out of a PKCS#12 file, as it was sealed at registration: PKCS#8 without its password."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import load_der_private_key

from services.signer.keys.port import SignatureAsk, Signatures, UnusableKey
from services.signer.ports import SigningProfile

_PADDING = padding.PKCS1v15()
_SHA256 = Prehashed(hashes.SHA256())


class Pkcs12KeySigner:
    """`KeySigner` in this process: RSA-2048 takes a quarter of a millisecond, so it stays on the event loop."""

    asks_people: ClassVar[bool] = False

    def __init__(self, profile: SigningProfile) -> None:
        """Opens the key. Its numbers were checked at registration (`hoso.domain.certificates`); checking again costs a
        hundred signatures, and a wrong key cannot pass: every signature is verified."""
        if profile.private_key_der is None:
            raise UnusableKey("Cấu hình chữ ký số không có khoá; hãy nạp lại tệp PKCS#12.")
        try:
            key = load_der_private_key(profile.private_key_der, None, unsafe_skip_rsa_key_validation=True)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise UnusableKey("Không đọc được khoá của cấu hình chữ ký số; hãy nạp lại tệp PKCS#12.") from None
        if not isinstance(key, rsa.RSAPrivateKey):
            raise UnusableKey("Khoá của cấu hình chữ ký số không phải RSA; hãy dùng chứng thư số RSA.")
        self._key = key

    async def sign(self, name: str, asks: Sequence[SignatureAsk]) -> Signatures:
        return Signatures(tuple(self._key.sign(ask.digest, _PADDING, _SHA256) for ask in asks))
