"""The tables: a patient has studies, a study has series, a series has instances (PS3.3 Section A.1.2).

Only accepted instances hang below a series; a quarantined, discarded, deleted or refused one has none, so no query that starts
from the hierarchy can find it. Instants are microseconds since 1970, UTC. ``attributes`` is all that a query may ask back of a
level, as JSON: ``{"00100010": "text"}``; what is searched, sorted or shown stands in columns of its own too. Counts are kept with
every change, in its transaction, because to count five million instances takes seconds.

The tables here only compile queries; what makes them in a database is ``migrations/``. A test holds the two equal. To add a column,
add it here and in a new migration.
"""

from __future__ import annotations

from typing import Final

from peewee import (
    SQL,
    AutoField,
    BigIntegerField,
    BlobField,
    ForeignKeyField,
    IntegerField,
    Model,
    TextField,
)


class Patient(Model):
    """One patient: (Patient ID, Issuer of Patient ID); without an ID one for each study, never merged."""

    id = AutoField()
    patient_id = TextField()
    issuer = TextField()
    patient_name = TextField()
    name_key = TextField(index=True)
    """The alphabetic component group of Patient's Name as `name_groups` makes it, for searches."""
    birth_date = TextField()
    birth_time = TextField()
    sex = TextField()
    attributes = TextField()
    ideographic_key = TextField(constraints=[SQL("DEFAULT ''")])
    phonetic_key = TextField(constraints=[SQL("DEFAULT ''")])
    corrected = TextField(null=True)
    """What goes out in place of what the files say, as JSON; NULL for a patient that nobody corrected."""


Patient.add_index(
    Patient.index(Patient.patient_id, Patient.issuer, unique=True, name="patient_identity").where(
        SQL("patient_id <> ''")
    )
)


Patient.add_index(
    Patient.index(Patient.ideographic_key, name="patient_ideographic_key").where(SQL("ideographic_key <> ''"))
)
Patient.add_index(Patient.index(Patient.phonetic_key, name="patient_phonetic_key").where(SQL("phonetic_key <> ''")))


class Study(Model):
    """One study of one patient, with what can be told of all its accepted instances."""

    id = AutoField()
    patient = ForeignKeyField(Patient, column_name="patient")
    study_instance_uid = TextField(unique=True)
    study_date = TextField(index=True)
    """YYYYMMDD, also where the data set has the old form with dots (PS3.5 Section 6.2, VR DA)."""
    study_time = TextField()
    accession_number = TextField(index=True)
    study_id = TextField(index=True)
    referring_physician_name = TextField()
    study_description = TextField()
    patient_age = TextField()
    patient_size = TextField()
    patient_weight = TextField()
    modalities_in_study = TextField()
    """Modality of every series, joined by backslashes, in the order of the alphabet."""
    sop_classes_in_study = TextField()
    series_count = IntegerField()
    instance_count = IntegerField()
    size_bytes = BigIntegerField()
    """Of all data sets."""
    last_received_at = BigIntegerField()
    last_calling_ae_title = TextField()
    """Who sent the instance that came last."""
    attributes = TextField()


class Series(Model):
    """One series of one study."""

    id = AutoField()
    study = ForeignKeyField(Study, column_name="study", index=False)
    series_instance_uid = TextField(index=True)
    modality = TextField()
    series_number = TextField()
    series_description = TextField()
    instance_count = IntegerField()
    attributes = TextField()
    frame_of_reference_uid = TextField(constraints=[SQL("DEFAULT ''")])

    class Meta:
        indexes = ((("study", "series_instance_uid"), True),)


Series.add_index(
    Series.index(Series.frame_of_reference_uid, name="series_frame_of_reference").where(
        SQL("frame_of_reference_uid <> ''")
    )
)


class Instance(Model):
    """One instance, whatever became of it (``state``: see `dicomnode.dicom.instance.State`)."""

    id = AutoField()
    series = ForeignKeyField(Series, column_name="series", null=True, index=False)
    """Of an accepted one, no other."""
    state = TextField()
    sop_instance_uid = TextField()
    sop_class_uid = TextField()
    study_instance_uid = TextField(null=True)
    """Of one that hangs below no series."""
    series_instance_uid = TextField(null=True)
    transfer_syntax_uid = TextField()
    instance_number = TextField()
    location = TextField(null=True)
    location_key = BigIntegerField(null=True, unique=True)
    """`location_key` of the location: an index on the long paths would be larger than all others together."""
    dataset_offset = IntegerField()
    dataset_size_bytes = BigIntegerField()
    digest = BlobField()
    digest_algorithm = TextField()
    received_at = BigIntegerField()
    calling_ae_title = TextField()
    called_ae_title = TextField()
    address = TextField()
    peer = TextField(null=True)
    rule_set = TextField()
    findings = TextField()
    higher_attributes = TextField(null=True)
    """Those of patient, study and series, as a JSON array, of one that hangs below no series."""
    attributes = TextField()
    received_digest = BlobField(null=True)
    """Of the data set as it came, of an instance that was changed here since."""


# An index that only holds rows of one state is only used by queries that spell that state out: never bind it.
ACCEPTED: Final = SQL("'accepted'")
QUARANTINED: Final = SQL("'quarantined'")
DISCARDED: Final = SQL("'discarded'")
REFUSED: Final = SQL("'refused'")
NULL: Final = SQL("NULL")
WITHOUT_SERIES: Final = SQL("series IS NULL")

Instance.add_index(
    Instance.index(Instance.sop_instance_uid, unique=True, name="accepted_instance").where(SQL("state = 'accepted'"))
)
Instance.add_index(
    Instance.index(Instance.sop_instance_uid, Instance.digest, unique=True, name="quarantined_instance").where(
        SQL("state = 'quarantined'")
    )
)
Instance.add_index(
    Instance.index(Instance.study_instance_uid, name="quarantined_of_study").where(SQL("state = 'quarantined'"))
)
Instance.add_index(
    Instance.index(Instance.state, Instance.received_at, name="instance_without_series").where(SQL("series IS NULL"))
)
Instance.add_index(
    Instance.index(Instance.series, Instance.instance_number, name="instance_of_series").where(
        SQL("series IS NOT NULL")
    )
)
Instance.add_index(
    Instance.index(Instance.id, name="file_to_remove").where(SQL("state = 'deleted' AND location_key IS NOT NULL"))
)
Instance.add_index(
    Instance.index(Instance.sop_instance_uid, Instance.received_digest, name="amended_instance").where(
        SQL("received_digest IS NOT NULL")
    )
)


class Event(Model):
    """What was done with an instance that the node held: released, discarded, deleted, amended (by a person), replaced (by a
    newcomer)."""

    id = AutoField()
    at = BigIntegerField()
    kind = TextField()
    instance = ForeignKeyField(Instance, column_name="instance")
    by = TextField()
    """A person's user name, or the calling AE title of the newcomer's sender."""
    reason = TextField()
    digest_before = BlobField(null=True)
    """Of the data set that it was done with."""
    digest_after = BlobField(null=True)
    """Of what the node holds since; NULL when that is nothing."""


TABLES: Final = (Patient, Study, Series, Instance, Event)
