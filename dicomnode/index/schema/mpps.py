"""The tables of the Performed Procedure Steps: what they are, which studies they make, what was done with them.

What is searched or listed stands in columns; ``attributes`` is the whole step as DICOM JSON. The rules of `dicomnode.index.schema`
hold here as well.
"""

from __future__ import annotations

from typing import Final

from peewee import AutoField, BigIntegerField, CompositeKey, ForeignKeyField, Model, TextField


class PerformedStepRow(Model):
    """One Performed Procedure Step."""

    id = AutoField()
    sop_instance_uid = TextField(unique=True)
    status = TextField()
    station_ae_title = TextField()
    modality = TextField()
    patient_id = TextField()
    start_date = TextField()
    start_time = TextField()
    calling_ae_title = TextField()
    """Who created it."""
    peer = TextField(null=True)
    character_set = TextField()
    """Specific Character Set that it came in, as it stood there; what goes out is encoded in it again where that is possible."""
    created_at = BigIntegerField(index=True)
    changed_at = BigIntegerField()
    attributes = TextField()

    class Meta:
        table_name = "performed_step"


class PerformedStepStudy(Model):
    """A study that a step makes instances for."""

    study_instance_uid = TextField()
    step = ForeignKeyField(PerformedStepRow, column_name="step")

    class Meta:
        table_name = "performed_step_study"
        primary_key = CompositeKey("study_instance_uid", "step")


class PerformedStepEvent(Model):
    """A request that changed a step."""

    id = AutoField()
    step = ForeignKeyField(PerformedStepRow, column_name="step")
    at = BigIntegerField()
    status = TextField()
    """Of the step, from then on."""
    calling_ae_title = TextField()

    class Meta:
        table_name = "performed_step_event"


TABLES: Final = (PerformedStepRow, PerformedStepStudy, PerformedStepEvent)
