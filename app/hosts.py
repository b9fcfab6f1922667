"""Which mail hosts a tenant may name over HTTP: hosts of the internet. Otherwise our own network could be looked at from outside.

The operator's command line may name any host.
"""

from __future__ import annotations

import asyncio
import socket

from hoso.process.addresses import is_public
from hoso.runtime.outgoing import Environment
from services.intake.problems import Problem

LOOK_UP_S = 5


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
