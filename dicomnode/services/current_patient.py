"""A stored data set with what the hospital's information system says of its patient now; the file stays as it is.

The attributes are spliced into the header, in the data set's own encoding and character set. No Original Attributes Sequence tells
of the former ones: it is of type 3 (PS3.3 Section C.12.1), it would carry another name and ID to everybody who retrieves, and
the same instance would go out in other bytes after each correction; the index has the record of what was before.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from dicomnode.dicom.amend import Change, amended, vr_of
from dicomnode.dicom.character_sets import DEFAULT_REPERTOIRE
from dicomnode.dicom.mapped import check_readable
from dicomnode.dicom.scan import ScannedDataset, scan
from dicomnode.dicom.transliteration import transliterated
from dicomnode.errors import AmendError
from dicomnode.transcoding.output import Output


class PatientAttributes(StrEnum):
    """What instances say of their patient when they go out."""

    CURRENT = "current"
    """What is known now, where it was corrected since."""
    AS_STORED = "as-stored"
    """What they said when they came."""


def with_current_patient(dataset: memoryview, transfer_syntax_uid: str, corrections: Mapping[int, str]) -> memoryview:
    """The data set with these attributes, its pixel data untouched; itself when it says them already.

    Characters that its character set lacks are replaced by their base letters: the rest of its text is not written anew. A set
    that is none of the standard's has nothing but ASCII.

    Raises:
        AmendError: it cannot be read well enough to be changed, or there is no room for what comes out.
        DatasetError: it lies in a file that cannot be read.
    """
    check_readable(dataset)
    scanned = scan(dataset, transfer_syntax_uid)
    declared = scanned.character_set()
    characters = declared if declared.known else DEFAULT_REPERTOIRE
    changes = [
        Change(tag, vr_of(scanned, tag), transliterated(value, characters))
        for tag, value in corrections.items()
        if not _says(scanned, tag, value)
    ]
    if not changes:
        return dataset
    pieces = amended(dataset, transfer_syntax_uid, changes, original=None)
    try:
        with Output() as output:
            for piece in pieces:
                output.write(piece)
            return output.view()
    except OSError as error:
        raise AmendError(f"there is no room for the corrected data set: {error.strerror}") from error


def _says(scanned: ScannedDataset, tag: int, value: str) -> bool:
    """Whether the data set says it already; what is absent says nothing, and so does what is empty."""
    text = scanned.text(tag) or ""
    return text.strip(" \0^=") == value.strip(" ^=")
