"""Takes connections from a listener; each has a thread that reads messages and answers them, one after the other."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Final

import structlog

from dicomnode.errors import FramingError
from dicomnode.hl7.mllp import Framer, framed
from dicomnode.hl7.settings import Hl7Settings

log = structlog.get_logger()

_READ_BYTES: Final = 64 * 1024
_AT_ONCE: Final = 64
"""Connections taken before the accept loop looks at anything else."""
_SHORT_OF_DESCRIPTORS_S: Final = 0.1

Answer = Callable[[bytes, str], bytes]
"""What a message (its bytes, the sender's address) is answered with; it never raises."""


class Connection(threading.Thread):
    """One sender's connection."""

    def __init__(
        self,
        connected: socket.socket,
        address: str,
        *,
        answer: Answer,
        settings: Hl7Settings,
        tls: ssl.SSLContext | None,
        ended: Callable[[Connection], None],
    ) -> None:
        super().__init__(name="hl7", daemon=True)
        self._plain = connected
        self._socket = connected
        self._address = address
        self._answer = answer
        self._settings = settings
        self._tls = tls
        self._ended = ended
        self._lock = threading.Lock()
        self._is_ending = False
        self._is_answering = False

    def run(self) -> None:
        """Read and answer until the sender leaves, or has to."""
        try:
            self._serve()
        except FramingError as error:
            log.warning("hl7.connection_aborted", address=self._address, reason=str(error))
        except TimeoutError:
            log.warning("hl7.connection_aborted", address=self._address, reason="timed out")
        except OSError as error:
            log.info("hl7.connection_lost", address=self._address, reason=error.strerror or str(error))
        except Exception:  # a bug of ours costs this connection; the sender has no answer, and sends again
            log.exception("hl7.connection_crashed", address=self._address)
        finally:
            with contextlib.suppress(OSError):
                self._socket.close()
            self._ended(self)

    def drain(self) -> None:
        """End as soon as no message is being answered; one that has not arrived whole has no answer and comes again."""
        with self._lock:
            self._is_ending = True
            if not self._is_answering:
                self._shut(socket.SHUT_RD)

    def abort(self) -> None:
        """End now."""
        with self._lock:
            self._is_ending = True
            self._shut(socket.SHUT_RDWR)

    def _shut(self, how: int) -> None:
        # of the socket itself: an SSLSocket would let go of its state while the thread is in it
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._socket, how)

    def _serve(self) -> None:
        if self._tls is not None:
            self._begin_tls(self._tls)
        framer = Framer(self._settings.maximum_message_kb * 1024)
        deadline: float | None = None
        while data := self._received(deadline):
            messages = framer.feed(data)
            for message in messages:
                if not self._answered(message):
                    return
            if not framer.is_within:
                deadline = None
            elif deadline is None or messages:
                deadline = time.monotonic() + self._settings.message_timeout_s

    def _begin_tls(self, tls: ssl.SSLContext) -> None:
        self._plain.settimeout(self._settings.tls_handshake_timeout_s)
        try:
            wrapped = tls.wrap_socket(self._plain, server_side=True, do_handshake_on_connect=False)
            with self._lock:
                self._socket = wrapped  # before the handshake, so that `drain` reaches who is in it
                if self._is_ending:
                    self._shut(socket.SHUT_RD)
            wrapped.do_handshake()
        except OSError as error:
            raise FramingError(f"TLS handshake failed: {getattr(error, 'reason', None) or error}") from error

    def _received(self, deadline: float | None) -> bytes:
        left_s = self._settings.idle_timeout_s if deadline is None else deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._socket.settimeout(left_s)
        try:
            return self._socket.recv(_READ_BYTES)
        except TimeoutError:
            if deadline is None:  # it has nothing to say; that is no fault
                return b""
            raise

    def _answered(self, message: bytes) -> bool:
        """Whether the connection goes on after this message."""
        with self._lock:
            if self._is_ending:
                return False
            self._is_answering = True
        try:
            answer = framed(self._answer(message, self._address))
            self._socket.settimeout(self._settings.send_timeout_s)
            self._socket.sendall(answer)
        finally:
            with self._lock:
                self._is_answering = False
        return not self._is_ending


class Listener:
    """The connections of one listening socket; used by the worker's main thread.

    Args:
        listening: bound, not blocking.
        tls: for one that speaks TLS; None for a plain one.
        connections: all that are open, shared by the listeners of a worker: the limit is for them together.
    """

    def __init__(
        self,
        listening: socket.socket,
        *,
        answer: Answer,
        settings: Hl7Settings,
        tls: ssl.SSLContext | None,
        connections: Connections,
    ) -> None:
        self._listening = listening
        self._answer = answer
        self._settings = settings
        self._tls = tls
        self._connections = connections

    def fileno(self) -> int:
        """Readable when a connection waits."""
        return self._listening.fileno()

    def accept(self) -> None:
        """Take the connections that wait."""
        for _ in range(_AT_ONCE):
            try:
                connected, address = self._listening.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:  # no descriptor, no memory: what is open goes on
                log.error("hl7.connection_not_taken", reason=error.strerror)
                time.sleep(_SHORT_OF_DESCRIPTORS_S)
                return
            self._start(connected, address[0].removeprefix("::ffff:") if "." in address[0] else address[0])

    def stop(self) -> None:
        """Take no more connections."""
        self._listening.close()

    def _start(self, connected: socket.socket, address: str) -> None:
        if reason := self._refusal(address):
            log.warning("hl7.connection_refused", address=address, reason=reason)
            connected.close()
            return
        try:
            connected.settimeout(None)
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(
                connected,
                address,
                answer=self._answer,
                settings=self._settings,
                tls=self._tls,
                ended=self._connections.remove,
            )
            self._connections.add(connection)
            try:
                connection.start()
            except BaseException:
                self._connections.remove(connection)  # nobody else will ever do so
                raise
        except (OSError, RuntimeError, MemoryError) as error:  # no thread to be had
            log.error("hl7.connection_not_taken", address=address, reason=str(error))
            with contextlib.suppress(OSError):
                connected.close()

    def _refusal(self, address: str) -> str:
        allowed = self._settings.addresses
        if allowed is not None:
            caller = ipaddress.ip_address(address.split("%", maxsplit=1)[0])
            if not any(caller in network for network in allowed):
                return "its address is not in hl7.addresses"
        if len(self._connections) >= self._settings.maximum_connections:
            return "hl7.maximum_connections are open"
        return ""


class Connections:
    """The connections that are open, of all listeners of a process."""

    def __init__(self) -> None:
        self._open: set[Connection] = set()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: Connection) -> None:
        """It has begun."""
        with self._lock:
            self._open.add(connection)

    def remove(self, connection: Connection) -> None:
        """It has ended."""
        with self._lock:
            self._open.discard(connection)

    def drain(self) -> None:
        """Have each one end when no message of it is being answered."""
        for connection in self._all():
            connection.drain()

    def abort(self, wait_s: float) -> None:
        """Have all end, and wait for their threads."""
        deadline = time.monotonic() + wait_s
        left = self._all()
        for connection in left:
            connection.abort()
        for connection in left:
            connection.join(max(0.0, deadline - time.monotonic()))

    def _all(self) -> list[Connection]:
        with self._lock:
            return list(self._open)
