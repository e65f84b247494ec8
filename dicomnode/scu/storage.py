"""C-STORE as SCU (PS3.4 Annex B, PS3.7 Section 9.1.1): instances to one peer, each with its outcome."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dicomnode.dicom import status
from dicomnode.dicom.instance import StoreAnswer
from dicomnode.dicom.outgoing import MoveOriginator, OutgoingInstance
from dicomnode.dicom.peer import PeerSettings
from dicomnode.dicom.transfer_syntax import transfer_syntax
from dicomnode.errors import DatasetError, DicomNodeError, NoContextError, PeerError
from dicomnode.scu.association import open_association
from dicomnode.scu.settings import ScuSettings
from dicomnode.scu.storage_contexts import Accepted, is_uid, propose
from dicomnode.upper_layer.commands import store_request
from dicomnode.upper_layer.sending import store

if TYPE_CHECKING:
    from dicomnode.upper_layer.requestor import RequestedAssociation

Transcode = Callable[[memoryview, str, Sequence[str]], tuple[str, memoryview]]
"""A data set, its transfer syntax, those wanted: the first of these that it can be brought to, and the data set in it.

Raises a DicomNodeError when it can be brought to none.
"""

_MAX_LOSSES: Final = 20
"""Associations lost one after the other, without an answer between them; every instance is tried twice."""
_MAX_SILENT_LOSSES: Final = 3
"""The same, when the peer has answered nothing for so long that it seems to be stuck."""
_RELEASE_TIMEOUT_S: Final = 5.0
"""Everything has been answered by then."""
_MAX_MESSAGE_ID: Final = 0xFFFF


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one instance.

    Attributes:
        status: of the C-STORE response; None when the instance was never sent, or never answered.
        reason: for a person; empty for Success.
    """

    instance: OutgoingInstance
    status: int | None
    reason: str


class StorageSCU:
    """Sends instances to one peer."""

    def __init__(
        self,
        peer: PeerSettings,
        *,
        calling_ae_title: str,
        settings: ScuSettings,
        transcode: Transcode | None,
    ) -> None:
        self._peer = peer
        self._calling_ae_title = calling_ae_title
        self._settings = settings
        self._transcode = transcode

    def send(
        self,
        instances: Sequence[OutgoingInstance],
        *,
        originator: MoveOriginator | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> Iterator[Sent]:
        """One outcome for each instance, in their order, as soon as it is known.

        An instance that fails never stops the rest. When an association is lost, a new one is made for what is left, beginning
        with the instance that was under way.

        Args:
            originator: who asked for it by a C-MOVE.
            stop: asked before each instance; when it says so, the outcomes end, and nothing after them was sent.

        Raises:
            PeerError: the first association cannot be made.
        """
        position, tried, is_first = 0, -1, True
        patience = _Patience(self._settings)
        while position < len(instances) and not stop():
            try:
                link, end = self._open(instances, position, originator)
            except PeerError as error:
                if is_first:
                    raise
                yield from _unsent(instances[position:], str(error))
                return
            is_first = False
            try:
                while position < end and not stop():
                    sent = link.send(instances[position])
                    if sent.status is not None:
                        patience.renew()
                    position += 1
                    yield sent
            except PeerError as lost:
                if patience.is_at_end():
                    yield from _unsent(instances[position:], str(lost))
                    return
                if tried == position:  # it had its second chance
                    yield Sent(instances[position], None, str(lost))
                    position += 1
                tried = position
            finally:
                link.close()

    def _open(
        self, instances: Sequence[OutgoingInstance], start: int, originator: MoveOriginator | None
    ) -> tuple[_Link, int]:
        """A link for the instances from ``start`` on, and where those end that it is for."""
        contexts, end = propose(instances, start)
        association = None
        with contextlib.suppress(NoContextError):
            association = open_association(
                self._peer, calling_ae_title=self._calling_ae_title, contexts=contexts, settings=self._settings
            )
        return _Link(association, self._transcode, originator), end


class _Patience:
    """How many associations a peer may lose."""

    def __init__(self, settings: ScuSettings) -> None:
        self._silence_s = 2 * settings.answer_timeout_s
        self.renew()

    def renew(self) -> None:
        """The peer has answered."""
        self._losses, self._since = 0, time.monotonic()

    def is_at_end(self) -> bool:
        """Whether the association that has just been lost is the last one."""
        self._losses += 1
        is_stuck = time.monotonic() - self._since > self._silence_s
        return self._losses >= (_MAX_SILENT_LOSSES if is_stuck else _MAX_LOSSES)


class _Link:
    """One association, and what its peer takes; without an association it takes nothing."""

    def __init__(
        self, association: RequestedAssociation | None, transcode: Transcode | None, originator: MoveOriginator | None
    ) -> None:
        self._association = association
        self._accepted = Accepted(association.accepted_contexts if association else ())
        self._transcode = transcode
        self._originator = originator
        self._message_id = 0

    def send(self, instance: OutgoingInstance) -> Sent:
        """What became of it.

        Raises:
            PeerError: the association is over.
        """
        try:
            context_id, dataset = self._prepared(instance)
        except DicomNodeError as error:
            return Sent(instance, None, str(error))
        assert self._association is not None
        self._message_id = self._message_id % _MAX_MESSAGE_ID + 1
        command = store_request(instance.sop_class_uid, instance.sop_instance_uid, self._message_id, self._originator)
        answer = store(self._association, context_id, command, self._message_id, dataset)
        return Sent(instance, answer.status, _reason(answer))

    def close(self) -> None:
        """Release the association, if it still is one; abort it when a C-STORE was left half way."""
        if self._association is None or not self._association.is_established:
            return
        if self._association.messages.is_storing:
            self._association.give_up()
        else:
            self._association.acse_timeout = _RELEASE_TIMEOUT_S
            self._association.release()

    def _prepared(self, instance: OutgoingInstance) -> tuple[int, memoryview]:
        """The context that carries it, and its data set in that context's transfer syntax."""
        if not is_uid(instance.sop_instance_uid):
            raise DatasetError("SOP Instance UID is missing, or is no UID", 0)
        context_id = self._accepted.context_id(instance.sop_class_uid, instance.transfer_syntax_uid)
        wanted = self._accepted.transfer_syntaxes(instance.sop_class_uid)
        if not wanted:
            raise PeerError(f"peer does not take SOP Class {instance.sop_class_uid}")
        dataset = instance.dataset()
        if context_id is None:
            syntax, dataset = self._transcoded(dataset, instance.transfer_syntax_uid, wanted)
            context_id = self._accepted.context_id(instance.sop_class_uid, syntax)
            assert context_id is not None
        if not dataset:
            raise DatasetError("data set is empty", 0)
        return context_id, dataset

    def _transcoded(self, dataset: memoryview, syntax: str, wanted: Sequence[str]) -> tuple[str, memoryview]:
        not_taken = f"peer does not take {transfer_syntax(syntax).name or syntax}"
        if self._transcode is None:
            raise PeerError(not_taken)
        try:
            return self._transcode(dataset, syntax, wanted)
        except DicomNodeError as error:
            raise PeerError(f"{not_taken}, and {error}") from error


def _unsent(instances: Sequence[OutgoingInstance], reason: str) -> Iterator[Sent]:
    return (Sent(instance, None, reason) for instance in instances)


def _reason(answer: StoreAnswer) -> str:
    if answer.status == status.SUCCESS:
        return ""
    return ": ".join(text for text in (status.meaning(answer.status), answer.comment) if text)
