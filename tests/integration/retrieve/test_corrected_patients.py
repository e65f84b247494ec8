"""What goes out of a patient whom the hospital's information system corrected: his current attributes, and the same pixel data."""

from __future__ import annotations

import io
from datetime import UTC
from typing import Any

import pytest
from factories import ct
from integration.retrieve.retrieving import Destine, Node, Serve, move
from pydicom import Dataset, dcmread
from pydicom.filewriter import dcmwrite
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from unit.hl7.messages import PID, adt

from dicomnode.dicom.part10 import read_file_meta
from dicomnode.hl7.feed import Feed
from dicomnode.hl7.mapping import load_mapping
from dicomnode.hl7.settings import Hl7Settings
from dicomnode.index import Durability, Index, IndexSettings


def merge(node: Node, former: str) -> None:
    """Merge a patient into P1, Jane Doe."""
    index = Index(node.files.parent, IndexSettings(), durability=Durability.FAST)
    try:
        answer = Feed(index, load_mapping(None), Hl7Settings(), UTC).answer(
            adt("A40", PID, f"MRG|{former}"), "10.0.0.1"
        )
    finally:
        index.close()
    assert b"MSA|AA" in answer


def decoded(data: bytes, syntax: str) -> Dataset:
    empty = Dataset()
    empty.file_meta = ct(transfer_syntax=syntax).file_meta
    file = io.BytesIO()
    dcmwrite(file, empty, enforce_file_format=True)
    return dcmread(io.BytesIO(file.getvalue() + data))


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_corrected_patient_goes_out_and_the_file_stays(serve: Serve, destination: Destine, syntax: str) -> None:
    dest = destination(syntaxes=[syntax])
    node = serve(dest)
    study, slices = node.fill(2, PatientID="P0")
    before = [node.file_of(one).read_bytes() for one in slices]
    merge(node, "P0")
    assert move(node, study, 2).status == 0
    for (_, used, data, _), sent in zip(dest.received, slices, strict=True):
        received = decoded(data, used)
        assert (used, received.PatientID, str(received.PatientName)) == (syntax, "P1", "DOE^JANE^Q^DR")
        assert received.PixelData == sent.PixelData
        assert received.StudyDescription == sent.StudyDescription
    assert [node.file_of(one).read_bytes() for one in slices] == before


@pytest.mark.parametrize("settings", [{}, {"patient_attributes": "as-stored"}])
def test_what_needs_no_correction_goes_out_bit_by_bit(
    serve: Serve, destination: Destine, settings: dict[str, Any]
) -> None:
    dest = destination()
    node = serve(dest, retrieve={"pending_interval_s": 0} | settings)
    corrected, _ = node.fill(1, PatientID="P0")
    other, _ = node.fill(1, PatientID="P7")
    merge(node, "P0")
    study = corrected if settings else other
    assert move(node, study, 1).status == 0
    [(uid, _, data, _)] = dest.received
    [file] = [path for path in node.files.rglob("*.dcm") if uid.encode() in path.read_bytes()]
    stored = file.read_bytes()
    assert data == stored[read_file_meta(stored).dataset_offset :]


def test_late_instance_is_accepted_and_goes_out_as_the_survivors(serve: Serve, destination: Destine) -> None:
    dest = destination()
    node = serve(dest)
    study, _ = node.fill(1, PatientID="P0")
    merge(node, "P0")
    late = ct(StudyInstanceUID=study, PatientID="P0", InstanceNumber="9")
    association = node.associate(str(late.SOPClassUID))
    assert association.send_c_store(late).Status == 0
    association.release()
    assert move(node, study, 2).status == 0
    assert {decoded(data, used).PatientID for _, used, data, _ in dest.received} == {"P1"}
