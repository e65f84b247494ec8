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
from dicomnode.errors import BusyError, NoContextError, NotSentError, PeerError
from dicomnode.scu.association import open_association
from dicomnode.scu.settings import ScuSettings
from dicomnode.scu.storage_contexts import propose
from dicomnode.scu.storage_link import Link, Transcode

if TYPE_CHECKING:
    from pynetdicom.presentation import PresentationContext

    from dicomnode.upper_layer.requestor import RequestedAssociation

__all__ = ["Sent", "StorageSCU", "Transcode"]

_MAX_LOSSES: Final = 20
"""Associations lost one after the other, without an answer between them; every instance is tried twice."""
_MAX_SILENT_LOSSES: Final = 3
"""The same, when the peer has answered nothing for so long that it seems to be stuck."""
_ATTEMPTS: Final = 4
"""At an association with a peer that is busy."""
_PAUSE_S: Final = 1.0
"""Between them."""


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
                    instance, following = instances[position], instances[position + 1] if position + 1 < end else None
                    try:
                        answer = link.send(instance, following)
                        sent = Sent(instance, answer.status, _reason(answer))
                        patience.renew()
                    except NotSentError as error:
                        sent = Sent(instance, None, str(error))
                    position += 1
                    yield sent
            except PeerError as lost:
                if patience.is_at_end():
                    yield from _unsent(instances[position:], str(lost))
                    return
                if tried == position:  # it had its second chance
                    yield Sent(instances[position], None, str(lost))
                    position += 1
                else:
                    tried = position
            finally:
                link.close()

    def _open(
        self, instances: Sequence[OutgoingInstance], start: int, originator: MoveOriginator | None
    ) -> tuple[Link, int]:
        """A link for the instances from ``start`` on, and where those end that it is for."""
        contexts, end = propose(instances, start)
        association = None
        with contextlib.suppress(NoContextError):
            association = self._associate(contexts)
        return Link(association, self._transcode, originator), end

    def _associate(self, contexts: Sequence[PresentationContext]) -> RequestedAssociation:
        """An association, asked for again when the peer is busy: maybe with the one before, which it has not let go of yet."""
        for _ in range(_ATTEMPTS - 1):
            with contextlib.suppress(BusyError):
                return self._open_association(contexts)
            time.sleep(_PAUSE_S)
        return self._open_association(contexts)

    def _open_association(self, contexts: Sequence[PresentationContext]) -> RequestedAssociation:
        return open_association(
            self._peer, calling_ae_title=self._calling_ae_title, contexts=contexts, settings=self._settings
        )


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


def _unsent(instances: Sequence[OutgoingInstance], reason: str) -> Iterator[Sent]:
    return (Sent(instance, None, reason) for instance in instances)


def _reason(answer: StoreAnswer) -> str:
    if answer.status == status.SUCCESS:
        return ""
    return ": ".join(text for text in (status.meaning(answer.status), answer.comment) if text)
