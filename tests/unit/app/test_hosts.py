"""Which mail hosts a tenant may name."""

from __future__ import annotations

import pytest

from app.hosts import must_be_public
from services.intake.problems import Problem

INNER = [
    *("127.0.0.1", "127.1.2.3", "10.0.0.7", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
    *("::1", "::", "fe80::1", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::", "224.0.0.1"),
    *("localhost", "2130706433", "0x7f.1"),
]


@pytest.mark.parametrize("host", INNER)
async def test_our_own_network_is_refused(host: str) -> None:
    with pytest.raises(Problem) as refused:
        await must_be_public(host, 993, "production")
    assert refused.value.status == 422
    await must_be_public(host, 993, "test")


@pytest.mark.parametrize("host", ["8.8.8.8", "2001:4860:4860::8888", "::ffff:8.8.8.8"])
async def test_hosts_of_the_internet(host: str) -> None:
    await must_be_public(host, 993, "production")


@pytest.mark.parametrize("host", ["", "a" * 80, "no such host", "x.invalid"])
async def test_a_host_without_an_address(host: str) -> None:
    with pytest.raises(Problem):
        await must_be_public(host, 993, "production")
