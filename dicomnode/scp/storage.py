"""C-STORE as SCP (PS3.4 Annex B, PS3.7 Section 9.1.1): one request in, one status out."""

from __future__ import annotations

import structlog

from dicomnode.dicom.instance import StoreAnswer, StoreRequest
from dicomnode.dicom.peer import Permission
from dicomnode.errors import DicomNodeError
from dicomnode.scp import status
from dicomnode.scp.known_peers import KnownPeers
from dicomnode.services.storage import Reception, Storage
from dicomnode.upper_layer.operations import DataSink

log = structlog.get_logger()

UID_LENGTH = 64
"""Characters of a UID (PS3.5 Section 9.1); what a peer sends as one may be longer."""


class Unwanted:
    """The sink for a data set that will not be looked at; it has to be read all the same."""

    def write(self, fragment: memoryview) -> None:
        """Drop it."""

    def discard(self) -> None:
        """Nothing was kept."""


class StorageSCP:
    """Receives instances for :class:`~dicomnode.services.storage.Storage`."""

    def __init__(self, storage: Storage, peers: KnownPeers) -> None:
        self._storage = storage
        self._peers = peers

    def open_sink(self, request: StoreRequest) -> DataSink:
        """Where the data set of ``request`` goes."""
        return self._storage.receive(request) if self._may_store(request) else Unwanted()

    def store(self, request: StoreRequest, sink: DataSink) -> StoreAnswer:
        """Judge and keep what the sink, one of `open_sink`'s, holds; the answer is final."""
        if not isinstance(sink, Reception):
            refusal = status.not_authorized("this Application Entity may not store here")
            log.warning(
                "instance.refused",
                sop_instance_uid=request.sop_instance_uid[:UID_LENGTH],
                sop_class_uid=request.sop_class_uid[:UID_LENGTH],
                calling_ae_title=request.sender.calling_ae_title,
                peer=request.sender.peer,
                status=f"{refusal.status:04X}",
                reason=refusal.comment,
            )
            return refusal
        try:
            return self._storage.accept(request, sink)
        except DicomNodeError as error:
            answer = status.store_answer(error)
            log.error(
                "instance.failed",
                calling_ae_title=request.sender.calling_ae_title,
                sop_instance_uid=request.sop_instance_uid[:UID_LENGTH],
                status=f"{answer.status:04X}",
                reason=str(error),
            )
            return answer

    def _may_store(self, request: StoreRequest) -> bool:
        return self._peers.may(request.sender, Permission.STORE)
