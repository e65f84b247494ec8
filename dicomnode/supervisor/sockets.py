"""Listening sockets, bound once by the parent and shared by its workers."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Sequence

from dicomnode.errors import ConfigurationError, Problem

BACKLOG = 512
"""Connections that wait to be accepted; the kernel caps it at ``net.core.somaxconn``."""

_FIRST_INHERITED = 3  # SD_LISTEN_FDS_START


def bind(host: str, port: int, *, inherited: Sequence[socket.socket] = ()) -> list[socket.socket]:
    """Listening sockets, not blocking, for each address of ``host``; sockets of ``inherited`` on this port are taken instead.

    Args:
        host: a name or an address; empty for all addresses, IPv4 and IPv6 in one socket where the machine has both.
        port: 0 takes any free one.
        inherited: what `inherited_sockets` gave.

    Raises:
        ConfigurationError: the address is not ours, the port is taken, or this user may not have it.
    """
    taken = [listener for listener in inherited if listener.getsockname()[1] == port]
    if taken:
        return taken
    try:
        if not host:
            return [_listen(*_any_address(port))]
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        return [_listen(family, address) for family, address in dict.fromkeys((each[0], each[4]) for each in found)]
    except (OSError, ValueError) as error:  # a ValueError: it cannot be a host name, such as one with two dots in a row
        where = f"{host or 'any address'}, port {port}"
        raise ConfigurationError(
            "configuration", [Problem("listeners", f"cannot listen on {where}: {_why(error)}")]
        ) from error


def inherited_sockets() -> list[socket.socket]:
    """The listeners that the service manager bound for this process (sd_listen_fds(3)); empty when it bound none."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    listeners = [socket.socket(fileno=_FIRST_INHERITED + n) for n in range(int(os.environ.get("LISTEN_FDS", "0")))]
    for listener in listeners:
        listener.set_inheritable(False)
        listener.settimeout(0)
    return listeners


def _any_address(port: int) -> tuple[socket.AddressFamily, tuple[str, int]]:
    if socket.has_dualstack_ipv6():
        return socket.AF_INET6, ("::", port)
    return socket.AF_INET, ("0.0.0.0", port)  # noqa: S104 - what an empty host asks for


def _listen(family: socket.AddressFamily, address: tuple[object, ...]) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address[0] != "::")
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.settimeout(0)
    except OSError:
        listener.close()
        raise
    return listener


def _why(error: OSError | ValueError) -> str:
    if isinstance(error, ValueError):
        return "that is no host name"
    if error.errno == errno.EADDRINUSE:
        return "another program listens there already"
    if error.errno == errno.EACCES:
        return "a port below 1024 needs root or the capability CAP_NET_BIND_SERVICE"
    if error.errno == errno.EADDRNOTAVAIL:
        return "this machine does not have that address"
    return error.strerror or str(error)
