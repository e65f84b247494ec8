"""A scanner's worklist query in process: a data set in, the answers' data sets out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO

from pydicom import Dataset, dcmread, dcmwrite

from dicomnode.dicom.part10 import file_meta
from dicomnode.dicom.peer import PeerSettings, Permission, Sender
from dicomnode.dicom.sop_class import MODALITY_WORKLIST_FIND
from dicomnode.dicom.sub_operations import SubOperations
from dicomnode.dicom.transfer_syntax import EXPLICIT_VR_LITTLE_ENDIAN
from dicomnode.index import Index
from dicomnode.scp.known_peers import KnownPeers
from dicomnode.scp.worklist import WorklistSCP
from dicomnode.services.worklist.query import WorklistQuery, WorklistSettings
from dicomnode.upper_layer.operations import FinalAnswer, IdentifierKind, IdentifierRequest


@dataclass
class Scanner:
    """A peer that takes what comes, and cancels after so many pages."""

    cancels_after: int = 1000
    statuses: list[int] = field(default_factory=list)
    matches_: list[Dataset] = field(default_factory=list)
    final: FinalAnswer = field(default_factory=lambda: FinalAnswer(-1))

    def is_cancelled(self) -> bool:
        return len(self.statuses) >= self.cancels_after

    def matches(self, identifiers: Sequence[bytes], *, status: int) -> None:
        self.statuses += [status] * len(identifiers)
        self.matches_ += [dcmread(_as_file(one)) for one in identifiers]

    def progress(self, counts: SubOperations) -> None:
        raise AssertionError("a query has no sub-operations")

    def storage_contexts(self) -> Sequence[tuple[str, str]]:
        raise AssertionError("a query has no sub-operations")

    def store(self, instance: object, message_id: int) -> None:
        raise AssertionError("a query has no sub-operations")

    @property
    def steps(self) -> list[str]:
        """The step ID of each match."""
        return [str(one.ScheduledProcedureStepSequence[0].ScheduledProcedureStepID) for one in self.matches_]


def _as_file(identifier: bytes) -> BytesIO:
    """With the head that tells pydicom the transfer syntax."""
    return BytesIO(file_meta(MODALITY_WORKLIST_FIND, "1.2.3", EXPLICIT_VR_LITTLE_ENDIAN, "") + identifier)


def keys(step: Mapping[str, object] | None = None, **others: object) -> Dataset:
    """The Identifier of a query: keys by keyword; ``step`` those of the sequence's item."""
    dataset = Dataset()
    for keyword, value in others.items():
        setattr(dataset, keyword, value)
    if step is not None:
        item = Dataset()
        for keyword, value in {"ScheduledProcedureStepID": "", **step}.items():
            setattr(item, keyword, value)
        dataset.ScheduledProcedureStepSequence = [item]
    return dataset


def ask(
    index: Index,
    query: Dataset | bytes,
    *,
    peer: PeerSettings | None = None,
    calling: str = "CT1",
    agreed: bytes = b"",
    cancels_after: int = 1000,
    strangers_may: frozenset[Permission] = frozenset(Permission),
    **settings: int,
) -> Scanner:
    """What the scanner gets."""
    peers = {"scanner": peer} if peer is not None else {}
    scp = WorklistSCP(
        WorklistQuery(index, WorklistSettings(**settings)),  # type: ignore[arg-type]  # numbers are coerced
        KnownPeers(peers, strangers_may=strangers_may),
    )
    if isinstance(query, Dataset):
        buffer = BytesIO()
        dcmwrite(buffer, query, implicit_vr=False, little_endian=True)
        query = buffer.getvalue()
    request = IdentifierRequest(
        kind=IdentifierKind.FIND,
        sop_class_uid=MODALITY_WORKLIST_FIND,
        message_id=1,
        transfer_syntax_uid=EXPLICIT_VR_LITTLE_ENDIAN,
        identifier=query,
        move_destination="",
        sender=Sender(calling, "DICOMNODE", "192.0.2.1", "scanner" if peer is not None else None),
        extended_negotiation=agreed,
    )
    scanner = Scanner(cancels_after)
    scanner.final = scp.find(request, scanner)
    return scanner
