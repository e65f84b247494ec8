"""Conditions of the standard's tables as functions, compiled once: is this attribute required in this item?

Those that look into functional groups (``g+``, ``g-``, ``g=``) are for modules and groups only: what is remembered of items
does not tell them apart. A condition that looks at an attribute which is nowhere is not met: nothing is demanded for what cannot
be told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Literal

from dicomnode.dicom.scan import UNDEFINED, Element, Item, ScannedDataset
from dicomnode.dicom.tags import PER_FRAME_GROUPS, SHARED_GROUPS
from dicomnode.qa.standard import Condition

Met = Callable[[ScannedDataset, Item], bool]
"""Whether a condition is met in an item of a data set; at the top level the data set is the item."""

READS_VALUES: Final = frozenset({"=", "!=", ">", "=>"})
"""Operators that look at what an attribute says, in the item or, where that does not have it, in the data set."""
READS_THE_TOP: Final = frozenset({"t+"})
"""Operators that look at whether the data set has an attribute, wherever the item is."""
READS_GROUPS: Final = frozenset({"g+", "g-", "g="})
"""Operators that look into functional groups."""
READS_EMPTINESS: Final = frozenset({"++"})
"""Operators that look at whether an attribute of the item says something; all others look at nothing but the item's tags."""

NUMBERS: Final = frozenset({b"US", b"SS", b"UL", b"SL"})
_MAX_VALUE_BYTES: Final = 1024
_MAX_POINTERS: Final = 64
_MAX_FRAMES: Final = 1000


def compiled(condition: Condition) -> Met:
    """``condition`` as a function; equal ones are the same.

    Raises:
        ValueError: the operator is none that is known.
    """
    return _compiled(_frozen(condition))


def tags_read(condition: Condition, operators: frozenset[str]) -> Iterator[int]:
    """The attributes that ``condition`` looks at with one of ``operators``."""
    operator, *rest = condition
    if operator in ("and", "or"):
        for part in rest:
            yield from tags_read(part, operators)
    elif operator in operators:
        yield rest[0]


def words(dataset: ScannedDataset, element: Element) -> list[bytes]:
    """An element's values as they stand in the tables: characters without padding, or the first of binary numbers in digits."""
    vr, offset, length = element
    if length > _MAX_VALUE_BYTES:  # UNDEFINED too
        return []
    value = bytes(dataset.data[offset : offset + length])
    if vr in NUMBERS:
        size = 2 if vr in (b"US", b"SS") else 4
        number = int.from_bytes(value[:size], _order(dataset), signed=vr in (b"SS", b"SL"))
        return [b"%d" % number] if length >= size else []
    if b"\\" in value:
        return [one.strip(b" \0") for one in value.split(b"\\")]
    return [value.strip(b" \0")]


def _frozen(condition: Condition) -> tuple[Any, ...]:
    return tuple(_frozen(part) if isinstance(part, list | tuple) else part for part in condition)


@lru_cache(maxsize=2048)
def _compiled(condition: tuple[Any, ...]) -> Met:
    operator, *rest = condition
    if operator in ("and", "or"):
        parts = tuple(_compiled(part) for part in rest)
        return _all(parts) if operator == "and" else _any(parts)
    tag, index, values = rest
    if operator not in _OPERATORS:
        raise ValueError(f"unknown operator {operator!r} in a condition")
    return _OPERATORS[operator](tag, index, tuple(value.encode("ascii") for value in values))


def _order(dataset: ScannedDataset) -> Literal["big", "little"]:
    return "big" if dataset.big_endian else "little"


def _all(parts: tuple[Met, ...]) -> Met:
    def met(dataset: ScannedDataset, item: Item) -> bool:
        for part in parts:  # noqa: SIM110 - a generator for each instance would cost more than the parts
            if not part(dataset, item):
                return False
        return True

    return met


def _any(parts: tuple[Met, ...]) -> Met:
    def met(dataset: ScannedDataset, item: Item) -> bool:
        for part in parts:  # noqa: SIM110 - as above
            if part(dataset, item):
                return True
        return False

    return met


def _nearest(dataset: ScannedDataset, item: Item, tag: int) -> Element | None:
    """The item's own element, else the data set's: conditions in functional groups ask for Image Type, say."""
    return item.elements.get(tag) or dataset.elements.get(tag)


def _is_there(tag: int, _: int, __: tuple[bytes, ...]) -> Met:
    return lambda _, item: tag in item.elements


def _is_absent(tag: int, _: int, __: tuple[bytes, ...]) -> Met:
    return lambda _, item: tag not in item.elements


def _is_at_the_top(tag: int, _: int, __: tuple[bytes, ...]) -> Met:
    return lambda dataset, _: tag in dataset.elements


def _says_something(tag: int, _: int, __: tuple[bytes, ...]) -> Met:
    return lambda _, item: tag in item.elements and item.elements[tag][2] != 0


def _equals(tag: int, index: int, values: tuple[bytes, ...]) -> Met:
    def met(dataset: ScannedDataset, item: Item) -> bool:
        element = item.elements.get(tag) or dataset.elements.get(tag)
        if element is None:
            return False
        found = words(dataset, element)
        return index < len(found) and found[index] in values

    return met


def _differs(tag: int, index: int, values: tuple[bytes, ...]) -> Met:
    def met(dataset: ScannedDataset, item: Item) -> bool:
        element = _nearest(dataset, item, tag)
        if element is None:
            return False
        found = words(dataset, element)
        return index < len(found) and found[index] != b"" and found[index] not in values

    return met


def _exceeds(tag: int, _: int, values: tuple[bytes, ...]) -> Met:
    least = int(values[0])

    def met(dataset: ScannedDataset, item: Item) -> bool:
        where = item if tag in item.elements else dataset
        number = dataset.integer(tag, where)
        return number is not None and number > least

    return met


def _points_to(tag: int, _: int, values: tuple[bytes, ...]) -> Met:
    """Whether one of the tags in an AT value is the one that ``values`` names."""
    target = int(values[0])

    def met(dataset: ScannedDataset, item: Item) -> bool:
        element = _nearest(dataset, item, tag)
        if element is None or element[2] == UNDEFINED:
            return False
        _, offset, length = element
        value = bytes(dataset.data[offset : offset + min(length, 4 * _MAX_POINTERS)])
        order = _order(dataset)
        halves = [int.from_bytes(value[at : at + 2], order) for at in range(0, len(value) - 1, 2)]
        return any(group << 16 | number == target for group, number in zip(halves[::2], halves[1::2], strict=False))

    return met


def _is_a_group(tag: int, _: int, __: tuple[bytes, ...]) -> Met:
    return lambda dataset, _: any(tag in group.elements for group in _functional_groups(dataset))


def _is_no_group(tag: int, _: int, __: tuple[bytes, ...]) -> Met:
    return lambda dataset, _: not any(tag in group.elements for group in _functional_groups(dataset))


def _equals_in_a_group(tag: int, group: int, values: tuple[bytes, ...]) -> Met:
    """Whether a functional group says so, shared or of any frame."""

    def met(dataset: ScannedDataset, _: Item) -> bool:
        for frame in _functional_groups(dataset):
            for item in frame.items.get(group, ()):
                element = item.elements.get(tag)
                if element is not None and any(word in values for word in words(dataset, element)):
                    return True
        return False

    return met


def _functional_groups(dataset: ScannedDataset) -> Sequence[Item]:
    return [*dataset.items.get(SHARED_GROUPS, ()), *dataset.items.get(PER_FRAME_GROUPS, ())[:_MAX_FRAMES]]


_OPERATORS: Final[Mapping[str, Callable[[int, int, tuple[bytes, ...]], Met]]] = {
    "+": _is_there,
    "-": _is_absent,
    "t+": _is_at_the_top,
    "++": _says_something,
    "=": _equals,
    "!=": _differs,
    ">": _exceeds,
    "=>": _points_to,
    "g+": _is_a_group,
    "g-": _is_no_group,
    "g=": _equals_in_a_group,
}
