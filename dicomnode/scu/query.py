"""C-FIND as SCU (PS3.4 Section C.4.1.2): what does a peer have?"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

import structlog
from pydicom.uid import UID
from pynetdicom.dimse_primitives import C_FIND
from pynetdicom.presentation import build_context

from dicomnode.dicom import status
from dicomnode.dicom.json_form import hex_name
from dicomnode.dicom.query.model import Level, Model, Operation, sop_class_of
from dicomnode.dicom.query.request_keys import encode_keys
from dicomnode.dicom.scan import scan
from dicomnode.dicom.scanned import ScannedDataset
from dicomnode.dicom.sop_class import MODALITY_WORKLIST_FIND
from dicomnode.dicom.tags import QUERY_RETRIEVE_LEVEL
from dicomnode.dicom.value_representation import dictionary_vr
from dicomnode.dicom.worklist_attributes import SCHEDULED_PROCEDURE_STEP_SEQUENCE
from dicomnode.errors import NoContextError, PeerError
from dicomnode.scu.answers import told
from dicomnode.scu.caller import RELATIONAL, UNCOMPRESSED, Caller, accepted_context, relational
from dicomnode.scu.dialogue import Response, ask
from dicomnode.upper_layer.requestor import RequestedAssociation

log = structlog.get_logger()

_MEDIUM_PRIORITY: Final = 0
_END_S: Final = 10.0
"""For a peer to end a query after a C-CANCEL; some never look for one."""


@dataclass(frozen=True, slots=True)
class Query:
    """What to ask for.

    Attributes:
        keys: {tag: value to match}; an empty one is returned, whatever it is. Values are those that `check_keys` lets pass.
        relational: ask the peer to do without the unique keys of the levels above (PS3.4 Section C.4.1.2.2).
    """

    level: Level
    keys: Mapping[int, str]
    model: Model = Model.STUDY_ROOT
    relational: bool = False

    @property
    def sop_class_uid(self) -> str:
        """Of the operation in this information model (PS3.4 Section C.6)."""
        return sop_class_of(self.model, Operation.FIND)

    @property
    def elements(self) -> Mapping[int, str]:
        """Of the Identifier."""
        return {**self.keys, QUERY_RETRIEVE_LEVEL: str(self.level)}


@dataclass(frozen=True, slots=True)
class WorklistQuery:
    """What to ask of a worklist (PS3.4 Annex K).

    Attributes:
        keys: of the entry itself, as those of a `Query`.
        step: of the item of Scheduled Procedure Step Sequence; text only.
    """

    keys: Mapping[int, str]
    step: Mapping[int, str]
    sop_class_uid: str = MODALITY_WORKLIST_FIND
    relational: bool = False

    @property
    def elements(self) -> Mapping[int, str]:
        """Of the Identifier."""
        item = {
            hex_name(tag): {"vr": dictionary_vr(tag).decode("ascii"), "Value": [value] if value else []}
            for tag, value in self.step.items()
        }
        return {**self.keys, SCHEDULED_PROCEDURE_STEP_SEQUENCE: json.dumps([item], ensure_ascii=False)}


def find(caller: Caller, query: Query | WorklistQuery, limit: int | None = None) -> Iterator[ScannedDataset]:
    """What fits, as the peer's responses come; each knows its own character set.

    Args:
        limit: after so many the peer is asked to stop (C-CANCEL).

    Raises:
        PeerError: the peer cannot be reached, does not answer queries, or does not end with Success; what came before counts.
    """
    context = build_context(query.sop_class_uid, UNCOMPRESSED)
    negotiation = [relational(query.sop_class_uid)] if query.relational else []
    with caller.association([context], extended_negotiation=negotiation) as association:
        if query.relational:
            _check_relational(association, query.sop_class_uid)
        yield from matches(caller, association, query, limit)


def matches(
    caller: Caller, association: RequestedAssociation, query: Query | WorklistQuery, limit: int | None = None
) -> Iterator[ScannedDataset]:
    """As `find`, over an association that is there already."""
    context = accepted_context(association, query.sop_class_uid)
    if context is None:
        raise NoContextError(f"no query accepted by {association.acceptor.ae_title}")
    transfer_syntax_uid = str(context.transfer_syntax[0])
    request = C_FIND()
    request.AffectedSOPClassUID = UID(query.sop_class_uid)
    request.Priority = _MEDIUM_PRIORITY
    request.Identifier = BytesIO(encode_keys(query.elements, transfer_syntax_uid, caller.peer.character_set))
    count = without_identifier = 0

    def is_enough() -> bool:
        return (limit is not None and count >= limit) or caller.is_cancelled()

    answer_s = caller.settings.answer_timeout_s
    end_s = min(answer_s, _END_S)
    responses = ask(association, context, request, answer_s=answer_s, is_cancelled=is_enough, end_s=end_s)
    for response in _until_enough(responses, is_enough):
        if response.is_pending and not response.identifier:
            without_identifier += 1
        elif response.is_pending:
            count += 1
            if limit is None or count <= limit:
                yield scan(response.identifier, transfer_syntax_uid)
        elif response.status != status.SUCCESS and not (response.status == status.CANCEL and is_enough()):
            raise PeerError(f"C-FIND answered by {association.acceptor.ae_title} with {told(C_FIND, response)}")
    if without_identifier:
        log.warning("query.matches_without_identifier", matches=without_identifier)


def _until_enough(responses: Iterator[Response], is_enough: Callable[[], bool]) -> Iterator[Response]:
    """The responses; a peer that does not end when it is asked to is left, for nothing more is wanted of it."""
    try:
        yield from responses
    except PeerError as error:
        if not is_enough():
            raise
        log.warning("query.not_cancelled", reason=str(error))


def _check_relational(association: RequestedAssociation, sop_class_uid: str) -> None:
    """Say when the peer did not agree; it may answer all the same."""
    agreed: Mapping[Any, bytes] = association.acceptor.sop_class_extended
    if not agreed.get(UID(sop_class_uid), b"").startswith(RELATIONAL):
        log.warning("query.relational_not_agreed", called_ae_title=association.acceptor.ae_title)
