"""Data sets on their way out, with what is known of their patient now."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any

import pytest
from factories import ABSENT, ct
from pydicom import Dataset, dcmread
from pydicom.filewriter import dcmwrite
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from dicomnode.dicom.part10 import read_file_meta
from dicomnode.errors import AmendError
from dicomnode.services.current_patient import with_current_patient

NAME, ID, ISSUER, BIRTH_DATE, SEX = 0x00100010, 0x00100020, 0x00100021, 0x00100030, 0x00100040
ALL = {NAME: "SMITH^JANE", ID: "P2", ISSUER: "HOSPITAL", BIRTH_DATE: "19800202", SEX: "O"}


def encoded(syntax: str = ExplicitVRLittleEndian, **changes: Any) -> memoryview:
    dataset = ct(transfer_syntax=syntax, **changes)
    file = io.BytesIO()
    dcmwrite(file, dataset, enforce_file_format=True)
    data = file.getvalue()
    return memoryview(data)[read_file_meta(data).dataset_offset :]


def decoded(dataset: memoryview, syntax: str = ExplicitVRLittleEndian) -> Dataset:
    empty = Dataset()
    empty.file_meta = ct(transfer_syntax=syntax).file_meta
    file = io.BytesIO()
    dcmwrite(file, empty, enforce_file_format=True)
    if syntax == DeflatedExplicitVRLittleEndian:
        head = file.getvalue()[: read_file_meta(file.getvalue()).dataset_offset]
    else:
        head = file.getvalue()
    return dcmread(io.BytesIO(head + bytes(dataset)))


@pytest.mark.parametrize(
    "syntax",
    [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian],
)
def test_says_what_is_known_now_and_leaves_the_rest(syntax: str) -> None:
    before = encoded(syntax)
    after = decoded(with_current_patient(before, syntax, ALL), syntax)
    assert (after.PatientName, after.PatientID, after.IssuerOfPatientID) == ("SMITH^JANE", "P2", "HOSPITAL")
    assert (after.PatientBirthDate, after.PatientSex) == ("19800202", "O")
    former = decoded(before, syntax)
    assert after.PixelData == former.PixelData
    changed = {element.tag for element in after if element.tag not in former or former[element.tag] != element}
    assert changed == set(ALL)
    assert "OriginalAttributesSequence" not in after


def test_data_set_that_says_it_already_is_not_touched() -> None:
    before = encoded(PatientName="SMITH^JANE^^", PatientID="P2 ")
    assert with_current_patient(before, ExplicitVRLittleEndian, {NAME: "SMITH^JANE", ID: "P2"}) is before


def test_what_is_deleted_is_empty_and_what_never_was_is_not_made() -> None:
    before = encoded(PatientSex=ABSENT)
    after = decoded(with_current_patient(before, ExplicitVRLittleEndian, {BIRTH_DATE: "", SEX: ""}))
    assert after.PatientBirthDate == ""
    assert "PatientSex" not in after


@pytest.mark.parametrize(
    ("charset", "name", "goes_out"),
    [
        ("ISO_IR 100", "MÜLLER^ŁUKASZ", "MÜLLER^LUKASZ"),
        ("ISO_IR 192", "МИШИН^ŁUKASZ", "МИШИН^ŁUKASZ"),
        (ABSENT, "MÜLLER^JÖRG", "MULLER^JORG"),
        ("ISO_IR 100", "王^小东", "?^??"),
        ("ISO_IR 999", "MÜLLER^JÖRG", "MULLER^JORG"),
    ],
)
def test_name_goes_out_in_the_character_set_of_the_data_set(charset: Any, name: str, goes_out: str) -> None:
    before = encoded(SpecificCharacterSet=charset, StudyDescription="Kopf")
    after = decoded(with_current_patient(before, ExplicitVRLittleEndian, {NAME: name}))
    assert str(after.PatientName) == goes_out
    assert after.get("SpecificCharacterSet") == (None if charset is ABSENT else charset)


def test_data_set_that_cannot_be_changed_does_not_go_out_as_somebody_else() -> None:
    with pytest.raises(AmendError):
        with_current_patient(encoded()[:333], ExplicitVRLittleEndian, ALL)


def test_no_room_is_the_fault_of_this_data_set_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = encoded(rows=6000, columns=6000)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(AmendError, match="no room"):
        with_current_patient(large, ExplicitVRLittleEndian, ALL)
