"""UIDs that name more than one thing (PS3.5 9.1), and instances that refer to themselves (PS3.3 C.12.4.1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import Final

from pydicom.datadict import keyword_for_tag

from dicomnode.dicom.tags import SERIES_INSTANCE_UID, SOP_INSTANCE_UID, STUDY_INSTANCE_UID
from dicomnode.qa.rule import Hit, Subject
from dicomnode.qa.walk import every_item, path

REFERENCED_SOP_INSTANCE_UID: Final = 0x00081155
_NAMED: Final = (SOP_INSTANCE_UID, STUDY_INSTANCE_UID, SERIES_INSTANCE_UID)


def one_uid_for_two(subject: Subject) -> Iterable[Hit]:
    """Study, series and instance do not have three UIDs: a UID names one thing only."""
    instance, study, series = (
        subject.uid(SOP_INSTANCE_UID),
        subject.uid(STUDY_INSTANCE_UID),
        subject.uid(SERIES_INSTANCE_UID),
    )
    if instance != study != series != instance:
        return ()
    hits = []
    for one, other in combinations(_NAMED, 2):
        if subject.uid(one) and subject.uid(one) == subject.uid(other):
            hits.append(Hit((one, other), f"{keyword_for_tag(one)} is {keyword_for_tag(other)}"))
    return hits


def refers_to_itself(subject: Subject) -> Iterator[Hit]:
    """A Referenced SOP Instance UID within is the instance's own; told once."""
    own = subject.uid(SOP_INSTANCE_UID)
    if not own:
        return
    for item, place in every_item(subject).items:
        if (
            REFERENCED_SOP_INSTANCE_UID in item.elements
            and subject.dataset.uid(REFERENCED_SOP_INSTANCE_UID, item) == own
        ):
            yield Hit((REFERENCED_SOP_INSTANCE_UID,), "refers to itself", path(place))
            return
