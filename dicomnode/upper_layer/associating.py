"""Asking for an association: a connection to the peer, by TLS if it speaks that, what is proposed, and why it came to nothing."""

from __future__ import annotations

import copy
import socket
import ssl
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pynetdicom.presentation import PresentationContext

from dicomnode.dicom.peer import Sender
from dicomnode.errors import BusyError, NoContextError, PeerError
from dicomnode.upper_layer.connection import Connection
from dicomnode.upper_layer.faults import Gone
from dicomnode.upper_layer.requestor import Deadlines, Reports, RequestedAssociation
from dicomnode.upper_layer.settings import UpperLayerSettings

if TYPE_CHECKING:
    from pynetdicom import AE
    from pynetdicom.events import EventHandlerType

    from dicomnode.upper_layer.operations import Storage

_REJECTED_TRANSIENT = 2
"""Result of an A-ASSOCIATE-RJ (PS3.8 Table 9-21)."""


def associate(
    ae: AE,
    address: tuple[str, int],
    *,
    called_ae_title: str,
    contexts: Sequence[PresentationContext],
    settings: UpperLayerSettings,
    deadlines: Deadlines,
    tls: ssl.SSLContext | None = None,
    extended_negotiation: Sequence[Any] = (),
    evt_handlers: Sequence[EventHandlerType] = (),
    storage: Storage | None = None,
    reports: Reports | None = None,
) -> RequestedAssociation:
    """An established association; its caller releases or aborts it.

    Args:
        address: host name or IP address, and port.
        contexts: at most 128, proposed in this order; they stay as they are.
        tls: for a peer that speaks TLS; its certificate is checked against the host of ``address``, as the context asks.
        extended_negotiation: user information items to propose beside the usual ones (PS3.7 Annex D.3.3).
        storage: where instances go that the peer sends over this association, in a C-GET.
        reports: answers the N-EVENT-REPORTs that it sends, whenever something is read.

    Raises:
        BusyError: it rejects us for now.
        NoContextError: it takes none of the contexts.
        PeerError: the peer cannot be reached, does not want us, or takes too long.
    """
    where = f"{called_ae_title} at {address[0]}, port {address[1]}"
    connection = _connect(address, where, settings, deadlines, tls)
    sender = Sender(called_ae_title, ae.ae_title, connection.peer_address[0])
    association = RequestedAssociation(ae, connection, settings, deadlines, sender, storage, reports)
    association.acceptor.ae_title = called_ae_title
    association.requestor.ae_title = ae.ae_title
    association.requestor.maximum_length = settings.maximum_pdu_bytes
    association.requestor.implementation_class_uid = ae.implementation_class_uid
    association.requestor.implementation_version_name = ae.implementation_version_name
    for item in extended_negotiation:
        association.requestor.add_negotiation_item(item)
    association.requestor.requested_contexts = _numbered(contexts)
    for event, handler, *arguments in evt_handlers:
        association.bind(event, handler, *arguments)
    try:
        association.request()
    except Exception as error:  # whatever their negotiation stumbles over is the peer's fault
        association.give_up()
        raise PeerError(f"association answered with what makes no sense by {where}") from error
    if not association.is_established:
        connection.close()
        raise _why_not(association, where, deadlines)
    if not association.has_usable_contexts():
        association.give_up()
        raise NoContextError(f"no presentation context accepted by {where}: none has a transfer syntax")
    return association


def _connect(
    address: tuple[str, int],
    where: str,
    settings: UpperLayerSettings,
    deadlines: Deadlines,
    tls: ssl.SSLContext | None,
) -> Connection:
    deadline = time.monotonic() + deadlines.connect_s
    why = "it has no address"
    for *_, sockaddr in _addresses(address):
        if (left_s := deadline - time.monotonic()) <= 0:
            break
        try:
            connected = socket.create_connection((str(sockaddr[0]), address[1]), left_s)
        except OSError as error:
            why = error.strerror or f"{error} after {deadlines.connect_s:g} s"
            continue
        connection = Connection(connected, settings)
        try:
            if tls is not None:
                connection.handshake(tls, deadlines.connect_s, server_hostname=address[0])
        except Gone as error:
            connection.close()
            raise PeerError(f"no TLS with {where}: {error}") from error
        return connection
    raise PeerError(f"no connection to {where}: {why}")


def _addresses(address: tuple[str, int]) -> list[Any]:
    try:
        return socket.getaddrinfo(*address, type=socket.SOCK_STREAM)
    except (OSError, ValueError) as error:  # a ValueError: it cannot be a host name, such as one with two dots in a row
        why = error.strerror if isinstance(error, OSError) else "that is no host name"
        raise PeerError(f"no address for host {address[0]}: {why}") from error


def _numbered(contexts: Sequence[PresentationContext]) -> list[PresentationContext]:
    """The contexts with ids 1, 3, 5 ... (PS3.8 Section 9.3.2.2); theirs are shared, so these are copies, but not deep ones."""
    numbered = [copy.copy(context) for context in contexts]
    for index, context in enumerate(numbered):
        context.context_id = 2 * index + 1
    return numbered


def _why_not(association: RequestedAssociation, where: str, deadlines: Deadlines) -> PeerError:
    if association.is_rejected:
        answer = association.acceptor.primitive
        assert answer is not None
        kind = BusyError if answer.result == _REJECTED_TRANSIENT else PeerError
        return kind(f"association rejected by {where}: {answer.reason_str} ({answer.result_str})")
    if association.rejected_contexts:
        return NoContextError(f"no presentation context accepted by {where}")
    return PeerError(f"association aborted by {where}, or not answered within {deadlines.associate_s:g} s")
