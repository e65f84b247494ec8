"""Who is calling: an association request matched with the configured peers, by AE title *and* address.

Scanners share titles and NAT shares addresses, so neither alone says who calls.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import structlog

from dicomnode.dicom.peer import PeerSettings, Permission, Sender

LOOKUP_LIFETIME_S = 60.0
"""How long the addresses of a host name are believed before they are looked up again."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Match:
    """The configured peer that calls, or why none matches.

    Attributes:
        name: the peer's name; None when no peer matches.
        near_miss: what a person should know when nearly one did; empty otherwise.
    """

    name: str | None
    near_miss: str = ""


class KnownPeers:
    """The configured peers; host names are looked up when used, and each answer is kept for a minute."""

    def __init__(
        self,
        peers: Mapping[str, PeerSettings],
        *,
        strangers_may: Collection[Permission] = frozenset({Permission.STORE}),
    ) -> None:
        """Know ``peers``; others may do ``strangers_may``, those on this machine itself everything."""
        self._peers = peers
        self._strangers_may = strangers_may
        self._by_title: dict[str, list[str]] = {}
        for name, peer in peers.items():
            self._by_title.setdefault(peer.ae_title, []).append(name)
        self._addresses: dict[str, tuple[float, frozenset[str]]] = {}

    def __getitem__(self, name: str) -> PeerSettings:
        return self._peers[name]

    def may(self, sender: Sender, permission: Permission) -> bool:
        """Whether ``sender`` may ask for this."""
        if sender.peer is not None:
            return permission in self._peers[sender.peer].may
        return permission in self._strangers_may or ipaddress.ip_address(sender.address).is_loopback

    def match(self, calling_ae_title: str, address: str) -> Match:
        """The peer of this title at this address; one that names its host goes before one that may be anywhere."""
        candidates = self._by_title.get(calling_ae_title, [])
        for name in candidates:
            host = self._peers[name].host
            if host and address in self._addresses_of(host):
                return Match(name)
        for name in candidates:
            if not self._peers[name].host:
                return Match(name)
        return Match(None, self._near_miss(calling_ae_title, candidates))

    def destination(self, ae_title: str, caller: str | None) -> Match:
        """The peer that a Move Destination names (PS3.7 Section 9.1.4.1.4), of those that can be called.

        Args:
            caller: the name of the peer that asks. When it has this title itself, it goes before others that have it.
        """
        candidates = self._by_title.get(ae_title, [])
        callable_ones = [name for name in candidates if self._peers[name].host]
        if callable_ones:
            return Match(caller if caller in callable_ones else callable_ones[0])
        if candidates:
            return Match(None, f"peer {candidates[0]} has this title, but no host to send to")
        return Match(None, self._near_miss(ae_title, candidates))

    def _near_miss(self, calling_ae_title: str, candidates: list[str]) -> str:
        if candidates:
            return f"peer {candidates[0]} has this title, but another address"
        for title in self._by_title:
            if title.casefold() == calling_ae_title.casefold():
                return f"peer {self._by_title[title][0]} is {title}: titles differ in case (PS3.5 Section 6.2)"
        return ""

    def _addresses_of(self, host: str) -> frozenset[str]:
        known = self._addresses.get(host)
        if known and time.monotonic() - known[0] < LOOKUP_LIFETIME_S:
            return known[1]
        addresses = _look_up(host)
        if not addresses and known:
            addresses = known[1]  # a name server that fails must not shut a scanner out
        self._addresses[host] = (time.monotonic(), addresses)
        return addresses


def _look_up(host: str) -> frozenset[str]:
    """All addresses of a host name; an address is its own answer, an IPv4-mapped one stands as IPv4."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, ValueError) as error:  # a ValueError: it cannot be a host name, such as one with two dots in a row
        log.warning("peer.lookup_failed", host=host, reason=str(error))
        return frozenset()
    return frozenset(plain_address(str(sockaddr[0])) for *_, sockaddr in found)


def plain_address(text: str) -> str:
    """An IP address in its shortest form, without zone; an IPv4-mapped IPv6 address as IPv4."""
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
