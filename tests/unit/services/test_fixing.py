"""Instances that rules change on reception: what is kept, what is found, what is known again."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from textwrap import dedent

import pytest
from factories import ct, write
from pydicom import Dataset, dcmread
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from structlog.testing import capture_logs
from unit.services.test_storage import Node, store

from dicomnode.dicom.instance import DuplicatePolicy, State, StoreRequest
from dicomnode.dicom.part10 import read_file_meta
from dicomnode.dicom.peer import Sender
from dicomnode.files import FileInPlace
from dicomnode.qa import QaSettings, Validation
from dicomnode.qa.language import compile_rules
from dicomnode.settings.yaml_text import parse_yaml

RULES = """
    version: 1
    profiles:
      all:
        rules:
          - {id: site.sex, fields: [PatientSex], enum: [M, F, O], severity: fix, fix: {upper: true, map: {W: F}, else: quarantine}}
          - {id: site.id, required: [PatientID], severity: fix, fix: {copy: OtherPatientIDs, else: warn}}
          - {id: site.name, fields: [PatientName], severity: fix, fix: {map: {Roe: Röntgen}}}
"""


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with ExitStack() as opened:
        yield Node(tmp_path, opened)


def rules(text: str = RULES) -> Validation:
    return Validation(QaSettings(), site=compile_rules(parse_yaml(dedent(text), "")))


def kept(folder: Path) -> list[Dataset]:
    return [dcmread(path) for path in sorted(folder.rglob("*.dcm"))]


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("rows", [16, 600])
def test_file_and_index_hold_the_fixed_instance(node: Node, tmp_path: Path, syntax: str, rows: int) -> None:
    dataset = ct(PatientSex="w", rows=rows, columns=600)
    storage = node.process(DuplicatePolicy.KEEP_FIRST, rules())
    assert store(storage, dataset, syntax) == 0xB000
    [file] = kept(tmp_path)
    assert file.PatientSex == "F"
    assert file.PixelData == dataset.PixelData
    [original] = file.OriginalAttributesSequence
    assert original.ModifiedAttributesSequence[0].PatientSex == "w"
    assert original.ReasonForTheAttributeModification == "COERCE"
    assert (original.ModifyingSystem, original.SourceOfPreviousValues) == ("DICOMNODE", "CT1")
    known = node.index.instances.known(dataset.SOPInstanceUID)
    assert known is not None
    assert known.received_digest not in (None, known.digest)
    assert [finding.rule for finding in known.findings] == ["site.sex"]


def test_same_instance_again_is_known_in_any_encoding(node: Node, tmp_path: Path) -> None:
    dataset = ct(PatientSex="W")
    storage = node.process(DuplicatePolicy.KEEP_FIRST, rules())
    assert [store(storage, dataset) for _ in range(3)] == [0xB000] * 3
    assert store(storage, dataset, ImplicitVRLittleEndian) == 0xB000
    assert store(node.process(DuplicatePolicy.KEEP_FIRST, rules()), dataset) == 0xB000
    assert len(kept(tmp_path)) == 1
    assert node.quarantined() == 0
    [file] = kept(tmp_path)
    assert store(storage, file) == 0x0000, "what is sent back as it is kept is known too"


def test_other_content_is_held_back_although_it_is_fixed(node: Node) -> None:
    first = ct(PatientSex="W")
    storage = node.process(DuplicatePolicy.KEEP_FIRST, rules())
    assert store(storage, first) == 0xB000
    first.PatientComments = "other"
    assert [store(storage, first) for _ in range(2)] == [0xB007] * 2
    assert node.quarantined() == 1


def test_lost_file_comes_back_with_the_same_instance(node: Node, tmp_path: Path) -> None:
    dataset = ct(PatientSex="W")
    storage = node.process(DuplicatePolicy.KEEP_FIRST, rules())
    store(storage, dataset)
    [path] = tmp_path.rglob("*.dcm")
    path.unlink()
    assert [store(storage, dataset) for _ in range(2)] == [0xB000] * 2
    [file] = kept(tmp_path)
    known = node.index.instances.known(dataset.SOPInstanceUID)
    assert known is not None
    assert (tmp_path / "files" / known.location).exists()
    assert file.PatientSex == "F"


def test_fix_mends_what_a_core_rule_would_have_held_back(node: Node, tmp_path: Path) -> None:
    storage = node.process(DuplicatePolicy.KEEP_FIRST, rules())
    dataset = ct(PatientID="")
    dataset.OtherPatientIDs = "4711"
    assert store(storage, dataset) == 0xB000
    assert node.quarantined() == 0
    [file] = kept(tmp_path)
    assert file.PatientID == "4711"


def test_worse_finding_is_what_the_sender_hears(node: Node, tmp_path: Path) -> None:
    storage = node.process(DuplicatePolicy.KEEP_FIRST, rules())
    assert store(storage, ct(PatientSex="W", PatientID="")) == 0xB007
    [file] = kept(tmp_path)
    assert file.PatientSex == "F"


def test_deflated_instance_is_deflated_anew(node: Node, tmp_path: Path) -> None:
    dataset = ct(PatientSex="W", rows=256, columns=256)
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_dataset(buffer, dataset)
    deflated = zlib.compress(buffer.getvalue(), wbits=-15)
    syntax = str(DeflatedExplicitVRLittleEndian)
    request = StoreRequest(dataset.SOPClassUID, dataset.SOPInstanceUID, syntax, Sender("CT1", "DICOMNODE", "127.0.0.1"))
    storage = node.process(DuplicatePolicy.KEEP_FIRST, rules())
    reception = storage.receive(request)
    reception.write(memoryview(deflated))
    assert storage.accept(request, reception).status == 0xB000
    reception.discard()
    [file] = kept(tmp_path)
    assert file.PatientSex == "F"
    assert file.PixelData == dataset.PixelData


def test_file_in_place_stays_as_it_is(node: Node, tmp_path: Path) -> None:
    dataset = ct(PatientSex="W")
    source = write(dataset, tmp_path / "archive.dcm")
    before = source.read_bytes()
    meta = read_file_meta(before)
    request = StoreRequest(
        dataset.SOPClassUID, dataset.SOPInstanceUID, str(ExplicitVRLittleEndian), Sender("IMPORT", "DICOMNODE", "")
    )
    storage = node.process(DuplicatePolicy.KEEP_FIRST, rules())
    intake = storage.take_in(request, FileInPlace(source, meta.dataset_offset, durable=False))
    assert intake.answer.status == 0xB007, "what cannot be fixed is quarantined by this rule"
    assert source.read_bytes() == before


def test_bug_in_a_fix_loses_no_image(node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("dicomnode.qa.fixing.amended", broken)
    with capture_logs() as logs:
        assert store(node.process(DuplicatePolicy.KEEP_FIRST, rules()), ct(PatientSex="W")) == 0xB007
    assert [one["error"] for one in logs if one["event"] == "qa.fix_failed"] == ["ZeroDivisionError"]
    [file] = kept(tmp_path)
    assert file.PatientSex == "W"


def test_what_cannot_be_written_leaves_the_instance_as_it_came(node: Node, tmp_path: Path) -> None:
    storage = node.process(DuplicatePolicy.KEEP_FIRST, rules())
    assert store(storage, ct(PatientSex="W", PatientName="Roe", SpecificCharacterSet="ISO_IR 6")) == 0xB007
    [file] = kept(tmp_path)
    assert (file.PatientSex, file.PatientName) == ("W", "Roe")
    assert "OriginalAttributesSequence" not in file


def test_refused_instance_leaves_nothing(node: Node, tmp_path: Path) -> None:
    refusing = rules(RULES + "          - {id: site.kvp, fields: [KVP], range: [1, 100], severity: reject}\n")
    storage = node.process(DuplicatePolicy.KEEP_FIRST, refusing)
    assert store(storage, ct(PatientSex="W")) == 0xA900
    assert [path for path in (tmp_path / "files").rglob("*") if path.is_file() and path.suffix != ".lock"] == []
    assert [path for path in tmp_path.rglob("incoming/**/*") if path.is_file() and path.suffix != ".lock"] == []


def test_instance_that_was_here_before_the_rule_stays_as_it_is(node: Node, tmp_path: Path) -> None:
    dataset = ct(PatientSex="W")
    assert store(node.process(DuplicatePolicy.KEEP_FIRST), dataset) == 0x0000
    assert store(node.process(DuplicatePolicy.KEEP_FIRST, rules()), dataset) == 0x0000
    [file] = kept(tmp_path)
    assert file.PatientSex == "W"
    known = node.index.instances.known(dataset.SOPInstanceUID)
    assert known is not None
    assert known.state is State.ACCEPTED
