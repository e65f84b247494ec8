"""Instances as the index gets them: one CT slice, changed as a test needs it."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

from blake3 import blake3

from dicomnode.dicom.instance import Attributes, Finding, ReceivedInstance, Severity, StoreRequest, Verdict
from dicomnode.dicom.peer import Sender

CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
EXPLICIT_LE = "1.2.840.10008.1.2.1"
STUDY, SERIES = "1.2.840.99.1", "1.2.840.99.1.1"
PATIENT_NAME, PATIENT_ID, ISSUER = 0x00100010, 0x00100020, 0x00100021
STUDY_DATE, ACCESSION_NUMBER, STUDY_DESCRIPTION = 0x00080020, 0x00080050, 0x00081030
MODALITY, SERIES_DESCRIPTION, INSTANCE_NUMBER = 0x00080060, 0x0008103E, 0x00200013
SENDER = Sender("CT1", "DICOMNODE", "127.0.0.1", "ct1")
CLEAN = Verdict((), "rules-1")

_numbers = itertools.count(1)


def finding(rule: str, severity: Severity = Severity.QUARANTINE) -> Finding:
    """What a rule found."""
    return Finding(rule, severity, 0xB007, (PATIENT_ID,), f"{rule} was broken", "(0040,0275)[0]", "PS3.3 C.7.1.1")


def verdict(*rules: str, severity: Severity = Severity.QUARANTINE) -> Verdict:
    """A verdict of these rules' findings."""
    return Verdict(tuple(finding(rule, severity) for rule in rules), "rules-1")


OTHER_PATIENT, OTHER_CONTENT = finding("index.study-patient"), finding("index.duplicate")


def received(
    uid: str = "1.2.840.99.1.1.1",
    *,
    content: str = "pixels",
    study: str = STUDY,
    series: str = SERIES,
    patient: dict[int, str] | None = None,
    of_study: dict[int, str] | None = None,
    of_series: dict[int, str] | None = None,
    sop_class: str = CT,
    sender: Sender = SENDER,
    judged: Verdict = CLEAN,
    size_bytes: int = 1000,
    location: str = "",
) -> ReceivedInstance:
    """An instance whose file is durable."""
    return ReceivedInstance(
        sop_class_uid=sop_class,
        sop_instance_uid=uid,
        study_instance_uid=study,
        series_instance_uid=series,
        transfer_syntax_uid=EXPLICIT_LE,
        attributes=Attributes(
            patient={PATIENT_NAME: "Doe^Jane", PATIENT_ID: "P1"} if patient is None else patient,
            study={STUDY_DATE: "20240131"} if of_study is None else of_study,
            series={MODALITY: "CT"} if of_series is None else of_series,
            instance={INSTANCE_NUMBER: "1"},
        ),
        location=location or f"abc/{study}/{uid}_{next(_numbers)}.dcm",
        dataset_offset=300,
        dataset_size_bytes=size_bytes,
        digest=blake3(content.encode()).digest(),
        digest_algorithm="blake3",
        received_at=datetime.now(UTC),
        sender=sender,
        verdict=judged,
    )


def request(uid: str = "1.2.840.99.1.1.1") -> StoreRequest:
    """A C-STORE request without its data set."""
    return StoreRequest(CT, uid, EXPLICIT_LE, SENDER)
