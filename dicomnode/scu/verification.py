"""C-ECHO as SCU (PS3.4 Annex A, PS3.7 Section 9.1.5): is a peer there, and does it know us?"""

from __future__ import annotations

import time
from dataclasses import dataclass

from pynetdicom import build_context

from dicomnode.dicom.peer import PeerSettings
from dicomnode.dicom.sop_class import VERIFICATION
from dicomnode.errors import NoContextError, PeerError
from dicomnode.scu.association import open_association
from dicomnode.scu.settings import ScuSettings


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

    Raises:
        PeerError: it cannot be reached, does not want us, or does not answer.
    """
    started = time.monotonic()
    where = f"{peer.ae_title} at {peer.host}, port {peer.port}"
    try:
        association = open_association(
            peer,
            calling_ae_title=calling_ae_title,
            contexts=[build_context(VERIFICATION)],
            settings=ScuSettings.of(timeout_s),
        )
    except NoContextError as error:
        raise NoContextError(f"Verification not accepted by {where}, though the association was") from error
    status = association.send_c_echo()
    duration_ms = (time.monotonic() - started) * 1000
    if association.is_established:
        association.release()
    if "Status" not in status:
        raise PeerError(f"no answer to C-ECHO from {where} within {timeout_s:g} s, or the connection was lost")
    return EchoResult(int(status.Status), duration_ms)
