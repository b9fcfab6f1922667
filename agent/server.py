"""The server, over HTTPS: every request but the enrolment is signed with the agent's own key (docs/agent.md)."""

from __future__ import annotations

import http.client
import ipaddress
import json
import ssl
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.failures import ServerAway, ServerRefuses, WrongUsage
from agent.state import Enrolment, State

MAX_ANSWER = 48 * 1024 * 1024


def message(method: str, path: str, agent: str, counter: int, body: bytes) -> bytes:
    """What an agent signs of a request: all of it that matters, one thing a line."""
    return "\n".join(("hoso-agent-1", method, path, agent, str(counter), sha256(body).hexdigest())).encode()


class Server:
    """Speaks to one server. Follows no redirects; one request at a time."""

    def __init__(self, address: str, ca: str = "") -> None:
        """Raises WrongUsage: no HTTPS although it is another machine, or a CA file that cannot be read."""
        parts = urlsplit(address)
        if parts.scheme not in ("https", "http") or not parts.hostname or parts.path not in ("", "/"):
            raise WrongUsage(f"{address} không phải địa chỉ máy chủ; viết https://ten-may:cong")
        if parts.scheme == "http" and not _loopback(parts.hostname):
            raise WrongUsage(f"{address}: máy chủ ở máy khác phải dùng https.")
        try:
            self._host, self._port = parts.hostname, parts.port
        except ValueError as error:
            raise WrongUsage(f"{address} không phải địa chỉ máy chủ; viết https://ten-may:cong") from error
        self._tls: ssl.SSLContext | None = None
        if parts.scheme == "https":
            try:
                self._tls = ssl.create_default_context(cafile=ca or None)
            except (OSError, ssl.SSLError) as error:
                raise WrongUsage(f"Không đọc được tệp chứng thư {ca}: {error}") from error

    def enrol(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Redeem a one-time code. Raises ServerAway, ServerRefuses."""
        return self._send("/agent/v1/enrolments", json.dumps(body).encode(), {}, 30)

    def ask(self, state: State, who: Enrolment, path: str, body: Mapping[str, Any], wait: float = 0) -> dict[str, Any]:
        """A signed request; `wait`: how long the server may think about it. Raises ServerAway, ServerRefuses."""
        data, counter = json.dumps(body).encode(), state.next_counter()
        signed = Ed25519PrivateKey.from_private_bytes(who.key).sign(message("POST", path, who.agent, counter, data))
        headers = {
            "Hoso-Agent": who.agent,
            "Hoso-Counter": str(counter),
            "Hoso-Signature": b64encode(signed).decode(),
        }
        return self._send(path, data, headers, wait + 30)

    def _send(self, path: str, data: bytes, headers: Mapping[str, str], timeout: float) -> dict[str, Any]:
        line: http.client.HTTPConnection
        if self._tls is None:
            line = http.client.HTTPConnection(self._host, self._port, timeout=timeout)
        else:
            line = http.client.HTTPSConnection(self._host, self._port, timeout=timeout, context=self._tls)
        try:
            line.request("POST", path, data, {"Content-Type": "application/json", **headers})
            answer = line.getresponse()
            status, got = answer.status, answer.read(MAX_ANSWER + 1)
        except ssl.SSLCertVerificationError as error:
            raise ServerAway(
                f"Chứng thư của máy chủ không được tin ({error.verify_message}); hãy kiểm tra địa chỉ hoặc --ca."
            ) from error
        except (OSError, http.client.HTTPException) as error:
            raise ServerAway(f"Không tới được máy chủ ({error or type(error).__name__}); sẽ thử lại.") from error
        finally:
            line.close()
        try:
            said = json.loads(got) if len(got) <= MAX_ANSWER else None
        except ValueError:
            said = None
        if status >= 500 or status == 429:
            raise ServerAway(f"Máy chủ tạm thời không trả lời được ({status}); sẽ thử lại.")
        if status != 200:
            text = str(said.get("detail", "")) if isinstance(said, dict) else ""
            raise ServerRefuses(status, text or f"Máy chủ từ chối ({status}).")
        if not isinstance(said, dict):
            raise ServerAway("Câu trả lời của máy chủ không đọc được; sẽ thử lại.")
        return said


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
