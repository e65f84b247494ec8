"""Stock pynetdicom as requester and as destination; what they see of a retrieval."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from factories import ct
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)

MOVE, GET = StudyRootQueryRetrieveInformationModelMove, StudyRootQueryRetrieveInformationModelGet
PENDING = 0xFF00
COUNTS = ("Remaining", "Completed", "Failed", "Warning")


@dataclass
class Responses:
    """What a requester was answered: each response's status and counts, and the final one's Identifier."""

    pending: list[dict[str, int]]
    status: int
    counts: dict[str, int]
    identifier: Dataset | None

    @property
    def failed_uids(self) -> list[str]:
        value = self.identifier.FailedSOPInstanceUIDList if self.identifier else []
        return [value] if isinstance(value, str) else list(value)


def read(responses: Iterator[tuple[Dataset, Dataset | None]], total: int) -> Responses:
    """All responses; every Pending one has to account for all ``total`` instances, and none has an Identifier."""
    pending: list[dict[str, int]] = []
    for status, identifier in responses:
        assert "Status" in status, "the association was lost"
        counts = {
            name.lower(): int(status[f"NumberOf{name}Suboperations"].value)
            for name in COUNTS
            if status.get(f"NumberOf{name}Suboperations") is not None
        }
        if status.Status != PENDING:
            return Responses(pending, int(status.Status), counts, identifier)
        assert identifier is None
        assert sum(counts.values()) == total, counts
        assert set(counts) == {"remaining", "completed", "failed", "warning"}
        if pending:
            assert counts["remaining"] <= pending[-1]["remaining"]
        pending.append(counts)
    raise AssertionError("there was no final response")


@dataclass
class Destination:
    """A Storage SCP that answers as it is told, instance by instance; 0x0000 when nothing was told."""

    port: int
    answers: Mapping[int, int | str] = field(default_factory=dict)
    """By the number of the instance, from 0: a status, "abort", "vanish", or "wait" (for a permit of `permits`)."""
    received: list[tuple[str, str, bytes, Any]] = field(default_factory=list)
    """SOP Instance UID, transfer syntax, data set, the request."""
    associations: int = 0
    permits: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def store(self, event: evt.Event) -> int:
        number = len(self.received)
        request = event.request
        self.received.append(
            (
                str(request.AffectedSOPInstanceUID),
                str(event.context.transfer_syntax),
                request.DataSet.getvalue(),
                request,
            )
        )
        answer = self.answers.get(number, 0)
        if answer == "abort":
            event.assoc.abort()
        elif answer == "vanish":
            event.assoc.dul.socket.socket.shutdown(socket.SHUT_RDWR)
        elif answer == "wait":
            assert self.permits.acquire(timeout=30)
        return answer if isinstance(answer, int) else 0


Destine = Callable[..., Destination]


@dataclass
class Node:
    """What listens."""

    port: int
    files: Path

    def associate(self, *contexts: str, title: str = "PEER", **options: Any) -> Association:
        ae = AE(title)
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 30
        for uid in contexts:
            ae.add_requested_context(uid, options.pop(f"syntaxes_{uid}", ExplicitVRLittleEndian))
        association = ae.associate("127.0.0.1", self.port, ae_title="DICOMNODE", **options)
        assert association.is_established
        return association

    def fill(self, count: int, *more: Dataset, **changes: Any) -> tuple[str, list[Dataset]]:
        """Store a study of ``count`` slices; its UID and the slices."""
        study = generate_uid()
        slices = [*(ct(StudyInstanceUID=study, InstanceNumber=str(n), **changes) for n in range(count)), *more]
        for one in slices:
            one.StudyInstanceUID = study
        association = self.associate(*{str(one.SOPClassUID) for one in slices})
        for one in slices:
            assert association.send_c_store(one).Status == 0
        association.release()
        return study, slices

    def file_of(self, instance: Dataset) -> Path:
        [path] = [
            path for path in self.files.rglob("*.dcm") if str(instance.SOPInstanceUID).encode() in path.read_bytes()
        ]
        return path


def study_identifier(study: str) -> Dataset:
    identifier = Dataset()
    identifier.QueryRetrieveLevel = "STUDY"
    identifier.StudyInstanceUID = study
    return identifier


def move(node: Node, study: str, total: int, *, title: str = "PEER", to: str = "DEST") -> Responses:
    """C-MOVE of a study, on an association of its own."""
    association = node.associate(MOVE, title=title)
    responses = read(association.send_c_move(study_identifier(study), to, MOVE, msg_id=7), total)
    association.release()
    return responses


Serve = Callable[..., Node]


def events(log: list[Any], name: str) -> list[Any]:
    return [line for line in log if line["event"] == name]


def let_go_on_until(destination: Destination, condition: Callable[[], object]) -> None:
    """One permit after the other, until the condition holds."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        destination.permits.release()
        pause = time.monotonic() + 0.2
        while time.monotonic() < pause and not condition():
            time.sleep(0.01)
