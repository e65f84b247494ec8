"""Giving instances out: to a Move Destination (C-MOVE) or to the one who asks (C-GET), and what becomes of each.

One loop, `Retrieve._run`, keeps the accounts of both. Where the instances go is a generator that says what was sent:
`sharing.send` over associations of our own, which other threads serve, or `getting.send` over the one that the request came on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

import structlog
from pydantic import Field

from dicomnode.dicom.mapped import check_readable
from dicomnode.dicom.outgoing import MoveOriginator, OutgoingInstance
from dicomnode.dicom.peer import Compression, PeerSettings
from dicomnode.dicom.query.identifier import Selection
from dicomnode.dicom.status import is_success
from dicomnode.dicom.sub_operations import SubOperations
from dicomnode.dicom.transfer_syntax import transfer_syntax
from dicomnode.errors import DicomNodeError
from dicomnode.files import Files
from dicomnode.index import Index, StoredInstance
from dicomnode.scu.settings import ScuSettings
from dicomnode.scu.storage import Sent, StorageSCU, Transcode
from dicomnode.services import getting, sharing
from dicomnode.services.current_patient import PatientAttributes, with_current_patient
from dicomnode.services.tally import Tally
from dicomnode.settings import Settings
from dicomnode.upper_layer.faults import Gone
from dicomnode.upper_layer.operations import Exchange, IdentifierRequest

log = structlog.get_logger()

MAX_FAILURES_LOGGED: Final = 100
"""Lines about single instances that one retrieval may write; its last line has the count of all."""


_READ_FIRST_BYTES: Final = 64 * 1024 * 1024
"""A data set that the disk does not give fails alone if that is found out before it is sent: half way, its association is lost.
To read a bigger one first would keep the peer waiting."""


class RetrieveSettings(Settings):
    """How C-MOVE and C-GET are served."""

    pending_interval_s: Annotated[float, Field(ge=0, le=60)] = 1.0
    """Seconds between two Pending responses, which tell the requester how far it is and that it is not forgotten."""
    patient_attributes: PatientAttributes = PatientAttributes.CURRENT
    """What instances whose patient was corrected by ADT messages say of him: current (name, ID, birth date, sex as they are known
    now) or as-stored."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a C-MOVE sends to: a configured peer."""

    name: str
    settings: PeerSettings


@dataclass(frozen=True, slots=True)
class Retrieved:
    """What a retrieval is answered with.

    Attributes:
        failed_uids: SOP Instance UIDs of what was tried in vain.
    """

    status: int
    counts: SubOperations
    failed_uids: Sequence[str]


class Retrieve:
    """Serves C-MOVE and C-GET from what was accepted; one for all associations of a process."""

    def __init__(
        self,
        *,
        files: Files,
        index: Index,
        ae_title: str,
        settings: RetrieveSettings,
        scu: ScuSettings,
        transcode: Transcode,
    ) -> None:
        self._files = files
        self._index = index
        self._ae_title = ae_title
        self._settings = settings
        self._scu = scu
        self._transcode = transcode

    def move(
        self, request: IdentifierRequest, selection: Selection, destination: Destination, exchange: Exchange
    ) -> Retrieved:
        """Send what is selected to the destination (PS3.4 Section C.4.2.3).

        Raises:
            IndexUnavailableError: the index does not say what is selected; nothing was sent.
            Gone: the requester is lost.
        """
        peer = destination.settings
        scu = StorageSCU(
            peer,
            calling_ae_title=self._ae_title,
            settings=self._scu,
            transcode=self._transcode if peer.transcode else None,
        )
        originator = MoveOriginator(request.sender.calling_ae_title, request.message_id)

        def send(instances: Sequence[OutgoingInstance], stop: Callable[[], bool]) -> Iterator[Sent | None]:
            return sharing.send(scu, instances, originator, associations=peer.parallel_associations, stop=stop)

        return self._run(request, selection, exchange, send, peer, destination.name)

    def get(
        self, request: IdentifierRequest, selection: Selection, peer: PeerSettings | None, exchange: Exchange
    ) -> Retrieved:
        """Send what is selected to the requester, on its own association (PS3.4 Section C.4.3.3).

        Args:
            peer: the requester, None when it is not configured.

        Raises:
            IndexUnavailableError: the index does not say what is selected; nothing was sent.
            Gone: the requester is lost.
        """
        transcode = self._transcode if peer is None or peer.transcode else None

        def send(instances: Sequence[OutgoingInstance], stop: Callable[[], bool]) -> Iterator[Sent | None]:
            return getting.send(instances, exchange, transcode, stop)

        return self._run(request, selection, exchange, send, peer)

    def _run(
        self,
        request: IdentifierRequest,
        selection: Selection,
        exchange: Exchange,
        send: Callable[[Sequence[OutgoingInstance], Callable[[], bool]], Iterator[Sent | None]],
        receiver: PeerSettings | None,
        destination: str | None = None,
    ) -> Retrieved:
        began = time.monotonic()
        instances = self._index.select(selection)
        course = _Course(exchange, len(instances), self._settings.pending_interval_s)
        size_bytes = 0
        sizes = {instance.sop_instance_uid: instance.dataset_size_bytes for instance in instances}
        try:
            if instances:
                preferred = receiver.compress if receiver is not None else None
                outgoing = [self._outgoing(instance, preferred) for instance in instances]
                for sent in send(outgoing, course.is_over):
                    if sent is not None:
                        course.add(sent)
                        size_bytes += sizes[sent.instance.sop_instance_uid] if _is_there(sent) else 0
                    course.look_up()
        except Gone as gone:
            course.gone = gone
        status = None if course.gone else course.tally.final_status(is_cancelled=course.is_cancelled)
        _log(request, selection, destination, course, status, size_bytes, time.monotonic() - began)
        if course.gone is not None or status is None:
            raise course.gone or Gone("requester is gone")
        return Retrieved(status, course.tally.counts, course.tally.failed_uids)

    def _outgoing(self, instance: StoredInstance, preferred: Compression | None) -> OutgoingInstance:
        is_compressed = transfer_syntax(instance.transfer_syntax_uid).encapsulated
        return OutgoingInstance(
            instance.sop_class_uid,
            instance.sop_instance_uid,
            instance.transfer_syntax_uid,
            _Stored(self._files, instance, self._corrections(instance)),
            "" if preferred is None or is_compressed else preferred.transfer_syntax_uid,
        )

    def _corrections(self, instance: StoredInstance) -> Mapping[int, str]:
        if self._settings.patient_attributes is PatientAttributes.AS_STORED:
            return {}
        return instance.corrections


class _Stored:
    """The data set of a stored instance, mapped when its turn comes; with what was corrected of its patient."""

    def __init__(self, files: Files, instance: StoredInstance, corrections: Mapping[int, str]) -> None:
        self._files = files
        self._instance = instance
        self._corrections = corrections
        self.is_damaged = False

    def __call__(self) -> memoryview:
        """Its bytes.

        Raises:
            DicomNodeError: the file is gone, cut off or damaged, or its patient cannot be corrected.
        """
        instance = self._instance
        try:
            dataset = self._files.dataset(instance.location, instance.dataset_offset, instance.dataset_size_bytes)
            if len(dataset) <= _READ_FIRST_BYTES:
                check_readable(dataset)
            if self._corrections:
                return with_current_patient(dataset, instance.transfer_syntax_uid, self._corrections)
        except DicomNodeError:
            self.is_damaged = True
            raise
        return dataset


class _Course:
    """How a retrieval goes on: its accounts, and what the requester is told and says meanwhile."""

    def __init__(self, exchange: Exchange, total: int, pending_interval_s: float) -> None:
        self._exchange = exchange
        self._pending_interval_s = pending_interval_s
        self._next_pending = time.monotonic() + pending_interval_s
        self.tally = Tally(total)
        self.is_cancelled = False
        self.gone: Gone | None = None
        """What tells that nobody waits for the end any more."""

    def is_over(self) -> bool:
        """Whether no further sub-operation is to begin; asked by other threads, too."""
        return self.is_cancelled or self.gone is not None

    def add(self, sent: Sent) -> None:
        """A sub-operation has ended."""
        instance = sent.instance
        self.tally.add(instance.sop_instance_uid, sent.status)
        failed = len(self.tally.failed_uids)
        if _is_there(sent) or failed > MAX_FAILURES_LOGGED:
            return
        is_ours = isinstance(instance.dataset, _Stored) and instance.dataset.is_damaged
        (log.error if is_ours else log.warning)(
            "retrieve.failed",
            sop_instance_uid=instance.sop_instance_uid,
            sop_class_uid=instance.sop_class_uid,
            status=None if sent.status is None else f"{sent.status:04X}",
            reason=sent.reason,
        )

    def look_up(self) -> None:
        """See whether the requester cancels or is gone; tell it now and then how far this is."""
        if self.is_over():
            return
        try:
            self.is_cancelled = self._exchange.is_cancelled()
            if not self.is_cancelled and time.monotonic() >= self._next_pending:
                self._exchange.progress(self.tally.counts)
                self._next_pending = time.monotonic() + self._pending_interval_s
        except Gone as gone:
            self.gone = gone


def _is_there(sent: Sent) -> bool:
    """Whether the instance arrived."""
    return sent.status is not None and is_success(sent.status)


def _log(
    request: IdentifierRequest,
    selection: Selection,
    destination: str | None,
    course: _Course,
    status: int | None,
    size_bytes: int,
    duration_s: float,
) -> None:
    """One line a retrieval, at its end."""
    counts = course.tally.counts
    fields: dict[str, object] = {
        "kind": str(request.kind),
        "query_level": str(selection.level),
        "calling_ae_title": request.sender.calling_ae_title,
        "peer": request.sender.peer,
        "destination": destination or request.sender.peer,
        "completed": counts.completed,
        "failed": counts.failed,
        "warning": counts.warning,
        "remaining": counts.remaining,
        "size_bytes": size_bytes,
        "status": None if status is None else f"{status:04X}",
        "duration_ms": round(duration_s * 1000, 1),
    }
    if course.gone is not None:
        fields["reason"] = f"requester is gone: {course.gone}"
    went_well = course.gone is None and not counts.failed
    (log.info if went_well else log.warning)("retrieve.completed", **fields)
