"""Where a webhook may be declared to go: nowhere inside, however the address is written."""

from __future__ import annotations

import pytest

from services.notifier.receivers import BadUrl, read_url


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.1", "0x7f.1", "0x7f000001", "2130706433", "0177.0.0.1", "127.0.0.1.", "10.0.0.8", "192.168.1.1", "169.254.169.254",
        "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:a00:1]", "[fe80::1]", "[fd00::1]", "[64:ff9b::7f00:1]", "localhost",
        "LOCALHOST.", "a.localhost",
    ],
)  # fmt: skip
def test_an_address_of_ours_is_refused_when_it_is_declared(host: str) -> None:
    with pytest.raises(BadUrl, match="not an address of the internet"):
        read_url(f"https://{host}:8443/hook", loopback=False)


@pytest.mark.parametrize("host", ["hr.acme.vn", "8.8.8.8", "[2606:4700::1111]", "10.acme.vn", "0x7f.vn"])
def test_names_and_the_internets_addresses_may_be_declared(host: str) -> None:
    assert read_url(f" https://{host}/hook ", loopback=False) == f"https://{host}/hook"


def test_where_a_setting_says_so_this_machine_may_be_told_and_nobody_else_inside() -> None:
    for url in ("http://127.0.0.1:8080/", "http://localhost:8080/", "https://[::1]/"):
        assert read_url(url, loopback=True) == url
    with pytest.raises(BadUrl):
        read_url("https://10.0.0.8/", loopback=True)
