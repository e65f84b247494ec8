"""What the commands on held back instances share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dicomnode import parts
from dicomnode.cli import configuration, findings
from dicomnode.config import Config
from dicomnode.dicom.instance import Finding, Severity
from dicomnode.index import Durability, QuarantineEntry
from dicomnode.services.quarantine import Quarantine


@contextmanager
def service(config: Config) -> Iterator[Quarantine]:
    """The quarantine of a node; it waits for the disk whatever ``durability`` says, for files go for good."""
    with configuration.open_index(config, Durability.FULL) as index:
        files = parts.open_files(config, "cli", durability=Durability.FULL)
        try:
            yield Quarantine(index, files, config.validation(), ae_title=config.ae_title, time_zone=config.zone)
        finally:
            files.close()


def holding_back(entry: QuarantineEntry) -> Finding | None:
    """The worst finding, that holds an instance back; None when none does since it was edited."""
    worst = max(entry.findings, key=lambda finding: finding.severity, default=None)
    return worst if worst is not None and worst.severity >= Severity.QUARANTINE else None


def as_json(entry: QuarantineEntry) -> dict[str, object]:
    """An entry as an object; ``rule`` is null when nothing holds it back since it was edited."""
    worst = holding_back(entry)
    return {
        "id": entry.id,
        "rule": worst.rule if worst else None,
        "comment": worst.comment if worst else "",
        "received_at": entry.received_at.isoformat(),
        "calling_ae_title": entry.calling_ae_title,
        "peer": entry.peer,
        "sop_class_uid": entry.sop_class_uid,
        "sop_instance_uid": entry.sop_instance_uid,
        "series_instance_uid": entry.series_instance_uid,
        "study_instance_uid": entry.study_instance_uid,
        "size_bytes": entry.dataset_size_bytes,
        "findings": [findings.as_json(finding) for finding in entry.findings],
    }
