"""What a message would do, without doing it: for those who write a mapping."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydicom.datadict import dictionary_has_tag, dictionary_keyword

from dicomnode.dicom.procedure import StepStatus
from dicomnode.errors import MessageError, MessageRefusedError
from dicomnode.hl7.mapping import Code, FieldMapping, Value
from dicomnode.hl7.message import read_header, read_message
from dicomnode.hl7.orders import ORDERS, Step, entry_made_of, steps_of
from dicomnode.hl7.patients import patient_changes
from dicomnode.hl7.settings import Hl7Settings


def explained(data: bytes, mapping: FieldMapping, settings: Hl7Settings) -> dict[str, Any]:
    """What the message is, and what it asks for, as JSON; with ``error`` and ``code`` (AE, AR) where it cannot be done."""
    told: dict[str, Any] = {}
    try:
        header = read_header(data)
        told |= {"type": header.type, "control_id": header.control_id}
        told["sender"] = f"{header.sending_application}|{header.sending_facility}"
        message = read_message(data, header, settings.character_set)
        if header.kind == "ADT":
            told["patients"] = [
                {
                    "kind": str(change.kind),
                    "patient": list(change.identity),
                    "former": list(change.prior) if change.prior else None,
                    "attributes": _by_keyword(change.attributes),
                }
                for change in patient_changes(message, mapping, settings.local_issuers)
            ]
        elif (header.kind, header.event) in ORDERS:
            told["steps"] = [_step(step) for step in steps_of(message, mapping, settings.local_issuers)]
            told |= next(
                ({"error": step["error"], "code": "AE"} for step in told["steps"] if "error" in step),
                {},
            )
        else:
            told |= {"error": f"messages of type {header.type} are not supported", "code": "AR"}
    except MessageRefusedError as error:
        told |= {"error": str(error), "code": "AR"}
    except MessageError as error:
        told |= {"error": str(error), "code": "AE"}
    return told


def _step(step: Step) -> dict[str, Any]:
    told: dict[str, Any] = {
        "status": str(step.status),
        "attributes": _by_keyword(step.attributes),
        "step": _by_keyword(step.own),
    }
    if step.status is StepStatus.SCHEDULED:
        try:
            entry_made_of(step)
        except MessageError as error:
            told["error"] = str(error)
    return told


def _by_keyword(values: Mapping[int, Value]) -> dict[str, str]:
    return {
        dictionary_keyword(tag) if dictionary_has_tag(tag) else f"{tag:08X}": _text(value)
        for tag, value in values.items()
    }


def _text(value: Value) -> str:
    return f"({value.value}, {value.scheme}, {value.meaning})" if isinstance(value, Code) else value
