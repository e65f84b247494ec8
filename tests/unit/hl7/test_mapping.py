"""The mapping, row by row, and what a site may change of it."""

from __future__ import annotations

import pytest
from pydicom.datadict import tag_for_keyword
from unit.hl7.messages import message

from dicomnode.errors import ConfigurationError, MessageError
from dicomnode.hl7.groups import step_groups
from dicomnode.hl7.mapping import Code, FieldMapping, Value, load_mapping
from dicomnode.hl7.message import read_header, read_message
from dicomnode.settings.yaml_text import parse_yaml


def mapped(section: str, keyword: str, segments: tuple[str, ...], mapping: FieldMapping | None = None) -> Value | None:
    given = {segment.split("|")[0] for segment in segments}
    filled = [name + "|" for name in ("PID", "ORC", "OBR") if name not in given]
    order = ("PID", "PV1", "ORC", "TQ1", "OBR", "IPC", "ZDS")
    every = sorted([*segments, *filled], key=lambda segment: order.index(segment.split("|")[0]))
    data = message("OMI^O23", *every)
    [group] = step_groups(read_message(data, read_header(data), "ASCII"))
    return (mapping or load_mapping(None)).values(section, group).get(tag_for_keyword(keyword) or 0)


def field(segment: str, number: int, value: str) -> str:
    """A segment with one value."""
    return segment + "|" * number + value


@pytest.mark.parametrize(
    ("section", "keyword", "segments", "value"),
    [
        ("patient", "PatientID", (field("PID", 3, "1^^^H"),), "1"),
        ("patient", "IssuerOfPatientID", (field("PID", 3, "1^^^H&1.2&ISO"),), "H"),
        ("patient", "PatientName", (field("PID", 5, "A^B^C^JR^DR^MD"),), "A^B^C^DR^JR MD"),
        ("patient", "PatientName", (field("PID", 5, "A&X^B~YAMA^TARO^^^^^^I~ya^ta^^^^^^P"),), "A^B=YAMA^TARO=ya^ta"),
        ("patient", "PatientBirthDate", (field("PID", 7, "197002031200"),), "19700203"),
        ("patient", "PatientSex", (field("PID", 8, "F"),), "F"),
        ("patient", "PatientSex", (field("PID", 8, "A"),), "O"),
        ("order", "AdmissionID", (field("PV1", 19, "V1^^^H"),), "V1"),
        ("order", "AdmissionID", (field("PID", 18, "A1^^^H"),), "A1"),
        ("order", "CurrentPatientLocation", (field("PV1", 3, "ER^1^2"),), "ER"),
        ("order", "ReferringPhysicianName", (field("PV1", 8, "7^WELBY^M"),), "WELBY^M"),
        ("order", "PlacerOrderNumberImagingServiceRequest", (field("ORC", 2, "P1^X"),), "P1"),
        ("order", "FillerOrderNumberImagingServiceRequest", (field("ORC", 3, "F1^X"),), "F1"),
        (
            "step",
            "ScheduledProcedureStepStartDate",
            (field("TQ1", 7, "202601021030"), field("ORC", 7, "^^^2027")),
            "20260102",
        ),
        ("step", "ScheduledProcedureStepStartTime", (field("TQ1", 7, "202601021030"),), "1030"),
        ("step", "ScheduledProcedureStepStartDate", (field("ORC", 7, "^^^20260102"),), "20260102"),
        ("step", "ScheduledProcedureStepStartTime", (field("ORC", 7, "^^^20260102103015.5"),), "103015.5"),
        ("step", "ScheduledProcedureStepStartDate", (field("OBR", 27, "^^^20260102"),), "20260102"),
        ("step", "ScheduledProcedureStepStartTime", (field("OBR", 27, "^^^20260102"),), "0000"),
        ("order", "TimezoneOffsetFromUTC", (field("TQ1", 7, "202601021030-0500"),), "-0500"),
        ("order", "RequestedProcedurePriority", (field("TQ1", 9, "S"),), "STAT"),
        ("order", "RequestedProcedurePriority", (field("ORC", 7, "^^^^^A"),), "HIGH"),
        ("order", "RequestedProcedurePriority", (field("ORC", 7, "^^^^^P"),), "HIGH"),
        ("order", "RequestedProcedurePriority", (field("ORC", 7, "^^^^^C"),), "HIGH"),
        ("order", "RequestedProcedurePriority", (field("ORC", 7, "^^^^^R"),), "ROUTINE"),
        ("order", "RequestedProcedurePriority", (field("ORC", 7, "^^^^^T"),), "MEDIUM"),
        ("step", "ScheduledProcedureStepDescription", (field("OBR", 4, "a^b^L^c^Head^99"),), "Head"),
        ("step", "ScheduledProtocolCodeSequence", (field("OBR", 4, "a^b^L^c^Head^99"),), Code("c", "99", "Head")),
        ("step", "ScheduledProtocolCodeSequence", (field("OBR", 4, "a^b^L"),), Code("a", "L", "b")),
        ("order", "PatientState", (field("OBR", 12, "x^infectious"),), "infectious"),
        ("order", "MedicalAlerts", (field("OBR", 13, "nuts"),), "nuts"),
        ("order", "RequestingPhysician", (field("OBR", 16, "7^WELBY^M"),), "WELBY^M"),
        ("order", "AccessionNumber", (field("OBR", 18, "A1"),), "A1"),
        ("order", "RequestedProcedureID", (field("OBR", 19, "R1"),), "R1"),
        ("step", "ScheduledProcedureStepID", (field("OBR", 20, "S1"),), "S1"),
        ("step", "Modality", (field("OBR", 24, "CT"),), "CT"),
        ("step", "ScheduledPerformingPhysicianName", (field("OBR", 34, "7^WELBY^M"),), "WELBY^M"),
        ("order", "PatientTransportArrangements", (field("OBR", 30, "WALK"),), "WALK"),
        ("order", "ReasonForTheRequestedProcedure", (field("OBR", 31, "x^fall"),), "fall"),
        ("order", "RequestedProcedureDescription", (field("OBR", 44, "1^CT Head^L"),), "CT Head"),
        ("order", "RequestedProcedureCodeSequence", (field("OBR", 44, "1^CT Head^L"),), Code("1", "L", "CT Head")),
        ("order", "StudyInstanceUID", (field("ZDS", 1, "1.2.3^RIS^Application^DICOM"),), "1.2.3"),
        ("order", "AccessionNumber", (field("IPC", 1, "A2^X"), field("OBR", 18, "A1")), "A2"),
        ("order", "RequestedProcedureID", (field("IPC", 2, "R2"), field("OBR", 19, "R1")), "R2"),
        ("order", "StudyInstanceUID", (field("IPC", 3, "1.2.4"), field("ZDS", 1, "1.2.3")), "1.2.4"),
        ("step", "ScheduledProcedureStepID", (field("IPC", 4, "S2"), field("OBR", 20, "S1")), "S2"),
        ("step", "Modality", (field("IPC", 5, "MR"), field("OBR", 24, "CT")), "MR"),
        ("step", "ScheduledProtocolCodeSequence", (field("IPC", 6, "p^Prot^L"),), Code("p", "L", "Prot")),
        ("step", "ScheduledStationName", (field("IPC", 7, "ROOM"),), "ROOM"),
        ("step", "ScheduledProcedureStepLocation", (field("IPC", 8, "GROUND"),), "GROUND"),
        ("step", "ScheduledStationAETitle", (field("IPC", 9, "CT1"),), "CT1"),
    ],
)
def test_field_becomes_attribute(section: str, keyword: str, segments: tuple[str, ...], value: Value) -> None:
    assert mapped(section, keyword, segments) == value


def test_null_is_told_from_nothing() -> None:
    assert mapped("patient", "PatientName", (field("PID", 5, '""'),)) == ""
    assert mapped("patient", "PatientName", (field("PID", 5, ""),)) is None
    assert mapped("step", "Modality", (field("OBR", 24, '""'),)) == ""
    assert mapped("order", "RequestedProcedureCodeSequence", (field("OBR", 44, '""'),)) == ""


def test_date_that_is_less_than_a_day_says_nothing() -> None:
    assert mapped("patient", "PatientBirthDate", (field("PID", 7, "1970"),)) is None
    assert mapped("patient", "PatientBirthDate", (field("PID", 7, '""'),)) == ""


def test_name_loses_what_dicom_understands_otherwise() -> None:
    assert mapped("patient", "PatientName", (field("PID", 5, r"O\S\N=E\E\L^B"),)) == "O N E L^B"


@pytest.mark.parametrize(
    ("segment", "words"),
    [
        (field("PID", 7, "yesterday"), "PID-7 is no date or time"),
        (field("PID", 7, "20260230"), "PID-7 is no date or time"),
        (field("PID", 3, r"1\E\2"), "PID-3 holds a character"),
        (field("PID", 3, "1" * 65), "PID-3 has 65 characters, 64 fit"),
        (field("PID", 5, "N" * 65), "PID-5 has more than 64 characters"),
    ],
)
def test_identifier_or_date_that_does_not_fit_is_refused(segment: str, words: str) -> None:
    with pytest.raises(MessageError, match=words):
        mapped("patient", "PatientID", (segment,))


def test_description_that_is_too_long_is_cut() -> None:
    assert mapped("order", "RequestedProcedureDescription", (field("OBR", 44, "1^" + "x" * 80),)) == "x" * 64


SITE = """
step:
  ScheduledStationAETitle: {from: [IPC-9, OBR-24], values: {CT: CT1}}
  ScheduledStationName: null
order:
  AccessionNumber: OBR-18
"""


def test_site_changes_what_it_names_and_nothing_else() -> None:
    site = load_mapping(parse_yaml(SITE, "site.yaml"))
    assert mapped("step", "ScheduledStationAETitle", (field("OBR", 24, "CT"),), site) == "CT1"
    assert mapped("step", "ScheduledStationName", (field("IPC", 7, "ROOM"),), site) is None
    assert mapped("order", "AccessionNumber", (field("IPC", 1, "A2"), field("OBR", 18, "A1")), site) == "A1"
    assert mapped("step", "ScheduledProcedureStepID", (field("OBR", 20, "S1"),), site) == "S1"


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ("step:\n  Modalty: OBR-24\n", 2, "step.Modalty"),
        ("step:\n  Modality: OBR24\n", 2, "step.Modality"),
        ("steps: {}\n", 1, "steps"),
        ("step:\n  Modality:\n    frm: OBR-24\n", 3, "step.Modality.frm"),
        ("patient:\n  PatientName: PID-5\n", 1, "patient"),
        ("status:\n  NW: SOON\n", 2, "status.NW"),
    ],
)
def test_fault_of_a_site_is_named_with_its_line_and_key(text: str, line: int, key: str) -> None:
    with pytest.raises(ConfigurationError) as failed:
        load_mapping(parse_yaml(text, "site.yaml"))
    found = [(problem.line, problem.key) for problem in failed.value.problems]
    assert found[0][0] == line
    assert found[0][1].startswith(key)
