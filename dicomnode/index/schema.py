"""The tables: a patient has studies, a study has series, a series has instances (PS3.3 Section A.1.2).

Only accepted instances hang below a series; a quarantined one has none, so no query that starts from the hierarchy can find it.
Instants are microseconds since 1970, UTC. ``attributes`` is all that a query may ask back, as JSON: {"00100010": "text"}.
Identifying and matching attributes stand in columns of their own too.
"""

from __future__ import annotations

from peewee import SQL, BigIntegerField, BlobField, ForeignKeyField, IntegerField, Model, SqliteDatabase, TextField

SCHEMA_VERSION = 1
"""``PRAGMA user_version`` of a database that has these tables."""


class Patient(Model):
    """One patient: (Patient ID, Issuer of Patient ID); without an ID one for each study, never merged."""

    pid = TextField()
    issuer = TextField()
    name = TextField(index=True)
    birth_date = TextField()
    sex = TextField()
    attributes = TextField()


Patient.add_index(
    Patient.index(Patient.pid, Patient.issuer, unique=True, name="patient_identity").where(SQL("pid <> ''"))
)


class Study(Model):
    """One study of one patient."""

    patient = ForeignKeyField(Patient)
    study_instance_uid = TextField(unique=True)
    study_date = TextField(index=True)
    study_time = TextField()
    accession_number = TextField(index=True)
    study_id = TextField()
    referring_physician_name = TextField()
    description = TextField()
    attributes = TextField()


class Series(Model):
    """One series of one study."""

    study = ForeignKeyField(Study)
    series_instance_uid = TextField(index=True)
    modality = TextField()
    series_number = TextField()
    description = TextField()
    attributes = TextField()

    class Meta:
        indexes = ((("study", "series_instance_uid"), True),)


class Instance(Model):
    """One instance that came, whatever became of it; ``state`` is a `dicomnode.dicom.instance.State`."""

    series = ForeignKeyField(Series, null=True)
    state = TextField()
    sop_instance_uid = TextField()
    sop_class_uid = TextField()
    study_instance_uid = TextField()
    series_instance_uid = TextField()
    transfer_syntax_uid = TextField()
    instance_number = TextField()
    location = TextField(null=True, unique=True)
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
    attributes = TextField()


_ACCEPTED, _QUARANTINED = SQL("state = 'accepted'"), SQL("state = 'quarantined'")
Instance.add_index(Instance.index(Instance.sop_instance_uid, unique=True, name="accepted_instance").where(_ACCEPTED))
Instance.add_index(
    Instance.index(Instance.sop_instance_uid, Instance.digest, unique=True, name="quarantined_instance").where(
        _QUARANTINED
    )
)


class Event(Model):
    """What a person did with an instance."""

    at = BigIntegerField()
    kind = TextField()
    instance = ForeignKeyField(Instance)
    by = TextField()
    reason = TextField()


TABLES = (Patient, Study, Series, Instance, Event)


def create(database: SqliteDatabase) -> None:
    """All tables and indexes, in an empty database."""
    with database.bind_ctx(TABLES), database.atomic():
        database.create_tables(TABLES)
        database.pragma("user_version", SCHEMA_VERSION)
