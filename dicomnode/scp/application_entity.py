"""The node as an Application Entity: who may associate, and which service each message goes to.

To add a service: give it here to whoever dispatches its message, and its SOP Classes to ``presentation_contexts.py``. One of
normalized messages is an entry of ``normalized``, which ``node.py`` composes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from dicomnode.dicom import status
from dicomnode.dicom.instance import StoreAnswer, StoreRequest
from dicomnode.dicom.peer import Sender
from dicomnode.dicom.sop_class import MODALITY_WORKLIST_FIND
from dicomnode.limits import LimitReached, LimitSettings, Place, Slot
from dicomnode.scp.known_peers import KnownPeers, Match
from dicomnode.scp.query import QuerySCP
from dicomnode.scp.retrieve import RetrieveSCP
from dicomnode.scp.storage import StorageSCP
from dicomnode.scp.worklist import WorklistSCP
from dicomnode.upper_layer.operations import (
    AssociationRequest,
    DataSink,
    Ending,
    Exchange,
    FinalAnswer,
    IdentifierRequest,
    NormalizedAnswer,
    NormalizedKind,
    NormalizedRequest,
    Rejection,
)

NormalizedService = Callable[[NormalizedRequest], NormalizedAnswer]
NormalizedServices = Mapping[tuple[NormalizedKind, str], NormalizedService]
"""Who serves which operation of which SOP Class."""

# A-ASSOCIATE-RJ: result, source, reason (PS3.8 Table 9-21)
_CALLED_AE_TITLE_NOT_RECOGNIZED = (1, 1, 7)
_CALLING_AE_TITLE_NOT_RECOGNIZED = (1, 1, 3)
_LOCAL_LIMIT_EXCEEDED = (2, 3, 2)


class UnknownPeers(StrEnum):
    """What to do with a caller that the configuration does not know."""

    ACCEPT = "accept"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Admitted:
    """An association that was let in, and its place among the node's associations."""

    sender: Sender
    slot: Slot

    def end(self, ending: Ending, reason: str) -> None:  # noqa: ARG002 - how it ended is the upper layer's log line
        """Give the place back."""
        self.slot.release()


class ApplicationEntity:
    """Admits associations and hands each operation to its service."""

    def __init__(
        self,
        *,
        ae_titles: Sequence[str],
        unknown_peers: UnknownPeers,
        peers: KnownPeers,
        place: Place,
        limits: LimitSettings,
        storage: StorageSCP,
        query: QuerySCP,
        retrieve: RetrieveSCP,
        worklist: WorklistSCP,
        normalized: NormalizedServices,
    ) -> None:
        self._ae_titles = ae_titles
        self._unknown_peers = unknown_peers
        self._peers = peers
        self._place = place
        self._limits = limits
        self._storage = storage
        self._query = query
        self._retrieve = retrieve
        self._worklist = worklist
        self._normalized = normalized
        self._normalized_classes = frozenset(sop_class_uid for _, sop_class_uid in normalized)

    def admit(self, request: AssociationRequest) -> Admitted | Rejection:
        """Let the association in, or say why not."""
        if request.called_ae_title not in self._ae_titles:
            return Rejection(*_CALLED_AE_TITLE_NOT_RECOGNIZED, why=self._why_not_called(request.called_ae_title))
        match = self._peers.match(request.calling_ae_title, request.address)
        if refusal := self._why_not_calling(match, is_tls=request.is_tls):
            return Rejection(*_CALLING_AE_TITLE_NOT_RECOGNIZED, why=refusal)
        slot = self._place.claim(
            match.name or f"{request.calling_ae_title}@{request.address}", request.address, self._limits
        )
        if isinstance(slot, LimitReached):
            return Rejection(*_LOCAL_LIMIT_EXCEEDED, why=f"limits.{slot.limit} reached")
        return Admitted(
            Sender(request.calling_ae_title, request.called_ae_title, request.address, match.name),
            slot,
        )

    def open_sink(self, request: StoreRequest) -> DataSink:
        """Where the data set of a C-STORE goes."""
        return self._storage.open_sink(request)

    def store(self, request: StoreRequest, sink: DataSink) -> StoreAnswer:
        """C-STORE (PS3.7 Section 9.1.1)."""
        return self._storage.store(request, sink)

    def echo(self, sender: Sender) -> int:  # noqa: ARG002 - everybody who was let in may verify that we are here
        """C-ECHO (PS3.7 Section 9.1.5)."""
        return status.SUCCESS

    def find(self, request: IdentifierRequest, exchange: Exchange) -> FinalAnswer:
        """C-FIND (PS3.7 Section 9.1.2)."""
        if request.sop_class_uid == MODALITY_WORKLIST_FIND:
            return self._worklist.find(request, exchange)
        return self._query.find(request, exchange)

    def move(self, request: IdentifierRequest, exchange: Exchange) -> FinalAnswer:
        """C-MOVE (PS3.7 Section 9.1.4)."""
        return self._retrieve.move(request, exchange)

    def get(self, request: IdentifierRequest, exchange: Exchange) -> FinalAnswer:
        """C-GET (PS3.7 Section 9.1.3)."""
        return self._retrieve.get(request, exchange)

    def normalized(self, request: NormalizedRequest) -> NormalizedAnswer:
        """A normalized operation or notification (PS3.7 Section 10.1)."""
        service = self._normalized.get((request.kind, request.sop_class_uid))
        if service is not None:
            return service(request)
        known = request.sop_class_uid in self._normalized_classes
        return NormalizedAnswer(status.UNRECOGNIZED_OPERATION if known else status.NO_SUCH_SOP_CLASS)

    def _why_not_called(self, title: str) -> str:
        near = next((ours for ours in self._ae_titles if ours.casefold() == title.casefold()), None)
        hint = f"; ours is {near}: titles differ in case (PS3.5 Section 6.2)" if near else ""
        return f"called AE title not recognized: {title}{hint}"

    def _why_not_calling(self, match: Match, *, is_tls: bool) -> str:
        if match.name is not None:
            tls_missing = self._peers[match.name].tls and not is_tls
            return f"peer {match.name} has to use TLS" if tls_missing else ""
        if self._unknown_peers is UnknownPeers.ACCEPT:
            return ""
        return f"calling AE title not recognized: {match.near_miss or 'no such peer'}"
