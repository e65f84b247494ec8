"""Elements that should be in explicit VR and show no VR of the standard: how they are meant (PS3.5 Sections 6.2 and 7.1.2).

Some writers leave out the VR of single elements or items, some spoil it, and the standard may add VRs.
"""

from __future__ import annotations

from typing import NamedTuple

from dicomnode.dicom.element_header import DELIMITER, LONG, UNDEFINED, UNDEFINED_LENGTH, Encoding, are_vr_letters
from dicomnode.dicom.scanned import Buffer, Element
from dicomnode.dicom.value_representation import dictionary_vr


class Place(NamedTuple):
    """Where elements are read: up to which byte, how encoded, within how many sequences, and whether a delimiter ends them."""

    end: int
    encoding: Encoding
    depth: int
    delimited: bool


def looks_implicit(data: Buffer, pos: int, end: int, encoding: Encoding) -> bool:
    """Whether the first element of a data set or item, which shows no VR, is one in implicit VR.

    Else it is an explicit one whose VR is spoilt: in implicit VR its length would be at least 64 KiB.
    """
    length = encoding.read_length(data, pos + 4)[0]
    return length == UNDEFINED_LENGTH or length <= min(0xFFFF, end - pos - 8)


def read_doubtful(data: Buffer, pos: int, place: Place) -> Element:
    """The element at ``pos``, read so that another one follows it, or at least so that it fits.

    A new VR of the standard has the long form.
    """
    end, encoding, _, _ = place
    order = encoding.order
    header = bytes(data[pos : min(pos + 12, end)])
    tag = encoding.headers[encoding.read_header(data, pos)[0]][0]
    vr = header[4:6]
    short = (vr, pos + 8, int.from_bytes(header[6:8], order))
    long = (vr, pos + 12, int.from_bytes(header[8:12], order))
    without = (dictionary_vr(tag), pos + 8, int.from_bytes(header[4:8], order))
    readings = [short, long, without] if are_vr_letters(vr) else [without, short, long]
    fitting = [reading for reading in readings if reading[1] + reading[2] <= end]
    for reading in fitting:
        if _an_element_follows(data, tag, reading[1] + reading[2], place):
            return reading
    if fitting:
        return fitting[0]
    return (without[0], pos + 8, UNDEFINED) if without[2] == UNDEFINED_LENGTH else (vr, pos + 8, end - pos - 8)


def _an_element_follows(data: Buffer, tag: int, pos: int, place: Place) -> bool:
    end, encoding, _, delimited = place
    if pos == end:
        return not delimited
    if pos + 8 > end:
        return False
    following, _, length, _ = encoding.headers[encoding.read_header(data, pos)[0]]
    if length == DELIMITER:
        return delimited
    return following > tag and length >= LONG and pos + 8 + max(length, 0) <= end
