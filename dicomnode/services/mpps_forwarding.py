"""What modalities tell of their procedure steps, told on to other systems: in order for each step, until they have it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import structlog

from dicomnode.dicom import status
from dicomnode.dicom.json_text import encoded
from dicomnode.dicom.peer import PeerSettings
from dicomnode.dicom.sop_class import MODALITY_PERFORMED_PROCEDURE_STEP
from dicomnode.errors import DeliveryError, UndeliverableError
from dicomnode.index.outbox import OutboxEntry
from dicomnode.scu.caller import Caller
from dicomnode.scu.normalized import NormalizedResponse, n_create, n_set, opened, transfer_syntax
from dicomnode.scu.settings import ScuSettings

log = structlog.get_logger()

_IS_FINAL: Final = 0xA710
"""Error ID of a step that may no longer be updated (PS3.4 Table F.7.2-2)."""
_PASSING: Final = frozenset({status.PROCESSING_FAILURE, status.RESOURCE_LIMITATION, status.NOT_AUTHORIZED})
"""What may be mended there, so that another try helps."""


class MppsForwarding:
    """Delivers the messages that `dicomnode.index.mpps` owes."""

    def __init__(self, peers: Mapping[str, PeerSettings], settings: ScuSettings, *, ae_title: str) -> None:
        self._peers = peers
        self._settings = settings
        self._ae_title = ae_title

    def __call__(self, entry: OutboxEntry) -> None:
        """Send one message, in the character set that it came in, or that the peer is known to read.

        Raises:
            PeerError: the peer cannot be reached.
            DeliveryError: it does not take the message now.
            UndeliverableError: it never will.
        """
        peer = self._peers.get(entry.destination)
        if peer is None:
            raise UndeliverableError(f"no peer is named {entry.destination}")
        payload = entry.payload
        uid, is_new = str(payload["sop_instance_uid"]), payload["operation"] == "create"
        caller = Caller(peer, self._ae_title, self._settings)
        with opened(caller, MODALITY_PERFORMED_PROCEDURE_STEP) as association:
            dataset = encoded(
                cast("Mapping[str, Any]", payload["attributes"]),
                transfer_syntax(association, MODALITY_PERFORMED_PROCEDURE_STEP),
                preferred=str(payload["character_set"]),
                only_set=peer.character_set,
            )
            send = n_create if is_new else n_set
            response = send(association, MODALITY_PERFORMED_PROCEDURE_STEP, uid, dataset)
        if not response.is_success and not _has_it_already(response, is_new=is_new):
            what = f"{'N-CREATE' if is_new else 'N-SET'} of a performed step answered with {response.told()}"
            raise (DeliveryError if response.status in _PASSING else UndeliverableError)(what)
        log.info(
            "performed_step.forwarded",
            sop_instance_uid=uid,
            peer=entry.destination,
            operation=payload["operation"],
            status=f"{response.status:04X}",
        )


def _has_it_already(response: NormalizedResponse, *, is_new: bool) -> bool:
    """Whether it was delivered before, and only that is not known here: the node crashed in between."""
    if is_new:
        return response.status == status.DUPLICATE_SOP_INSTANCE
    return response.status == status.PROCESSING_FAILURE and response.error_id == _IS_FINAL
