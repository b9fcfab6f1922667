"""Which IP addresses are the internet's. Whatever a tenant may name is checked with this, or our own network could be looked at."""

from __future__ import annotations

import ipaddress

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether an IP address is one of the internet's: not loopback, link-local, private, shared, reserved or multicast."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if inner is None and found in _NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        found = inner or found
    return found.is_global and not found.is_multicast


def is_loopback(address: str) -> bool:
    """Whether an IP address is this machine itself."""
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback
