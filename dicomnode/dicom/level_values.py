"""The values of attributes as text, level by level, as the index keeps them; and what is remembered of those that came before.

A text follows from the VRs in the table and in the stream, the bytes of the value, Specific Character Set and how the data set is
encoded. Where data sets have the same attributes in the same VRs (one shape), their values are all that has to be compared: those
of patient, study and series come again with all others of a series, and of those of an instance most are what the last one said.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import compress
from operator import add, itemgetter, ne
from typing import Final

from dicomnode.dicom.element_header import UNDEFINED
from dicomnode.dicom.json_model import sequence_json
from dicomnode.dicom.layout import Layout, Range, cutter
from dicomnode.dicom.scanned import SPECIFIC_CHARACTER_SET, ScannedDataset
from dicomnode.dicom.value_representation import CHARACTERS, TEXT, UNSPLIT

_LONGEST_BYTES: Final = 40_960
"""Longest value that is kept: the 10240 characters of an LT, each in four bytes (PS3.5 Table 6.2-1); more is cut off."""
_LONGEST_SEQUENCE_BYTES: Final = 64 << 10
"""Longest sequence that is kept; a longer one is left out."""

_REMEMBERED_BYTES: Final = 4096
"""Longest values of an instance, together, that are remembered; those of practice stay below a thousand."""
_REMEMBERED: Final = 512
"""Of how many patients, studies and series it is remembered what their values say; all are forgotten when there are more."""
_SHAPES: Final = 256
"""Of how many shapes the last instance is remembered; a scanner has a few, a peer can make up any number."""
_PIXEL_DATA: Final = 0x7FE00000
"""Where a layout ends."""

_DECLARED: Final = frozenset(vr.decode("ascii") for vr in TEXT)
_UNSPLIT: Final = frozenset(vr.decode("ascii") for vr in UNSPLIT)
KEPT_VRS: Final = frozenset(vr.decode("ascii") for vr in CHARACTERS) | {"SQ", "US"}
"""VRs whose values can be kept."""
_PLAIN: Final = KEPT_VRS - _UNSPLIT - {"SQ", "US"}
"""Those whose values are their bytes without padding, where these are ASCII and no code extensions are in use."""
_NOT_PLAIN: Final[frozenset[str]] = frozenset()

Table = Mapping[int, str]
"""Attributes and their VRs."""
Texts = Mapping[int, str]
"""Values by tag; to be read only."""
_Values = tuple[bytes, ...]
_Memory = dict[tuple["_LevelShape", _Values], Texts]
_Tell = Callable[[ScannedDataset], Sequence[Texts]]


class Teller:
    """Tells what data sets say of patient, study, series and instance; for all threads."""

    def __init__(self, tables: Sequence[Table]) -> None:
        """Compile the tables of the four levels."""
        self._tables = tables
        self._tags = frozenset({SPECIFIC_CHARACTER_SET}).union(*tables)
        self._shape = lru_cache(maxsize=_SHAPES)(self._new_shape)
        self._memory: _Memory = {}

    def told(self, scanned: ScannedDataset) -> Sequence[Texts]:
        """The values of each level; what cannot be told is left out."""
        layout = scanned.layout
        if scanned.faults:
            return self._read(scanned)
        if layout is not None:
            return layout.derived(self, self._by_layout)(scanned)
        return self._by(scanned, len(scanned.head), _pieces)(scanned)

    def _read(self, scanned: ScannedDataset) -> Sequence[Texts]:
        return [level_values(scanned, table) for table in self._tables]

    def _by_layout(self, layout: Layout) -> _Tell:
        return self._by(layout, layout.end, cutter) if max(self._tags) < _PIXEL_DATA else self._read

    def _by(
        self, where: ScannedDataset | Layout, reach: int, cutter: Callable[[list[Range]], Callable[[bytes], _Values]]
    ) -> _Tell:
        """How data sets without faults are told whose elements stand as they do in ``where``.

        What can follow from more than values (bytes that would be text, were they no items) is read each time, as are values far
        behind.

        Args:
            reach: so far elements stand in the head.
            cutter: makes what cuts their values out.
        """
        elements = where.elements
        tags = sorted(elements.keys() & self._tags)
        if not tags or where.big_endian:
            return self._read
        vrs, starts, lengths = zip(*map(elements.__getitem__, tags), strict=True)
        ends = list(map(add, starts, lengths))
        near = bisect_right(ends, reach)
        if (
            min(lengths) < 0
            or ends != sorted(ends)
            or sum(lengths[:near]) > _REMEMBERED_BYTES
            or SPECIFIC_CHARACTER_SET in tags[near:]
            or not all(elements[tag][0] == b"SQ" for tag in where.items.keys() & self._tags)
        ):
            return self._read
        cut = cutter(list(zip(starts, ends[:near], strict=False)))
        shape = self._shape(tuple(tags[:near]), vrs[:near], where.implicit_vr)
        if near == len(tags):
            return lambda scanned: shape.told(scanned, cut(scanned.head))
        far = [{tag: table[tag] for tag in tags[near:] if tag in table} for table in self._tables]
        return lambda scanned: [
            {**texts, **level_values(scanned, table)} if table else texts
            for texts, table in zip(shape.told(scanned, cut(scanned.head)), far, strict=True)
        ]

    def _new_shape(self, tags: tuple[int, ...], *_: object) -> _Shape:
        return _Shape([_LevelShape(table, tags) for table in self._tables], self._memory)


def _pieces(ranges: list[Range]) -> Callable[[bytes], _Values]:
    """A `cutter` that is made sooner, for use once."""
    return lambda head: tuple([head[start:end] for start, end in ranges])


class _Shape:
    """Which attributes data sets have, in which VRs."""

    __slots__ = ("_higher", "_instance", "_memory")

    def __init__(self, levels: Sequence[_LevelShape], memory: _Memory) -> None:
        *self._higher, self._instance = levels
        self._memory = memory

    def told(self, scanned: ScannedDataset, values: _Values) -> Sequence[Texts]:
        """What ``values`` say, those of ``scanned``."""
        told = []
        for level in self._higher:
            picked = level.pick(values)
            texts = self._memory.get((level, picked))
            if texts is None:
                texts = level.texts(scanned, picked)
                if len(self._memory) >= _REMEMBERED:
                    self._memory.clear()
                self._memory[level, picked] = texts
            told.append(texts)
        told.append(self._instance.texts(scanned, self._instance.pick(values)))
        return told


class _LevelShape:
    """Which attributes of a level data sets have, and what the last one said that had just these.

    Attributes:
        elements: of each its tag, and its VR in the table; Specific Character Set before all others, with no VR where the table has
            it not.
        pick: their values out of those of all levels.
    """

    __slots__ = ("_last", "elements", "pick")

    def __init__(self, table: Table, tags: Sequence[int]) -> None:
        places = [place for place, tag in enumerate(tags) if tag == SPECIFIC_CHARACTER_SET]
        places += [place for place, tag in enumerate(tags) if tag != SPECIFIC_CHARACTER_SET and tag in table]
        self.elements = [(tags[place], table.get(tags[place])) for place in places]
        self.pick = _picker(places)
        self._last: tuple[tuple[bytes | None, ...], Texts, frozenset[str]] = (None,) * len(places), {}, _PLAIN

    def texts(self, scanned: ScannedDataset, values: _Values) -> Texts:
        """What ``values`` say, those of ``scanned``: where the bytes are those of the last data set, the text is too."""
        before, said, plain = self._last
        changed = list(compress(zip(self.elements, values, strict=True), map(ne, values, before)))
        texts = dict(said)
        if changed and changed[0][0][0] == SPECIFIC_CHARACTER_SET:
            changed, texts, plain = list(zip(self.elements, values, strict=True)), {}, _plain(scanned)
        for (tag, vr), value in changed:
            text = _text(scanned, tag, vr, value, plain) if vr else None
            if text is None:
                texts.pop(tag, None)
            else:
                texts[tag] = text
        self._last = values, texts, plain
        return texts


def _picker(places: Sequence[int]) -> Callable[[_Values], _Values]:
    if len(places) > 1:
        return itemgetter(*places)
    return lambda values: tuple([values[place] for place in places])


def level_values(scanned: ScannedDataset, table: Table) -> Texts:
    """What the data set says of a level's attributes; what cannot be told is left out."""
    texts = {}
    elements, head, plain = scanned.elements, scanned.head, _plain(scanned)
    for tag in table.keys() & elements.keys():
        _, offset, length = elements[tag]
        is_near = length >= 0 and offset + length <= len(head)  # as nearly all are
        text = _text(scanned, tag, table[tag], head[offset : offset + length], plain if is_near else _NOT_PLAIN)
        if text is not None:
            texts[tag] = text
    return texts


def _plain(scanned: ScannedDataset) -> frozenset[str]:
    return _PLAIN if len(scanned.character_set().terms) <= 1 else _NOT_PLAIN


def _text(scanned: ScannedDataset, tag: int, vr: str, value: bytes, plain: frozenset[str]) -> str | None:
    if vr not in plain or not value.isascii():
        return _decoded(scanned, tag, vr)
    return _each_stripped(value.decode("ascii").strip(" \0"))


def _decoded(scanned: ScannedDataset, tag: int, vr: str) -> str | None:
    _, offset, length = scanned.elements[tag]
    if vr == "SQ":
        return sequence_json(scanned, tag) if tag in scanned.items and length <= _LONGEST_SEQUENCE_BYTES else None
    if tag in scanned.items or length == UNDEFINED:
        return None
    if vr == "US":
        number = scanned.integer(tag)
        return str(number) if number is not None else "" if length == 0 else None
    raw = bytes(scanned.data[offset : offset + min(length, _LONGEST_BYTES)])
    text = scanned.character_set().decode(raw, is_name=vr == "PN") if vr in _DECLARED else raw.decode("latin_1")
    if vr in _UNSPLIT:
        return text.rstrip(" \0")
    return _each_stripped(text)


def _each_stripped(text: str) -> str:
    if " " not in text and "\0" not in text:
        return text
    return "\\".join([value.strip(" \0") for value in text.split("\\")])
