"""Takes connections from a listener that several processes share, and gives each a thread of its own."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog
from pynetdicom import AE, evt

from dicomnode.upper_layer.agreements import Agreements
from dicomnode.upper_layer.association import PulledAssociation
from dicomnode.upper_layer.connection import Connection
from dicomnode.upper_layer.negotiation import Policy
from dicomnode.upper_layer.operations import Operations
from dicomnode.upper_layer.settings import UpperLayerSettings

if TYPE_CHECKING:
    from pynetdicom.events import EventHandlerType

log = structlog.get_logger()

_AT_ONCE = 64
"""Connections taken before the accept loop looks at anything else."""

_MAX_STRANGERS = 256
"""Connections that were not admitted yet. A peer asks within milliseconds, so the oldest ones go when there are more."""
_EVENTS_OF_PDUS = (evt.EVT_DATA_RECV, evt.EVT_PDU_RECV, evt.EVT_PDU_SENT, evt.EVT_ACSE_SENT)
"""Notifications that need each association request decoded and answered by pynetdicom."""


class Acceptor:
    """The associations of one listener in this process.

    Args:
        listener: bound and listening, not blocking: another process may win the race for a connection.
        tls: for a listener that speaks TLS; None for a plain one.
        evt_handlers: bound to each association, for the services that pynetdicom's service classes serve.
    """

    def __init__(
        self,
        listener: socket.socket,
        *,
        ae: AE,
        operations: Operations,
        policy: Policy,
        settings: UpperLayerSettings,
        tls: ssl.SSLContext | None = None,
        evt_handlers: Sequence[EventHandlerType] = (),
    ) -> None:
        self._listener = listener
        self._ae = ae
        self._operations = operations
        self._policy = policy
        self._settings = settings
        self._tls = tls
        self._evt_handlers = tuple(evt_handlers)
        watches_pdus = any(event in _EVENTS_OF_PDUS for event, *_ in evt_handlers)
        self._agreements = None if watches_pdus else Agreements(ae, policy, settings.maximum_pdu_bytes)
        self._associations: dict[PulledAssociation, None] = {}
        """In the order in which they came."""
        self._lock = threading.Lock()

    def fileno(self) -> int:
        """Readable when a connection waits."""
        return self._listener.fileno()

    @property
    def associations(self) -> int:
        """How many there are now."""
        return len(self._associations)

    def accept(self) -> bool:
        """Take the connections that wait; False when the system has nothing left to take them with."""
        for _ in range(_AT_ONCE):
            try:
                connected, address = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return True
            except OSError as error:  # no descriptor, no memory: what is open goes on
                log.error("connection.not_taken", reason=error.strerror)
                return False
            self._start(connected, (_plain(address[0]), address[1]))
        return True

    def stop(self) -> None:
        """Take no more connections; the listener lives on in the other processes."""
        self._listener.close()

    def abort(self, wait_s: float) -> None:
        """Have all associations aborted, and wait for their threads."""
        with self._lock:
            left = list(self._associations)
        for association in left:
            association.interrupt()
        deadline = time.monotonic() + wait_s
        for association in left:
            association.join(max(0.0, deadline - time.monotonic()))

    def _start(self, connected: socket.socket, address: tuple[str, int]) -> None:
        try:
            association = PulledAssociation(
                self._ae,
                connection=Connection(connected, self._settings),
                address=address,
                operations=self._operations,
                policy=self._policy,
                agreements=self._agreements,
                settings=self._settings,
                tls=self._tls,
                ended=self._ended,
            )
            for event, handler, *arguments in self._evt_handlers:
                association.bind(event, handler, *arguments)
            with self._lock:
                self._associations[association] = None
            try:
                association.start()
            except BaseException:
                self._ended(association)  # nobody else will ever say so
                raise
            self._part_with_strangers()
        except (OSError, RuntimeError, MemoryError) as error:  # no thread to be had
            log.error("connection.not_taken", address=address[0], reason=str(error))
            with contextlib.suppress(OSError):
                connected.close()

    def _part_with_strangers(self) -> None:
        if len(self._associations) <= _MAX_STRANGERS:
            return
        with self._lock:
            strangers = [association for association in self._associations if association.is_stranger]
        for association in strangers[:-_MAX_STRANGERS]:
            association.interrupt()

    def _ended(self, association: PulledAssociation) -> None:
        with self._lock:
            self._associations.pop(association, None)


def _plain(address: str) -> str:
    """An IPv4-mapped IPv6 address as IPv4."""
    return address.removeprefix("::ffff:") if "." in address else address
