"""What the node holds: the only folder that knows SQL."""

from dicomnode.index.availability import Notify
from dicomnode.index.finding import Found
from dicomnode.index.held import QuarantineEntry
from dicomnode.index.identities import successor
from dicomnode.index.index import Index, Summary
from dicomnode.index.instances import Added, Existing, Instances, OnConflict, Outcome
from dicomnode.index.knowledge import Asked
from dicomnode.index.messages import ArrivedMessage, KeptMessage, Retention
from dicomnode.index.outbox import DebtState, Deliveries, Outbox, OutboxEntry, Owed
from dicomnode.index.patients import ChangeKind, Origin, PatientChange, change_patient
from dicomnode.index.preparation import PrepareReport
from dicomnode.index.quarantine import Quarantine
from dicomnode.index.receptions import Fired, ReceivedRow
from dicomnode.index.removal import Holding, RemovedInstance, Scope
from dicomnode.index.selection import StoredInstance
from dicomnode.index.series import SeriesRow
from dicomnode.index.settings import Durability, IndexSettings
from dicomnode.index.studies import StudyFilter, StudyRow
from dicomnode.index.study_verdicts import StudyVerdict
from dicomnode.index.worklist.changing import Put, StepKey, change_status, entry_of, steps_with
from dicomnode.index.worklist.changing import put as put_entry
from dicomnode.index.worklist.entries import Worklist, WorklistRecord
from dicomnode.index.worklist.finding import Explanation, NearMiss, StoredStep, WorklistView
from dicomnode.index.worklist.listing import ListedEntry, WorklistFilter
from dicomnode.index.worklist.queries import AnsweredQuery
from dicomnode.index.writer import Transaction

__all__ = [
    "Added",
    "AnsweredQuery",
    "ArrivedMessage",
    "Asked",
    "ChangeKind",
    "DebtState",
    "Deliveries",
    "Durability",
    "Existing",
    "Explanation",
    "Fired",
    "Found",
    "Holding",
    "Index",
    "IndexSettings",
    "Instances",
    "KeptMessage",
    "ListedEntry",
    "NearMiss",
    "Notify",
    "OnConflict",
    "Origin",
    "Outbox",
    "OutboxEntry",
    "Outcome",
    "Owed",
    "PatientChange",
    "PrepareReport",
    "Put",
    "Quarantine",
    "QuarantineEntry",
    "ReceivedRow",
    "RemovedInstance",
    "Retention",
    "Scope",
    "SeriesRow",
    "StepKey",
    "StoredInstance",
    "StoredStep",
    "StudyFilter",
    "StudyRow",
    "StudyVerdict",
    "Summary",
    "Transaction",
    "Worklist",
    "WorklistFilter",
    "WorklistRecord",
    "WorklistView",
    "change_patient",
    "change_status",
    "entry_of",
    "put_entry",
    "steps_with",
    "successor",
]
