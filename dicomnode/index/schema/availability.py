"""The table of what peers were told of the instances that can be retrieved here."""

from __future__ import annotations

from typing import Final

from peewee import AutoField, IntegerField, Model, TextField


class Notified(Model):
    """How far one peer has been told of one study."""

    id = AutoField()
    destination = TextField()
    study_instance_uid = TextField()
    last_instance = IntegerField()
    """The row of the instance that came last, of those that it was told of."""
    last_event = IntegerField()
    """The row of the last event then: what was released from quarantine since has a later one."""

    class Meta:
        table_name = "notified"
        indexes = ((("destination", "study_instance_uid"), True),)


TABLES: Final = (Notified,)
