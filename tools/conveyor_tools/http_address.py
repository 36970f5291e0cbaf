"""Which internet addresses the `http` tool may connect to.

What counts is the address that a connection is made to, not the name that led there: names can
resolve to anything, and to something else a moment later.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address

_METADATA = frozenset(
    map(
        ip_address,
        (
            "169.254.169.254",  # AWS, Azure, Google and most others
            "169.254.170.2",  # containers on AWS
            "169.254.170.23",
            "168.63.129.16",  # Azure's own, in the middle of public addresses
            "100.100.100.200",  # Alibaba
            "192.0.0.192",  # Oracle
            "fd00:ec2::254",  # AWS
            "fd00:ec2::23",
            "fd20:ce::254",  # Google
        ),
    )
)
"""Where machines in a cloud get their credentials. Never allowed."""

_ALLOWABLE = {
    "a loopback": ("127.0.0.0/8", "::1/128"),
    "a private": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),
    "a link-local": ("169.254.0.0/16", "fe80::/10"),
    "a carrier-grade NAT": ("100.64.0.0/10",),
}
"""What a task may allow."""

_NEVER = {
    "an unspecified": ("0.0.0.0/8", "::/128"),
    "a multicast": ("224.0.0.0/4", "ff00::/8"),
    "a broadcast or reserved": ("240.0.0.0/4", "192.0.0.0/24", "192.88.99.0/24"),
    "a documentation or benchmark": (
        "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15",
        "2001:db8::/32", "3fff::/20", "2001:2::/48",
    ),
    "a tunnelled": ("2001::/23", "2002::/16"),
}  # fmt: skip

_ALLOWABLE_NETWORKS = [
    (kind, ip_network(each)) for kind, networks in _ALLOWABLE.items() for each in networks
]
_NEVER_NETWORKS = [
    (kind, ip_network(each)) for kind, networks in _NEVER.items() for each in networks
]
_PUBLIC_V6 = IPv6Network("2000::/3")
"""What is routed on the internet; the rest is local, reserved or IPv4 in disguise."""
_NAT64 = IPv6Network("64:ff9b::/96")

_NUMBER = re.compile(r"(0[xX][0-9a-fA-F]*|[0-9]+)\.?\Z")


def why_not(address: Address, *, private: bool) -> str | None:
    """Why no connection may be made to the address; None if one may.

    `private`: the task allows addresses of this machine and of the networks around it.
    """
    if isinstance(address, IPv6Address):
        inner = _embedded(address)
        if inner is not None:
            return why_not(inner, private=private)
    if address in _METADATA:
        return "it is where a cloud machine's credentials are"
    for kind, network in _ALLOWABLE_NETWORKS:
        if address in network:
            return None if private else f"it is {kind} address"
    for kind, network in _NEVER_NETWORKS:
        if address in network:
            return f"it is {kind} address"
    if isinstance(address, IPv6Address) and address not in _PUBLIC_V6:
        return "it is a reserved address"
    return None


def may_be_allowed(address: Address) -> bool:
    """Whether a task can allow an address that is refused otherwise."""
    return why_not(address, private=True) is None


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that packets to this one really go to."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def is_odd_number(host: str) -> bool:
    """Whether the host is a number in a form that resolvers take for an IPv4 address.

    `127.1`, `2130706433`, `0x7f.0.0.1` and `0177.0.0.1` all are this machine. Only four plain
    decimal numbers are written by people who mean an address.
    """
    if not _NUMBER.match(host.rpartition(".")[2] or host):
        return False
    try:
        IPv4Address(host)
    except ValueError:
        return True
    return False
