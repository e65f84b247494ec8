"""Rules on which elements there are: private ones without their creator, retired ones, those that the IOD does not have.

All of severity info: harmless to whom does not look for them, and too common with real scanners to tell at reception.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from pydicom._dicom_dict import DicomDictionary, RepeatersDictionary
from pydicom.datadict import keyword_for_tag, mask_match

from dicomnode.dicom import status
from dicomnode.dicom.instance import Severity
from dicomnode.qa.checklist import checklist
from dicomnode.qa.rule import Hit, Rule, Subject
from dicomnode.qa.walk import every_item, path

MAX_HITS: Final = 100
"""Of one rule in one instance."""

_BLOCKS: Final = range(0x10, 0x100)
"""Element numbers of private creators, and the blocks that they reserve (PS3.5 Section 7.8.1)."""
_CURVES, _REPEATING_END = 0x5000, 0x60FF
_PADDING_GROUP: Final = 0xFFFC


def private_without_creator(subject: Subject) -> Iterator[Hit]:
    """A private element whose block nobody has reserved, or whose creator is empty; told once a block (PS3.5 Section 7.8.1)."""
    dataset = subject.dataset
    told: set[int] = set()
    for item, place in every_item(subject).items:
        elements = item.elements
        for tag in elements:
            block = (tag & 0xFFFF) >> 8
            creator = (tag & 0xFFFF0000) | block
            if not tag & 0x10000 or tag & 0xFFFF in _BLOCKS or not tag & 0xFFFF or creator in told:
                continue
            if block in _BLOCKS and creator in elements and dataset.value(creator, item):
                continue
            told.add(creator)
            yield Hit((tag,), "private element without a creator", path(place))
            if len(told) == MAX_HITS:
                return


def retired_attributes(subject: Subject) -> Iterator[Hit]:
    """An attribute that the standard has retired; its meaning is kept, but nobody has to know it (PS3.6 Section 6)."""
    told: set[int] = set()
    for item, place in every_item(subject).items:
        for tag in item.elements:
            if tag in told or not is_retired(tag):
                continue
            told.add(tag)
            yield Hit((tag,), f"{_name(tag)} is retired", path(place))
            if len(told) == MAX_HITS:
                return


def out_of_iod(subject: Subject) -> Iterator[Hit]:
    """An attribute of none of the IOD's modules, at the top level; a Standard Extended SOP Class may have such (PS3.4 B.4)."""
    known = _attributes_of(subject.request.sop_class_uid)
    if known is None:
        return
    hits = 0
    for tag in subject.dataset.elements:
        if tag not in known and _belongs_to_a_module(tag):
            yield Hit((tag,), f"{_name(tag)} is in no module of the IOD")
            hits += 1
            if hits == MAX_HITS:
                return


@lru_cache(maxsize=4096)
def is_retired(tag: int) -> bool:
    """Whether the data dictionary says so; group lengths of other groups than 0000 and 0002 are retired too."""
    entry = DicomDictionary.get(tag)
    if entry is None:
        mask = None if tag & 0x10000 else mask_match(tag)
        if mask is None:
            return not tag & 0xFFFF
        entry = RepeatersDictionary[mask]
    return entry[3] == "Retired"


def _belongs_to_a_module(tag: int) -> bool:
    """Whether it is for a module to have it: no private, retired or repeating one, no padding, none that the dictionary lacks."""
    group = tag >> 16
    if group & 1 or _CURVES <= group <= _REPEATING_END or group == _PADDING_GROUP:
        return False
    return tag in DicomDictionary and not is_retired(tag)


@lru_cache(maxsize=512)  # a peer can make up any number of UIDs
def _attributes_of(sop_class_uid: str) -> frozenset[int] | None:
    top = checklist(sop_class_uid)
    if top is None:
        return None
    return frozenset(attribute.tag for module in top.iod.modules for attribute in module.node.attributes)


def _name(tag: int) -> str:
    return keyword_for_tag(tag) or f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _has_tables(sop_class_uid: str) -> bool:
    return checklist(sop_class_uid) is not None


_MISMATCH = status.DATASET_DOES_NOT_MATCH_SOP_CLASS
ELEMENTS: Final = (
    Rule("private.creator", Severity.INFO, _MISMATCH, "PS3.5 7.8.1", private_without_creator),
    Rule("attribute.retired", Severity.INFO, _MISMATCH, "PS3.6 6", retired_attributes),
    Rule("attribute.out-of-iod", Severity.INFO, _MISMATCH, "PS3.4 B.4", out_of_iod, _has_tables),
)
"""The rules on which elements there are."""
