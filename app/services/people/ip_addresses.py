"""Addresses of clients and proxies as everything here compares them: one form of each, whatever it was written as."""

from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

MAPPED: Final = IPv6Network("::ffff:0:0/96")
"""IPv4 as a socket of IPv6 shows it: `::ffff:192.0.2.1` is 192.0.2.1. Taken as IPv6, all of IPv4 were one /64."""


@lru_cache(maxsize=4_096)
def parsed(text: str) -> Address | None:
    """The address, of IPv4 where it is mapped, and without the name of a link (`%eth0`); None for what is none."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return address if isinstance(address, IPv4Address) else address.ipv4_mapped or address


def parsed_network(text: str) -> Network:
    """The same for a network, or an address alone; ValueError for what is neither."""
    network = ip_network(text, strict=False)
    if isinstance(network, IPv6Network) and network.subnet_of(MAPPED):
        mapped = network.network_address.ipv4_mapped
        return ip_network(f"{mapped}/{network.prefixlen - MAPPED.prefixlen}")
    return network
