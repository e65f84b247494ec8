"""A data set with some of its elements changed, everything else byte for byte as it came; what it said before is kept in it.

Changed elements are spliced in between the bytes that are there, in the data set's own encoding and character set. The old values
go as an item into Original Attributes Sequence (0400,0561), beside those of earlier changes (PS3.3 Section C.12.1.1.9).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import chain
from typing import Final, NamedTuple

from dicomnode.dicom.character_sets import character_set
from dicomnode.dicom.element_header import UNDEFINED
from dicomnode.dicom.element_value import value_bytes
from dicomnode.dicom.encode import Encoding
from dicomnode.dicom.inflate import Inflater
from dicomnode.dicom.scan import scan
from dicomnode.dicom.scanned import PIXEL_DATA, SPECIFIC_CHARACTER_SET, FaultKind, ScannedDataset
from dicomnode.dicom.value_representation import LONG_FORM, SHORT_FORM, dictionary_vr, effective_vr
from dicomnode.errors import AmendError

__all__ = ["Change", "OriginalAttributes", "Reason", "amend", "amended", "vr_of"]

Piece = bytes | memoryview
"""Bytes made here, or a stretch of the data set that came."""

ORIGINAL_ATTRIBUTES_SEQUENCE: Final = 0x04000561
_MODIFIED_ATTRIBUTES_SEQUENCE: Final = 0x04000550
_LENGTH_TO_END: Final = 0x00080001
_FIRST_GROUP: Final = 0x0008
_FIRST_PIXEL_DATA: Final = min(PIXEL_DATA)
_PRIVATE_CREATORS: Final = range(0x0010, 0x0100)
_ITEM: Final = 0xFFFEE000
_ITEM_HEAD_BYTES: Final = 8
_LONGEST_BYTES: Final = 0xFFFFFFFE
"""What a length field of four bytes can say (PS3.5 Section 7.1.1)."""
_MANY_FAULTS: Final = 100
_PIECE_BYTES: Final = 1 << 20
_LARGEST_INFLATED_BYTES: Final = 8 << 30


class Reason(StrEnum):
    """Reason for the Attribute Modification (0400,0565)."""

    COERCE = "COERCE"
    """Other values are the right ones here: of another patient registration, say."""
    CORRECT = "CORRECT"
    """The values were wrong."""


@dataclass(frozen=True, slots=True)
class Change:
    """What one element of the top level shall say.

    Attributes:
        vr: how it is encoded; of one that is there `vr_of` tells.
        value: values joined by backslashes, numbers in decimal; empty for an element without a value, None for none at all.
    """

    tag: int
    vr: str
    value: str | None


@dataclass(frozen=True, slots=True)
class OriginalAttributes:
    """Who changed a data set, when, and why (PS3.3 Table C.12-1).

    Attributes:
        modified_at: Attribute Modification DateTime (0400,0562); with a time zone.
        modifying_system: (0400,0563), at most 64 ASCII characters.
        source_of_previous_values: (0400,0564), the same; empty when nobody knows.
    """

    modified_at: datetime
    modifying_system: str
    source_of_previous_values: str
    reason: Reason


class _Element(NamedTuple):
    """An element of the top level: where its header begins, and where it ends, its delimiter included."""

    tag: int
    start: int
    end: int


def vr_of(scanned: ScannedDataset, tag: int) -> str:
    """The VR that a new value of ``tag`` has: that of the element that is there, if it is one, else the data dictionary's."""
    element = scanned.elements.get(tag)
    vr = effective_vr(tag, element[0]) if element else b""
    return (vr if vr in LONG_FORM or vr in SHORT_FORM else dictionary_vr(tag)).decode("ascii")


def amend(
    dataset: memoryview, transfer_syntax_uid: str, changes: Sequence[Change], *, original: OriginalAttributes
) -> bytes:
    """The amended data set in one piece; see `amended`."""
    return b"".join(amended(dataset, transfer_syntax_uid, changes, original=original))


def amended(
    dataset: memoryview, transfer_syntax_uid: str, changes: Sequence[Change], *, original: OriginalAttributes | None
) -> Iterator[Piece]:
    """The amended data set, piece by piece: no pixel data is copied; a deflated data set is deflated anew as it is asked for.

    Changes that change nothing are left out; when none is left the data set is what came. Group lengths of changed groups go (PS3.5
    Section 7.2), and so does Length to End (0008,0001), retired.

    Args:
        original: None keeps nothing of what it said before.

    Raises:
        AmendError: a change cannot be made, or what came cannot be read well enough; before the first piece, and for a deflated
            data set that is broken, later.
    """
    scanned = scan(dataset, transfer_syntax_uid)
    pieces = _spliced(scanned, changes, original)
    if not pieces:
        return iter([dataset])
    if not scanned.transfer_syntax.deflated:
        return iter(pieces)
    return _deflated(chain(pieces, _rest(dataset, len(scanned.data))))


def _spliced(scanned: ScannedDataset, changes: Sequence[Change], original: OriginalAttributes | None) -> list[Piece]:
    """What was scanned, with the changes in it; empty when they change nothing."""
    _check_readable(scanned)
    _check_changes(scanned, changes)
    here = {element.tag: element for element in _elements(scanned)}
    data = memoryview(scanned.data)
    encoding = _encoding(scanned, changes)
    new = {change.tag: _encoded(change, encoding) for change in changes}
    changing = [
        change
        for change in changes
        if new[change.tag] != (bytes(data[slice(*here[change.tag][1:])]) if change.tag in here else b"")
    ]
    if not changing:
        return []
    written: dict[int, Sequence[Piece]] = {change.tag: [new[change.tag]] for change in changing}
    if original is not None:
        modified = _modified(data, here, changing, encoding)
        written[ORIGINAL_ATTRIBUTES_SEQUENCE] = _original_attributes(scanned, data, modified, original, encoding)
    groups = {tag >> 16 for tag in written}
    gone = {tag for tag in here if tag in written or (tag & 0xFFFF == 0 and tag >> 16 in groups)} | {_LENGTH_TO_END}
    return list(_joined(data, list(here.values()), written, gone))


def _joined(
    data: memoryview, elements: Sequence[_Element], written: dict[int, Sequence[Piece]], gone: set[int]
) -> Iterator[Piece]:
    """The bytes between what goes, and what is written at its place in the order of tags."""
    waiting = sorted(written)
    position = 0
    for element in elements:
        while waiting and waiting[0] <= element.tag:
            yield data[position : element.start]
            position = element.start
            yield from written[waiting.pop(0)]
        if element.tag in gone:
            yield data[position : element.start]
            position = element.end
    if waiting:
        end = max(elements[-1].end, position) if elements else 0
        yield data[position:end]
        position = end
        for tag in waiting:
            yield from written[tag]
    yield data[position:]


# -- what came --------------------------------------------------------------------------------------------------------


def _check_readable(scanned: ScannedDataset) -> None:
    for fault in scanned.faults:
        if fault.kind is FaultKind.INFLATE_FAILED:
            raise AmendError(f"data set cannot be amended: {fault.detail}")
    if len(scanned.faults) >= _MANY_FAULTS:
        raise AmendError("data set cannot be amended: its encoding is broken in too many places")


def _elements(scanned: ScannedDataset) -> list[_Element]:
    """The top level's elements in the order of the stream.

    Raises:
        AmendError: they do not stand where their encoding says.
    """
    size = len(scanned.data)
    order = "big" if scanned.big_endian else "little"
    elements = []
    for tag, (vr, offset, length) in scanned.elements.items():
        start = offset - (12 if not scanned.implicit_vr and vr in LONG_FORM else 8)
        raw = bytes(scanned.data[max(start, 0) : max(start, 0) + 4])
        found = int.from_bytes(raw[:2], order) << 16 | int.from_bytes(raw[2:], order)  # type: ignore[arg-type]  # a literal
        if found != tag:
            raise AmendError(f"data set cannot be amended: {_told(tag)} is not encoded as the others are")
        elements.append(_Element(tag, start, offset if length == UNDEFINED else offset + length))
    elements.sort(key=lambda element: element.start)
    ends = [*(element.start for element in elements[1:]), size][: len(elements)]
    return [
        element._replace(end=_end(scanned, element, following))
        for element, following in zip(elements, ends, strict=True)
    ]


def _end(scanned: ScannedDataset, element: _Element, following: int) -> int:
    """Where an element ends: fragments and sequences that are delimited reach up to what follows them."""
    vr, _, length = scanned.elements[element.tag]
    if length == UNDEFINED:
        return following
    # the length field says whether a sequence has a delimiter
    field = bytes(scanned.data[element.start + (8 if not scanned.implicit_vr and vr in LONG_FORM else 4) :][:4])
    is_delimited = element.tag in scanned.items and field == b"\xff\xff\xff\xff"
    return min(element.end + (_ITEM_HEAD_BYTES if is_delimited else 0), following)


def _check_changes(scanned: ScannedDataset, changes: Sequence[Change]) -> None:
    seen: set[int] = set()
    duplicated = {fault.tag for fault in scanned.faults if fault.kind is FaultKind.DUPLICATE_ELEMENT}
    for change in changes:
        tag = change.tag
        if tag in seen:
            raise AmendError(f"{_told(tag)} cannot be changed twice at once")
        seen.add(tag)
        if tag >> 16 < _FIRST_GROUP or tag & 0xFFFF == 0 or tag == ORIGINAL_ATTRIBUTES_SEQUENCE:
            raise AmendError(f"{_told(tag)} cannot be changed: it tells of the data set itself")
        if tag >= _FIRST_PIXEL_DATA:
            raise AmendError(f"{_told(tag)} cannot be changed: it is pixel data, or stands behind it")
        if tag in duplicated:
            raise AmendError(f"{_told(tag)} cannot be changed: it is there more than once")
        if tag >> 16 & 1 and tag & 0xFFFF >= _PRIVATE_CREATORS.stop:
            creator = _creator_of(tag)
            if creator not in scanned.elements and not any(one.tag == creator and one.value for one in changes):
                raise AmendError(f"{_told(tag)} cannot be changed: nobody has reserved its block (PS3.5 Section 7.8.1)")
    last = max(scanned.elements, default=0)
    doubtful = any(fault.kind is FaultKind.BAD_VR and fault.tag == last for fault in scanned.faults)
    if last < _FIRST_PIXEL_DATA and (doubtful or not scanned.complete):  # else what follows might be read as its value
        raise AmendError("data set cannot be amended: it breaks off, and what is missing cannot be told")


# -- what is written --------------------------------------------------------------------------------------------------


def _encoding(scanned: ScannedDataset, changes: Sequence[Change]) -> Encoding:
    """The data set's own; a new Specific Character Set counts for the values that come with it."""
    declared = next((change.value or "" for change in changes if change.tag == SPECIFIC_CHARACTER_SET), None)
    characters = scanned.character_set() if declared is None else character_set(declared)
    can_be_written = characters.known or all((change.value or "").isascii() for change in changes)
    if not can_be_written:
        raise AmendError("text cannot be written: the Specific Character Set is none of the standard's")
    return Encoding(scanned.implicit_vr, scanned.big_endian, characters)


def _encoded(change: Change, encoding: Encoding) -> bytes:
    """The element as it will stand; empty for one that goes."""
    if change.value is None:
        return b""
    vr = change.vr.encode("ascii")
    return encoding.element(change.tag, vr, value_bytes(change.tag, vr, change.value, encoding))


def _modified(
    data: memoryview,
    here: dict[int, _Element],
    changing: Sequence[Change],
    encoding: Encoding,
) -> list[Piece]:
    """The elements of the one item of Modified Attributes Sequence: as they were; without a value, what was not there."""
    vrs = {change.tag: change.vr.encode("ascii") for change in changing}
    # what a private element means, its block's creator tells
    creators = {_creator_of(tag) for tag in vrs if tag >> 16 & 1 and tag & 0xFFFF >= _PRIVATE_CREATORS.stop}
    return [
        data[here[tag].start : here[tag].end] if tag in here else encoding.element(tag, vrs.get(tag, b"LO"), b"")
        for tag in sorted(vrs.keys() | (creators & here.keys()))
    ]


def _original_attributes(
    scanned: ScannedDataset,
    data: memoryview,
    modified: Sequence[Piece],
    original: OriginalAttributes,
    encoding: Encoding,
) -> list[Piece]:
    """Original Attributes Sequence: the items that it has, and a new one behind them."""
    earlier: Piece = b""
    if ORIGINAL_ATTRIBUTES_SEQUENCE in scanned.elements:
        vr, offset, length = scanned.elements[ORIGINAL_ATTRIBUTES_SEQUENCE]
        if vr != b"SQ" or (length and ORIGINAL_ATTRIBUTES_SEQUENCE not in scanned.items):
            raise AmendError("data set cannot be amended: its Original Attributes Sequence cannot be read")
        earlier = data[offset : offset + length]
    texts = {
        0x04000562: (b"DT", f"{original.modified_at:%Y%m%d%H%M%S.%f%z}"),
        0x04000563: (b"LO", original.modifying_system),
        0x04000564: (b"LO", original.source_of_previous_values),
        0x04000565: (b"CS", original.reason.value),
    }
    item = [
        *_with_head(encoding, _MODIFIED_ATTRIBUTES_SEQUENCE, _with_head(encoding, _ITEM, modified)),
        *(encoding.element(tag, vr, value_bytes(tag, vr, text, encoding)) for tag, (vr, text) in texts.items()),
    ]
    return _with_head(encoding, ORIGINAL_ATTRIBUTES_SEQUENCE, [earlier, *_with_head(encoding, _ITEM, item)])


def _with_head(encoding: Encoding, tag: int, content: Sequence[Piece]) -> list[Piece]:
    """A sequence or an item of known length, its content not copied."""
    size = sum(len(piece) for piece in content)
    if size > _LONGEST_BYTES:
        raise AmendError("data set cannot be amended: what is kept of it is too long")
    return [encoding.head(tag, b"SQ", size), *content]


# -- deflated ---------------------------------------------------------------------------------------------------------


def _rest(deflated: memoryview, size_bytes: int) -> Iterator[bytes]:
    """What follows the first ``size_bytes`` of a deflated data set, inflated."""
    inflater = Inflater(deflated)
    position = 0
    while not inflater.ended:
        piece = inflater.read(_PIECE_BYTES)
        begin = max(size_bytes - position, 0)
        position += len(piece)
        if position > _LARGEST_INFLATED_BYTES:
            raise AmendError("data set cannot be amended: inflated, it is too large")
        yield piece[begin:]
    if inflater.failed:
        raise AmendError("data set cannot be amended: the deflate stream breaks off")


def _deflated(pieces: Iterable[Piece]) -> Iterator[bytes]:
    """One deflate stream without a head (RFC 1951), padded to an even length with a zero byte (PS3.5 Section A.5)."""
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    size = 0
    for piece in pieces:
        for at in range(0, len(piece), _PIECE_BYTES):
            if compressed := stream.compress(piece[at : at + _PIECE_BYTES]):
                size += len(compressed)
                yield compressed
    last = stream.flush()
    yield last + b"\0" * ((size + len(last)) % 2)


def _creator_of(tag: int) -> int:
    """The Private Creator of a private element's block (PS3.5 Section 7.8.1)."""
    return tag & 0xFFFF0000 | tag >> 8 & 0xFF


def _told(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
