"""Rows of values to the bytes of data sets with the same elements, thousands of them.

It works column by column and remembers the elements that it made: a data set of a dozen elements costs two or three microseconds.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from dicomnode.dicom.encode import Encoding, InexpressibleError
from dicomnode.dicom.value_representation import CHARACTERS, dictionary_vr

_PLAIN_LENGTH: Final = 65
"""ASCII values shorter than this are put together without a call."""
_REMEMBERED: Final = 2048
"""Elements that a row encoder keeps for each tag."""


Shape = tuple[tuple[int, "Shape"], ...]
"""Tags, each with the shape of its items: what is wanted of a sequence's items; nothing means all of it."""


def _shaped(item: Mapping[str, Any], shape: Shape) -> dict[str, Any]:
    """What is wanted of an item; what it has not is there without a value (PS3.4 Section C.2.2.2.6)."""
    shaped: dict[str, Any] = {}
    for tag, inner in shape:
        name = f"{tag:08X}"
        attribute = item.get(name) or {"vr": dictionary_vr(tag).decode("ascii")}
        if inner and attribute["vr"] == "SQ":
            attribute = {"vr": "SQ", "Value": [_shaped(one, inner) for one in attribute.get("Value", [])]}
        shaped[name] = attribute
    return shaped


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
        self._columns: list[tuple[int, _Cells]] = []
        before = ""
        for tag in sorted({*tags, *constants}):
            if tag in constants:
                before += encoding.text(tag, dictionary_vr(tag), constants[tag]).decode("latin_1")
            else:
                self._columns.append((tags.index(tag), _Cells(tag, encoding, before, shapes.get(tag, ()))))
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
        by_column = list(zip(*rows, strict=True))
        cells = [map(cells.__getitem__, by_column[index]) for index, cells in self._columns]
        datasets = zip(*cells, itertools.repeat(self._end))
        try:
            return [text.encode("latin_1") for text in map("".join, datasets)]
        except TypeError:
            return [self._dataset(row) for row in rows]

    def _dataset(self, row: Sequence[str | None]) -> bytes | None:
        parts = [cells[row[index]] for index, cells in self._columns]
        whole = [part for part in parts if part is not None]
        return None if len(whole) < len(parts) else ("".join(whole) + self._end).encode("latin_1")


class _Cells(dict[str | None, str | None]):
    """The elements of one tag by their values: made when they are asked for; None where a value cannot be expressed.

    Args:
        before: what stands before each of them.
        shape: what is wanted of the items of a sequence.
    """

    def __init__(self, tag: int, encoding: Encoding, before: str, shape: Shape) -> None:
        super().__init__()
        self._shape = shape
        self._tag = tag
        self._vr = dictionary_vr(tag)
        self._encoding = encoding
        self._before = before
        self._heads = [self._head(length) for length in range(_PLAIN_LENGTH)] if self._vr in CHARACTERS else []
        """For ASCII by its length: what stands before it, and after."""

    def __missing__(self, value: str | None) -> str | None:
        if value and value.isascii() and len(value) < len(self._heads):
            head, padding = self._heads[len(value)]
            cell = head + value + padding
        elif (made := self._made(value or "")) is None:
            return None
        else:
            cell = made
        if len(self) >= _REMEMBERED:
            self.clear()
        self[value] = cell
        return cell

    def _made(self, value: str) -> str | None:
        if value and self._shape and self._vr == b"SQ":
            value = json.dumps([_shaped(item, self._shape) for item in json.loads(value)])
        try:
            return self._before + self._encoding.text(self._tag, self._vr, value).decode("latin_1")
        except InexpressibleError:
            return None

    def _head(self, length: int) -> tuple[str, str]:
        value = b"x" * length
        element = self._encoding.element(self._tag, self._vr, value)
        head, _, padding = element.rpartition(value) if length else (element, b"", b"")
        return self._before + head.decode("latin_1"), padding.decode("latin_1")
