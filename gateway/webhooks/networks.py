"""Which addresses belong to the public internet, by tables of our own.

`ipaddress.is_global` is no help: Python 3.11.7 takes `::127.0.0.1`, `64:ff9b::7f00:1`, `2002:7f00:1::` and multicast
for public, and what it says changes from one patch of Python to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_DENIED_V4: Final = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # "this host" (RFC 1122)
        "10.0.0.0/8",  # private (RFC 1918)
        "100.64.0.0/10",  # shared by a carrier's customers (RFC 6598); metadata of some clouds
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's host, public in form alone
        "169.254.0.0/16",  # link-local (RFC 3927); metadata of most clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments (RFC 6890)
        "192.0.2.0/24",  # documentation (RFC 5737)
        "192.88.99.0/24",  # 6to4 relays (RFC 7526)
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks (RFC 2544)
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
_GLOBAL_V6: Final = IPv6Network("2000::/3")
"""Global unicast, as far as it is assigned (RFC 4291). Loopback, link-local, unique local and multicast are outside."""
_DENIED_V6: Final = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments (RFC 2928), Teredo's tunnels among them
        "2001:db8::/32",  # documentation (RFC 3849)
        "2002::/16",  # 6to4: an IPv4 address in disguise
        "3fff::/20",  # documentation (RFC 9637)
    )
)
_CARRIES_V4: Final = (
    IPv6Network("::ffff:0:0/96"),  # mapped (RFC 4291)
    IPv6Network("64:ff9b::/96"),  # translated (RFC 6052): what a name has where a network speaks IPv6 alone
)
_V4_BITS: Final = 0xFFFF_FFFF


def is_public(address: Address, *, denied: Sequence[Network] = ()) -> bool:
    """Whether the address is anybody's on the internet, and in none of the networks that are denied besides."""
    meant = _meant(address)
    if any(each.version == meant.version and meant in each for each in denied):
        return False
    if isinstance(meant, IPv4Address):
        return not any(meant in each for each in _DENIED_V4)
    return meant in _GLOBAL_V6 and not any(meant in each for each in _DENIED_V6)


def _meant(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, or the address itself."""
    if isinstance(address, IPv6Address) and any(address in each for each in _CARRIES_V4):
        return IPv4Address(int(address) & _V4_BITS)
    return address
