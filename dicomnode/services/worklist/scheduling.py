"""Scheduled Procedure Steps: scheduled, changed, canceled, discontinued, removed, whoever orders it; each is recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from dicomnode.dicom.json_form import Json, has_value, hex_name
from dicomnode.dicom.procedure import StepStatus, WorklistEntry, steps_of
from dicomnode.dicom.tags import STUDY_INSTANCE_UID
from dicomnode.errors import UnknownStepError, WorklistError
from dicomnode.index import Index, Put, StepKey

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Scheduled:
    """An entry that was put, and what became of it."""

    entry: WorklistEntry
    outcome: Put


class Scheduling:
    """What a person, a file or a message does with the worklist; every method raises IndexUnavailableError."""

    def __init__(self, index: Index) -> None:
        self._worklist = index.worklist

    def entries_of(self, attributes: Json, *, study_instance_uid: str = "") -> list[WorklistEntry]:
        """The entries that a data set means, one for each step in it.

        Without a Study Instance UID they get that under which the same Requested Procedure (of the same patient, with the same
        Accession Number) is scheduled and not finished, else a new one.

        Args:
            study_instance_uid: of a data set that names none, where it is known; empty to look for it.

        Raises:
            WorklistError: an attribute that a scanner needs is missing or wrong.
        """
        steps = steps_of(attributes)
        first = WorklistEntry.of(steps[0], study_instance_uid=study_instance_uid)
        is_given = study_instance_uid or has_value(attributes.get(hex_name(STUDY_INSTANCE_UID)))
        study = first.study_instance_uid if is_given else self._worklist.open_study(first) or first.study_instance_uid
        if study != first.study_instance_uid:
            first = WorklistEntry.of(steps[0], study_instance_uid=study)
        entries = [first, *(WorklistEntry.of(step, study_instance_uid=study) for step in steps[1:])]
        if len(set(map(StepKey.of, entries))) < len(entries):
            raise WorklistError(["two steps have the same ScheduledProcedureStepID (0040,0009)"])
        return entries

    def schedule(
        self,
        attributes: Json,
        *,
        by: str,
        reason: str = "",
        source: str = "",
        replaces: Sequence[StepKey] = (),
    ) -> list[Scheduled]:
        """Schedule what a data set means, or change what is scheduled already under the same study and step.

        Args:
            attributes: DICOM JSON; maybe with several steps.
            by: a person's user name, or the AE title or application that it comes from.
            source: the file in the watched folder that the entries follow.
            replaces: entries that these take the place of.

        Raises:
            WorklistError: an attribute that a scanner needs is missing or wrong; nothing was changed.
        """
        entries = self.entries_of(attributes)
        outcomes = self._worklist.put(entries, by=by, reason=reason, source=source, replaces=replaces)
        for entry, outcome in zip(entries, outcomes, strict=True):
            if outcome is not Put.UNCHANGED:
                _tell(f"worklist_entry.{outcome}", StepKey.of(entry), by)
        return [Scheduled(entry, outcome) for entry, outcome in zip(entries, outcomes, strict=True)]

    def cancel(self, key: StepKey, *, by: str, reason: str = "") -> None:
        """The step is not to be done, and was not begun.

        Raises:
            UnknownStepError: there is no such entry.
        """
        self.set_status(key, StepStatus.CANCELED, by=by, reason=reason)

    def set_status(self, key: StepKey, status: StepStatus, *, by: str, reason: str = "") -> None:
        """Give the step another status.

        Raises:
            UnknownStepError: there is no such entry.
        """
        self._worklist.set_status(*key, status, by=by, reason=reason)
        _tell("worklist_entry.status_changed", key, by, status=status)

    def remove(self, key: StepKey, *, by: str, reason: str = "") -> None:
        """Take an entry out of the worklist.

        Raises:
            UnknownStepError: there is no such entry.
        """
        if not self._worklist.remove([key], by=by, reason=reason):
            raise UnknownStepError("no such entry in the worklist")
        _tell("worklist_entry.removed", key, by)

    def remove_old(self, kept_days: int) -> None:
        """Take out what was to start longer ago than so many days, unless it follows a file; 0: nothing."""
        if not kept_days:
            return
        before = datetime.now(UTC) - timedelta(days=kept_days)
        removed = self._worklist.remove_old(f"{before:%Y%m%d}", by="node", reason="worklist.kept_days")
        if removed:
            log.info("worklist_entries.expired", entries=removed)


def _tell(event: str, key: StepKey, by: str, **more: str) -> None:
    """One line; the step's ID is left out, it may be an accession number."""
    log.info(event, study_instance_uid=key.study_instance_uid, by=by, **more)
