"""A rule file's own tests: each makes a small instance, has it judged, and compares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from dicomnode.dicom.character_sets import character_set
from dicomnode.dicom.element_value import value_bytes
from dicomnode.dicom.encode import Encoding
from dicomnode.dicom.instance import StoreRequest, Verdict
from dicomnode.dicom.peer import Sender
from dicomnode.dicom.scan import ScannedDataset, scan
from dicomnode.errors import AmendError, ConfigurationError
from dicomnode.qa.fixing import fixed
from dicomnode.qa.language import RuleSet, TestText, compile_rules, enforced
from dicomnode.qa.language.operands import tag_of
from dicomnode.qa.language.places import UNKNOWN, place_of
from dicomnode.qa.settings import QaSettings
from dicomnode.qa.validation import Validation
from dicomnode.settings.document import Document

PIXEL_DATA, ITEM = 0x7FE00010, 0xFFFEE000

_CT: Final[Mapping[str, str]] = {
    "ImageType": "ORIGINAL\\PRIMARY\\AXIAL",
    "SOPClassUID": str(CTImageStorage),
    "SOPInstanceUID": "2.25.4",
    "StudyDate": "20240101",
    "SeriesDate": "20240101",
    "AcquisitionDate": "20240101",
    "ContentDate": "20240101",
    "StudyTime": "101500",
    "AccessionNumber": "A1",
    "Modality": "CT",
    "Manufacturer": "ACME",
    "StationName": "CT1",
    "ManufacturerModelName": "Scanner",
    "ReferringPhysicianName": "",
    "StudyDescription": "Head",
    "SeriesDescription": "Axial",
    "PatientName": "Doe^Jane",
    "PatientID": "P1",
    "PatientBirthDate": "19700101",
    "PatientSex": "F",
    "BodyPartExamined": "HEAD",
    "SliceThickness": "1.25",
    "KVP": "120",
    "DeviceSerialNumber": "1",
    "StudyInstanceUID": "2.25.2",
    "SeriesInstanceUID": "2.25.3",
    "StudyID": "1",
    "SeriesNumber": "1",
    "InstanceNumber": "1",
    "ImagePositionPatient": "0\\0\\0",
    "ImageOrientationPatient": "1\\0\\0\\0\\1\\0",
    "FrameOfReferenceUID": "2.25.5",
    "SamplesPerPixel": "1",
    "PhotometricInterpretation": "MONOCHROME2",
    "Rows": "1",
    "Columns": "1",
    "PixelSpacing": "0.5\\0.5",
    "BitsAllocated": "16",
    "BitsStored": "12",
    "HighBit": "11",
    "PixelRepresentation": "0",
    "RescaleIntercept": "0",
    "RescaleSlope": "1",
}
_BASES: Final[Mapping[str, Mapping[str, object]]] = {"ct": _CT}


@dataclass(frozen=True, slots=True)
class Tested:
    """How one test went; ``faults`` is empty where all is as expected."""

    name: str
    faults: tuple[str, ...]


def load_rules(document: Document) -> RuleSet:
    """The rules of a file whose tests hold.

    Raises:
        ConfigurationError: the file is wrong, or one of its tests fails.
    """
    rules = compile_rules(document)
    problems = [
        document.problem(("tests", index), f"test {tested.name!r} fails: {fault}")
        for index, tested in enumerate(run_tests(rules))
        for fault in tested.faults
    ]
    if problems:
        raise ConfigurationError(document.source, problems)
    return rules


def run_tests(rules: RuleSet) -> Iterator[Tested]:
    """How each of a file's tests goes, with its rules in force and the core rules as they are shipped."""
    validation = Validation(QaSettings(), site=enforced(rules))
    for test in rules.tests:
        try:
            yield Tested(test.name, tuple(_faults(test, validation)))
        except (ValueError, AmendError) as error:
            yield Tested(test.name, (f"the data set cannot be made: {error}",))


def _faults(test: TestText, validation: Validation) -> Iterator[str]:
    data, sop_class, sop_instance = _dataset(test)
    sender = Sender(test.calling_ae, "DICOMNODE", "127.0.0.1")
    request = StoreRequest(sop_class, sop_instance, ExplicitVRLittleEndian, sender)
    dataset, verdict = _judged(validation, memoryview(data), request, test.today)
    for rule, expected in test.expect.items():
        found = _found(verdict, rule)
        if found != expected:
            yield f"{rule} finds {found}, expected {expected}"
    for keyword, value in test.fixed.items():
        says = dataset.text(tag_of(keyword))
        if says != value:
            yield f"{keyword} is {says!r} then, expected {value!r}"
    if test.answer is not None:
        told = validation.answer(verdict.findings, sender).status
        if told != test.answer:
            yield f"the answer is {told:#06x}, expected {test.answer:#06x}"


def _judged(
    validation: Validation, data: memoryview, request: StoreRequest, today: date
) -> tuple[ScannedDataset, Verdict]:
    """The instance as it would be kept, and the verdict on it."""
    dataset = scan(data, ExplicitVRLittleEndian)
    verdict = validation.judge(dataset, request, today)
    if not verdict.changes:
        return dataset, verdict
    at = datetime(today.year, today.month, today.day, tzinfo=UTC)
    made = fixed(validation, verdict, data, request, at, lambda pieces: memoryview(b"".join(pieces)))
    return made or (dataset, validation.judge(dataset, request, today, can_be_fixed=False))


def _found(verdict: Verdict, rule: str) -> str:
    severities = [finding.severity for finding in verdict.findings if finding.rule == rule]
    return max(severities).name.lower() if severities else "none"


def _dataset(test: TestText) -> tuple[bytes, str, str]:
    """The data set, its SOP Class and its SOP Instance UID."""
    base = test.dataset.get("from")
    if "from" in test.dataset and base not in _BASES:
        raise ValueError(f"from: there is {', '.join(_BASES)}")
    values = {**_BASES.get(str(base), {}), **{name: value for name, value in test.dataset.items() if name != "from"}}
    if "SpecificCharacterSet" not in values and not str(values).isascii():
        values["SpecificCharacterSet"] = "ISO_IR 192"
    encoding = Encoding.of(ExplicitVRLittleEndian, character_set(_joined(values.get("SpecificCharacterSet", ""))))
    elements = _elements(values, encoding)
    if base is not None and "PixelData" not in values:
        elements[PIXEL_DATA] = encoding.element(PIXEL_DATA, b"OW", b"\0\0")
    sop_class, sop_instance = (_joined(values.get(keyword) or "") for keyword in ("SOPClassUID", "SOPInstanceUID"))
    return b"".join(elements[tag] for tag in sorted(elements)), sop_class, sop_instance


def _elements(values: Mapping[str, object], encoding: Encoding) -> dict[int, bytes]:
    """Each element with its head, by tag; with private ones their creators."""
    elements: dict[int, bytes] = {}
    for name, value in values.items():
        if value is None:
            continue
        place = place_of(name)
        if place.above:
            raise ValueError(f"{name}: the items of a sequence are a list of sections")
        tag, creator = place.last.tag, place.last.creator
        vr = place.last.vr if place.last.vr != UNKNOWN else b"LO"
        if creator:
            block = tag & 0xFFFF0000 | (tag & 0xFFFF) >> 8
            elements[block] = encoding.element(block, b"LO", value_bytes(block, b"LO", creator, encoding))
        if vr == b"SQ":
            elements[tag] = encoding.element(tag, vr, b"".join(_items(name, value, encoding)))
        else:
            elements[tag] = encoding.element(tag, vr, value_bytes(tag, vr, _joined(value), encoding))
    return elements


def _items(name: str, value: object, encoding: Encoding) -> Iterator[bytes]:
    for item in value if isinstance(value, tuple) else (value,):
        if not isinstance(item, Mapping):
            raise ValueError(f"{name}: a sequence is a list of sections")  # noqa: TRY004 - told as a fault of the file
        content = _elements(item, encoding)
        raw = b"".join(content[tag] for tag in sorted(content))
        yield encoding.head(ITEM, b"SQ", len(raw)) + raw


def _joined(value: object) -> str:
    return "\\".join(map(str, value)) if isinstance(value, tuple) else str(value)
