"""What identifies an instance: which rule finds what, with which tags and words."""

from __future__ import annotations

import pytest
from pydicom.uid import CTImageStorage, MRImageStorage
from unit.dicom.elements import explicit
from unit.qa.judging import Changes, answer, judge, text, told

from dicomnode.dicom import status
from dicomnode.dicom.instance import Severity, StoreAnswer

SOP_CLASS, SOP_INSTANCE, STUDY, SERIES = 0x00080016, 0x00080018, 0x0020000D, 0x0020000E
MODALITY, NAME, ID = 0x00080060, 0x00100010, 0x00100020


@pytest.mark.parametrize("raw", [None, "empty", "padding"])
@pytest.mark.parametrize(
    ("tag", "keyword"),
    [
        (SOP_CLASS, "SOPClassUID"),
        (SOP_INSTANCE, "SOPInstanceUID"),
        (STUDY, "StudyInstanceUID"),
        (SERIES, "SeriesInstanceUID"),
    ],
)
def test_rejects_what_lacks_a_uid_to_index_it_by(tag: int, keyword: str, raw: str | None) -> None:
    element = None if raw is None else explicit(tag, "UI", b"" if raw == "empty" else b"\0\0")
    verdict = judge({tag: element})
    assert told(verdict) == {"core.uids": (Severity.REJECT, (tag,), f"{keyword} missing or empty")}
    assert answer(verdict) == StoreAnswer(status.MISSING_UID, (tag,), f"{keyword} missing or empty [core.uids]")


def test_names_all_missing_uids_as_offending_elements() -> None:
    assert answer(judge({STUDY: None, SERIES: None})) == StoreAnswer(
        status.MISSING_UID, (STUDY, SERIES), "StudyInstanceUID missing or empty [core.uids]"
    )


def test_rejects_another_sop_class_than_the_requests() -> None:
    verdict = judge({}, sop_class=MRImageStorage)
    assert told(verdict) == {
        "core.affected-class": (Severity.REJECT, (SOP_CLASS,), "SOP Class differs from the request")
    }
    assert answer(verdict).status == status.DATASET_DOES_NOT_MATCH_SOP_CLASS


@pytest.mark.parametrize("named", ["1.2.3", ""])
def test_quarantines_another_sop_instance_than_the_requests(named: str) -> None:
    verdict = judge({}, sop_instance=named)
    assert told(verdict) == {
        "core.affected-instance": (Severity.QUARANTINE, (SOP_INSTANCE,), "SOP Instance UID differs from the request")
    }
    assert answer(verdict).status == status.STORED_WITH_FAULTS


@pytest.mark.parametrize(
    "uid",
    [
        *("1.2.3a", "../../etc/passwd", "1.2\\1.3", "1 .2", "1." + "2" * 63, "\xfc.1", "1" * 3000),
        *(".", "..", "1..2", ".1.2", "1.2."),
    ],
)
@pytest.mark.parametrize(
    ("tag", "keyword"), [(SOP_INSTANCE, "SOPInstanceUID"), (STUDY, "StudyInstanceUID"), (SERIES, "SeriesInstanceUID")]
)
def test_quarantines_what_is_no_uid(tag: int, keyword: str, uid: str) -> None:
    verdict = judge({tag: text(tag, "UI", uid)})
    finding = (Severity.QUARANTINE, (tag,), f"{keyword} is not a UID")
    # of an overlong UID the rules see only the beginning, so the request seems to name another instance
    assert {rule: one for rule, one in told(verdict).items() if rule != "core.affected-instance"} == {
        "core.uid-syntax": finding
    }


@pytest.mark.parametrize("uid", ["1.2.03", "00.1", "12"])
def test_remarks_on_a_uid_with_wrong_components(uid: str) -> None:
    assert told(judge({STUDY: text(STUDY, "UI", uid)})) == {
        "core.uid-strict": (Severity.WARN, (STUDY,), "StudyInstanceUID breaks the rules for components")
    }


@pytest.mark.parametrize("uid", ["1.2", "0.0", "2.25." + "9" * 59, "1.2.840.10008.1 "])
def test_lets_pass_a_uid_of_64_characters_at_most_whatever_pads_it(uid: str) -> None:
    assert judge({STUDY: text(STUDY, "UI", uid)}).findings == ()


@pytest.mark.parametrize("raw", [None, b"", b"  ", b"\0\0", b" \0", b" " * 2000])
def test_quarantines_what_has_no_patient_id(raw: bytes | None) -> None:
    verdict = judge({ID: None if raw is None else explicit(ID, "LO", raw)})
    assert told(verdict) == {"patient.id": (Severity.QUARANTINE, (ID,), "PatientID missing or empty")}
    assert answer(verdict) == StoreAnswer(status.STORED_WITH_FAULTS, (ID,), "PatientID missing or empty [patient.id]")


def test_patients_name_may_be_empty_but_not_absent() -> None:
    assert judge({NAME: explicit(NAME, "PN", b"")}).findings == ()
    assert told(judge({NAME: None})) == {"patient.name": (Severity.WARN, (NAME,), "PatientName missing")}


@pytest.mark.parametrize("changes", [{MODALITY: None}, {MODALITY: explicit(MODALITY, "CS", b"  ")}])
def test_remarks_on_a_missing_modality(changes: Changes) -> None:
    assert told(judge(changes)) == {"series.modality": (Severity.WARN, (MODALITY,), "Modality missing or empty")}


def test_sop_class_of_the_data_set_may_be_padded_with_a_space() -> None:
    assert judge({SOP_CLASS: explicit(SOP_CLASS, "UI", CTImageStorage.encode() + b" ")}).findings == ()
