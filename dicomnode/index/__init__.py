"""What the node holds: the only folder that knows SQL."""

from dicomnode.index.finding import Found
from dicomnode.index.index import Index, Summary
from dicomnode.index.instances import Added, Existing, Instances, OnConflict, Outcome
from dicomnode.index.preparation import PrepareReport
from dicomnode.index.quarantine import Quarantine, QuarantineEntry
from dicomnode.index.receptions import Fired, ReceivedRow
from dicomnode.index.removal import Holding, RemovedInstance, Scope
from dicomnode.index.selection import StoredInstance
from dicomnode.index.series import SeriesRow
from dicomnode.index.settings import Durability, IndexSettings
from dicomnode.index.studies import StudyFilter, StudyRow
from dicomnode.index.worklist import ListedEntry, Put, StepKey, Worklist, WorklistFilter, WorklistRecord
from dicomnode.index.worklist_finding import Explanation, NearMiss, WorklistView
from dicomnode.index.worklist_queries import AnsweredQuery

__all__ = [
    "Added",
    "AnsweredQuery",
    "Durability",
    "Existing",
    "Explanation",
    "Fired",
    "Found",
    "Holding",
    "Index",
    "IndexSettings",
    "Instances",
    "ListedEntry",
    "NearMiss",
    "OnConflict",
    "Outcome",
    "PrepareReport",
    "Put",
    "Quarantine",
    "QuarantineEntry",
    "ReceivedRow",
    "RemovedInstance",
    "Scope",
    "SeriesRow",
    "StepKey",
    "StoredInstance",
    "StudyFilter",
    "StudyRow",
    "Summary",
    "Worklist",
    "WorklistFilter",
    "WorklistRecord",
    "WorklistView",
]
