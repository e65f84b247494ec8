"""The tables as checklists: for the tags that an item has, what is missing and what is left to look at.

Series bring the same tags slice after slice, and sequences item after item: what follows from the tags alone is worked out once
and kept (a plan); what depends on values is left for each item.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final, NamedTuple, TypeVar

from dicomnode.dicom.scan import Element
from dicomnode.dicom.tags import LATERALITY
from dicomnode.qa.conditions import (
    READS_EMPTINESS,
    READS_GROUPS,
    READS_THE_TOP,
    READS_VALUES,
    Met,
    compiled,
    tags_read,
)
from dicomnode.qa.standard import Attribute, Condition, EnumeratedValues, Iod, Node, tables

TYPE_1: Final = "iod.type1"
TYPE_1_EMPTY: Final = "iod.type1-empty"
TYPE_1C: Final = "iod.type1c"
TYPE_2: Final = "iod.type2"
TYPE_2C: Final = "iod.type2c"
ENUM: Final = "iod.enum"

UNDECIDED: Final = LATERALITY
"""2C "if the body part is paired": nobody can tell, and every second CT would be told of."""

_TELLING_NOTHING: Final = frozenset({0x00181041, 0x00181044})
"""Contrast/Bolus Volume and Total Dose: some scanners write 0 where no contrast was given, which is no Contrast/Bolus module."""

_MAX_PLANS: Final = 512
"""Kept for one checklist; a scanner has a few, a peer can make up any number."""
_MAX_TAGS: Final = 1000
"""Of an item whose plan is kept; no real one has so many."""
_RULES: Final = {"1": TYPE_1, "1C": TYPE_1C, "2": TYPE_2, "2C": TYPE_2C}

Tags = Mapping[int, Element]
_Key = TypeVar("_Key")


class Missing(NamedTuple):
    """An attribute that has to be there and is not, and the section of PS3.3 (empty in items: that of their module)."""

    rule: str
    tag: int
    section: str


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What there is to say of an item with certain tags.

    Attributes:
        missing: attributes of types 1 and 2.
        conditional: attributes that are not there, and when they have to be.
        filled: attributes of types 1 and 1C that are there and must not be empty, always or on a condition, each with its section.
        enumerated: attributes that are there and may have certain values only.
        sequences: that are there, and of whose items something is known.
        values: the attributes whose values decide about conditional, filled and enumerated ones.
        emptiness: the attributes that are there, and of which it decides whether they say anything.
        top: the attributes of which it decides whether the data set has them.
        modules: places of modules that are not there, and when they have to be.
        module_values: the attributes whose values decide about these.
    """

    missing: tuple[Missing, ...]
    conditional: tuple[tuple[Met, Missing], ...]
    filled: tuple[tuple[int, Met | None, str], ...]
    enumerated: tuple[tuple[int, EnumeratedValues, str], ...]
    sequences: tuple[tuple[int, ItemChecklist, str], ...]
    values: tuple[int, ...]
    emptiness: tuple[int, ...]
    top: tuple[int, ...]
    modules: tuple[tuple[Met, int], ...] = ()
    module_values: tuple[int, ...] = ()


class ItemChecklist:
    """For the items of a sequence."""

    __slots__ = ("_attributes", "_plans", "node")

    def __init__(self, node: Node) -> None:
        self.node = node
        self._attributes = tuple(attribute for attribute in node.attributes if _says_something(attribute))
        self._plans: dict[tuple[int, ...], Plan] = {}

    def plan(self, tags: Tags) -> Plan:
        """What there is to say of an item with ``tags``."""
        key = tuple(tags)
        plan = self._plans.get(key)
        if plan is None:
            plan = _plan(((attribute, "") for attribute in self._attributes), tags)
            _keep(self._plans, key, tags, plan)
        return plan


class IodChecklist:
    """For the top level of a data set: the mandatory modules, and those of the others that are there.

    Attributes:
        macros: functional groups, and when they are required.
        looks_into_groups: whether anything hangs on functional groups.
    """

    __slots__ = ("_modules", "_optional", "_plans", "iod", "looks_into_groups", "macros")

    def __init__(self, iod: Iod) -> None:
        self.iod = iod
        self.macros = tuple(
            (None if macro.condition is None else compiled(macro.condition), macro) for macro in iod.macros
        )
        conditions = [module.condition for module in iod.modules if module.condition is not None]
        self.looks_into_groups = bool(self.macros or _tags_read(conditions, READS_GROUPS))
        self._modules = tuple(
            tuple((attribute, module.section) for attribute in module.node.attributes if _says_something(attribute))
            for module in iod.modules
        )
        self._optional = _telling_tags(iod)
        self._plans: dict[tuple[int, ...] | tuple[tuple[int, ...], tuple[int, ...]], Plan] = {}

    def plan(self, tags: Tags) -> Plan:
        """What there is to say of a data set with ``tags``."""
        key = tuple(tags)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._compile(tags, ())
            _keep(self._plans, key, tags, plan)
        return plan

    def plan_with(self, tags: Tags, modules: tuple[int, ...]) -> Plan:
        """The same where the modules at these places have to be there too."""
        key = (tuple(tags), modules)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._compile(tags, modules)
            _keep(self._plans, key, tags, plan)
        return plan

    def _compile(self, tags: Tags, required: tuple[int, ...]) -> Plan:
        there = {self._optional[tag] for tag in self._optional.keys() & tags.keys()}
        active: list[tuple[Attribute, str]] = []
        waiting: list[tuple[Met, int]] = []
        conditions: list[Condition] = []
        for place, module in enumerate(self.iod.modules):
            if module.usage == "M" or place in there or place in required:
                active += self._modules[place]
            elif module.condition is not None:
                waiting.append((compiled(module.condition), place))
                conditions.append(module.condition)
        return _plan(active, tags, tuple(waiting), tuple(_tags_read(conditions, READS_VALUES)))


@lru_cache(maxsize=512)  # a peer can make up any number of UIDs
def checklist(sop_class_uid: str) -> IodChecklist | None:
    """For instances of a SOP Class; None when the tables do not have it."""
    iod = tables().iod(sop_class_uid)
    return None if iod is None else IodChecklist(iod)


@cache
def _item_checklist(node: Node) -> ItemChecklist:
    return ItemChecklist(node)


def _plan(
    attributes: Iterable[tuple[Attribute, str]],
    tags: Tags,
    modules: tuple[tuple[Met, int], ...] = (),
    module_values: tuple[int, ...] = (),
) -> Plan:
    missing: dict[tuple[str, int], Missing] = {}
    conditional: dict[tuple[Met, str, int], tuple[Met, Missing]] = {}
    filled: dict[tuple[int, Met | None], str] = {}
    enumerated: dict[tuple[int, EnumeratedValues], str] = {}
    sequences: dict[tuple[int, ItemChecklist], str] = {}
    conditions: list[Condition] = []
    for attribute, section in attributes:
        tag, kind = attribute.tag, attribute.type
        if tag in tags:
            if kind[0] == "1":
                met = None if attribute.condition is None else compiled(attribute.condition)
                filled.setdefault((tag, met), section)
                conditions += [] if attribute.condition is None else [attribute.condition]
            for values in attribute.values:
                enumerated.setdefault((tag, values), section)
            if attribute.items is not None:
                sequences.setdefault((tag, _item_checklist(attribute.items)), section)
        elif attribute.condition is None and kind in ("1", "2"):
            missing.setdefault((_RULES[kind], tag), Missing(_RULES[kind], tag, section))
        elif attribute.condition is not None and tag != UNDECIDED and kind in _RULES:
            met, rule = compiled(attribute.condition), _RULES[kind]
            conditional.setdefault((met, rule, tag), (met, Missing(rule, tag, section)))
            conditions.append(attribute.condition)
    always = {tag for rule, tag in missing if rule == TYPE_1}
    return Plan(
        tuple(one for (rule, tag), one in missing.items() if rule == TYPE_1 or tag not in always),
        tuple(one for (_, _, tag), one in conditional.items() if tag not in always),
        tuple((tag, met, section) for (tag, met), section in filled.items()),
        tuple((tag, values, section) for (tag, values), section in enumerated.items()),
        tuple((tag, inner, section) for (tag, inner), section in sequences.items()),
        tuple(sorted({tag for tag, _ in enumerated} | _tags_read(conditions, READS_VALUES))),
        tuple(sorted(({tag for tag, _ in filled} | _tags_read(conditions, READS_EMPTINESS)) & tags.keys())),
        tuple(sorted(_tags_read(conditions, READS_THE_TOP))),
        modules,
        module_values,
    )


def _tags_read(conditions: Iterable[Condition], operators: frozenset[str]) -> set[int]:
    return {tag for condition in conditions for tag in tags_read(condition, operators)}


def _says_something(attribute: Attribute) -> bool:
    """Whether there is anything to check of it; within it, where it is a sequence."""
    if attribute.type != "3" or attribute.values:
        return True
    return attribute.items is not None and _is_checked(attribute.items)


@cache
def _is_checked(node: Node) -> bool:
    return any(attribute.items is node or _says_something(attribute) for attribute in node.attributes)


def _telling_tags(iod: Iod) -> dict[int, int]:
    """By tag the place of the module that is there when the tag is: no other module of the IOD has it."""
    places: dict[int, set[int]] = {}
    for place, module in enumerate(iod.modules):
        for attribute in module.node.attributes:
            places.setdefault(attribute.tag, set()).add(place)
    return dict(_alone(places, iod))


def _alone(places: Mapping[int, set[int]], iod: Iod) -> Iterator[tuple[int, int]]:
    for tag, having in places.items():
        place = min(having)
        if len(having) == 1 and iod.modules[place].usage != "M" and tag not in _TELLING_NOTHING:
            yield tag, place


def _keep(plans: dict[_Key, Plan], key: _Key, tags: Tags, plan: Plan) -> None:
    if len(tags) <= _MAX_TAGS:
        if len(plans) >= _MAX_PLANS:
            plans.clear()
        plans[key] = plan
