"""The one place where our errors become DIMSE statuses (PS3.4 Table B.2-1, PS3.7 Annex C)."""

from __future__ import annotations

from dicomnode.dicom import status
from dicomnode.dicom.instance import StoreAnswer
from dicomnode.errors import DatasetError, DicomNodeError, StorageError


def store_answer(error: DicomNodeError) -> StoreAnswer:
    """What a C-STORE that failed with ``error`` is answered; A7xx only for what a retry may mend."""
    if isinstance(error, StorageError):
        return StoreAnswer(status.OUT_OF_RESOURCES, comment=status.error_comment(str(error)))
    if isinstance(error, DatasetError):
        return StoreAnswer(status.CANNOT_PARSE, comment=status.error_comment(str(error)))
    return StoreAnswer(status.PROCESSING_FAILURE, comment=status.error_comment(str(error)))


def not_authorized(comment: str) -> StoreAnswer:
    """The sender is not allowed to do this (PS3.7 Section C.5.13)."""
    return StoreAnswer(status.NOT_AUTHORIZED, comment=status.error_comment(comment))
