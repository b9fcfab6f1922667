"""How a signing profile gets at a MISA eSign account: sealed as JSON where a PKCS#12 profile seals its key."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from urllib.parse import urlsplit

from hoso.runtime.failures import HosoError
from services.signer.keys.port import UnusableKey

HOST = "https://esignapp.misa.vn"


@dataclass(frozen=True, slots=True)
class Account:
    """Where the service is, who we are to it, and who signs."""

    host: str
    """Without a slash at its end."""
    client_id: str
    client_key: str = field(repr=False)
    user: str
    password: str = field(repr=False)
    prompt_minutes: int = 15
    """After so long a prompt on a phone can no longer be approved: a request whose answer was lost is not asked anew before."""

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True).encode()

    @classmethod
    def from_bytes(cls, sealed: bytes | None) -> Account:
        """Raises UnusableKey."""
        try:
            account = cls(**json.loads(sealed or b""))
            checked_host(account.host)
            return account
        except (ValueError, TypeError, HosoError):
            raise UnusableKey(
                "Cấu hình chữ ký số không có tài khoản MISA eSign; hãy khai báo lại bằng `hoso profile add-esign`."
            ) from None

    @property
    def which(self) -> bytes:
        """Another password, another account."""
        return sha256(self.to_bytes()).digest()


def checked_host(url: str) -> str:
    """The address of the service without a slash at its end. Raises HosoError: TLS is needed beyond this machine."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment or parts.username:
        raise HosoError(f"{url!r} is no address of a signing service: write https://host, e.g. {HOST}")
    if parts.scheme == "http" and not _is_loopback(host):
        raise HosoError(f"{url}: a signing service without TLS is allowed on loopback only; write https://{host}")
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}{'' if port is None else f':{port}'}{parts.path.rstrip('/')}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
