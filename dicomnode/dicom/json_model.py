"""Data sets and sequences as DICOM JSON (PS3.18 Annex F): how the index keeps them, and how they are given to other programs."""

from __future__ import annotations

import base64
import json
import math
import struct
from collections.abc import Callable
from typing import Any, Final

from dicomnode.dicom.element_header import UNDEFINED
from dicomnode.dicom.scanned import SPECIFIC_CHARACTER_SET, Item, ScannedDataset
from dicomnode.dicom.value_representation import CHARACTERS, NAME_GROUPS, NUMBERS, UNSPLIT, effective_vr

_INLINE_BYTES: Final = 64 << 10
"""The longest value that stands in the object itself, where longer ones can be named."""


BulkDataUri = Callable[[int, int | None], str]
"""Where a value stands: by its offset in the data set, and its length; None for fragments up to their delimiter."""


def dataset_json(scanned: ScannedDataset, bulk_data_uri: BulkDataUri | None = None) -> dict[str, Any]:
    """The data set as one DICOM JSON object.

    Args:
        bulk_data_uri: names long values and fragments in place of holding them (PS3.18 Section F.2.2).
    """
    return _item(scanned, scanned, bulk_data_uri)


def sequence_json(scanned: ScannedDataset, tag: int) -> str:
    """The items of the top level's sequence ``tag`` as text: a JSON array of DICOM JSON objects."""
    items = [_item(scanned, item) for item in scanned.items.get(tag, ())]
    return json.dumps(items, ensure_ascii=False, separators=(",", ":"))


def _item(scanned: ScannedDataset, item: Item, bulk: BulkDataUri | None = None) -> dict[str, Any]:
    """Group lengths say nothing here, and the text is Unicode whatever set it came in (PS3.18 Section F.2.2)."""
    return {
        f"{tag:08X}": _attribute(scanned, item, tag, bulk)
        for tag in sorted(item.elements)
        if tag & 0xFFFF and tag != SPECIFIC_CHARACTER_SET
    }


def _attribute(scanned: ScannedDataset, item: Item, tag: int, bulk: BulkDataUri | None) -> dict[str, Any]:
    if tag in item.items:
        values: list[Any] = [_item(scanned, inner, bulk) for inner in item.items[tag]]
        return {"vr": "SQ", "Value": values} if values else {"vr": "SQ"}
    element = item.elements[tag]
    vr = effective_vr(tag, element[0])
    name = vr.decode("latin_1")
    if bulk is not None and not 0 <= element[2] <= _INLINE_BYTES:
        return {"vr": name, "BulkDataURI": bulk(element[1], None if element[2] == UNDEFINED else element[2])}
    if vr in CHARACTERS:
        values = _texts(vr, scanned.text(tag, item) or "")
        return {"vr": name, "Value": values} if values else {"vr": name}
    raw = scanned.raw(element)
    if vr in NUMBERS or vr == b"AT":
        values = numbers(vr, raw, ">" if scanned.big_endian else "<")
        return {"vr": name, "Value": values} if values else {"vr": name}
    return {"vr": name, "InlineBinary": base64.b64encode(raw).decode("ascii")} if raw else {"vr": name}


def _texts(vr: bytes, text: str) -> list[Any]:
    if not text:
        return []
    values = [text] if vr in UNSPLIT else [value.strip(" \0") for value in text.split("\\")]
    if vr == b"PN":
        return [_name(value) or None for value in values]
    if vr in (b"IS", b"DS"):
        return [_number(vr, value) for value in values]
    return [value or None for value in values]


def _name(value: str) -> dict[str, str]:
    groups = zip(NAME_GROUPS, value.split("="), strict=False)
    return {name: group.strip(" ^") for name, group in groups if group.strip(" ^")}


def _number(vr: bytes, value: str) -> int | float | str | None:
    """A number where the text is one (PS3.18 Section F.2.3), else the text."""
    if not value or len(value) > 16:  # noqa: PLR2004 - characters of a Decimal String (PS3.5 Table 6.2-1)
        return value or None
    try:
        number = int(value) if vr == b"IS" else float(value)
    except ValueError:
        return value
    return number if math.isfinite(number) else value


def numbers(vr: bytes, raw: bytes, order: str) -> list[Any]:
    """The numbers that a value is made of, attribute tags as hexadecimal digits; what is left over of the bytes is left out."""
    if vr == b"AT":
        pairs = struct.iter_unpack(order + "HH", raw[: len(raw) // 4 * 4])
        return [f"{group:04X}{element:04X}" for group, element in pairs]
    number = struct.Struct(order + NUMBERS[vr])
    values = [value for (value,) in number.iter_unpack(raw[: len(raw) // number.size * number.size])]
    return [value if math.isfinite(value) else str(value) for value in values]
