"""What a C-GET of ours brings: checked against what was asked for, and written into a folder (PS3.4 Section C.4.3.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from dicomnode.dicom import status
from dicomnode.dicom.instance import StoreAnswer, StoreRequest
from dicomnode.dicom.query.identifier import Level, Selection
from dicomnode.dicom.query.model import UNIQUE_KEYS
from dicomnode.dicom.scan import scan
from dicomnode.errors import StorageError
from dicomnode.files.export import ExportedFile, ExportFolder, Place
from dicomnode.upper_layer.operations import DataSink


@dataclass(frozen=True, slots=True)
class Refused:
    """An instance that was sent and not kept; the UID is as it came."""

    sop_instance_uid: str
    reason: str


@dataclass(slots=True)
class Fetching:
    """Takes the instances of one C-GET; its data sets are read as far as UIDs need it, and written as they come.

    Attributes:
        kept: instances that are in the folder now; one that comes twice counts once.
        refused: those that were answered with a failure.
        tell: called after each instance.
    """

    folder: ExportFolder
    selection: Selection
    kept: set[str] = field(default_factory=set)
    size_bytes: int = 0
    refused: list[Refused] = field(default_factory=list)
    tell: Callable[[], None] = lambda: None

    def open_sink(self, request: StoreRequest) -> ExportedFile:
        """A file for the data set that comes."""
        return self.folder.receive(request)

    def store(self, request: StoreRequest, sink: DataSink) -> StoreAnswer:
        """Keep the instance when it was asked for and its UIDs may be names of files."""
        assert isinstance(sink, ExportedFile)
        try:
            answer = self._store(request, sink)
        except StorageError as error:
            answer = StoreAnswer(status.OUT_OF_RESOURCES, comment=str(error))
        if answer.status != status.SUCCESS:
            self.refused.append(Refused(request.sop_instance_uid, answer.comment))
        self.tell()
        return StoreAnswer(answer.status, answer.offending_elements, status.error_comment(answer.comment))

    def _store(self, request: StoreRequest, sink: ExportedFile) -> StoreAnswer:
        dataset = sink.dataset()
        scanned = scan(dataset, request.transfer_syntax_uid)
        study, series, instance = (
            scanned.uid(UNIQUE_KEYS[level]) or "" for level in (Level.STUDY, Level.SERIES, Level.IMAGE)
        )
        place = Place(study, series, instance)
        if not place.is_safe:
            return StoreAnswer(
                status.CANNOT_UNDERSTAND, comment="a UID of study, series or instance is missing or none"
            )
        if instance != request.sop_instance_uid:
            return StoreAnswer(
                status.DATASET_DOES_NOT_MATCH_SOP_CLASS, (UNIQUE_KEYS[Level.IMAGE],), "another instance than announced"
            )
        if not self._is_wanted(place):
            return StoreAnswer(status.NOT_AUTHORIZED, comment="nobody asked for this instance")
        sink.keep(place)
        self.kept.add(instance)
        self.size_bytes += len(dataset)
        return StoreAnswer(status.SUCCESS)

    def _is_wanted(self, place: Place) -> bool:
        """Patients are not compared: archives merge them, and then say another Patient ID than the data set."""
        wanted = self.selection
        return (
            (not wanted.study_uids or place.study_instance_uid in wanted.study_uids)
            and (not wanted.series_uids or place.series_instance_uid in wanted.series_uids)
            and (not wanted.sop_instance_uids or place.sop_instance_uid in wanted.sop_instance_uids)
        )
