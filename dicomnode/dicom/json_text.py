"""DICOM JSON, whose text is Unicode, and data sets, whose text is in a character set: from one to the other, labelled."""

from __future__ import annotations

import json
from typing import Final

from dicomnode.dicom.character_sets import character_set
from dicomnode.dicom.encode import Encoding, InexpressibleError
from dicomnode.dicom.json_form import Json, hex_name
from dicomnode.dicom.json_model import dataset_json
from dicomnode.dicom.scan import FaultKind, scan
from dicomnode.dicom.scanned import SPECIFIC_CHARACTER_SET
from dicomnode.errors import DatasetError, InvalidValuesError

_UTF8: Final = "ISO_IR 192"
_LEGIBLE: Final = frozenset({FaultKind.ODD_LENGTH, FaultKind.OUT_OF_ORDER, FaultKind.TRAILING_PADDING})
"""Faults that leave no doubt about what the data set says."""
_NOT_DECODED: Final = "\ufffd"


def attributes_of(dataset: bytes, transfer_syntax_uid: str) -> tuple[Json, str]:
    """What a data set says as DICOM JSON, and the Specific Character Set that it said it in.

    Raises:
        DatasetError: it cannot be read whole.
        InvalidValuesError: its text cannot be decoded.
    """
    scanned = scan(dataset, transfer_syntax_uid)
    for fault in scanned.faults:
        if fault.kind not in _LEGIBLE:
            raise DatasetError(f"data set cannot be read: {fault.kind}", fault.offset)
    attributes = dataset_json(scanned)
    is_known = scanned.character_set().known or dataset.isascii()
    if not is_known or _NOT_DECODED in json.dumps(attributes, ensure_ascii=False):
        raise InvalidValuesError("text is not in the Specific Character Set", (SPECIFIC_CHARACTER_SET,))
    return attributes, scanned.uid(SPECIFIC_CHARACTER_SET) or ""


def encoded(attributes: Json, transfer_syntax_uid: str, *, preferred: str = "", only_set: str = "") -> bytes:
    """The data set that says it, with its Specific Character Set.

    Args:
        preferred: the character set to use where it has all characters; else UTF-8 is.
        only_set: the one that the peer is known to read; characters that it lacks are replaced. Empty: any will do.
    """
    if only_set:
        return _labelled(attributes, transfer_syntax_uid, only_set, transliterates=True)
    try:
        return _labelled(attributes, transfer_syntax_uid, preferred)
    except InexpressibleError:
        return _labelled(attributes, transfer_syntax_uid, _UTF8)


def _labelled(attributes: Json, transfer_syntax_uid: str, name: str, *, transliterates: bool = False) -> bytes:
    chosen = character_set(name)
    encoding = Encoding.of(transfer_syntax_uid, chosen, transliterates=transliterates)
    label = {hex_name(SPECIFIC_CHARACTER_SET): {"vr": "CS", "Value": [chosen.label]}} if chosen.label else {}
    return encoding.json_dataset({**label, **attributes})
