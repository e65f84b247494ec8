"""What the node holds: the only folder that knows SQL."""

from dicomnode.index.finding import Found
from dicomnode.index.index import Index, Summary
from dicomnode.index.instances import Added, Existing, Instances, OnConflict, Outcome
from dicomnode.index.preparation import PrepareReport
from dicomnode.index.quarantine import Quarantine, QuarantineEntry
from dicomnode.index.removal import Holding, RemovedInstance, Scope
from dicomnode.index.selection import StoredInstance
from dicomnode.index.series import SeriesRow
from dicomnode.index.settings import Durability, IndexSettings
from dicomnode.index.studies import StudyFilter, StudyRow

__all__ = [
    "Added",
    "Durability",
    "Existing",
    "Found",
    "Holding",
    "Index",
    "IndexSettings",
    "Instances",
    "OnConflict",
    "Outcome",
    "PrepareReport",
    "Quarantine",
    "QuarantineEntry",
    "RemovedInstance",
    "Scope",
    "SeriesRow",
    "StoredInstance",
    "StudyFilter",
    "StudyRow",
    "Summary",
]
