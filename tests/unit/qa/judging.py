"""A CT slice that no core rule minds, as elements that can be wrong in every way, and how it is judged."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from factories import ct
from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from unit.dicom.elements import explicit

from dicomnode.dicom.instance import Severity, StoreAnswer, StoreRequest, Verdict
from dicomnode.dicom.knowledge import Knowledge
from dicomnode.dicom.layout import Layouts
from dicomnode.dicom.peer import Sender
from dicomnode.dicom.scan import scan
from dicomnode.qa import QaSettings, Validation
from dicomnode.qa.core import CORE

TODAY = date(2024, 6, 1)
SENDER = Sender("CT1", "DICOMNODE", "192.0.2.1", "ct1")
VALIDATION = Validation(QaSettings(), CORE)

Changes = Mapping[int, bytes | None]
"""By tag: the whole element that takes the place of the slice's own; None takes it away."""

Told = tuple[Severity, tuple[int, ...], str]
"""Severity, tags and comment of a finding."""


def text(tag: int, vr: str, value: str) -> bytes:
    """An element of characters in explicit VR, padded to an even length."""
    raw = value.encode("latin_1")
    return explicit(tag, vr, raw + (b"\0" if vr == "UI" else b" ") * (len(raw) % 2))


def number(tag: int, *values: int) -> bytes:
    """A US element in explicit VR."""
    return explicit(tag, "US", b"".join(value.to_bytes(2, "little") for value in values))


def pixel_data(size_bytes: int, tag: int = 0x7FE00010, vr: str = "OW") -> bytes:
    """Native pixel data in explicit VR."""
    return explicit(tag, vr, bytes(size_bytes))


def _elements() -> dict[int, bytes]:
    elements = {}
    for element in ct():
        buffer = DicomBytesIO()
        buffer.is_implicit_VR, buffer.is_little_endian = False, True
        write_dataset(buffer, Dataset({element.tag: element}))
        elements[int(element.tag)] = buffer.getvalue()
    return elements


ELEMENTS: Mapping[int, bytes] = _elements()
"""Explicit VR little endian; 16 rows and columns, 12 of 16 bits stored, one sample."""


def sliced(changes: Changes | None = None) -> bytes:
    """The slice's data set with ``changes``, in the order of tags."""
    changed = {tag: raw for tag, raw in (ELEMENTS | (changes or {})).items() if raw is not None}
    return b"".join(changed[tag] for tag in sorted(changed))


def judge(
    data: bytes | Changes,
    *,
    sop_class: str = CTImageStorage,
    sop_instance: str | None = None,
    transfer_syntax: str = ExplicitVRLittleEndian,
    validation: Validation = VALIDATION,
    known: Knowledge | None = None,
    layouts: Layouts | None = None,
) -> Verdict:
    """The verdict on a data set, or on the slice with changes; the request names the instance as the data set does."""
    scanned = scan(data if isinstance(data, bytes) else sliced(data), transfer_syntax, layouts=layouts)
    named = scanned.uid(0x00080018) or "" if sop_instance is None else sop_instance
    return validation.judge(scanned, StoreRequest(sop_class, named, transfer_syntax, SENDER), TODAY, known)


def told(verdict: Verdict) -> dict[str, Told]:
    """The first finding of each rule."""
    findings = reversed(verdict.findings)
    return {one.rule: (one.severity, one.tags, one.comment) for one in findings}


def answer(verdict: Verdict, validation: Validation = VALIDATION) -> StoreAnswer:
    """What the sender is told."""
    return validation.answer(verdict.findings, SENDER)
