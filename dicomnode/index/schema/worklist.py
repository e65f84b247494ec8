"""The tables of the worklist: its entries, what was done with them, what was asked of them, and the files they come from.

What is searched stands in columns; ``attributes`` is the whole entry as DICOM JSON, but for the step's status. The rules of
`dicomnode.index.schema` hold here as well.
"""

from __future__ import annotations

from typing import Final

from peewee import AutoField, BigIntegerField, CompositeKey, ForeignKeyField, IntegerField, Model, TextField


class WorklistStep(Model):
    """One Scheduled Procedure Step, known by its study and its ID."""

    id = AutoField()
    study_instance_uid = TextField()
    step_id = TextField()
    requested_procedure_id = TextField()
    accession_number = TextField(index=True)
    patient_id = TextField(index=True)
    issuer = TextField()
    name_key = TextField()
    """The component groups of Patient's Name as `name_groups` makes them."""
    ideographic_key = TextField()
    phonetic_key = TextField()
    modality = TextField()
    start_date = TextField()
    """YYYYMMDD."""
    start_time = TextField()
    """HHMMSS.FFFFFF, or less of it."""
    performing_physician = TextField()
    status = TextField()
    source = TextField()
    """The name of the file in the watched folder that it follows; empty for what came by another way."""
    changed_at = BigIntegerField()
    attributes = TextField()

    class Meta:
        table_name = "worklist_step"
        indexes = (
            (("study_instance_uid", "step_id"), True),
            (("start_date", "start_time", "status"), False),
            (("source",), False),
        )


class WorklistStation(Model):
    """A device that a step is scheduled for."""

    ae_title = TextField()
    step = ForeignKeyField(WorklistStep, column_name="step", on_delete="CASCADE")

    class Meta:
        table_name = "worklist_station"
        primary_key = CompositeKey("ae_title", "step")


class WorklistEvent(Model):
    """What was done with an entry, also with one that is gone."""

    id = AutoField()
    at = BigIntegerField()
    kind = TextField()
    study_instance_uid = TextField()
    step_id = TextField()
    status = TextField()
    """Of the step, from then on."""
    by = TextField()
    reason = TextField()

    class Meta:
        table_name = "worklist_event"
        indexes = ((("study_instance_uid", "step_id"), False),)


class WorklistQuery(Model):
    """A query that was answered, for a while."""

    id = AutoField()
    at = BigIntegerField()
    calling_ae_title = TextField()
    peer = TextField(null=True)
    keys = TextField()
    """As it was asked, JSON; what was asked for without a value is left out."""
    shown = TextField()
    """The statuses that the peer is shown, joined by backslashes."""
    matches = IntegerField()
    status = IntegerField()
    """Of the final response."""
    reason = TextField()
    """Why it failed; empty when it did not."""

    class Meta:
        table_name = "worklist_query"
        indexes = ((("calling_ae_title", "at"), False), (("at",), False))


class WorklistFile(Model):
    """A file of the watched folder as it was when it was read."""

    name = TextField(primary_key=True)
    modified_ns = BigIntegerField()
    size_bytes = BigIntegerField()
    problem = TextField()
    """Why it could not be read; empty when it could."""

    class Meta:
        table_name = "worklist_file"


TABLES: Final = (WorklistStep, WorklistStation, WorklistEvent, WorklistQuery, WorklistFile)
