"""A connection as the upper layer reads it: whole PDUs out of one reused buffer, every wait with a deadline.

The socket does not block, and is asked before it is waited for: while a peer sends without pause, a read costs one system call.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Sequence

from dicomnode.upper_layer.faults import INVALID_PARAMETER, Gone, TimedOut, Violation
from dicomnode.upper_layer.settings import UpperLayerSettings

HEADER_BYTES = 6
"""PDU type, a reserved byte, PDU length (PS3.8 Section 9.3.1)."""

_FIRST_BUFFER_BYTES = 16 * 1024
"""Enough for an association that stands idle; the first PDU that does not fit brings the real buffer."""
_KEEPALIVE_IDLE_S, _KEEPALIVE_INTERVAL_S, _KEEPALIVE_PROBES = 60, 15, 4
"""A peer that vanished without a word is found out within two minutes; firewalls forget silent connections in about five."""
_header = struct.Struct(">BxI").unpack_from


class Connection:
    """One TCP connection, maybe under TLS; used by its association's thread alone, but for `interrupt`."""

    def __init__(self, sock: socket.socket, settings: UpperLayerSettings) -> None:
        self._socket = sock
        self._settings = settings
        self._poll: select.poll | None = None
        self._buffer = bytearray(_FIRST_BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._start = self._end = 0
        """What was received and not read yet lies between these."""
        self.received_bytes = 0
        self._is_interrupted = False
        self._receiving = threading.Lock()
        """Held while bytes are taken, never while they are waited for."""
        sock.settimeout(0)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEPALIVE_IDLE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _KEEPALIVE_INTERVAL_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _KEEPALIVE_PROBES)
        # While an answer is under way no probes are sent, and the system would go on for a quarter of an hour (tcp(7)).
        vanished_s = _KEEPALIVE_IDLE_S + _KEEPALIVE_INTERVAL_S * _KEEPALIVE_PROBES
        patience_ms = round(1000 * max(vanished_s, settings.send_timeout_s))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, patience_ms)

    def handshake(self, context: ssl.SSLContext, timeout_s: float, *, server_hostname: str | None = None) -> None:
        """Go on under TLS: as the server, or as a client of ``server_hostname``.

        Raises:
            Gone: the peer does not speak it, or not as the context asks, or not in time; there is no saying goodbye then.
        """
        deadline = time.monotonic() + timeout_s
        try:
            self._socket = context.wrap_socket(
                self._socket,
                server_side=server_hostname is None,
                do_handshake_on_connect=False,
                server_hostname=server_hostname,
            )
            while True:
                try:
                    self._socket.do_handshake()
                except ssl.SSLWantReadError:
                    self._wait(select.POLLIN, deadline, "the peer")
                except ssl.SSLWantWriteError:
                    self._wait(select.POLLOUT, deadline, "the peer")
                else:
                    return
        except (OSError, ValueError, TimedOut) as error:
            raise Gone(f"TLS handshake failed: {getattr(error, 'reason', None) or error}") from error

    def read_pdu(
        self, idle_timeout_s: float, pdu_timeout_s: float, limit: Callable[[int], int]
    ) -> tuple[int, memoryview]:
        """The next PDU: its type and its body, which is valid until the next read.

        Args:
            idle_timeout_s: how long the peer may send nothing.
            pdu_timeout_s: how long a PDU that has begun may take.
            limit: the most bytes that a PDU of this type may have.

        Raises:
            Gone: the connection has ended.
            TimedOut: the peer took too long.
            Violation: the PDU is longer than the limit.
        """
        if self._start == self._end:
            self._start = self._end = 0
            self._receive(time.monotonic() + idle_timeout_s, "the next message")
        deadline = time.monotonic() + pdu_timeout_s
        if self._end - self._start < HEADER_BYTES:
            self._receive_up_to(HEADER_BYTES, deadline)
        kind, length = _header(self._buffer, self._start)
        if length > limit(kind):
            raise Violation(f"PDU of {length} bytes", INVALID_PARAMETER)
        if self._end - self._start < HEADER_BYTES + length:
            self._receive_up_to(HEADER_BYTES + length, deadline)
        begin = self._start + HEADER_BYTES
        self._start = end = begin + length
        return kind, self._view[begin:end]

    @property
    def local_address(self) -> tuple[str, int]:
        """Our own IP address and port."""
        host, port = self._socket.getsockname()[:2]
        return host, port

    @property
    def peer_address(self) -> tuple[str, int]:
        """The peer's IP address and port."""
        host, port = self._socket.getpeername()[:2]
        return host, port

    def has_input(self) -> bool:
        """Whether a PDU has begun to arrive; never waits.

        It reads to find out: under TLS, a readable socket may hold half a record, or one that carries nothing for us.

        Raises:
            Gone: the connection has ended.
        """
        if self._start == self._end:
            self._start = self._end = 0
            with contextlib.suppress(TimedOut):
                self._receive(time.monotonic(), "")
        return self._start != self._end

    def send(self, data: bytes) -> None:
        """Send all of it.

        Raises:
            Gone: the connection has ended.
            TimedOut: the peer does not take it.
        """
        view = memoryview(data)
        deadline = 0.0
        while view:
            try:
                view = view[self._socket.send(view) :]
            except (BlockingIOError, ssl.SSLWantWriteError):
                deadline = deadline or time.monotonic() + self._settings.send_timeout_s
                self._wait(select.POLLOUT, deadline, "the peer to take an answer")
            except ssl.SSLWantReadError:
                deadline = deadline or time.monotonic() + self._settings.send_timeout_s
                self._wait(select.POLLIN, deadline, "the peer to take an answer")
            except OSError as error:
                raise Gone(error.strerror or str(error)) from error

    def send_pieces(self, pieces: Sequence[bytes | memoryview]) -> None:
        """Send all of them, in their order, without putting them together; not more than 1024 (IOV_MAX).

        Raises:
            Gone: the connection has ended.
            TimedOut: the peer does not take it.
        """
        if isinstance(self._socket, ssl.SSLSocket):  # encrypting copies anyway
            self.send(b"".join(pieces))
            return
        left = list(pieces)
        deadline = 0.0
        while left:
            try:
                left = _without_first(self._socket.sendmsg(left), left)
            except BlockingIOError:
                deadline = deadline or time.monotonic() + self._settings.send_timeout_s
                self._wait(select.POLLOUT, deadline, "the peer to take what is sent")
            except OSError as error:
                raise Gone(error.strerror or str(error)) from error

    def interrupt(self) -> None:
        """End the reads of another thread; what it sends still goes out."""
        with self._receiving, contextlib.suppress(OSError):
            self._is_interrupted = True
            socket.socket.shutdown(self._socket, socket.SHUT_RD)  # an SSLSocket's own would give up TLS with it

    def close(self, *, linger_s: float = 0.0) -> None:
        """Close it, after the peer has closed its side or ``linger_s`` has passed: a reset could overtake the last PDU."""
        self._end_tls()
        with contextlib.suppress(OSError):
            if linger_s:
                self._socket.shutdown(socket.SHUT_WR)
                self._drain(time.monotonic() + linger_s)
        self._socket.close()

    def _end_tls(self) -> None:
        """Say that nothing more comes (RFC 8446 Section 6.1), without waiting for the peer to say so too."""
        if isinstance(self._socket, ssl.SSLSocket):
            with contextlib.suppress(OSError, ValueError):
                self._socket.unwrap()

    # -- receiving ----------------------------------------------------------------------------------------------------

    def _receive_up_to(self, size_bytes: int, deadline: float) -> None:
        """Have the first ``size_bytes`` of a PDU."""
        self._make_room(size_bytes)
        while self._end - self._start < size_bytes:
            self._receive(deadline, "a PDU")

    def _make_room(self, size_bytes: int) -> None:
        """Move what is left to the start of the buffer, or of a bigger one, when ``size_bytes`` from there on would not fit."""
        if self._start + size_bytes <= len(self._buffer):
            return
        left = self._buffer[self._start : self._end]
        if size_bytes > len(self._buffer):
            self._buffer = bytearray(max(size_bytes, 2 * (self._settings.maximum_pdu_bytes + HEADER_BYTES)))
            self._view = memoryview(self._buffer)
        self._buffer[: len(left)] = left
        self._start, self._end = 0, len(left)

    def _receive(self, deadline: float, what: str) -> None:
        while True:
            try:
                count = self._take()
            except (BlockingIOError, ssl.SSLWantReadError):
                self._acknowledge()
                self._wait(select.POLLIN, deadline, what)
                continue
            except ssl.SSLWantWriteError:
                self._wait(select.POLLOUT, deadline, what)
                continue
            except OSError as error:
                raise Gone(error.strerror or str(error)) from error
            if count == 0:
                raise Gone("connection closed")
            self._end += count
            self.received_bytes += count
            return

    def _acknowledge(self) -> None:
        """Have the peer know at once what has come, when more of it is waited for; what is whole is acknowledged by its answer.

        Without this a peer that writes header and body apart waits 40 ms for each message (Nagle). It does not stick: each answer
        ends it (tcp(7)).
        """
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _take(self) -> int:
        with self._receiving:
            if self._is_interrupted:
                # Nor may TLS see that input has ended: it would take it for an attack, and send no more.
                raise Gone("interrupted")
            return self._socket.recv_into(self._view[self._end :])

    def _drain(self, deadline: float) -> None:
        """Throw away what still comes, until the peer closes."""
        while (left_s := deadline - time.monotonic()) > 0 and self._poller(select.POLLIN).poll(left_s * 1000):
            if not self._socket.recv(len(self._buffer)):
                return

    def _wait(self, event: int, deadline: float, what: str) -> None:
        left_s = deadline - time.monotonic()
        if left_s <= 0 or not self._poller(event).poll(left_s * 1000):
            raise TimedOut(f"timed out waiting for {what}")

    def _poller(self, event: int) -> select.poll:
        """poll, not select: descriptors above 1023 exist."""
        if self._poll is None:
            self._poll = select.poll()
        self._poll.register(self._socket, event)
        return self._poll


def _without_first(count: int, pieces: list[bytes | memoryview]) -> list[bytes | memoryview]:
    """What is left of the pieces when ``count`` bytes of them are gone."""
    for index, piece in enumerate(pieces):
        if count < len(piece):
            return [memoryview(piece)[count:], *pieces[index + 1 :]]
        count -= len(piece)
    return []
