"""The tables of what HL7 messages said: of patients that were corrected, and the messages themselves."""

from __future__ import annotations

from typing import Final

from peewee import SQL, AutoField, BigIntegerField, BlobField, Model, TextField


class FormerIdentity(Model):
    """A (Patient ID, Issuer of Patient ID) that is another patient's now: what still comes under it belongs to that one."""

    id = AutoField()
    patient_id = TextField()
    issuer = TextField()
    current_patient_id = TextField()
    current_issuer = TextField()
    corrected = TextField()
    """What the messages said of the patient, as JSON."""

    class Meta:
        table_name = "former_identity"
        indexes = (
            (("patient_id", "issuer"), True),
            (("current_patient_id", "current_issuer"), False),
        )


class PatientEvent(Model):
    """What a message changed of a patient: who, when, and how it was before."""

    id = AutoField()
    at = BigIntegerField()
    kind = TextField()
    patient_id = TextField()
    issuer = TextField()
    """Of the patient that it is since."""
    prior_patient_id = TextField()
    prior_issuer = TextField()
    by = TextField()
    """Sending application and facility."""
    address = TextField()
    control_id = TextField()
    before = TextField(null=True)
    """The attributes of the patient that was changed, as JSON; NULL when the node held nothing of it."""
    after = TextField(null=True)
    studies = TextField()
    """Study Instance UIDs that have another patient since, as a JSON array."""

    class Meta:
        table_name = "patient_event"
        indexes = ((("patient_id", "issuer"), False),)


class Hl7Message(Model):
    """A message that came, and what it was answered; the oldest ones go."""

    id = AutoField()
    at = BigIntegerField()
    sender = TextField()
    """Sending application and facility, joined by ``|``."""
    address = TextField()
    control_id = TextField()
    type = TextField()
    digest = BlobField()
    """Of the message but for what differs when it is sent again."""
    code = TextField()
    """AA, AE or AR."""
    reason = TextField()
    answer = BlobField()
    content = BlobField(null=True)

    class Meta:
        table_name = "hl7_message"


Hl7Message.add_index(
    Hl7Message.index(Hl7Message.control_id, Hl7Message.digest, name="accepted_message").where(SQL("code = 'AA'"))
)

TABLES: Final = (FormerIdentity, PatientEvent, Hl7Message)
