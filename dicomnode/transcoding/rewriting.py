"""A data set's elements written in another encoding, values unchanged: VRs added or left out, words turned (PS3.5 Section 7.1).

Items come out with explicit lengths; group lengths, which would be wrong, are left out as they may be (PS3.5
Section 7.2). What changes with the pixel data is told by a ``Change``.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from dicomnode.dicom.element_header import EXPLICIT_LITTLE, IMPLICIT_LITTLE, UNDEFINED, UNDEFINED_LENGTH, Encoding
from dicomnode.dicom.scan import Element, FaultKind, Item, ScannedDataset
from dicomnode.dicom.tags import BITS_ALLOCATED, PIXEL_DATA, PIXEL_REPRESENTATION
from dicomnode.dicom.value_representation import (
    CHARACTERS,
    LONG_FORM,
    SHORT_FORM,
    SIGN_DEPENDENT,
    WORD_BYTES,
    dictionary_vr,
    effective_vr,
)
from dicomnode.errors import TranscodingError
from dicomnode.transcoding.output import Output

BYTE_BITS: Final = 8

_OW_BITS: Final = 16
_LENGTH_TO_END: Final = 0x00080001
"""Retired; counts bytes that transcoding changes."""
_MAX_SHORT_LENGTH: Final = 0xFFFE
_CHUNK_BYTES: Final = 1 << 20
_BIG_ENDIAN_ITEM: Final = b"\xff\xfe\xe0\x00"
_LITTLE_ENDIAN_SEQUENCE_END: Final = b"\xfe\xff\xdd\xe0"
_TYPE_CODES: Final = {2: "H", 4: "I", 8: "Q"}
_UNREADABLE: Final = frozenset({FaultKind.BAD_ITEM, FaultKind.INFLATE_FAILED})
"""Faults over which the scan passes, although something may have stood there."""


class Change(NamedTuple):
    """What becomes of an image.

    Attributes:
        attributes: new values, by tag: VR and value in little endian.
        removed: tags of elements to leave out.
        write_pixel_data: writes Pixel Data, its header too, in the encoding given; that is little endian.
    """

    attributes: Mapping[int, tuple[bytes, bytes]]
    removed: frozenset[int]
    write_pixel_data: Callable[[Output, Encoding], None]


ChangeOf = Callable[[Item], Change | None]
"""Asked for the data set and for each item in it that has Pixel Data; None leaves it as it is."""


def no_change(_: Item) -> None:
    """Every image stays as it is."""


def rewrite(scanned: ScannedDataset, target: Encoding, out: Output, change_of: ChangeOf = no_change) -> None:
    """Write the data set that was scanned into ``out``, encoded as ``target``.

    Raises:
        TranscodingError: not all of it can be read, or not all of it can be written in that encoding.
    """
    for fault in scanned.faults:
        if fault.kind in _UNREADABLE:
            raise TranscodingError(f"the data set is damaged at byte {fault.offset}: {fault.detail}")
    if not scanned.complete:
        reason = scanned.faults[-1].detail if scanned.faults else "it is not complete"
        raise TranscodingError(f"the data set is damaged: {reason}")
    _Rewriter(scanned, target, out, change_of).write_item(scanned, scanned.big_endian, target, signed=False)


def element_header(tag: int, vr: bytes, length: int, encoding: Encoding) -> bytes:
    """Tag, VR and length of an element, or what of these the encoding has."""
    order = ">" if encoding.big_endian else "<"
    group, element = tag >> 16, tag & 0xFFFF
    if encoding.implicit_vr:
        return struct.pack(order + "HHL", group, element, length)
    if vr in SHORT_FORM:
        return struct.pack(order + "HH2sH", group, element, vr, length)
    return struct.pack(order + "HH2s2xL", group, element, vr, length)


class _Rewriter:
    """Writes one data set."""

    def __init__(self, scanned: ScannedDataset, target: Encoding, out: Output, change_of: ChangeOf) -> None:
        self._scanned = scanned
        self._data = memoryview(scanned.data)
        self._out = out
        self._change_of = change_of
        self._keeps_sequences = (
            target is EXPLICIT_LITTLE
            and not (scanned.implicit_vr or scanned.big_endian or scanned.faults)
            and not _has_fragments(scanned.items)
        )

    def write_item(self, item: Item, big_endian: bool, target: Encoding, *, signed: bool) -> None:  # noqa: FBT001
        """Write the elements of an item, or of the data set.

        Args:
            big_endian: how the item is encoded.
            target: how it is to be.
            signed: whether the pixels of the data set around it are.
        """
        elements = item.elements
        if PIXEL_REPRESENTATION in elements:
            signed = self._scanned.integer(PIXEL_REPRESENTATION, item) == 1
        change = self._change_of(item) if PIXEL_DATA in elements else None
        attributes = change.attributes if change else {}
        tags: set[int] | dict[int, object] = {*elements, *attributes} - change.removed if change else dict(elements)
        for tag in sorted(tags):
            if not tag & 0xFFFF or tag == _LENGTH_TO_END:
                continue
            if change and tag == PIXEL_DATA:
                change.write_pixel_data(self._out, target)
            elif tag in attributes:
                vr, value = attributes[tag]
                self._out.write(element_header(tag, vr, len(value), target) + value)
            elif tag in item.items or self._is_empty_sequence(elements[tag]):
                self._write_sequence(item, tag, target, signed=signed)
            else:
                self._write_value(item, tag, big_endian, target, signed=signed)

    def _write_sequence(self, item: Item, tag: int, target: Encoding, *, signed: bool) -> None:
        vr, offset, length = item.elements[tag]
        out = self._out
        if length == UNDEFINED:
            vr = b"SQ"
        elif self._keeps_sequences:
            start, end = offset - 12, offset + length
            out.write(self._data[start:end])
            if self._is_undefined(offset):
                out.write(self._data[end : end + 8])
            return
        big_endian = bytes(self._data[offset : offset + 4]) == _BIG_ENDIAN_ITEM
        # a sequence under the VR UN is implicit VR little endian whatever is around it (PS3.5 Section 6.2.2)
        inner = IMPLICIT_LITTLE if vr == b"UN" else target
        items = item.items.get(tag, ())
        # without a VR to tell it, only an undefined length tells that a private element is a sequence
        is_hidden = (target.implicit_vr or vr == b"UN") and dictionary_vr(tag) != b"SQ"
        is_undefined = self._is_undefined(offset) or (is_hidden and bool(items))
        out.write(element_header(tag, vr, UNDEFINED_LENGTH if is_undefined else 0, target))
        start = out.size_bytes
        for entry in items:
            out.write(inner.item.to_bytes(4, inner.order) + bytes(4))
            item_start = out.size_bytes
            self.write_item(entry, big_endian, inner, signed=signed)
            self._patch_length(item_start, inner)
        if is_undefined:
            out.write(inner.sequence_end.to_bytes(4, inner.order) + bytes(4))
        else:
            self._patch_length(start, target)

    def _is_empty_sequence(self, element: Element) -> bool:
        """Whether what shows no VR is a private sequence without items: only its delimiter tells."""
        vr, offset, length = element
        return (
            length == UNDEFINED
            and vr == b"UN"
            and bytes(self._data[offset : offset + 4]) == _LITTLE_ENDIAN_SEQUENCE_END
        )

    def _is_undefined(self, offset: int) -> bool:
        """Whether the value that begins at ``offset`` was written with an undefined length."""
        return bytes(self._data[offset - 4 : offset]) == b"\xff\xff\xff\xff"

    def _patch_length(self, start: int, encoding: Encoding) -> None:
        """Fill in the length that ends where what it counts starts."""
        length = self._out.size_bytes - start
        if length >= UNDEFINED_LENGTH:
            raise TranscodingError("a sequence grows longer than a length can tell")
        self._out.patch(start - 4, length.to_bytes(4, encoding.order))

    def _write_value(self, item: Item, tag: int, big_endian: bool, target: Encoding, *, signed: bool) -> None:  # noqa: FBT001
        vr, offset, length = item.elements[tag]
        if length == UNDEFINED:
            raise TranscodingError(f"({tag >> 16:04X},{tag & 0xFFFF:04X}) is encapsulated where it cannot be decoded")
        padding = length & 1
        new_vr = self._vr(item, tag, signed=signed)
        word_bytes = WORD_BYTES.get(new_vr, 1)
        if length + padding > (
            _MAX_SHORT_LENGTH if new_vr in SHORT_FORM and not target.implicit_vr else UNDEFINED_LENGTH
        ):
            new_vr = b"UN"  # its length has four bytes (PS3.5 Section 6.2.2)
        is_big_endian = target.big_endian and new_vr != b"UN"  # UN is little endian whatever is around it
        header = element_header(tag, new_vr, length + padding, target)
        value = self._data[offset : offset + length]
        if word_bytes == 1 or big_endian == is_big_endian:
            self._out.write(header)
            self._out.write(value)
        else:
            if tag == PIXEL_DATA and (self._scanned.integer(BITS_ALLOCATED, item) or 0) > _OW_BITS:
                # DCMTK turns the bytes of each half, as OW says; pydicom and others those of the whole cell
                raise TranscodingError("nobody can tell the byte order of cells of more than 16 bits in big endian")
            self._out.write(header)
            for start in range(0, length, _CHUNK_BYTES):
                self._out.write(_swapped(value[start : start + _CHUNK_BYTES], word_bytes))
        if padding:
            known = effective_vr(tag, vr)
            self._out.write(b" " if known in CHARACTERS and known != b"UI" else b"\0")

    def _vr(self, item: Item, tag: int, *, signed: bool) -> bytes:
        """The VR to write; where the source has none, the one that what is around it decides (PS3.6, "US or SS", "OB or OW")."""
        vr = item.elements[tag][0]
        if self._scanned.implicit_vr:
            if signed and tag in SIGN_DEPENDENT:
                return b"SS"
            if tag == PIXEL_DATA:
                # PS3.5 Section A.2; bytes are OB, so that nothing turns them in pairs
                return b"OB" if (self._scanned.integer(BITS_ALLOCATED, item) or 0) <= BYTE_BITS else b"OW"
        return vr if vr in LONG_FORM or vr in SHORT_FORM else b"UN"


def _swapped(value: memoryview, word_bytes: int) -> bytes:
    """The words' bytes in the other order; what is left over at the end stays."""
    whole = len(value) - len(value) % word_bytes
    words = array(_TYPE_CODES[word_bytes], bytes(value[:whole]))
    words.byteswap()
    return words.tobytes() + bytes(value[whole:])


def _has_fragments(items: Mapping[int, tuple[Item, ...]]) -> bool:
    """Whether anything within these sequences is encapsulated."""
    return any(
        any(length == UNDEFINED for _, _, length in item.elements.values())
        or (bool(item.items) and _has_fragments(item.items))
        for sequence in items.values()
        for item in sequence
    )
