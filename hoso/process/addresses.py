"""Which IP addresses are the internet's. Whatever a tenant may name is checked with this, or our own network could be looked at."""

from __future__ import annotations

import ipaddress

_NETWORK = ipaddress.ip_network
_NAT64 = _NETWORK("64:ff9b::/96")
"""RFC 6052: the last 32 bits are the IPv4 address that is really reached."""
_NEVER = (
    _NETWORK("::ffff:0:0:0/96"),  # SIIT: nobody's address on the internet, whatever it carries
    _NETWORK("64:ff9b:1::/48"),  # NAT64 for local use (RFC 8215)
    _NETWORK("::/96"),  # IPv4-compatible (RFC 4291 §2.5.5.1), the loopback and the unspecified address
    _NETWORK("fec0::/10"),  # site-local (RFC 3879)
    _NETWORK("fc00::/7"),
    _NETWORK("fe80::/10"),
    _NETWORK("100::/64"),  # discard-only (RFC 6666)
    _NETWORK("2001:db8::/32"),
    _NETWORK("3fff::/20"),  # documentation (RFC 9637)
    _NETWORK("5f00::/16"),  # segment routing (RFC 9602)
    _NETWORK("192.88.99.0/24"),  # 6to4 relays, given back (RFC 7526)
)
"""What the standard library of some Python takes for global, or may."""


def is_public(address: str) -> bool:
    """Whether an IP address is one of the internet's: not loopback, link-local, site-local, private, shared, reserved or multicast.

    An IPv6 address that carries an IPv4 address is the internet's when both are."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return _global(found.ipv4_mapped)
        inner = [found.sixtofour, *(found.teredo or ())]
        if found in _NAT64:
            inner.append(ipaddress.IPv4Address(int(found) & 0xFFFFFFFF))
        carried = [one for one in inner if one is not None]
        if carried:
            return all(map(_global, carried)) and not _never(found)
    return _global(found)


def _global(found: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return found.is_global and not found.is_multicast and not found.is_reserved and not _never(found)


def _never(found: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return any(found in network for network in _NEVER)


def is_loopback(address: str) -> bool:
    """Whether an IP address is this machine itself."""
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback
