"""The tables of the studies' completeness: which are not, which instances they wait for, when they were complete.

The rules of `dicomnode.index.schema` hold here as well.
"""

from __future__ import annotations

from typing import Final

from peewee import AutoField, BigIntegerField, CompositeKey, IntegerField, Model, TextField


class Growth(Model):
    """A study that is not complete: instances came for it, or are announced. Its row goes when it is, and comes when it grows."""

    study_instance_uid = TextField(primary_key=True)
    last_received_at = BigIntegerField()
    """When its last instance came; 0 when none is here."""
    heard_at = BigIntegerField()
    """When an instance came or was announced last."""
    source = TextField()
    """What says which instances it has: see `dicomnode.index.growth.Source`; empty when nothing did yet."""
    announced = IntegerField()
    """How many instances that said."""
    is_given_up = IntegerField()
    """1 when it was taken for complete without what it lacks, until something comes again."""

    class Meta:
        table_name = "study_growth"


class Awaited(Model):
    """An instance that was announced for a study and is not here."""

    study_instance_uid = TextField()
    sop_instance_uid = TextField(index=True)

    class Meta:
        table_name = "awaited_instance"
        primary_key = CompositeKey("study_instance_uid", "sop_instance_uid")


class Completion(Model):
    """A study was complete: once for each time that it grew."""

    id = AutoField()
    study_instance_uid = TextField()
    round = IntegerField()
    """1 for the first time."""
    at = BigIntegerField()
    source = TextField()
    instances = IntegerField()
    """How many it had then, those in quarantine too."""
    missing = IntegerField()
    """How many were announced and did not come."""

    class Meta:
        table_name = "study_completion"
        indexes = ((("study_instance_uid", "round"), True),)


class GrowthMark(Model):
    """The one row that says up to which instance the table of the instances was looked through."""

    id = AutoField()
    last_instance = IntegerField()

    class Meta:
        table_name = "growth_mark"


TABLES: Final = (Growth, Awaited, Completion, GrowthMark)
