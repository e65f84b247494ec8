"""The one reader of raw data sets: bytes in, ``{tag: (VR, offset, length)}`` out; for QA, index, routing and import.

Values are not decoded and pixel data is not read. Elements are read strictly by what the transfer syntax announces; where the bytes
say otherwise, the fault is noted and reading goes on as leniently as it can be defended, so that what identifies an instance is
found in every data set in which another reader would find it. Nothing that a peer sends makes the scan raise, and depth, elements
and inflated bytes are bounded.

``scanned`` has what a scan yields, ``element_reader`` how elements follow each other, ``element_header`` how one begins.
"""

from __future__ import annotations

import contextlib
from typing import Final

from dicomnode.dicom.doubtful_vr import looks_implicit
from dicomnode.dicom.element_header import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_BIG,
    IMPLICIT_LITTLE,
    UNDEFINED,
    Encoding,
    are_vr_letters,
)
from dicomnode.dicom.element_reader import ElementReader, Limits, Stop
from dicomnode.dicom.inflate import Inflater
from dicomnode.dicom.layout import Layout, Layouts, place_of
from dicomnode.dicom.scanned import (
    HEAD_BYTES,
    NO_ITEMS,
    PIXEL_DATA,
    Buffer,
    Element,
    Fault,
    FaultKind,
    Item,
    PixelData,
    ScannedDataset,
)
from dicomnode.dicom.transfer_syntax import TransferSyntax, transfer_syntax

__all__ = ["PIXEL_DATA", "UNDEFINED", "Element", "Fault", "FaultKind", "Item", "PixelData", "ScannedDataset", "scan"]

MAX_DEPTH: Final = 32
"""Sequences within sequences; those of practice stay below ten."""
MAX_ELEMENTS: Final = 500_000
"""Elements, items and delimiters of one data set: 100 MB at most. A multiframe image has 10 to 60 for each frame."""
MAX_INFLATED_BYTES: Final = 64 << 20
"""How far a deflated data set is inflated to find its pixel data."""

_FIRST_INFLATED_BYTES: Final = 64 << 10
_ENCODINGS: Final = {
    (encoding.implicit_vr, encoding.big_endian): encoding
    for encoding in (IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, IMPLICIT_BIG)
}


def scan(
    data: Buffer,
    transfer_syntax_uid: str,
    *,
    layouts: Layouts | None = None,
    max_depth: int = MAX_DEPTH,
    max_elements: int = MAX_ELEMENTS,
    max_inflated_bytes: int = MAX_INFLATED_BYTES,
) -> ScannedDataset:
    """Where each element of the data set ``data`` stands, those of its sequences included. Never raises.

    Args:
        data: a whole data set, without preamble and file meta information; maybe a mapped file.
        transfer_syntax_uid: what the presentation context or the file meta information announces.
        layouts: those that came before, by which this one is recognised or remembered; none unless given.
        max_depth: of sequences within sequences.
        max_elements: items and delimiters included; what follows is not read.
        max_inflated_bytes: of a deflated data set.
    """
    syntax = transfer_syntax(transfer_syntax_uid)
    limits = Limits(max_depth, max_elements, max_inflated_bytes)
    if syntax.deflated:
        return _scan_deflated(data, syntax, limits)
    if layouts is not None:
        return _scan_known(data, syntax, limits, layouts)
    return _read(ElementReader(data, limits), data, syntax)


def _scan_known(data: Buffer, syntax: TransferSyntax, limits: Limits, layouts: Layouts) -> ScannedDataset:
    """Read what is not told by the layout, which is all where that is not known."""
    head = bytes(data[:HEAD_BYTES])
    place = place_of(syntax.uid, head, len(data), big_endian=syntax.big_endian)
    layout = layouts.find(place, head)
    scanned = _read(ElementReader(data, limits), data, syntax, head, layout)
    if layout is None:
        scanned.layout = layouts.note(place, scanned)
    return scanned


def _scan_deflated(data: Buffer, syntax: TransferSyntax, limits: Limits) -> ScannedDataset:
    """Inflate twice as much each time, until the pixel data is reached or nothing more comes."""
    inflater = Inflater(data)
    want = min(_FIRST_INFLATED_BYTES, limits.inflated_bytes)
    while True:
        head = inflater.head(want)
        if inflater.failed and not head:
            reader = ElementReader(data, limits)
            reader.fault(FaultKind.INFLATE_FAILED, None, 0, "no deflate stream; read as it stands")
            return _read(reader, data, syntax)
        scanned = _read(ElementReader(head, limits), head, syntax)
        if inflater.ended or any(fault.kind is FaultKind.HEADER_TOO_LARGE for fault in scanned.faults):
            break
        if scanned.pixel_data is not None:
            return _up_to_pixel_data(scanned)
        if want >= limits.inflated_bytes:
            return _with_fault(scanned, FaultKind.HEADER_TOO_LARGE, len(head), "no pixel data in the bytes inflated")
        want = min(2 * want, limits.inflated_bytes)
    if inflater.failed:
        return _with_fault(scanned, FaultKind.INFLATE_FAILED, len(head), "the deflate stream breaks off")
    return scanned


def _read(
    reader: ElementReader,
    data: Buffer,
    syntax: TransferSyntax,
    head: bytes | None = None,
    layout: Layout | None = None,
) -> ScannedDataset:
    """Read all of it, or what follows on the layout."""
    scanned = ScannedDataset()
    scanned.data = data
    scanned.head = bytes(data[:HEAD_BYTES]) if head is None else head
    scanned.layout = layout
    scanned.transfer_syntax = syntax
    start, last = 0, -1
    if layout is None:
        scanned.elements, scanned.items = {}, NO_ITEMS
        encoding = _encoding_found(reader, data, syntax)
    else:
        scanned.elements, scanned.items = dict(layout.elements), dict(layout.items)
        encoding = _ENCODINGS[layout.implicit_vr, layout.big_endian]
        start, last = layout.end, layout.last
    with contextlib.suppress(Stop):
        reader.read_elements(scanned, start, len(data), encoding, last=last)
    scanned.implicit_vr = encoding.implicit_vr
    scanned.big_endian = encoding.big_endian
    scanned.faults = tuple(reader.faults)
    scanned.complete = reader.complete
    scanned.pixel_data = _pixel_data(reader, scanned)
    return scanned


def _encoding_found(reader: ElementReader, data: Buffer, syntax: TransferSyntax) -> Encoding:
    """How the first element is encoded: as announced, unless it shows that it is not."""
    announced = IMPLICIT_LITTLE if syntax.implicit_vr else EXPLICIT_BIG if syntax.big_endian else EXPLICIT_LITTLE
    first = bytes(data[:8])
    if len(first) < 8:  # noqa: PLR2004 - no element is shorter
        return announced
    # an instance begins with group 0008, which no group of a data set is with its bytes swapped
    big_endian = {b"\0\x08": True, b"\x08\0": False}.get(first[:2], announced.big_endian)
    implicit_vr = announced.implicit_vr
    if are_vr_letters(first[4:6]):
        implicit_vr = False
    elif not implicit_vr:
        implicit_vr = looks_implicit(data, 0, len(data), _ENCODINGS[False, big_endian])
    found = _ENCODINGS[implicit_vr, big_endian]
    if found is not announced:
        reader.fault(FaultKind.OTHER_ENCODING, None, 0, f"{found} where {announced} is announced")
    return found


def _pixel_data(reader: ElementReader, scanned: ScannedDataset) -> PixelData | None:
    for tag in PIXEL_DATA:
        element = scanned.elements.get(tag)
        if element is not None:
            vr, offset, length = element
            if length != UNDEFINED:
                return PixelData(tag, vr, offset, reader.declared.get(tag, length), length, None)
            fragments = reader.fragments[tag]
            return PixelData(tag, vr, offset, None, fragments.size_bytes, fragments.items)
    return None


def _up_to_pixel_data(scanned: ScannedDataset) -> ScannedDataset:
    """What was read of a data set that was inflated as far as its pixel data begins, or a little further."""
    pixel_data = scanned.pixel_data
    assert pixel_data is not None
    scanned.pixel_data = pixel_data._replace(present_bytes=None)
    scanned.faults = tuple(fault for fault in scanned.faults if fault.offset < pixel_data.offset)
    scanned.complete = all(fault.kind not in (FaultKind.TRUNCATED, FaultKind.TOO_DEEP) for fault in scanned.faults)
    return scanned


def _with_fault(scanned: ScannedDataset, kind: FaultKind, offset: int, detail: str) -> ScannedDataset:
    scanned.faults = (*scanned.faults, Fault(kind, None, offset, detail))
    scanned.complete = False
    return scanned
