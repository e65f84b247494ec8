"""Rules on the form of values and on how many there are; none of them rejects or quarantines, unless a site says so.

One look at the data set finds what all of them tell. What a core rule tells of the same element is left to that.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from dicomnode.dicom import status
from dicomnode.dicom.instance import Severity
from dicomnode.qa import content, identification
from dicomnode.qa.multiplicity import ITEMS
from dicomnode.qa.rule import Check, Hit, Rule, Subject
from dicomnode.qa.values.forms import FORM, LENGTH, PADDING, UNTIDY
from dicomnode.qa.values.judging import MULTIPLICITY, REPERTOIRE
from dicomnode.qa.values.looking import PARTIAL, flawed_values

_UIDS: Final = dict.fromkeys(identification.INDEXING_UIDS, (FORM, LENGTH, UNTIDY))
_TOLD_BY_CORE: Final = {**_UIDS, **dict.fromkeys(content.DATES, (FORM,))}
"""At the top level: core.uid-syntax and core.uid-strict, dates.real."""


def _told(rule: str) -> Check:
    def check(subject: Subject) -> Iterable[Hit]:
        hits = subject.once(flawed_values, flawed_values).get(rule)
        return () if not hits else [hit for hit in hits if hit.path or rule not in _TOLD_BY_CORE.get(_tag(hit), ())]

    return check


def _tag(hit: Hit) -> int:
    return hit.tags[0] if hit.tags else 0


VALUES: Final = tuple(
    Rule(rule, severity, status.DATASET_DOES_NOT_MATCH_SOP_CLASS, reference, check, look=flawed_values)
    for rule, severity, reference, check in (
        (FORM, Severity.WARN, "PS3.5 6.2", _told(FORM)),
        (LENGTH, Severity.WARN, "PS3.5 6.2", _told(LENGTH)),
        (MULTIPLICITY, Severity.WARN, "PS3.6 6", _told(MULTIPLICITY)),
        (REPERTOIRE, Severity.WARN, "PS3.5 6.1", _told(REPERTOIRE)),
        (ITEMS, Severity.WARN, "PS3.3", _told(ITEMS)),
        (PADDING, Severity.INFO, "PS3.5 6.2", _told(PADDING)),
        (UNTIDY, Severity.INFO, "PS3.5 6.2", _told(UNTIDY)),
        (PARTIAL, Severity.INFO, "PS3.5 6.2", _told(PARTIAL)),
    )
)
