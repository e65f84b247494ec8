"""The one place where our errors become DIMSE statuses (PS3.4 Table B.2-1, PS3.7 Annex C)."""

from __future__ import annotations

from collections.abc import Mapping

from dicomnode.dicom import status
from dicomnode.dicom.instance import StoreAnswer
from dicomnode.errors import (
    CommitmentError,
    DatasetError,
    DicomNodeError,
    DuplicateObjectError,
    FinalStateError,
    IdentifierError,
    InvalidObjectError,
    InvalidValuesError,
    MissingAttributesError,
    MissingValuesError,
    NormalizedError,
    StorageError,
    TooLargeError,
    TooManyMatchesError,
    UnknownObjectError,
)
from dicomnode.upper_layer.operations import FinalAnswer, NormalizedAnswer

_MAX_OFFENDING_ELEMENTS = 16
_MAY_NO_LONGER_BE_UPDATED = 0xA710
"""Error ID of a performed procedure step that is final (PS3.4 Table F.7.2-2)."""
_NORMALIZED: Mapping[type[NormalizedError], int] = {
    MissingAttributesError: status.MISSING_ATTRIBUTE,
    MissingValuesError: status.MISSING_ATTRIBUTE_VALUE,
    InvalidValuesError: status.INVALID_ATTRIBUTE_VALUE,
    InvalidObjectError: status.INVALID_SOP_INSTANCE,
    DuplicateObjectError: status.DUPLICATE_SOP_INSTANCE,
    UnknownObjectError: status.NO_SUCH_SOP_INSTANCE,
    TooLargeError: status.RESOURCE_LIMITATION,
    CommitmentError: status.INVALID_ARGUMENT_VALUE,
}
_LISTS_ATTRIBUTES = frozenset({status.MISSING_ATTRIBUTE})
"""The others tell of attributes in a data set (PS3.7 Section C.5)."""


def store_answer(error: DicomNodeError) -> StoreAnswer:
    """What a C-STORE that failed with ``error`` is answered; A7xx only for what a retry may mend."""
    if isinstance(error, StorageError):
        return StoreAnswer(status.OUT_OF_RESOURCES, comment=status.error_comment(str(error)))
    if isinstance(error, DatasetError):
        return StoreAnswer(status.CANNOT_PARSE, comment=status.error_comment(str(error)))
    return StoreAnswer(status.PROCESSING_FAILURE, comment=status.error_comment(str(error)))


def query_answer(error: DicomNodeError) -> FinalAnswer:
    """What a C-FIND that failed with ``error`` is answered (PS3.4 Table C.4-1)."""
    return _identifier_answer(error, out_of_resources=status.OUT_OF_RESOURCES)


def retrieve_answer(error: DicomNodeError) -> FinalAnswer:
    """What a C-MOVE or C-GET is answered that failed with ``error`` before anything was sent (PS3.4 Tables C.4-2, C.4-3)."""
    return _identifier_answer(error, out_of_resources=status.UNABLE_TO_CALCULATE_MATCHES)


def normalized_answer(error: DicomNodeError) -> NormalizedAnswer:
    """What a normalized request is answered that failed with ``error`` (PS3.7 Annex C.5)."""
    if isinstance(error, FinalStateError):
        comment = status.error_comment(str(error))
        return NormalizedAnswer(status.PROCESSING_FAILURE, comment=comment, error_id=_MAY_NO_LONGER_BE_UPDATED)
    code = _NORMALIZED.get(type(error)) if isinstance(error, NormalizedError) else None
    if code is None:
        return NormalizedAnswer(status.PROCESSING_FAILURE, comment=status.error_comment(str(error)))
    assert isinstance(error, NormalizedError)
    return NormalizedAnswer(code, offending_elements=error.attributes if code in _LISTS_ATTRIBUTES else ())


def not_authorized_for_steps() -> NormalizedAnswer:
    """The peer may not tell of its procedure steps (PS3.7 Section C.5.13)."""
    return NormalizedAnswer(status.NOT_AUTHORIZED, comment="this Application Entity may not send MPPS here")


def _identifier_answer(error: DicomNodeError, *, out_of_resources: int) -> FinalAnswer:
    comment = status.error_comment(str(error))
    if isinstance(error, IdentifierError):
        offending = error.offending_elements[:_MAX_OFFENDING_ELEMENTS]
        return FinalAnswer(status.IDENTIFIER_DOES_NOT_MATCH_SOP_CLASS, offending, comment)
    if isinstance(error, StorageError | TooManyMatchesError):
        return FinalAnswer(out_of_resources, comment=comment)
    return FinalAnswer(status.UNABLE_TO_PROCESS, comment=comment)


def not_authorized_to_query() -> FinalAnswer:
    """The peer may not query; PS3.4 has no status for it with C-FIND, so it gets the general one (PS3.7 Section C.5.13)."""
    return FinalAnswer(status.NOT_AUTHORIZED, comment="this Application Entity may not query here")


def not_authorized_to_retrieve() -> FinalAnswer:
    """The peer may not retrieve, or not to this destination (PS3.7 Section C.5.13)."""
    return FinalAnswer(status.NOT_AUTHORIZED, comment="this Application Entity may not retrieve this way")


def not_authorized(comment: str) -> StoreAnswer:
    """The sender is not allowed to do this (PS3.7 Section C.5.13)."""
    return StoreAnswer(status.NOT_AUTHORIZED, comment=status.error_comment(comment))
