"""What files a peer is asked to vouch for, and what nobody can be asked for."""

from __future__ import annotations

from pathlib import Path

from factories import ct, write

from dicomnode.dicom.commitment import Reference
from dicomnode.services.candidates import candidates
from dicomnode.services.committing import references_of_files


def test_file_without_an_instance_is_told_where_there_should_be_one(tmp_path: Path) -> None:
    instance = ct()
    (folder := tmp_path / "a").mkdir()
    whole = write(instance, folder / "whole.dcm")
    (folder / "cut.dcm").write_bytes(whole.read_bytes()[:140])
    (folder / "notes.txt").write_text("no DICOM file")
    (named := tmp_path / "named.txt").write_text("no DICOM file either")
    found = list(references_of_files(candidates([folder, named])))
    assert Reference(str(instance.SOPClassUID), str(instance.SOPInstanceUID)) in found
    assert [one[0].name for one in found if isinstance(one, tuple)] == ["cut.dcm", "named.txt"]
