"""Which mail hosts a tenant may name over HTTP: hosts of the internet. Otherwise our own network could be looked at from outside.

The operator's command line may name any host.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket

from hoso.runtime.outgoing import Environment
from services.intake.problems import Problem

LOOK_UP_S = 5


def is_public(address: str) -> bool:
    """Whether an IP address is one of the internet's: not loopback, link-local, private, shared, reserved or multicast."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if inner is None and found in _NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        found = inner or found
    return found.is_global and not found.is_multicast


_NAT64 = ipaddress.ip_network("64:ff9b::/96")


async def must_be_public(host: str, port: int, environment: Environment) -> None:
    """Raises Problem 422 for a host that has any other address, or none. In `test` every host will do."""
    if environment == "test":
        return
    try:
        found = await asyncio.wait_for(
            asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM), LOOK_UP_S
        )
        addresses = [str(one[4][0]) for one in found]
    except (OSError, TimeoutError, UnicodeError):
        addresses = []
    if not addresses:
        detail = f"Không tìm thấy địa chỉ của máy chủ {host}; kiểm tra lại tên máy chủ IMAP."
        raise Problem(422, "host-unknown", "Không tìm thấy máy chủ thư", detail)
    if not all(map(is_public, addresses)):
        detail = f"{host} là máy nội bộ; dùng máy chủ có trên Internet, hoặc nhờ người vận hành khai báo bằng `hoso mailbox add`."
        raise Problem(422, "host-not-public", "Máy chủ thư không được phép", detail)
