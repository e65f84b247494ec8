"""Faults of values as the rules and dciodvfy tell them, brought to one form for ``bench.accuracy``: check and keyword.

A check is a VR, or a rule on how many there are. Whether both mind a value counts, not how severely.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from pydicom.datadict import keyword_for_tag

from dicomnode.dicom.instance import Finding
from dicomnode.dicom.value_representation import CHARACTERS, dictionary_vr
from dicomnode.qa.multiplicity import ITEMS
from dicomnode.qa.values.forms import EARLIEST, FORM, LENGTH, PADDING, UNTIDY
from dicomnode.qa.values.judging import MULTIPLICITY, REPERTOIRE, UNDECLARED

CHECKS: Final = (MULTIPLICITY, ITEMS, *(f"VR {vr.decode()}" for vr in sorted(CHARACTERS)))

_VALUE = re.compile(r"^Error - Value invalid for this VR - \(0x(\w{4}),0x(\w{4})\) ")
_VALUES = re.compile(r"^Error - Bad attribute Value Multiplicity \d+ .*Element=<(\w+)>")
_ITEMS = re.compile(r"^Error - Bad Sequence number of Items [1-9].*Element=<(\w+)>")
_OF_VALUES: Final = frozenset(
    {FORM, LENGTH, PADDING, UNTIDY, REPERTOIRE, UNDECLARED, "dates.real", "core.uid-syntax", "core.uid-strict"}
)
"""Rules on what a value looks like; dciodvfy knows one severity for all of that."""
_UNTOLD: Final = f"is before {EARLIEST}"
"""dciodvfy has nothing to say of old dates."""
_META_GROUPS: Final = (0x0000, 0x0002)

Told = tuple[str, str]
"""Check and keyword."""


def told_by_us(finding: Finding) -> Iterator[Told]:
    """What a finding says of a value or of how many there are; nothing where it speaks of something else."""
    if finding.rule in (MULTIPLICITY, ITEMS):
        yield finding.rule, keyword_for_tag(finding.tags[0])
    elif finding.rule in _OF_VALUES and not finding.comment.endswith(_UNTOLD):
        yield from _of_value(finding.tags[-1])


def told_by_dciodvfy(line: str) -> Iterator[Told]:
    """The same of a line that dciodvfy writes."""
    if found := _VALUE.match(line):
        yield from _of_value(int(found[1] + found[2], 16))
    elif found := _VALUES.match(line):
        yield MULTIPLICITY, found[1]
    elif found := _ITEMS.match(line):
        yield ITEMS, found[1]


def _of_value(tag: int) -> Iterator[Told]:
    """The check of a VR; not for private elements, nor for the file meta information, which is not ours to judge."""
    if tag >> 16 not in _META_GROUPS and (name := keyword_for_tag(tag)):
        yield f"VR {dictionary_vr(tag).decode()}", name
