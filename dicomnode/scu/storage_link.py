"""One association to which instances are sent, one after the other; the next one is prepared while the peer works on the last."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from dicomnode.dicom.instance import StoreAnswer
from dicomnode.dicom.outgoing import MoveOriginator, OutgoingInstance
from dicomnode.dicom.transfer_syntax import transfer_syntax
from dicomnode.errors import DicomNodeError, NotSentError
from dicomnode.scu.storage_contexts import Accepted, is_uid
from dicomnode.upper_layer.commands import store_request
from dicomnode.upper_layer.sending import store

if TYPE_CHECKING:
    from dicomnode.upper_layer.requestor import RequestedAssociation

Transcode = Callable[[memoryview, str, Sequence[str]], tuple[str, memoryview]]
"""A data set, its transfer syntax, those wanted: the first of these that it can be brought to, and the data set in it.

Raises a DicomNodeError when it can be brought to none.
"""

_RELEASE_TIMEOUT_S: Final = 5.0
"""Everything has been answered by then."""
_MAX_MESSAGE_ID: Final = 0xFFFF
_MAX_TRANSCODED_AHEAD_BYTES: Final = 32 * 1024 * 1024
"""A bigger data set is transcoded when the one before it has been let go."""


class _Ready(NamedTuple):
    """An instance that only has to be sent."""

    context_id: int
    dataset: memoryview


class Link:
    """One association, and what its peer takes; without an association it takes nothing."""

    def __init__(
        self, association: RequestedAssociation | None, transcode: Transcode | None, originator: MoveOriginator | None
    ) -> None:
        self._association = association
        self._accepted = Accepted(association.accepted_contexts if association else ())
        self._transcode = transcode
        self._originator = originator
        self._message_id = 0
        self._ahead: tuple[OutgoingInstance, _Ready | NotSentError] | None = None

    def send(self, instance: OutgoingInstance, following: OutgoingInstance | None) -> StoreAnswer:
        """The peer's answer.

        Args:
            following: what will be sent next.

        Raises:
            NotSentError: it cannot be sent, but others can.
            PeerError: the association is over.
        """
        ready = self._taken(instance)
        assert self._association is not None
        self._message_id = self._message_id % _MAX_MESSAGE_ID + 1
        return store(
            self._association,
            ready.context_id,
            store_request(instance.sop_class_uid, instance.sop_instance_uid, self._message_id, self._originator),
            self._message_id,
            ready.dataset,
            meanwhile=lambda: self._look_ahead(following),
        )

    def close(self) -> None:
        """Release the association, if it still is one; abort it when a C-STORE was left half way."""
        if self._association is None or not self._association.is_established:
            return
        if self._association.messages.is_storing:
            self._association.give_up()
        else:
            self._association.acse_timeout = _RELEASE_TIMEOUT_S
            self._association.release()

    def _taken(self, instance: OutgoingInstance) -> _Ready:
        """The instance as it was prepared ahead, or is now."""
        ahead, self._ahead = self._ahead, None
        if ahead is None or ahead[0] is not instance:
            return self._ready(instance)
        if isinstance(ahead[1], NotSentError):
            raise ahead[1]
        return ahead[1]

    def _look_ahead(self, following: OutgoingInstance | None) -> None:
        if following is None:
            return
        try:
            if self._has_to_be_transcoded(following) and len(following.dataset()) > _MAX_TRANSCODED_AHEAD_BYTES:
                return
            self._ahead = following, self._ready(following)
        except NotSentError as error:
            self._ahead = following, error
        except DicomNodeError:
            return  # it will be told when its turn comes

    def _prefers_another(self, instance: OutgoingInstance) -> bool:
        preferred = instance.preferred_syntax_uid
        return bool(preferred) and self._accepted.context_id(instance.sop_class_uid, preferred) is not None

    def _has_to_be_transcoded(self, instance: OutgoingInstance) -> bool:
        if self._transcode is not None and self._prefers_another(instance):
            return True
        return (
            self._transcode is not None
            and self._accepted.context_id(instance.sop_class_uid, instance.transfer_syntax_uid) is None
            and bool(self._accepted.transfer_syntaxes(instance.sop_class_uid))
        )

    def _ready(self, instance: OutgoingInstance) -> _Ready:
        """The context that carries it, and its data set in that context's transfer syntax.

        Raises:
            NotSentError: there is no such context, or no such data set.
        """
        if not is_uid(instance.sop_instance_uid):
            raise NotSentError("SOP Instance UID is missing, or is no UID")
        wanted = self._accepted.transfer_syntaxes(instance.sop_class_uid)
        if not wanted:
            raise NotSentError(f"peer does not take SOP Class {instance.sop_class_uid}")
        context_id = self._accepted.context_id(instance.sop_class_uid, instance.transfer_syntax_uid)
        try:
            dataset = instance.dataset()
        except DicomNodeError as error:
            raise NotSentError(str(error)) from error
        if self._transcode is not None and self._prefers_another(instance):
            with contextlib.suppress(DicomNodeError):  # then it goes out as it is
                syntax, dataset = self._transcode(
                    dataset, instance.transfer_syntax_uid, (instance.preferred_syntax_uid,)
                )
                context_id = self._accepted.context_id(instance.sop_class_uid, syntax)
        if context_id is None:
            syntax, dataset = self._transcoded(dataset, instance.transfer_syntax_uid, wanted)
            context_id = self._accepted.context_id(instance.sop_class_uid, syntax)
            assert context_id is not None
        if not dataset:
            raise NotSentError("data set is empty")
        return _Ready(context_id, dataset)

    def _transcoded(self, dataset: memoryview, syntax: str, wanted: Sequence[str]) -> tuple[str, memoryview]:
        not_taken = f"peer does not take {transfer_syntax(syntax).name or syntax}"
        if self._transcode is None:
            raise NotSentError(not_taken)
        try:
            return self._transcode(dataset, syntax, wanted)
        except DicomNodeError as error:
            raise NotSentError(f"{not_taken}, and {error}") from error
