"""What a peer has of what is to be retrieved: where it stands, and of which SOP classes it is; asked with C-FIND.

Peers differ. SOP Classes in Study (0008,0062) is one question; without it every series is asked for its instances.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from pynetdicom.presentation import build_context

from dicomnode.dicom.query.identifier import Level, Operation, Selection
from dicomnode.dicom.query.model import UNIQUE_KEYS, sop_class_of
from dicomnode.dicom.scanned import ScannedDataset
from dicomnode.dicom.tags import SOP_CLASS_UID, SOP_CLASSES_IN_STUDY
from dicomnode.errors import NoContextError, PeerError
from dicomnode.scu.caller import UNCOMPRESSED, Caller, relational
from dicomnode.scu.query import Query, matches
from dicomnode.scu.retrieve import keys_of, model_for
from dicomnode.scu.storage_contexts import is_uid
from dicomnode.upper_layer.requestor import RequestedAssociation

MAX_SERIES: Final = 200
"""Series that are asked for their classes one by one; of more, none is asked. No more studies than that are looked at, either."""

_PATIENT, _STUDY, _SERIES, _INSTANCE = (UNIQUE_KEYS[level] for level in Level)

Ask = Callable[[Level, dict[int, str]], Iterator[ScannedDataset]]


@dataclass(frozen=True, slots=True)
class Inventory:
    """A selection with all the unique keys that its level needs, and the SOP classes in it; empty when the peer does not say."""

    selection: Selection
    sop_class_uids: frozenset[str] = frozenset()


def is_complete(selection: Selection) -> bool:
    """Whether the unique keys of the levels above are there (PS3.4 Section C.4.2.2.1)."""
    needs_series = selection.level is Level.IMAGE
    needs_study = needs_series or selection.level is Level.SERIES
    return not (needs_study and not selection.study_uids) and not (needs_series and not selection.series_uids)


def take_inventory(caller: Caller, selection: Selection, *, with_sop_classes: bool) -> Inventory:
    """What the peer says of ``selection``.

    Raises:
        PeerError: the peer cannot be reached, or does not say where the selection stands.
    """
    model = model_for(selection)
    find = sop_class_of(model, Operation.FIND)
    negotiation = [] if is_complete(selection) else [relational(find)]
    try:
        with caller.association([build_context(find, UNCOMPRESSED)], extended_negotiation=negotiation) as association:

            def ask(level: Level, keys: dict[int, str]) -> Iterator[ScannedDataset]:
                limit = None if level is Level.IMAGE else MAX_SERIES + 1
                return matches(caller, association, Query(level, keys, model), limit)

            whole = selection if is_complete(selection) else _completed(ask, selection)
            return Inventory(whole, _sop_classes_told(ask, whole, association) if with_sop_classes else frozenset())
    except NoContextError:
        if not is_complete(selection):
            raise
        return Inventory(selection)


def _sop_classes_told(ask: Ask, selection: Selection, association: RequestedAssociation) -> frozenset[str]:
    """The SOP classes of a selection; none when the peer does not answer that."""
    try:
        return frozenset(_sop_classes(ask, selection))
    except PeerError:
        if not association.is_established:
            raise
        return frozenset()


def _completed(ask: Ask, selection: Selection) -> Selection:
    """The selection with the study, and the series, that it is in: a relational query, which not every peer answers."""
    above = (_STUDY, _SERIES) if selection.level is Level.IMAGE else (_STUDY,)
    asked = dict.fromkeys(above, "") | keys_of(selection)
    found = {tuple(match.uid(tag) or "" for tag in above) for match in ask(selection.level, asked)}
    if len(found) != 1 or not all(next(iter(found))):
        what = "nothing" if not found else "several studies or series" if len(found) > 1 else "no study"
        raise PeerError(f"{what} found for the UIDs of {selection.level.lower()} level: the UIDs above are needed, too")
    study, *series = next(iter(found))
    return dataclasses.replace(selection, study_uids=(study,), series_uids=tuple(series) or selection.series_uids)


def _sop_classes(ask: Ask, selection: Selection) -> set[str]:
    if selection.level in (Level.SERIES, Level.IMAGE):
        return _of_series(
            ask, [keys_of(dataclasses.replace(selection, series_uids=(uid,))) for uid in selection.series_uids]
        )
    keys = keys_of(selection)
    studies = list(ask(Level.STUDY, {**keys, _STUDY: keys.get(_STUDY, ""), SOP_CLASSES_IN_STUDY: ""}))
    classes: set[str] = set()
    above = {_PATIENT: selection.patient_id} if selection.level is Level.PATIENT else {}
    silent = []
    for study in studies:
        told = _uids(study, SOP_CLASSES_IN_STUDY)
        classes |= told
        if not told:
            silent.append({**above, _STUDY: study.uid(_STUDY) or ""})
    series = [
        {**study, _SERIES: one.uid(_SERIES) or ""}
        for study in silent
        for one in ask(Level.SERIES, {**study, _SERIES: ""})
    ]
    return classes | _of_series(ask, series)


def _of_series(ask: Ask, series: list[dict[int, str]]) -> set[str]:
    """The classes of the instances in these series, or of the one instance that the keys name."""
    if len(series) > MAX_SERIES:
        raise PeerError(f"{len(series)} series are too many to ask for their SOP classes")
    classes = set()
    for keys in series:
        for instance in ask(Level.IMAGE, {**keys, _INSTANCE: keys.get(_INSTANCE, ""), SOP_CLASS_UID: ""}):
            classes |= _uids(instance, SOP_CLASS_UID)
    return classes


def _uids(match: ScannedDataset, tag: int) -> set[str]:
    """Those that may be proposed as abstract syntaxes."""
    return {uid for uid in (match.uid(tag) or "").split("\\") if is_uid(uid)}
