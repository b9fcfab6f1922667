"""The key backends, by the name a signing profile gives. A new one is one file and one row here."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from hashlib import sha256

from services.signer.keys.pkcs12 import Pkcs12KeySigner
from services.signer.keys.port import Backend, KeySigner, UnusableKey
from services.signer.ports import SigningProfile

BACKENDS: Mapping[str, Backend] = {"pkcs12": Pkcs12KeySigner}


class SigningKeys:
    """Keys that are open, at most `size`, the least used closed first. A profile's new certificate is a new key."""

    def __init__(self, backends: Mapping[str, Backend] = BACKENDS, size: int = 1024) -> None:
        self._backends = backends
        self._size = size
        self._open: OrderedDict[bytes, KeySigner] = OrderedDict()

    @property
    def asks_people(self) -> bool:
        """Some backend of this ring asks people."""
        return any(backend.asks_people for backend in self._backends.values())

    def signer(self, profile: SigningProfile) -> KeySigner:
        """The profile's key, opened once. Raises UnusableKey."""
        backend = self._backends.get(profile.backend)
        if backend is None:
            raise UnusableKey(f"Không có cách ký “{profile.backend}”; hãy chọn cách ký khác cho cấu hình chữ ký số.")
        held = b"\0".join((profile.backend.encode(), profile.certificate_der, profile.private_key_der or b""))
        which = sha256(profile.id.bytes + held).digest()
        signer = self._open.get(which)
        if signer is None:
            signer = self._open[which] = backend(profile)
            if len(self._open) > self._size:
                self._open.popitem(last=False)
        else:
            self._open.move_to_end(which)
        return signer
