"""The table of verdicts on studies. The rules of `dicomnode.index.schema` hold here as well."""

from __future__ import annotations

from typing import Final

from peewee import BigIntegerField, IntegerField, Model, TextField


class JudgedStudy(Model):
    """The last verdict on a study that is here; it goes with the study."""

    study_instance_uid = TextField(primary_key=True)
    judged_at = BigIntegerField()
    instances = IntegerField()
    """Of which it was judged: when the study has another number by now, something has changed since."""
    rule_set = TextField()
    findings = TextField()

    class Meta:
        table_name = "study_verdict"


TABLES: Final = (JudgedStudy,)
