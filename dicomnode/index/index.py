"""The index as a whole: what one process has of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from peewee import SQL, fn

from dicomnode.dicom.query.identifier import Identifier, Selection
from dicomnode.index.availability import Availability, Notify
from dicomnode.index.commitment import Commitments
from dicomnode.index.completeness import Completeness
from dicomnode.index.database import Connections
from dicomnode.index.finding import Found, find
from dicomnode.index.instances import Instances
from dicomnode.index.knowledge import Knowing
from dicomnode.index.messages import Messages
from dicomnode.index.mpps import PerformedSteps
from dicomnode.index.outbox import Deliveries, Outbox
from dicomnode.index.places import Places
from dicomnode.index.preparation import PrepareReport, prepare
from dicomnode.index.quarantine import Quarantine
from dicomnode.index.receptions import Receptions
from dicomnode.index.refilling import Refilling
from dicomnode.index.refusals import Refusals
from dicomnode.index.removal import Removal
from dicomnode.index.schema.hierarchy import QUARANTINED, REFUSED, WITHOUT_SERIES, Instance, Patient, Study
from dicomnode.index.schema.statements import compiled
from dicomnode.index.selection import StoredInstance, select
from dicomnode.index.series import SeriesRow, series_of
from dicomnode.index.settings import Durability, IndexSettings
from dicomnode.index.studies import StudyFilter, StudyRow, studies
from dicomnode.index.study_verdicts import StudyVerdicts
from dicomnode.index.worklist.entries import Worklist
from dicomnode.index.worklist.files import WorklistFiles
from dicomnode.index.worklist.queries import WorklistQueries
from dicomnode.index.writer import Writer
from dicomnode.index.writers_lock import WritersLock


@dataclass(frozen=True, slots=True)
class Summary:
    """How much the node holds.

    Attributes:
        size_bytes: of the data sets of accepted and quarantined instances.
        schema_version: of the database.
    """

    patients: int
    studies: int
    series: int
    instances: int
    quarantined: int
    refused: int
    size_bytes: int
    schema_version: int


_PATIENTS: Final = compiled(Patient.select(fn.COUNT(SQL("*"))))
_STUDIES: Final = compiled(
    Study.select(
        fn.COUNT(SQL("*")),
        fn.TOTAL(Study.series_count).cast("integer"),
        fn.TOTAL(Study.instance_count).cast("integer"),
        fn.TOTAL(Study.size_bytes).cast("integer"),
    )
)
_QUARANTINED: Final = compiled(
    Instance.select(fn.COUNT(SQL("*")), fn.TOTAL(Instance.dataset_size_bytes).cast("integer")).where(
        Instance.state == QUARANTINED, WITHOUT_SERIES
    )
)
_REFUSED: Final = compiled(Instance.select(fn.COUNT(SQL("*"))).where(Instance.state == REFUSED, WITHOUT_SERIES))


class Index:
    """What the node holds, for all threads of one process; it is opened with its first use.

    ``kept`` are the attributes that it keeps, by level; ``instances`` takes instances in and finds them; ``quarantine`` is the work
    list of those that are held back, ``refusals`` the records of those that were not kept, ``receptions`` what came and how it was
    judged; ``removal`` takes accepted ones out; ``refilling`` adds attributes to those that are here;
    ``worklist`` has the Scheduled Procedure Steps, ``worklist_queries`` what was asked of them, ``worklist_files`` those in the
    watched folder; ``performed_steps`` has the Performed ones, ``completeness`` which studies are whole; ``messages`` takes HL7
    messages, each once; ``commitments`` are requests for storage commitment, ``availability`` is what
    peers were told of it, ``outbox`` what the node owes others, ``deliveries`` the same for the workers that deliver it.
    """

    def __init__(
        self, folder: Path, settings: IndexSettings, *, durability: Durability, notify: Notify | None = None
    ) -> None:
        """Open what is in ``folder``; ``notify`` are those who are told of every acceptance."""
        self._folder = folder
        self._settings = settings
        self.kept = settings.further_attributes.kept
        self._places = Places(self.kept)
        self._connections = Connections(folder, settings)
        self._lock = WritersLock(folder, settings.lock_timeout_s)
        self._writer = Writer(self._lock, self._connections, settings, durability)
        notify = notify or Notify()
        self.availability = Availability(self._connections, self._writer)
        self.instances = Instances(self._connections, self._writer, notify)
        self.commitments = Commitments(self._connections, self._writer)
        self.knowing = Knowing(self._connections)
        self.messages = Messages(self._connections, self._writer)
        self.deliveries = Deliveries(self._connections, self._writer)
        self.outbox = Outbox(self._connections, self._writer)
        self.quarantine = Quarantine(self._connections, self._writer, notify)
        self.receptions = Receptions(self._connections)
        self.refilling = Refilling(self._connections, self._writer)
        self.refusals = Refusals(self._connections, self._writer, settings)
        self.removal = Removal(self._connections, self._writer)
        self.performed_steps = PerformedSteps(self._connections, self._writer)
        self.completeness = Completeness(self._connections, self._writer)
        self.study_verdicts = StudyVerdicts(self._connections, self._writer)
        self.worklist = Worklist(self._connections, self._writer)
        self.worklist_files = WorklistFiles(self._connections, self._writer)
        self.worklist_queries = WorklistQueries(self._connections, self._writer)

    def prepare(self) -> PrepareReport:
        """Make the database, or bring an older one to this version's tables after a back-up; one process, before the others.

        Raises:
            DataFolderError: it was written by a newer version or another program, or it is damaged.
            IndexUnavailableError: it cannot be read or written.
        """
        return prepare(self._folder, self._settings, self._lock)

    def sync(self) -> None:
        """Make durable everything that was committed so far, by any process: a Success may rest on it.

        Raises:
            IndexUnavailableError: it may not be durable.
        """
        self._writer.sync()

    def studies(self, filters: StudyFilter, *, limit: int = 1 << 62) -> Iterator[StudyRow]:
        """The studies that fit ``filters``, the one whose first instance came last first.

        Raises:
            IndexUnavailableError: the index cannot be read.
        """
        return studies(self._connections, filters, limit)

    def series(self, study_instance_uid: str) -> list[SeriesRow]:
        """The series of a study, by Series Number.

        Raises:
            IndexUnavailableError: the index cannot be read.
        """
        return series_of(self._connections, study_instance_uid)

    def find(self, identifier: Identifier, return_tags: Sequence[int]) -> Found:
        """The patients, studies, series or instances that match a query, with what the index has of ``return_tags``.

        What is read comes page by page out of ``pages``, which raises IndexUnavailableError when the index cannot be read.
        """
        return find(self._connections, self._places, identifier, return_tags)

    def select(self, selection: Selection) -> list[StoredInstance]:
        """The accepted instances that a retrieve request selects, series by series in the order in which they came.

        Raises:
            IndexUnavailableError: the index cannot be read.
        """
        return select(self._connections, selection)

    def summary(self) -> Summary:
        """How much the node holds.

        Raises:
            IndexUnavailableError: the index cannot be read.
        """
        with self._connections.reading() as connection:
            (patients,) = connection.execute(_PATIENTS).fetchone()
            held, series, instances, size_bytes = connection.execute(_STUDIES).fetchone()
            quarantined, quarantined_bytes = connection.execute(_QUARANTINED).fetchone()
            (refused,) = connection.execute(_REFUSED).fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
        return Summary(patients, held, series, instances, quarantined, refused, size_bytes + quarantined_bytes, version)

    def close(self) -> None:
        """Let go of everything; nobody may use it any more."""
        self._writer.close()
        self._connections.forget()
        self._lock.close()
