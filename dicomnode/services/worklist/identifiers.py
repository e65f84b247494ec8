"""Scheduled steps as Identifiers of C-FIND responses (PS3.4 Section K.4.1.1.3).

A response has what was asked for as far as the node supports it: what is unknown is there without a value, a sequence that is
unknown without an item, and what is of type 1C not at all. Its character set is chosen as with other queries
(`dicomnode.services.query`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from dicomnode.dicom.character_sets import CharacterSet, character_set
from dicomnode.dicom.encode import Encoding, InexpressibleError
from dicomnode.dicom.encode_json import json_encoder
from dicomnode.dicom.encode_rows import Shape, shaped
from dicomnode.dicom.json_form import hex_name
from dicomnode.dicom.query.worklist import WorklistIdentifier
from dicomnode.dicom.scanned import SPECIFIC_CHARACTER_SET
from dicomnode.dicom.worklist_attributes import PROCEDURE, SCHEDULED_PROCEDURE_STEP_SEQUENCE, STEP
from dicomnode.index import StoredStep
from dicomnode.services.query import item_shape

_UTF8: Final = character_set("ISO_IR 192")
_NEVER_EMPTY: Final = frozenset(hex_name(tag) for tag, kind in {**PROCEDURE, **STEP}.items() if kind == "1C")
"""Return keys of type 1C: a description or a code, not there when there is none (PS3.5 Section 7.4.2)."""
_STEP: Final = hex_name(SCHEDULED_PROCEDURE_STEP_SEQUENCE)
_BLANK_STEP: Final = shaped({}, tuple((tag, ()) for tag, kind in STEP.items() if kind in ("1", "2", "2C")))
"""What is returned of a step of which all is asked for, whether it is known or not (PS3.4 Section K.2.2.1.2)."""
_ENCODERS: Final = 8
_REMEMBERED: Final = 2048
"""Responses that an encoder keeps, some kB each: scanners ask for the same every minute."""


class StepEncoder(dict[StoredStep, bytes]):
    """Steps to the Identifiers of responses to one kind of query: made when they are asked for, and kept.

    Args:
        shape: what is wanted of the entry, but for the sequence of its step.
        step: what is wanted of the step; None for no sequence at all.
        is_whole_step: all of the step is wanted.
        encodings: tried in their order; the last one has every character.
    """

    def __init__(self, shape: Shape, step: Shape | None, encodings: Sequence[Encoding], *, is_whole_step: bool) -> None:
        super().__init__()
        self._shape = shape
        self._step = step
        self._is_whole_step = is_whole_step
        self._encodings = [(json_encoder(one), _label(one.character_set)) for one in encodings]

    def __missing__(self, step: StoredStep) -> bytes:
        if len(self) >= _REMEMBERED:
            self.clear()
        self[step] = identifier = self._made(step)
        return identifier

    def _made(self, stored: StoredStep) -> bytes:
        whole = stored.entry().dataset()
        dataset = _without_blank_items(shaped(whole, self._shape))
        if self._step is not None:
            step = whole[_STEP]["Value"][0]
            step = {**_BLANK_STEP, **step} if self._is_whole_step else _without_blank_items(shaped(step, self._step))
            dataset[_STEP] = {"vr": "SQ", "Value": [step]}
        for encoder, label in self._encodings:
            try:
                return encoder.dataset({**label, **dataset})
            except InexpressibleError:
                continue
        raise AssertionError("UTF-8 has every character")


def encoder_of(identifier: WorklistIdentifier, transfer_syntax_uid: str, only_set: str) -> StepEncoder:
    """The encoder for the responses to a query.

    Args:
        only_set: the Specific Character Set that the peer is known to read; empty when it reads what it asks in, and UTF-8.
    """
    preferred = character_set(only_set) if only_set else identifier.character_set
    encodings = (
        Encoding.of(transfer_syntax_uid, preferred, transliterates=bool(only_set)),
        Encoding.of(transfer_syntax_uid, _UTF8),
    )
    step = None if identifier.step is None else item_shape(identifier.step)
    return _encoder(item_shape(identifier.keys), step, encodings, is_whole_step=identifier.is_whole_step)


@lru_cache(maxsize=_ENCODERS)
def _encoder(shape: Shape, step: Shape | None, encodings: tuple[Encoding, ...], *, is_whole_step: bool) -> StepEncoder:
    return StepEncoder(shape, step, encodings, is_whole_step=is_whole_step)


def _label(chosen: CharacterSet) -> dict[str, Any]:
    return {hex_name(SPECIFIC_CHARACTER_SET): {"vr": "CS", "Value": [chosen.label]}} if chosen.label else {}


def _without_blank_items(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """Without items that have no value (a reference is a UID or not there at all), and attributes that must have one."""
    pruned = {
        name: attribute if attribute["vr"] != "SQ" else {"vr": "SQ", "Value": _items(attribute)}
        for name, attribute in dataset.items()
    }
    for name in _NEVER_EMPTY & pruned.keys():
        if not pruned[name].get("Value"):
            del pruned[name]
    return pruned


def _items(sequence: Mapping[str, Any]) -> list[dict[str, Any]]:
    items = map(_without_blank_items, sequence.get("Value", ()))
    return [item for item in items if any(one.get("Value") or "InlineBinary" in one for one in item.values())]
