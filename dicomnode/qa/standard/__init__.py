"""What the standard asks of the instances of each SOP Class: modules, attributes, types, conditions, enumerated values.

``generate`` writes the tables from two packages; a node only reads them.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final, NamedTuple

__all__ = ["Attribute", "Condition", "EnumeratedValues", "Iod", "Macro", "Module", "Node", "Tables", "tables"]

Condition = Sequence[Any]
"""``[operator, tag, index of the value, [values]]``, or ``["and" | "or", condition, ...]``.

Of operators that look into functional groups (``g+``, ``g-``, ``g=``) the index is the group's sequence; ``t+`` looks at the top of
the data set.
"""

_NONE: Final = -1
_SELF: Final = -2


class EnumeratedValues(NamedTuple):
    """What the value at ``position`` may be, or each where it is -1."""

    position: int
    allowed: frozenset[bytes]


class Attribute(NamedTuple):
    """One attribute of a module or of a sequence's items.

    Attributes:
        type: 1, 1C, 2, 2C or 3 (PS3.5 Section 7.4).
        condition: when an attribute of type 1C or 2C is required; None where that cannot be told from the data set. One of type 1
            or 2 has a condition if its macro is included on that.
        values: the enumerated ones; none where it may be anything.
        items: what stands in the items of the sequence; None for other VRs, and where nothing is known of it.
    """

    tag: int
    type: str
    condition: Condition | None
    values: tuple[EnumeratedValues, ...]
    items: Node | None


class Node:
    """The attributes of a module or of a sequence's items; two with the same attributes are one."""

    __slots__ = ("_attributes", "_place", "_tables")

    def __init__(self, tables: Tables, place: int) -> None:
        self._tables = tables
        self._place = place
        self._attributes: tuple[Attribute, ...] | None = None

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """In the order of tags; made when the first asks."""
        if self._attributes is None:
            self._attributes = self._tables.attributes(self, self._place)
        return self._attributes


class Module(NamedTuple):
    """One module of an IOD.

    Attributes:
        usage: M, C or U (PS3.3 Section A.1.3).
        condition: when a conditional module is required; None where that cannot be told from the data set.
        section: of PS3.3; empty where it is not known.
    """

    name: str
    usage: str
    condition: Condition | None
    section: str
    node: Node


class Macro(NamedTuple):
    """A functional group (PS3.3 Section C.7.6.16.2).

    Attributes:
        is_required: whether it has to be there, always or on the condition.
        sequences: tag and type of each of its sequences.
        place: ``S`` where it has to be shared by all frames, ``F`` where it may not be, empty where both are allowed.
    """

    section: str
    is_required: bool
    condition: Condition | None
    sequences: tuple[tuple[int, str], ...]
    place: str


@dataclass(frozen=True, slots=True)
class Iod:
    """What an instance of a SOP Class has to hold; of ``macros`` those whose need or place can be told."""

    name: str
    modules: tuple[Module, ...]
    macros: tuple[Macro, ...]


class Tables:
    """All of the tables. Each part is made when the first instance needs it."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._nodes: dict[int, Node] = {}
        self._values: dict[int, tuple[EnumeratedValues, ...]] = {}
        self._iods: dict[str, Iod] = {}
        self.edition: Mapping[str, str] = document["edition"]
        """Of the standard: of ``types`` and of ``conditions``."""
        self.sources: Sequence[str] = document["sources"]
        """The packages that the tables are made from."""
        self.counts: Mapping[str, int] = document["counts"]
        """How many there are of each part."""

    def iod(self, sop_class_uid: str) -> Iod | None:
        """The IOD of a SOP Class, the same object each time; None when the tables do not have it."""
        name = self._document["sop_classes"].get(sop_class_uid)
        if name is None:
            return None
        if name not in self._iods:
            self._iods[name] = self._iod(name)
        return self._iods[name]

    def attributes(self, node: Node, place: int) -> tuple[Attribute, ...]:
        """What ``node``, at ``place`` in the tables, holds."""
        rows = (self._document["attributes"][row] for row in self._document["nodes"][place])
        return tuple(
            Attribute(
                tag,
                kind,
                self._condition(condition),
                self._enumerated(values),
                node if items == _SELF else None if items == _NONE else self._node(items),
            )
            for tag, kind, condition, values, items in rows
        )

    def _iod(self, name: str) -> Iod:
        document = self._document["iods"][name]
        modules = []
        for key, usage, condition in document["modules"]:
            section, node = self._document["modules"][key]
            modules.append(Module(key.split("@")[0], usage, self._condition(condition), section, self._node(node)))
        macros = (
            Macro(section, bool(required), self._condition(condition), tuple((tag, kind) for tag, kind in types), place)
            for section, required, condition, types, place in document["macros"]
        )
        return Iod(name, tuple(modules), tuple(macros))

    def _node(self, place: int) -> Node:
        return self._nodes.setdefault(place, Node(self, place))

    def _condition(self, place: int) -> Condition | None:
        return None if place == _NONE else self._document["conditions"][place]

    def _enumerated(self, place: int) -> tuple[EnumeratedValues, ...]:
        if place == _NONE:
            return ()
        if place not in self._values:
            self._values[place] = tuple(
                EnumeratedValues(position, frozenset(value.encode("ascii") for value in allowed))
                for position, allowed in self._document["values"][place]
            )
        return self._values[place]


@lru_cache(maxsize=1)
def tables() -> Tables:
    """The tables that come with dicomnode, read once a process."""
    return Tables(json.loads(gzip.decompress(files(__name__).joinpath("tables.json.gz").read_bytes())))
