"""C-ECHO as SCU (PS3.4 Annex A, PS3.7 Section 9.1.5): is a peer there, and does it know us?"""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import dataclass

from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at import

from dicomnode.dicom.peer import PeerSettings
from dicomnode.errors import PeerError


@dataclass(frozen=True, slots=True)
class EchoResult:
    """What the peer answered.

    Attributes:
        status: of the C-ECHO response; 0x0000 when all is well.
        duration_ms: from the first byte of the connection to the answer.
    """

    status: int
    duration_ms: float


def echo(peer: PeerSettings, *, calling_ae_title: str, timeout_s: float = 10.0) -> EchoResult:
    """Ask ``peer`` whether it is there; each step (connection, association, answer) may take ``timeout_s``.

    With TLS the peer's certificate is checked against the machine's certificate authorities and the peer's host name.

    Raises:
        PeerError: it cannot be reached, does not want us, or does not answer.
    """
    started = time.monotonic()
    association = _associate(peer, calling_ae_title, timeout_s)
    status = association.send_c_echo()
    if association.is_established:
        association.release()
    if "Status" not in status:
        raise PeerError(f"no answer to C-ECHO from {_where(peer)} within {timeout_s:g} s, or the connection was lost")
    return EchoResult(int(status.Status), (time.monotonic() - started) * 1000)


def _associate(peer: PeerSettings, calling_ae_title: str, timeout_s: float) -> Association:
    entity = AE(calling_ae_title)
    entity.connection_timeout = entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = timeout_s
    entity.add_requested_context(Verification)
    for address in _addresses(peer):
        connections: list[evt.Event] = []
        association = entity.associate(
            address,
            peer.port,
            ae_title=peer.ae_title,
            tls_args=(ssl.create_default_context(), peer.host) if peer.tls else None,
            evt_handlers=[(evt.EVT_CONN_OPEN, connections.append)],
        )
        if association.is_established:
            return association
        if connections:
            raise PeerError(_why_not(association, peer, timeout_s))
    raise PeerError(f"no connection to {_where(peer)}: {_why_not_connected(peer, timeout_s)}")


def _addresses(peer: PeerSettings) -> list[str]:
    """Every IP address of the peer's host, in the order to try them."""
    if not peer.host:
        raise PeerError(f"no host is configured for {peer.ae_title}, so it cannot be called")
    try:
        found = socket.getaddrinfo(peer.host, peer.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise PeerError(f"no address for host {peer.host}: {error.strerror}") from error
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


def _why_not(association: Association, peer: PeerSettings, timeout_s: float) -> str:
    """Why there is a connection but no association."""
    if association.is_rejected:
        answer = association.acceptor.primitive
        assert answer is not None
        return f"association rejected by {_where(peer)}: {answer.reason_str} ({answer.result_str})"
    if association.rejected_contexts:
        return f"Verification not accepted by {_where(peer)}, though the association was"
    return f"association aborted by {_where(peer)}, or not answered within {timeout_s:g} s"


def _why_not_connected(peer: PeerSettings, timeout_s: float) -> str:
    """pynetdicom only logs it: ask again."""
    try:
        with socket.create_connection((peer.host, peer.port), timeout_s) as connection:
            if peer.tls:
                ssl.create_default_context().wrap_socket(connection, server_hostname=peer.host).close()
    except OSError as error:
        return error.strerror or str(error)
    return "it accepts connections now, but did not a moment ago"


def _where(peer: PeerSettings) -> str:
    return f"{peer.ae_title} at {peer.host}, port {peer.port}"
