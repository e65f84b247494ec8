"""Files taken in as if they had been sent: each file's outcome, and what is on the disk afterwards."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC
from pathlib import Path

import pydicom
import pytest
from factories import ABSENT, ct, series, write
from pydicom import dcmread
from pydicom.fileset import FileSet
from pydicom.uid import ImplicitVRLittleEndian, generate_uid

from dicomnode.dicom.instance import DuplicatePolicy, StoreRequest
from dicomnode.errors import OutOfSpaceError
from dicomnode.files import Files, FilesSettings
from dicomnode.index import Durability, Index, IndexSettings, Scope, StudyFilter
from dicomnode.qa import QaSettings, Validation
from dicomnode.services.candidates import candidates
from dicomnode.services.importing import Imported, Importer, Mode, Outcome
from dicomnode.services.intake import Intake, Source
from dicomnode.services.quarantine import Quarantine
from dicomnode.services.storage import ReceptionSettings, Storage


class Node:
    """A data folder, and imports into it."""

    def __init__(self, folder: Path, opened: ExitStack) -> None:
        self._folder = folder
        self._opened = opened
        folder.mkdir()
        self.index = Index(folder, IndexSettings(), durability=Durability.FAST)
        self.index.prepare()
        opened.callback(self.index.close)
        self.files = self._files()

    def _files(self, floor: int = 0) -> Files:
        files = Files(self._folder / "files", "test", FilesSettings(free_space_floor_bytes=floor), durable=False)
        self._opened.callback(files.close)
        return files

    def importer(
        self,
        mode: Mode = Mode.COPY,
        *,
        calling: str | None = None,
        floor: int = 0,
        duplicates: DuplicatePolicy = DuplicatePolicy.KEEP_FIRST,
        storage: type[Storage] = Storage,
    ) -> Importer:
        files = self._files(floor) if floor else self.files
        return Importer(
            storage=storage(
                files=files,
                index=self.index,
                validation=Validation(QaSettings()),
                settings=ReceptionSettings(duplicates=duplicates),
                time_zone=UTC,
            ),
            files=files,
            index=self.index,
            mode=mode,
            durable=False,
            called_ae_title="DICOMNODE",
            calling_ae_title=calling,
        )

    def bring(self, *paths: Path, mode: Mode = Mode.COPY, calling: str | None = None) -> list[Imported]:
        return list(self.importer(mode, calling=calling).run(candidates(paths, without=self._folder)))

    def kept(self) -> list[Path]:
        return sorted((self._folder / "files").rglob("*.dcm"))

    def sender(self) -> str:
        [study] = self.index.studies(StudyFilter())
        return study.calling_ae_title


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with ExitStack() as opened:
        yield Node(tmp_path / "data", opened)


def outcomes(imported: list[Imported]) -> list[Outcome]:
    return [one.outcome for one in imported]


def dataset_of(path: Path) -> bytes:
    """The data set's bytes of a file with File Meta Information."""
    with path.open("rb") as file:
        pydicom.filereader.read_preamble(file, force=False)
        pydicom.filereader._read_file_meta_info(file)
        return file.read()


def without_head(source: Path, path: Path) -> Path:
    """The data set alone: no preamble, no File Meta Information."""
    path.write_bytes(dataset_of(source))
    return path


def test_copies_byte_for_byte_and_leaves_the_source(node: Node, tmp_path: Path) -> None:
    sources = series(tmp_path / "a", 3, rows=700, columns=1024)  # more than is read at once
    imported = node.bring(tmp_path / "a")
    assert outcomes(imported) == [Outcome.STORED] * 3
    assert [one.file for one in imported] == sources
    assert sorted(map(dataset_of, node.kept())) == sorted(map(dataset_of, sources))


def test_status_and_uid_are_those_of_a_store(node: Node, tmp_path: Path) -> None:
    dataset = ct()
    [imported] = node.bring(write(dataset, tmp_path / "a.dcm"))
    assert (imported.sop_instance_uid, imported.status) == (str(dataset.SOPInstanceUID), 0)


def test_again_nothing_is_written(node: Node, tmp_path: Path) -> None:
    series(tmp_path / "a", 2)
    node.bring(tmp_path / "a")
    before = [(path, path.stat().st_ino) for path in node.kept()]
    assert outcomes(node.bring(tmp_path / "a")) == [Outcome.ALREADY_HERE] * 2
    assert [(path, path.stat().st_ino) for path in node.kept()] == before


def test_same_content_in_another_encoding_is_already_here(node: Node, tmp_path: Path) -> None:
    dataset = ct()
    node.bring(write(dataset, tmp_path / "a.dcm"))
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    other = tmp_path / "b.dcm"
    dataset.save_as(other, implicit_vr=True, little_endian=True, enforce_file_format=True)
    assert outcomes(node.bring(other)) == [Outcome.ALREADY_HERE]
    assert len(node.kept()) == 1


def test_lost_file_comes_back(node: Node, tmp_path: Path) -> None:
    [source] = series(tmp_path / "a", 1)
    node.bring(source)
    node.kept()[0].unlink()
    assert outcomes(node.bring(source)) == [Outcome.STORED]
    assert dataset_of(node.kept()[0]) == dataset_of(source)


def test_quarantined_and_refused_say_why(node: Node, tmp_path: Path) -> None:
    held = write(ct(PatientID=ABSENT), tmp_path / "held.dcm")
    refused = write(ct(StudyInstanceUID=ABSENT), tmp_path / "refused.dcm")
    first, second = node.bring(held, refused)
    assert first.outcome is Outcome.QUARANTINED
    assert first.status == 0xB007
    assert "patient.id" in [finding.rule for finding in first.findings]
    assert second.outcome is Outcome.REFUSED
    assert second.status is not None
    assert second.status >= 0xA000
    assert outcomes(node.bring(held)) == [Outcome.QUARANTINED], "not here: a person has to decide first"
    assert len(list(node.index.quarantine.list())) == 1


def test_bad_file_is_told_and_the_rest_go_on(node: Node, tmp_path: Path) -> None:
    folder = tmp_path / "a"
    bad = series(folder, 3)[1]
    bad.write_bytes(bad.read_bytes()[:180])
    imported = node.bring(folder)
    assert outcomes(imported) == [Outcome.STORED, Outcome.FAILED, Outcome.STORED]
    assert "cut off" in imported[1].reason


def test_cut_off_data_set_is_not_accepted(node: Node, tmp_path: Path) -> None:
    [source] = series(tmp_path / "a", 1)
    source.write_bytes(source.read_bytes()[:-100])
    [imported] = node.bring(source)
    assert imported.outcome in (Outcome.REFUSED, Outcome.QUARANTINED)
    assert node.index.summary().instances == 0


def test_files_are_known_by_their_content(node: Node, tmp_path: Path) -> None:
    folder = tmp_path / "a"
    [source] = series(folder, 1)
    source.rename(folder / "IM0001")
    (folder / "notes.txt").write_text("The UI of this program is old. CS, PN and so on.")
    (folder / "empty.dcm").touch()
    (folder / "noise.dcm").write_bytes(os.urandom(4096))
    (folder / "like one.dcm").write_bytes(b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100" + bytes(1000))
    os.mkfifo(folder / "pipe")
    assert sorted(outcomes(node.bring(folder))) == [Outcome.SKIPPED] * 5 + [Outcome.STORED]


def test_named_file_that_is_no_dicom_fails(node: Node, tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("nothing")
    [imported] = node.bring(text)
    assert (imported.outcome, imported.reason) == (Outcome.FAILED, "not a DICOM file")


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"])
def test_file_without_preamble_and_meta_information(node: Node, tmp_path: Path, syntax: str) -> None:
    dataset = ct()
    dataset.file_meta.TransferSyntaxUID = syntax
    whole = tmp_path / "whole.dcm"
    dataset.save_as(whole, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=True, enforce_file_format=True)
    bare = without_head(whole, tmp_path / "bare")
    [imported] = node.bring(bare)
    assert (imported.outcome, imported.sop_instance_uid) == (Outcome.STORED, str(dataset.SOPInstanceUID))
    assert dataset_of(node.kept()[0]) == bare.read_bytes()


def test_dicomdir_is_skipped(node: Node, tmp_path: Path) -> None:
    disk = FileSet()
    disk.add(ct())
    disk.write(tmp_path / "cd")
    assert sorted(outcomes(node.bring(tmp_path / "cd"))) == [Outcome.SKIPPED, Outcome.STORED]


def test_sender_is_named_else_what_the_file_says_else_import(node: Node, tmp_path: Path) -> None:
    study = generate_uid()

    def sender(source_title: str | None, calling: str | None) -> str:
        dataset = ct(StudyInstanceUID=study)
        if source_title is not None:
            dataset.file_meta.SourceApplicationEntityTitle = source_title
        node.bring(write(dataset, tmp_path / "a.dcm"), calling=calling)
        return node.sender()

    assert sender(None, None) == "IMPORT"
    assert sender("CT7", None) == "CT7"
    assert sender("CT7", "OLDPACS") == "OLDPACS"


def test_folder_of_the_node_itself_is_left_out(node: Node, tmp_path: Path) -> None:
    series(tmp_path / "a", 1)
    node.bring(tmp_path / "a")
    assert outcomes(node.bring(tmp_path)) == [Outcome.ALREADY_HERE]


def test_moves_what_is_kept_and_nothing_else(node: Node, tmp_path: Path) -> None:
    folder = tmp_path / "a"
    good, here = series(folder, 2)
    node.bring(here)
    held = write(ct(PatientID=ABSENT), folder / "held.dcm")
    refused = write(ct(StudyInstanceUID=ABSENT), folder / "refused.dcm")
    (folder / "notes.txt").write_text("nothing")
    node.bring(folder, mode=Mode.MOVE)
    assert not good.exists()
    assert not here.exists()
    assert not held.exists()
    assert refused.exists()
    assert (folder / "notes.txt").exists()
    assert len(node.kept()) == 3


def meanwhile(step: Callable[[], object]) -> type[Storage]:
    """Storage that has something else happen after an instance was taken in, before its importer goes on."""

    class Meanwhile(Storage):
        def take_in(self, request: StoreRequest, source: Source) -> Intake:
            intake = super().take_in(request, source)
            step()
            return intake

    return Meanwhile


def test_file_that_is_written_to_while_it_is_moved_stays(node: Node, tmp_path: Path) -> None:
    """What was written since is nowhere else: a scanner that exports into the folder, say."""
    source = write(ct(), tmp_path / "a.dcm")
    growing = meanwhile(lambda: source.write_bytes(source.read_bytes() + b"more"))
    [imported] = node.importer(Mode.MOVE, storage=growing).run(candidates([source]))
    assert source.exists()
    assert (imported.outcome, imported.is_well) == (Outcome.STORED, False)
    assert "changed since" in imported.reason


def test_file_that_another_import_has_moved_is_no_trouble(node: Node, tmp_path: Path) -> None:
    source = write(ct(), tmp_path / "a.dcm")
    [imported] = node.importer(Mode.MOVE, storage=meanwhile(source.unlink)).run(candidates([source]))
    assert (imported.outcome, imported.is_well) == (Outcome.STORED, True)


def test_file_that_is_refused_as_a_duplicate_is_not_moved(node: Node, tmp_path: Path) -> None:
    """It is nowhere else."""
    first = ct()
    node.bring(write(first, tmp_path / "first.dcm"))
    first.PatientComments = "other content"
    source = write(first, tmp_path / "second.dcm")
    importer = node.importer(Mode.MOVE, duplicates=DuplicatePolicy.REJECT)
    assert outcomes(list(importer.run(candidates([source])))) == [Outcome.REFUSED]
    assert source.exists()
    assert len(node.kept()) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may remove anything")
def test_source_that_cannot_be_removed_is_told(node: Node, tmp_path: Path) -> None:
    [source] = series(tmp_path / "a", 1)
    source.parent.chmod(0o500)
    [imported] = node.bring(source, mode=Mode.MOVE)
    source.parent.chmod(0o700)
    assert imported.outcome is Outcome.STORED
    assert "cannot be removed" in imported.reason
    assert not imported.is_well


def test_in_place_is_indexed_where_it_is(node: Node, tmp_path: Path) -> None:
    [source] = series(tmp_path / "a", 1)
    before = source.stat()
    [imported] = node.bring(source, mode=Mode.IN_PLACE)
    assert imported.outcome is Outcome.STORED
    assert node.kept() == []
    known = node.index.instances.known(imported.sop_instance_uid)
    assert known is not None
    assert known.location == str(source)
    assert bytes(node.files.read(known.location).dataset) == dataset_of(source)
    assert node.files.digest(known.location) == known.digest
    assert source.stat() == before
    assert outcomes(node.bring(source, mode=Mode.IN_PLACE)) == [Outcome.ALREADY_HERE]
    assert outcomes(node.bring(source)) == [Outcome.ALREADY_HERE]


def test_in_place_stays_whatever_is_decided(node: Node, tmp_path: Path) -> None:
    discarded = write(ct(PatientID=ABSENT), tmp_path / "discarded.dcm")
    released = write(ct(PatientID=ABSENT), tmp_path / "released.dcm")
    node.bring(discarded, released, mode=Mode.IN_PLACE)
    first, second = node.index.quarantine.list()
    quarantine = Quarantine(node.index, node.files, Validation(QaSettings()), ae_title="DICOMNODE", time_zone=UTC)
    quarantine.discard(first.id, reason="r", by="b")
    quarantine.release(second.id, reason="r", by="b")
    removal = node.index.removal
    removal.remove(removal.holding(Scope(sop_instance_uid=second.sop_instance_uid)), limit=9, reason="", by="b")
    assert removal.unfinished(9) == []
    assert discarded.exists()
    assert released.exists()
    again = node.bring(discarded, released, mode=Mode.IN_PLACE)
    assert outcomes(again) == [Outcome.QUARANTINED] * 2


def test_in_place_file_stays_when_its_instance_is_corrected(node: Node, tmp_path: Path) -> None:
    source = write(ct(PatientID=ABSENT), tmp_path / "a.dcm")
    before = source.read_bytes()
    node.bring(source, mode=Mode.IN_PLACE)
    [held] = node.index.quarantine.list()
    quarantine = Quarantine(node.index, node.files, Validation(QaSettings()), ae_title="DICOMNODE", time_zone=UTC)
    now = quarantine.edit(held.id, {0x00100020: "P1"}, reason="r", by="b")
    assert source.read_bytes() == before
    assert dcmread(node.files.path(now.location)).PatientID == "P1"
    assert node.files.path(now.location) != source


@pytest.mark.parametrize("patient_id", ["P2", "another length"])
def test_in_place_file_that_changed_is_told(node: Node, tmp_path: Path, patient_id: str) -> None:
    dataset = ct()
    source = write(dataset, tmp_path / "a.dcm")
    node.bring(source, mode=Mode.IN_PLACE)
    dataset.PatientID = patient_id
    write(dataset, source)
    [imported] = node.bring(source, mode=Mode.IN_PLACE)
    assert imported.outcome is Outcome.FAILED
    assert "changed" in imported.reason


def test_in_place_file_is_never_moved_away_from_under_its_row(node: Node, tmp_path: Path) -> None:
    [source] = series(tmp_path / "a", 1)
    node.bring(source, mode=Mode.IN_PLACE)
    os.link(source, tmp_path / "another name")
    copy = Path(shutil.copy(source, tmp_path / "copy"))
    assert outcomes(node.bring(source, tmp_path / "another name", copy, mode=Mode.MOVE)) == [Outcome.ALREADY_HERE] * 3
    assert source.exists()
    assert not copy.exists()


def test_in_place_link_is_followed_to_the_file(node: Node, tmp_path: Path) -> None:
    [source] = series(tmp_path / "a", 1)
    (tmp_path / "link").symlink_to(source)
    [imported] = node.bring(tmp_path / "link", mode=Mode.IN_PLACE)
    known = node.index.instances.known(imported.sop_instance_uid)
    assert known is not None
    assert known.location == str(source.resolve())


def test_in_place_needs_a_path_that_can_be_written_down(node: Node, tmp_path: Path) -> None:
    [source] = series(tmp_path / "a", 1)
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.dcm"))
    source.rename(odd)
    [imported] = node.bring(odd, mode=Mode.IN_PLACE)
    assert imported.outcome is Outcome.FAILED
    assert "UTF-8" in imported.reason
    assert outcomes(node.bring(odd)) == [Outcome.STORED]


def test_sent_file_takes_the_place_of_one_that_is_gone(node: Node, tmp_path: Path) -> None:
    [source] = series(tmp_path / "a", 1)
    copy = Path(shutil.copy(source, tmp_path / "copy"))
    node.bring(source, mode=Mode.IN_PLACE)
    source.unlink()
    [imported] = node.bring(copy)
    assert imported.outcome is Outcome.STORED
    assert len(node.kept()) == 1


def test_no_room_stops_it(node: Node, tmp_path: Path) -> None:
    series(tmp_path / "a", 50)
    told = []
    with pytest.raises(OutOfSpaceError):
        told.extend(node.importer(floor=1 << 60).run(candidates([tmp_path / "a"]), threads=2))
    assert node.kept() == []


def test_stops_when_it_is_told_to(node: Node, tmp_path: Path) -> None:
    series(tmp_path / "a", 50)
    told: list[Imported] = []
    for imported in node.importer().run(candidates([tmp_path / "a"]), stop=lambda: len(told) > 0, threads=1):
        told.append(imported)  # noqa: PERF402 - what is told is looked at on the way
    assert 0 < len(told) < 50
    assert len(node.kept()) == len(told)
