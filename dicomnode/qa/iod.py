"""Rules on conformance to the IOD: attributes that have to be there, values that are not among those of the standard.

One pass over the data set and its items finds what all of these rules tell. What many items lack in the same way is told once.

Instances of a series, and items of a sequence, have the same tags and say the same where it counts: few values decide what is
required, and few have to be certain ones. What was found of an item is remembered by just these (`_said`) for the next.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from pydicom.datadict import keyword_for_tag

from dicomnode.dicom import status
from dicomnode.dicom.instance import Severity
from dicomnode.dicom.scan import Element, Item, ScannedDataset
from dicomnode.dicom.value_representation import dictionary_vr
from dicomnode.qa.checklist import (
    ENUM,
    TYPE_1,
    TYPE_1_EMPTY,
    TYPE_1C,
    TYPE_2,
    TYPE_2C,
    IodChecklist,
    ItemChecklist,
    Missing,
    Plan,
    checklist,
)
from dicomnode.qa.conditions import words
from dicomnode.qa.functional_groups import faults
from dicomnode.qa.iod_memory import MAX_VALUE_BYTES, iod_memory
from dicomnode.qa.rule import Check, Hit, Rule, Subject
from dicomnode.qa.standard import EnumeratedValues
from dicomnode.qa.walk import Place, path

__all__ = ["IOD", "check_iod", "forget"]

MAX_HITS: Final = 100
"""Of one instance: a data set that lacks more is no instance of its SOP Class, and more lines tell nobody more."""
MAX_SECONDS: Final = 0.020
"""What an instance may cost."""
GROUPS: Final = "iod.groups"
PARTIAL: Final = "iod.partial"

_ITEMS_BETWEEN_LOOKS: Final = 64
_MAX_REMEMBERED: Final = 4096
_COMMENTS: Final = {
    TYPE_1: "{} missing (type 1)",
    TYPE_1_EMPTY: "{} empty (type 1)",
    TYPE_1C: "{} missing (type 1C)",
    TYPE_2: "{} missing (type 2)",
    TYPE_2C: "{} missing (type 2C)",
    ENUM: "{} has a value that is not allowed",
}

_Level = IodChecklist | ItemChecklist

_remembered: Final[dict[tuple[object, ...], tuple[Missing, ...]]] = {}
"""The faults of items, by all that they depend on; all are forgotten when there are too many."""


class Found:
    """What one pass found, by rule; the same fault of many items once.

    Attributes:
        decided_by: the elements whose values it hangs on.
    """

    __slots__ = ("_seen", "decided_by", "hits")

    def __init__(self) -> None:
        self.hits: dict[str, list[Hit]] = {}
        self.decided_by: set[Element] = set()
        self._seen: set[tuple[str, int, _Level]] = set()

    def add(self, rule: str, tag: int, level: _Level, place: Place | None, section: str, words: str = "") -> None:
        """One fault; the comment on it is made only if it is new, of ``words`` where they are not the rule's own."""
        key = (rule, tag, level)
        if key not in self._seen and len(self._seen) < MAX_HITS:
            self._seen.add(key)
            comment = (words or _COMMENTS[rule]).format(keyword_for_tag(tag) or f"({tag >> 16:04X},{tag & 0xFFFF:04X})")
            reference = f"PS3.3 {section}" if section else ""
            self.hits.setdefault(rule, []).append(Hit((tag,), comment, path(place), reference))


def check_iod(subject: Subject) -> Mapping[str, list[Hit]]:
    """All that the IOD's tables have to say of an instance, by rule; nothing where they do not have its SOP Class."""
    top, dataset = checklist(subject.request.sop_class_uid), subject.dataset
    if top is None:
        return {}
    memory = iod_memory(dataset, top)
    if memory is None:
        return _walked(dataset, top).hits
    hits = memory.found(dataset, top)
    if hits is None:
        found = _walked(dataset, top)
        hits = found.hits
        if PARTIAL not in hits:
            memory.note(dataset, top, found.decided_by, hits)
    return hits


def forget() -> None:
    """What was found of items before is not remembered any more: for those who measure what it costs."""
    _remembered.clear()


def _walked(dataset: ScannedDataset, top: IodChecklist) -> Found:
    found = Found()
    _walk(dataset, top, found)
    return found


def _walk(dataset: ScannedDataset, top: IodChecklist, found: Found) -> None:
    plan = top.plan(dataset.elements)
    if plan.modules:
        elements = dataset.elements
        found.decided_by.update(elements[tag] for tag in plan.module_values if tag in elements)
        required = tuple(place for met, place in plan.modules if met(dataset, dataset))
        plan = top.plan_with(dataset.elements, required) if required else plan
    if top.macros:
        _check_groups(dataset, top, found)
    waiting: deque[tuple[ItemChecklist, Item, Place, str]] = deque()
    _check(dataset, dataset, plan, top, None, "", found, waiting)
    until: float | None = None  # the clock is looked at only where there are many items: that alone costs a system call
    countdown = _ITEMS_BETWEEN_LOOKS
    while waiting:
        level, item, place, section = waiting.popleft()
        _check(dataset, item, level.plan(item.elements), level, place, section, found, waiting)
        countdown -= 1
        if not countdown:
            countdown = _ITEMS_BETWEEN_LOOKS
            now = (
                time.thread_time()
            )  # the processor's: on a busy machine an instance is looked at no less than elsewhere
            until = now + MAX_SECONDS if until is None else until
            if now > until:
                found.hits[PARTIAL] = [Hit((), "IOD check partial: it took too long")]
                return


def _check(
    dataset: ScannedDataset,
    item: Item,
    plan: Plan,
    level: _Level,
    place: Place | None,
    section: str,
    found: Found,
    waiting: deque[tuple[ItemChecklist, Item, Place, str]],
) -> None:
    """Look at one item, and put those of its sequences in the queue."""
    said = _said(dataset, item, plan, found.decided_by)
    faults = _remembered.get(said) if said is not None else None
    if faults is None:
        faults = tuple(_faults(dataset, item, plan))
        if said is not None:
            _remember(said, faults)
    for rule, tag, own in faults:
        found.add(rule, tag, level, place, own or section)
    for tag, inner, own in plan.sequences:
        for number, each in enumerate(item.items.get(tag, ())):
            waiting.append((inner, each, (place, tag, number), own or section))


def _said(dataset: ScannedDataset, item: Item, plan: Plan, decided_by: set[Element]) -> tuple[object, ...] | None:
    """All that faults of an item depend on: its tags (they make the plan), what is empty, and the values that decide.

    None where it is not to be remembered: a value is long, or faults of the encoding leave open what is a value.

    Args:
        decided_by: gets the elements whose values decide, one that is long at least.
    """
    if dataset.faults:
        return None
    elements, above, data = item.elements, dataset.elements, dataset.data
    said: list[object] = [plan, dataset.big_endian]
    said += [tag for tag in plan.emptiness if not elements[tag][2]]
    if plan.top:
        said += [tag in above for tag in plan.top]
    for tag in plan.values:
        element = elements.get(tag) or above.get(tag)
        if element is None:
            said.append(None)
            continue
        decided_by.add(element)
        vr, offset, length = element
        if length > MAX_VALUE_BYTES:
            return None
        said += vr, bytes(data[offset : offset + length])
    return tuple(said)


def _remember(said: tuple[object, ...], faults: tuple[Missing, ...]) -> None:
    if len(_remembered) >= _MAX_REMEMBERED:
        _remembered.clear()
    _remembered[said] = faults


def _faults(dataset: ScannedDataset, item: Item, plan: Plan) -> Iterator[Missing]:
    """What is wrong with one item, apart from the items of its sequences."""
    elements = item.elements
    yield from plan.missing
    for tag, required, section in plan.filled:
        if not elements[tag][2] and (required is None or required(dataset, item)):
            yield Missing(TYPE_1_EMPTY, tag, section)
    for met, missing in plan.conditional:
        if met(dataset, item):
            yield missing
    for tag, values, section in plan.enumerated:
        if elements[tag][2] and _is_none_of(dataset, item, tag, values):
            yield Missing(ENUM, tag, section)


def _is_none_of(dataset: ScannedDataset, item: Item, tag: int, values: EnumeratedValues) -> bool:
    found = words(dataset, item.elements[tag])
    if values.position >= 0:
        found = found[values.position : values.position + 1]
    strange = [word for word in found if word and word not in values.allowed]
    return bool(strange) and not _are_numbers_of(tag, strange, values)


def _are_numbers_of(tag: int, found: Iterable[bytes], values: EnumeratedValues) -> bool:
    """Whether decimals are the enumerated ones, written otherwise: 1.0 is 1."""
    if dictionary_vr(tag) != b"DS":
        return False
    try:
        return {float(word) for word in found} <= {float(word) for word in values.allowed}
    except ValueError:
        return False


def _check_groups(dataset: ScannedDataset, top: IodChecklist, found: Found) -> None:
    for fault in faults(dataset, top.macros):
        rule = GROUPS if fault.words else TYPE_1 if fault.type == "1" else TYPE_2
        place = (None, fault.sequence, fault.item)
        found.add(rule, fault.tag, top, place, fault.section, fault.words)


def _has_groups(sop_class_uid: str) -> bool:
    top = checklist(sop_class_uid)
    return top is not None and bool(top.macros)


def _is_known(sop_class_uid: str) -> bool:
    return checklist(sop_class_uid) is not None


def _told(rule: str) -> Check:
    def check(subject: Subject) -> Iterable[Hit]:
        return subject.once(check_iod, check_iod).get(rule, ())

    return check


_KNOWN: Final[Callable[[str], bool]] = _is_known
IOD: Final = tuple(
    Rule(rule, severity, status.DATASET_DOES_NOT_MATCH_SOP_CLASS, "PS3.3", _told(rule), concerns, look=check_iod)
    for rule, severity, concerns in (
        (TYPE_1, Severity.WARN, _KNOWN),
        (TYPE_1_EMPTY, Severity.WARN, _KNOWN),
        (TYPE_1C, Severity.WARN, _KNOWN),
        (TYPE_2, Severity.INFO, _KNOWN),
        (TYPE_2C, Severity.INFO, _KNOWN),
        (ENUM, Severity.WARN, _KNOWN),
        (GROUPS, Severity.WARN, _has_groups),
        (PARTIAL, Severity.INFO, _KNOWN),
    )
)
"""The rules of the IOD check; none of them rejects or quarantines, unless a site says so."""
