"""C-FIND as SCU (PS3.4 Section C.4.1.2): what does a peer have?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

import structlog
from pydicom.uid import UID
from pynetdicom.dimse_primitives import C_FIND
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation
from pynetdicom.presentation import build_context

from dicomnode.dicom import status
from dicomnode.dicom.peer import PeerSettings
from dicomnode.dicom.query_model import QUERY_RETRIEVE_LEVEL, Level, Model, Operation, sop_class_of
from dicomnode.dicom.request_keys import encode_keys
from dicomnode.dicom.scan import scan
from dicomnode.dicom.scanned import ScannedDataset
from dicomnode.dicom.transfer_syntax import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from dicomnode.errors import PeerError
from dicomnode.scu.answers import told
from dicomnode.scu.connecting import connect
from dicomnode.scu.dialogue import accepted_context, ask
from dicomnode.upper_layer.requestor import RequestedAssociation

log = structlog.get_logger()

UNCOMPRESSED: Final = [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN]

_MEDIUM_PRIORITY: Final = 0
_RELATIONAL: Final = b"\1"
"""Service class application information (PS3.4 Section C.5.1.1)."""


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


def _never() -> bool:
    return False


def find(
    peer: PeerSettings,
    query: Query,
    *,
    calling_ae_title: str,
    timeout_s: float = 60.0,
    limit: int | None = None,
    is_cancelled: Callable[[], bool] = _never,
) -> Iterator[ScannedDataset]:
    """What fits, as the peer's responses come; each knows its own character set.

    Args:
        timeout_s: for each step: connection, association, and silence between responses.
        limit: after so many the peer is asked to stop (C-CANCEL).
        is_cancelled: asked again and again; once it says so the peer is asked to stop.

    Raises:
        PeerError: the peer cannot be reached, does not answer queries, or does not end with Success; what came before counts.
    """
    context = build_context(query.sop_class_uid, UNCOMPRESSED)
    negotiation = [relational(query.sop_class_uid)] if query.relational else []
    association = connect(peer, [context], calling_ae_title, timeout_s, extended_negotiation=negotiation)
    with released(association):
        if query.relational:
            _check_relational(association, query.sop_class_uid)
        yield from matches(
            association,
            query,
            timeout_s=timeout_s,
            character_set=peer.character_set,
            limit=limit,
            is_cancelled=is_cancelled,
        )


def matches(
    association: RequestedAssociation,
    query: Query,
    *,
    timeout_s: float,
    character_set: str = "",
    limit: int | None = None,
    is_cancelled: Callable[[], bool] = _never,
) -> Iterator[ScannedDataset]:
    """As `find`, over an association that is there already; keys are written in ``character_set`` when they can be."""
    context = accepted_context(association, query.sop_class_uid)
    if context is None:
        raise PeerError(f"no query accepted by {association.acceptor.ae_title}")
    transfer_syntax_uid = str(context.transfer_syntax[0])
    request = C_FIND()
    request.AffectedSOPClassUID = UID(query.sop_class_uid)
    request.Priority = _MEDIUM_PRIORITY
    keys = {**query.keys, QUERY_RETRIEVE_LEVEL: str(query.level)}
    request.Identifier = BytesIO(encode_keys(keys, transfer_syntax_uid, character_set))
    count = without_identifier = 0

    def is_enough() -> bool:
        return (limit is not None and count >= limit) or is_cancelled()

    for response in ask(association, context, request, answer_s=timeout_s, is_cancelled=is_enough):
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


def relational(sop_class_uid: str) -> SOPClassExtendedNegotiation:
    """The wish for relational queries or retrieval (PS3.4 Sections C.5.1.1, C.5.2.1, C.5.3.1), to propose."""
    item = SOPClassExtendedNegotiation()
    item.sop_class_uid = UID(sop_class_uid)
    item.service_class_application_information = _RELATIONAL
    return item


@contextmanager
def released(association: RequestedAssociation) -> Iterator[None]:
    """Release the association after the block; abort it when the block is left in the middle of an answer."""
    try:
        yield
    except BaseException:
        if association.is_established:
            association.give_up()
        raise
    if association.is_established:
        association.release()


def _check_relational(association: RequestedAssociation, sop_class_uid: str) -> None:
    """Say when the peer did not agree; it may answer all the same."""
    agreed: Mapping[Any, bytes] = association.acceptor.sop_class_extended
    if not agreed.get(UID(sop_class_uid), b"").startswith(_RELATIONAL):
        log.warning("query.relational_not_agreed", called_ae_title=association.acceptor.ae_title)
