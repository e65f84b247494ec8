"""Rows of values to the bytes of data sets with the same elements, thousands of them.

It works column by column: a data set of a dozen elements costs one or two microseconds.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from dicomnode.dicom.encode import PADDED_WITH_NULL, Encoding, InexpressibleError
from dicomnode.dicom.value_representation import CHARACTERS, dictionary_vr

_PLAIN_LENGTH: Final = 65
"""Longer values are made one by one: UIDs and what people read are shorter."""
_FEW: Final = 8
"""Rows that are not worth being turned into columns."""
_PADS: Final = {pad: tuple(pad * (length % 2) for length in range(_PLAIN_LENGTH)) for pad in ("\0", " ")}
_REMEMBERED: Final = 512
"""Elements that a row encoder keeps for each tag: those that are not made of ASCII text."""


Shape = tuple[tuple[int, "Shape"], ...]
"""Tags, each with the shape of its items: what is wanted of a sequence's items; nothing means all of it."""


def shaped(item: Mapping[str, Any], shape: Shape) -> dict[str, Any]:
    """What is wanted of an item; what it has not is there without a value (PS3.4 Section C.2.2.2.6)."""
    wanted: dict[str, Any] = {}
    for tag, inner in shape:
        name = f"{tag:08X}"
        attribute = item.get(name) or {"vr": dictionary_vr(tag).decode("ascii")}
        if inner and attribute["vr"] == "SQ":
            attribute = {"vr": "SQ", "Value": [shaped(one, inner) for one in attribute.get("Value", [])]}
        wanted[name] = attribute
    return wanted


class RowEncoder:
    """Rows of values to data sets with the same elements.

    Bytes stand as characters below U+0100 until a data set is whole: so values, which are text, need no encoding of their own as
    long as they are ASCII.

    Args:
        tags: of the columns.
        constants: elements that are the same in every data set.
        items: what is wanted of the sequences' items.
    """

    def __init__(
        self, tags: Sequence[int], constants: Mapping[int, str], encoding: Encoding, items: Shape = ()
    ) -> None:
        shapes = dict(items)
        self._columns: list[tuple[int, _Column]] = []
        before = ""
        for tag in sorted({*tags, *constants}):
            if tag in constants:
                before += encoding.text(tag, dictionary_vr(tag), constants[tag]).decode("latin_1")
            else:
                self._columns.append((tags.index(tag), _Column(tag, encoding, before, shapes.get(tag, ()))))
                before = ""
        self._end = before

    def __call__(self, rows: Sequence[Sequence[str | None]]) -> list[bytes | None]:
        """The data set of each row, None for one that has characters which are not in the character set.

        Args:
            rows: values aligned with the tags, as `Encoding.text` takes them; None counts as empty.
        """
        if not rows:
            return []
        if not self._columns:
            return [self._end.encode("latin_1")] * len(rows)
        if len(rows) < _FEW:
            return [self._dataset(row) for row in rows]
        by_column = list(zip(*rows, strict=True))
        parts = [part for index, column in self._columns for part in column.parts(by_column[index])]
        try:
            # no loop of ours touches a single value here, or ten values would cost three times as much
            texts = map("".join, zip(*parts, itertools.repeat(self._end)))
            return [text.encode("latin_1") for text in texts]
        except TypeError:
            return [self._dataset(row) for row in rows]

    def _dataset(self, row: Sequence[str | None]) -> bytes | None:
        elements = [column.element(row[index] or "") for index, column in self._columns]
        whole = [element for element in elements if element is not None]
        return None if len(whole) < len(elements) else ("".join(whole) + self._end).encode("latin_1")


class _Column:
    """The elements of one tag.

    Args:
        before: what stands before each of them.
        shape: what is wanted of the items of a sequence.
    """

    def __init__(self, tag: int, encoding: Encoding, before: str, shape: Shape) -> None:
        self._elements = _Elements(tag, encoding, before, shape)
        self._heads = _Heads(self._elements)
        vr = dictionary_vr(tag)
        self._pads = _PADS["\0" if vr in PADDED_WITH_NULL else " "] if vr in CHARACTERS else ()
        """What stands after ASCII text, by its length; where nothing is text, none is short enough."""

    def parts(self, values: Sequence[str | None]) -> Iterator[Iterable[str | None]]:
        """What makes up the elements of these values, side by side; None where a value cannot be expressed."""
        texts: Sequence[str] = [value or "" for value in values] if None in values else values  # type: ignore[assignment]  # no None
        if "".join(texts).isascii():
            lengths = list(map(len, texts))
            if max(lengths) < len(self._pads):
                yield map(self._heads.__getitem__, lengths)
                yield texts
                yield map(self._pads.__getitem__, lengths)
                return
        yield map(self._elements.__getitem__, texts)

    def element(self, value: str) -> str | None:
        """The element of one value; None where it cannot be expressed."""
        length = len(value)
        if length < len(self._pads) and value.isascii():
            return self._heads[length] + value + self._pads[length]
        return self._elements[value]


class _Heads(dict[int, str]):
    """What stands before ASCII text of some length: made when it is asked for."""

    def __init__(self, elements: _Elements) -> None:
        super().__init__()
        self._elements = elements

    def __missing__(self, length: int) -> str:
        element = self._elements.plain(b"x" * length)
        self[length] = head = element[: len(element) - length - length % 2]
        return head


class _Elements(dict[str, str | None]):
    """Elements by their values: made when they are asked for; None where a value cannot be expressed."""

    def __init__(self, tag: int, encoding: Encoding, before: str, shape: Shape) -> None:
        super().__init__()
        self._tag = tag
        self._vr = dictionary_vr(tag)
        self._encoding = encoding
        self._before = before
        self._shape = shape

    def plain(self, value: bytes) -> str:
        """The element of a value that is encoded already."""
        return self._before + self._encoding.element(self._tag, self._vr, value).decode("latin_1")

    def __missing__(self, value: str) -> str | None:
        if len(self) >= _REMEMBERED:
            self.clear()
        self[value] = element = self._made(value)
        return element

    def _made(self, value: str) -> str | None:
        if value and self._shape and self._vr == b"SQ":
            value = json.dumps([shaped(item, self._shape) for item in json.loads(value)])
        try:
            return self._before + self._encoding.text(self._tag, self._vr, value).decode("latin_1")
        except InexpressibleError:
            return None
