"""What the Identifier of a C-FIND, C-MOVE or C-GET request asks for (PS3.4 Sections C.4.1.1.3 and C.4.2.1.4).

Of the levels above the one asked for, a request names exactly one patient, study and series by their unique keys, unless relational
queries were negotiated. Other keys of those levels are no part of the baseline (PS3.4 Section C.4.1.2.1), but workstations ask for
Patient's Name at every level: they are matched and returned, unless ``strict``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from dicomnode.dicom.character_sets import CharacterSet
from dicomnode.dicom.query.keys import EMPTY_VALUE, Key, read_identifier, read_key, read_keys
from dicomnode.dicom.query.model import (
    QUERY_KEYS,
    UNIQUE_KEYS,
    Level,
    Model,
    Operation,
    QueryOptions,
    level_of_key,
    model_of,
)
from dicomnode.dicom.query.wildcards import has_wildcard
from dicomnode.dicom.scanned import SPECIFIC_CHARACTER_SET, Buffer, ScannedDataset
from dicomnode.dicom.tags import PATIENT_ID, QUERY_RETRIEVE_LEVEL
from dicomnode.errors import IdentifierError

__all__ = [
    "EMPTY_VALUE",
    "Identifier",
    "Key",
    "Level",
    "Model",
    "Operation",
    "QueryOptions",
    "Selection",
    "model_of",
    "parse_query",
    "parse_retrieve",
]


@dataclass(frozen=True, slots=True)
class Identifier:
    """A query, understood: ``keys`` has every key but level and character set, which is that of the request."""

    model: Model
    level: Level
    keys: Mapping[int, Key]
    character_set: CharacterSet
    options: QueryOptions


@dataclass(frozen=True, slots=True)
class Selection:
    """What a retrieve request asks for; what is empty is no condition."""

    level: Level
    patient_id: str = ""
    study_uids: tuple[str, ...] = ()
    series_uids: tuple[str, ...] = ()
    sop_instance_uids: tuple[str, ...] = ()


def parse_query(dataset: Buffer, transfer_syntax_uid: str, model: Model, options: QueryOptions) -> Identifier:
    """The Identifier of a C-FIND request.

    Raises:
        IdentifierError: it does not match its SOP Class, or cannot be understood.
    """
    scanned = read_identifier(dataset, transfer_syntax_uid)
    level = _level(scanned, model)
    keys = read_keys(scanned, options)
    keys.pop(QUERY_RETRIEVE_LEVEL, None)
    if not options.relational:
        for tag in _unique_keys_above(level, model):
            _require_one_value(keys.get(tag), tag)
    if options.strict:
        _refuse_foreign_keys(keys, level, model, relational=options.relational)
    return Identifier(model, level, MappingProxyType(keys), scanned.character_set(), options)


def parse_retrieve(dataset: Buffer, transfer_syntax_uid: str, model: Model, options: QueryOptions) -> Selection:
    """The Identifier of a C-MOVE or C-GET request: a list of UIDs at the level that is retrieved, one value above it.

    Keys that are no unique keys select nothing and are passed over, unless ``strict``.

    Raises:
        IdentifierError: it does not match its SOP Class, or cannot be understood: nothing may move.
    """
    scanned = read_identifier(dataset, transfer_syntax_uid)
    level = _level(scanned, model)
    above, own = _unique_keys_above(level, model), UNIQUE_KEYS[level]
    if options.strict:
        _refuse_others(scanned, {*above, own})
    values = {own: _require_values(read_key(scanned, own, options), own)}
    for tag in above:
        key = read_key(scanned, tag, options)
        is_left_open = options.relational and (key is None or key.is_universal)
        values[tag] = () if is_left_open else _require_one_value(key, tag)
    return Selection(
        level,
        "".join(values.get(PATIENT_ID, ())),
        *(values.get(UNIQUE_KEYS[one], ()) for one in (Level.STUDY, Level.SERIES, Level.IMAGE)),
    )


def _level(scanned: ScannedDataset, model: Model) -> Level:
    named = scanned.uid(QUERY_RETRIEVE_LEVEL)
    if not named:
        raise IdentifierError("Query/Retrieve Level is missing", (QUERY_RETRIEVE_LEVEL,))
    level = next((one for one in model.levels if one == named), None)
    if level is None:
        raise IdentifierError("Query/Retrieve Level is none of this model's", (QUERY_RETRIEVE_LEVEL,))
    return level


def _unique_keys_above(level: Level, model: Model) -> tuple[int, ...]:
    return tuple(UNIQUE_KEYS[one] for one in model.levels[: model.levels.index(level)])


def _require_one_value(key: Key | None, tag: int) -> tuple[str, ...]:
    values = _require_values(key, tag)
    if len(values) > 1:
        raise IdentifierError("unique key of a level above has more than one value", (tag,))
    return values


def _require_values(key: Key | None, tag: int) -> tuple[str, ...]:
    """The key's values: one of Patient ID, any number of UIDs, no wildcard."""
    if key is None:
        raise IdentifierError("unique key is missing", (tag,))
    values = tuple(value for value in key.values if value != EMPTY_VALUE)
    if not values:
        raise IdentifierError("unique key has no value", (tag,))
    if any(map(has_wildcard, values)):
        raise IdentifierError("unique key has a wildcard", (tag,))
    if tag == PATIENT_ID and len(values) > 1:
        raise IdentifierError("only one Patient ID can be asked for at once", (tag,))
    return values


def _refuse_foreign_keys(keys: Mapping[int, Key], level: Level, model: Model, *, relational: bool) -> None:
    """Refuse what the baseline does not allow (PS3.4 Section C.4.1.2.1)."""
    own = UNIQUE_KEYS[level]
    if own not in keys:
        raise IdentifierError("unique key of the level is missing", (own,))
    if relational:
        return
    above = model.levels[: model.levels.index(level)]
    unique = {UNIQUE_KEYS[one] for one in above}
    foreign = tuple(tag for tag in keys if tag not in unique and _key_level(tag, level, model) in above)
    if foreign:
        raise IdentifierError("key of a level above the Query/Retrieve Level", foreign)


def _key_level(tag: int, level: Level, model: Model) -> Level | None:
    """The patient's attributes are keys of the study where the model has no patients (PS3.4 Section C.6.2.1)."""
    found = level_of_key(tag, level)
    if found is Level.PATIENT and Level.PATIENT not in model.levels:
        return Level.STUDY
    return found


def _refuse_others(scanned: ScannedDataset, allowed: set[int]) -> None:
    others = tuple(
        tag
        for tag in scanned.elements
        if tag not in allowed
        and tag not in (QUERY_RETRIEVE_LEVEL, SPECIFIC_CHARACTER_SET)
        and any(tag in keys for keys in QUERY_KEYS.values())
    )
    if others:
        raise IdentifierError("a retrieve request names nothing but unique keys", others)
