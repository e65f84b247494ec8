"""C-GET and C-MOVE as SCU (PS3.4 Sections C.4.2.2 and C.4.3.2): have a peer send what it has, to us or to somebody else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Final

from pydicom.uid import UID
from pynetdicom.dimse_primitives import C_GET, C_MOVE
from pynetdicom.presentation import build_context

from dicomnode.dicom import status
from dicomnode.dicom.query.identifier import Level, Model, Operation, Selection
from dicomnode.dicom.query.model import UNIQUE_KEYS, sop_class_of
from dicomnode.dicom.query.request_keys import encode_keys
from dicomnode.dicom.scan import scan
from dicomnode.dicom.sub_operations import SubOperations
from dicomnode.dicom.tags import QUERY_RETRIEVE_LEVEL
from dicomnode.errors import NoContextError
from dicomnode.scu.answers import told
from dicomnode.scu.caller import UNCOMPRESSED, Caller, accepted_context
from dicomnode.scu.dialogue import Response, ask
from dicomnode.scu.receiving_contexts import USUAL_SOP_CLASSES, receiving_contexts, roles
from dicomnode.scu.storage_contexts import MAX_CONTEXTS
from dicomnode.upper_layer.operations import Storage
from dicomnode.upper_layer.requestor import RequestedAssociation

_MEDIUM_PRIORITY: Final = 0
_FAILED_SOP_INSTANCE_UID_LIST: Final = 0x00080058


@dataclass(frozen=True, slots=True)
class Progress:
    """One response: how far the peer is; the last one says how it ended.

    Attributes:
        told: the status for a person, with what the peer says about it.
        counts: None when the peer does not tell them.
        failed_sop_instance_uids: of the last response.
    """

    status: int
    told: str
    counts: SubOperations | None
    failed_sop_instance_uids: tuple[str, ...] = ()

    @property
    def is_last(self) -> bool:
        """Whether nothing follows."""
        return not status.is_pending(self.status)


def model_for(selection: Selection) -> Model:
    """The information model in which a selection can be named."""
    return Model.PATIENT_ROOT if selection.level is Level.PATIENT else Model.STUDY_ROOT


def get(caller: Caller, selection: Selection, sop_class_uids: Iterable[str], storage: Storage) -> Iterator[Progress]:
    """Have the peer send the selection to us, over the association that asks for it (C-GET).

    Args:
        sop_class_uids: of what is expected, none for the usual ones; what is of another class does not come.
        storage: where instances go.

    Raises:
        NoContextError: the peer does not do C-GET, or sends none of these classes.
        PeerError: it cannot be reached, or ends the association.
    """
    operation = sop_class_of(model_for(selection), Operation.GET)
    classes = set(sop_class_uids) or set(USUAL_SOP_CLASSES)
    contexts = [build_context(operation, UNCOMPRESSED), *receiving_contexts(classes, MAX_CONTEXTS - 1)]
    proposed = {str(context.abstract_syntax) for context in contexts[1:]}
    with caller.association(contexts, extended_negotiation=roles(proposed), storage=storage) as association:
        if all(accepted_context(association, uid) is None for uid in proposed):
            raise NoContextError(f"no instance of these SOP classes is sent by {caller.peer.ae_title}")
        yield from _retrieve(caller, association, operation, C_GET(), selection)


def move(caller: Caller, selection: Selection, destination: str) -> Iterator[Progress]:
    """Have the peer send the selection to the Application Entity ``destination``, which it must know (C-MOVE); else as `get`."""
    operation = sop_class_of(model_for(selection), Operation.MOVE)
    request = C_MOVE()
    request.MoveDestination = destination
    with caller.association([build_context(operation, UNCOMPRESSED)]) as association:
        yield from _retrieve(caller, association, operation, request, selection)


def keys_of(selection: Selection) -> dict[int, str]:
    """The unique keys that name a selection (PS3.4 Section C.4.2.2.1)."""
    values = {
        Level.PATIENT: selection.patient_id,
        Level.STUDY: "\\".join(selection.study_uids),
        Level.SERIES: "\\".join(selection.series_uids),
        Level.IMAGE: "\\".join(selection.sop_instance_uids),
    }
    return {UNIQUE_KEYS[level]: value for level, value in values.items() if value}


def _retrieve(
    caller: Caller,
    association: RequestedAssociation,
    sop_class_uid: str,
    request: C_GET | C_MOVE,
    selection: Selection,
) -> Iterator[Progress]:
    context = accepted_context(association, sop_class_uid)
    name = type(request).__name__.replace("_", "-")
    if context is None:
        raise NoContextError(f"{name} not accepted by {association.acceptor.ae_title}")
    transfer_syntax_uid = str(context.transfer_syntax[0])
    request.AffectedSOPClassUID = UID(sop_class_uid)
    request.Priority = _MEDIUM_PRIORITY
    keys = {**keys_of(selection), QUERY_RETRIEVE_LEVEL: str(selection.level)}
    request.Identifier = BytesIO(encode_keys(keys, transfer_syntax_uid))
    counts = None
    answer_s, is_cancelled = caller.settings.answer_timeout_s, caller.is_cancelled
    for response in ask(association, context, request, answer_s=answer_s, is_cancelled=is_cancelled):
        counts = response.counts or counts  # some tell nothing with the last one
        yield Progress(response.status, told(type(request), response), counts, _failed(response, transfer_syntax_uid))


def _failed(response: Response, transfer_syntax_uid: str) -> tuple[str, ...]:
    """Failed SOP Instance UID List (0008,0058)."""
    text = scan(response.identifier, transfer_syntax_uid).uid(_FAILED_SOP_INSTANCE_UID_LIST)
    return tuple(uid for uid in (text or "").split("\\") if uid)
