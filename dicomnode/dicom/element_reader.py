"""Reads elements, sequences and fragments from bytes: strictly while it can, leniently where it must (PS3.5 Section 7).

The loop over elements takes a straight way for what is short and well-formed and a longer one for the rest. Sequences recurse,
never deeper than the limit; what is read is bounded by the bytes that are there and by the limits, whatever a peer writes.
"""

from __future__ import annotations

from itertools import repeat
from typing import Final, NamedTuple, NoReturn, cast

from dicomnode.dicom.doubtful_vr import Place, looks_implicit, read_doubtful
from dicomnode.dicom.element_header import (
    DELIMITER,
    EXPLICIT_LITTLE,
    IMPLICIT_BIG,
    IMPLICIT_LITTLE,
    LONG,
    NO_VR,
    UNDEFINED,
    UNDEFINED_LENGTH,
    Encoding,
    are_vr_letters,
)
from dicomnode.dicom.fragments import Fragments, find_delimiter, walk_fragments
from dicomnode.dicom.scanned import NO_ITEMS, Buffer, Element, Fault, FaultKind, Item
from dicomnode.dicom.value_representation import dictionary_vr

_MAX_FRAGMENTS: Final = 4_000_000
_MAX_FAULTS: Final = 100
_SEARCHED_BYTES: Final = 64 << 20
"""How far a delimiter is looked for when items do not follow each other."""
_PADDING_BYTES: Final = 64 << 10
"""Zero bytes after the last element that are taken for padding."""
_NOT_IN_ORDER: Final = 1 << 32
"""In place of the last tag once tags have fallen: higher than any, so that each is looked at."""

_ITEM: Final = 0xFFFEE000
_ITEM_END: Final = 0xFFFEE00D
_SEQUENCE_END: Final = 0xFFFEE0DD


class Limits(NamedTuple):
    """How much of a data set is read: depth of sequences, elements in all, bytes inflated."""

    depth: int
    elements: int
    inflated_bytes: int


class Stop(Exception):  # noqa: N818 - no error: how reading ends early
    """What follows cannot be read."""


class ElementReader:
    """Reads one data set.

    Attributes:
        faults: what was wrong.
        complete: everything up to the end was read and kept.
        fragments: what was seen of the top level's encapsulated values, by tag.
        declared: the length that a value of the top level which was cut claimed, by tag.
    """

    def __init__(self, data: Buffer, limits: Limits) -> None:
        self._data = data
        self._size = len(data)
        self._limits = limits
        self._rounds = repeat(None, limits.elements)
        self._fragments_left = _MAX_FRAGMENTS
        self.faults: list[Fault] = []
        self.complete = True
        self.fragments: dict[int, Fragments] = {}
        self.declared: dict[int, int] = {}

    def fault(self, kind: FaultKind, tag: int | None, offset: int, detail: str) -> None:
        """Note a fault; a second one of the same kind at the same byte is the same one, seen from further out."""
        is_final = kind is FaultKind.TRUNCATED
        if is_final:
            self.complete = False
        is_same = self.faults and self.faults[-1].kind is kind and self.faults[-1].offset == offset
        if not is_same and (is_final or len(self.faults) < _MAX_FAULTS):
            self.faults.append(Fault(kind, tag, offset, detail))

    # One loop for all that is read, and plain arguments: it decides what receiving an instance costs.
    def read_elements(  # noqa: C901, PLR0912
        self,
        item: Item,
        pos: int,
        end: int,
        encoding: Encoding,
        depth: int = 0,
        *,
        delimited: bool = False,
        last: int = -1,
    ) -> int:
        """Read elements from ``pos`` on into ``item``; the position behind them, and behind their delimiter.

        Args:
            end: where the data set or item ends at the latest.
            depth: how many sequences there are around it.
            delimited: an item of undefined length.
            last: the tag before them, where some were read already.

        Raises:
            Stop: what follows cannot be read.
        """
        data = self._data
        headers, read_header = encoding.headers, encoding.read_header
        elements = item.elements
        tag = last
        stop = end - 8
        for _ in self._rounds:
            if pos > stop:
                break
            tag, vr, length, size = headers[read_header(data, pos)[0]]
            if size and tag > last:
                elements[tag] = vr, pos + 8, length
                last = tag
                pos += size
                continue
            offset = pos + 8
            if length == LONG:
                if pos + 12 > end:
                    break
                offset = pos + 12
                length = encoding.read_length(data, pos + 8)[0]
                if length == UNDEFINED_LENGTH:
                    length = UNDEFINED
            elif length == DELIMITER:
                if delimited and tag == _ITEM_END:
                    return offset
                self.fault(FaultKind.BAD_ITEM, tag, pos, "an item or delimiter where an element must be")
                if depth and tag in (_ITEM, _ITEM_END, _SEQUENCE_END):
                    return offset if tag == _ITEM_END else pos
                pos = offset
                continue
            elif tag == 0 and depth == 0 and pos and self._is_padding(pos):
                self.fault(FaultKind.TRAILING_PADDING, None, pos, f"{end - pos} zero bytes after the last element")
                return end
            elif length < UNDEFINED:
                place = Place(end, encoding, depth, delimited)
                if length == NO_VR and last < 0 and looks_implicit(data, pos, end, encoding):
                    self.fault(FaultKind.OTHER_ENCODING, tag, pos, "implicit VR where explicit VR is announced")
                    return self.read_elements(item, pos, end, _without_vr(encoding), depth, delimited=delimited)
                self.fault(FaultKind.BAD_VR, tag, pos, f"{vr!r} is no VR")
                vr, offset, length = read_doubtful(data, pos, place)
            last = tag if tag > last else self._note_disorder(item, tag, last, pos)
            if vr == b"SQ":
                pos = self._read_sequence(item, tag, (vr, offset, length), end, encoding, depth)
            elif length < 0 or vr == b"UN":
                pos = self._read_unknown(item, tag, (vr, offset, length), Place(end, encoding, depth, delimited))
            else:
                elements[tag] = vr, offset, length
                pos = offset + length
                if length & 1:
                    self.fault(FaultKind.ODD_LENGTH, tag, offset, f"length {length}")
        else:
            self._give_up(FaultKind.HEADER_TOO_LARGE, tag, pos, f"more than {self._limits.elements} elements")
        if pos != end or delimited:
            self._note_bad_end(item, tag, pos, Place(end, encoding, depth, delimited))
        return end

    def _read_sequence(self, item: Item, tag: int, element: Element, end: int, encoding: Encoding, depth: int) -> int:
        """Read a sequence, of which ``element`` tells the VR that is written, into ``item``; the position behind it."""
        vr, pos, length = element
        data, item_number, read_item = self._data, encoding.item, encoding.read_item
        undefined = length == UNDEFINED
        value_end = end if undefined else pos + length
        overruns = value_end > end
        if overruns:
            self._note_overrun(tag, pos, end)
            value_end = end
        if depth >= self._limits.depth:
            return self._pass_over_too_deep(item, tag, (vr, pos, length), value_end)
        items = []
        stop = value_end - 8
        while pos <= stop:
            number, length = read_item(data, pos)
            if number != item_number:
                break
            pos += 8
            inner = Item()
            inner.elements = {}
            inner.items = NO_ITEMS
            if length == UNDEFINED_LENGTH:
                pos = self.read_elements(inner, pos, value_end, encoding, depth + 1, delimited=True)
            else:
                item_end = pos + length
                if item_end > value_end:  # an impossible length: the item ends where its elements do
                    self._note_overrun(None, pos, value_end)
                    pos = self.read_elements(inner, pos, value_end, encoding, depth + 1)
                else:
                    self.read_elements(inner, pos, item_end, encoding, depth + 1)
                    pos = item_end
            items.append(inner)
        after = value_end
        if undefined:
            pos, after = self._find_sequence_end(tag, pos, end, encoding)
        elif pos != value_end:
            self.fault(FaultKind.BAD_ITEM, tag, pos, "no item where one must be")
            # the sequence's length counts more than what stands in it, unless it is impossible
            after = pos = pos if overruns else value_end
        offset = element[1]
        item.elements[tag] = vr, offset, pos - offset
        if item.items is NO_ITEMS:
            item.items = {tag: tuple(items)}
        else:
            cast("dict[int, tuple[Item, ...]]", item.items)[tag] = tuple(items)
        return after

    def _pass_over_too_deep(self, item: Item, tag: int, element: Element, value_end: int) -> int:
        vr, offset, length = element
        detail = f"sequences nested deeper than {self._limits.depth}"
        if length == UNDEFINED:
            self._give_up(FaultKind.TOO_DEEP, tag, offset, detail)
        self.fault(FaultKind.TOO_DEEP, tag, offset, detail)
        self.complete = False
        item.elements[tag] = vr, offset, value_end - offset
        return value_end

    def _read_unknown(self, item: Item, tag: int, element: Element, place: Place) -> int:
        """Read what has the VR UN or an undefined length: a sequence, fragments or a value; the position behind it."""
        vr, offset, length = element
        if vr == b"UN":
            encoding = self._encoding_of_items(tag, offset, length, place)
            if encoding is not None:
                # in implicit VR only its items tell that a private element is a sequence
                seen = (b"SQ" if place.encoding.implicit_vr else vr), offset, length
                return self._read_sequence(item, tag, seen, place.end, encoding, place.depth)
        if length == UNDEFINED:
            return self._read_fragments(item, tag, element, place)
        item.elements[tag] = element
        if length & 1:
            self.fault(FaultKind.ODD_LENGTH, tag, offset, f"length {length}")
        return offset + length

    def _find_sequence_end(self, tag: int, pos: int, end: int, encoding: Encoding) -> tuple[int, int]:
        """Where the value of a sequence of undefined length ends, and where the next element begins."""
        if pos + 8 > end:
            self._note_overrun(tag, pos, end)
            return end, end
        if encoding.read_item(self._data, pos)[0] == encoding.sequence_end:
            return pos, pos + 8
        self.fault(FaultKind.BAD_ITEM, tag, pos, "neither an item nor the sequence's delimiter")
        found = find_delimiter(self._data, pos, min(end, pos + _SEARCHED_BYTES), encoding)
        if found < 0:
            self._give_up(FaultKind.TRUNCATED, tag, pos, "the sequence has no delimiter")
        return found, min(found + 8, end)

    def _read_fragments(self, item: Item, tag: int, element: Element, place: Place) -> int:
        vr, offset, _ = element
        end, encoding = place.end, place.encoding
        walked = walk_fragments(self._data, offset, end, encoding, self._fragments_left)
        self._fragments_left -= walked.items
        item.elements[tag] = vr, offset, UNDEFINED
        if place.depth == 0:
            self.fragments[tag] = walked
        if walked.delimited:
            return walked.end + 8
        if self._fragments_left <= 0:
            self._give_up(FaultKind.HEADER_TOO_LARGE, tag, offset, f"more than {_MAX_FRAGMENTS} fragments")
        found = find_delimiter(self._data, offset, min(end, offset + _SEARCHED_BYTES), encoding)
        if found < 0:
            self._note_overrun(tag, min(walked.end, end), end)
            return end
        self.fault(FaultKind.BAD_ITEM, tag, min(walked.end, end), "neither a fragment nor the delimiter")
        return min(found + 8, end)

    def _encoding_of_items(self, tag: int, offset: int, length: int, place: Place) -> Encoding | None:
        """How the items are encoded if what has the VR UN is a sequence (PS3.5 Section 6.2.2); None when it is none."""
        if length != UNDEFINED and (length == 0 or dictionary_vr(tag) != b"SQ"):
            return None
        encoding = place.encoding
        starts = bytes(self._data[offset : min(offset + 14, place.end)])
        if encoding.implicit_vr:
            return encoding if int.from_bytes(starts[:4], encoding.order) == encoding.item else None
        if int.from_bytes(starts[:4], "little") == IMPLICIT_LITTLE.item:
            return EXPLICIT_LITTLE if are_vr_letters(starts[12:14]) else IMPLICIT_LITTLE
        return encoding if length == UNDEFINED else None

    def _is_padding(self, pos: int) -> bool:
        rest = self._size - pos
        return rest <= _PADDING_BYTES and not bytes(self._data[pos:]).strip(b"\0")

    def _note_disorder(self, item: Item, tag: int, last: int, pos: int) -> int:
        """Tell that ``tag`` follows ``last``; what takes the place of the last tag."""
        if tag in item.elements:
            self.fault(FaultKind.DUPLICATE_ELEMENT, tag, pos, "the element comes again")
            if tag in item.items:
                item.items = {known: items for known, items in item.items.items() if known != tag}
            return last
        if last != _NOT_IN_ORDER:
            self.fault(FaultKind.OUT_OF_ORDER, tag, pos, f"follows ({last >> 16:04X},{last & 0xFFFF:04X})")
        return _NOT_IN_ORDER

    def _note_bad_end(self, item: Item, tag: int, pos: int, place: Place) -> None:
        """Elements ended otherwise than where their data set or item does; a value that is too long is cut."""
        if pos > place.end:
            self._note_overrun(tag, place.end, place.end)
            vr, offset, length = item.elements[tag]
            if place.depth == 0:
                self.declared[tag] = length
            item.elements[tag] = vr, min(offset, place.end), max(place.end - offset, 0)
        elif place.depth == 0 and pos and self._is_padding(pos):
            self.fault(FaultKind.TRAILING_PADDING, None, pos, f"{place.end - pos} zero bytes after the last element")
        else:
            self._note_overrun(None, pos, place.end)

    def _note_overrun(self, tag: int | None, offset: int, end: int) -> None:
        """More was announced than there is room for: in the data set, or in the item around it."""
        if end == self._size:
            self.fault(FaultKind.TRUNCATED, tag, offset, "the data set ends too early")
        else:
            self.fault(FaultKind.BAD_ITEM, tag, offset, "reaches past the item that holds it")

    def _give_up(self, kind: FaultKind, tag: int | None, offset: int, detail: str) -> NoReturn:
        self.faults.append(Fault(kind, tag, offset, detail))
        self.complete = False
        raise Stop


def _without_vr(encoding: Encoding) -> Encoding:
    return IMPLICIT_BIG if encoding.big_endian else IMPLICIT_LITTLE
