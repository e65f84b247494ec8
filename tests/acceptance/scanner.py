"""pynetdicom as a modality: it sends, asks for storage commitment, and takes reports and notifications."""

from __future__ import annotations

import queue
from dataclasses import dataclass
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import InstanceAvailabilityNotification, StorageCommitmentPushModel

COMMITMENT_INSTANCE = "1.2.840.10008.1.20.1.1"


@dataclass(frozen=True)
class Report:
    """An N-EVENT-REPORT as it came."""

    event_type_id: int
    dataset: Dataset
    calling_ae_title: str
    is_new_association: bool

    @property
    def committed(self) -> list[str]:
        return [str(item.ReferencedSOPInstanceUID) for item in self.dataset.get("ReferencedSOPSequence", [])]

    @property
    def failed(self) -> dict[str, int]:
        items = self.dataset.get("FailedSOPSequence", [])
        return {str(item.ReferencedSOPInstanceUID): item.FailureReason for item in items}


class Modality:
    """A scanner that listens on ``port``; reports and notifications go to queues.

    Attributes:
        answers: statuses for the next reports; 0 when it is empty.
    """

    def __init__(self, node_port: int, port: int, ae_title: str = "CT1") -> None:
        self.ae_title, self.port, self._node_port = ae_title, port, node_port
        self.reports: queue.Queue[Report] = queue.Queue()
        self.notifications: queue.Queue[Dataset] = queue.Queue()
        self.answers: queue.Queue[int] = queue.Queue()
        self._server: Any = None

    def __enter__(self) -> Modality:
        self.listen()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def listen(self) -> None:
        """Take associations from the node."""
        entity = AE(self.ae_title)
        entity.add_supported_context(StorageCommitmentPushModel, scu_role=True, scp_role=True)
        entity.add_supported_context(InstanceAvailabilityNotification)
        handlers = [(evt.EVT_N_EVENT_REPORT, self._report, [True]), (evt.EVT_N_CREATE, self._notification)]
        self._server = entity.start_server(("127.0.0.1", self.port), block=False, evt_handlers=handlers)

    def close(self) -> None:
        """Take no more."""
        if self._server is not None:
            self._server.shutdown()
            self._server = None

    def associate(self) -> Any:
        """An association with the node that asks for commitment."""
        entity = AE(self.ae_title)
        entity.add_requested_context(StorageCommitmentPushModel)
        association = entity.associate(
            "127.0.0.1",
            self._node_port,
            ae_title="DICOMNODE",
            evt_handlers=[(evt.EVT_N_EVENT_REPORT, self._report, [False])],
            ext_neg=[build_role(StorageCommitmentPushModel, scu_role=True)],
        )
        assert association.is_established
        return association

    def ask(self, *instances: tuple[str, str], transaction_uid: str | None = None) -> tuple[int, str]:
        """Ask for commitment of (class, instance) and release; the status, and the Transaction UID."""
        association = self.associate()
        try:
            return request(association, *instances, transaction_uid=transaction_uid)
        finally:
            association.release()

    def _report(self, event: evt.Event, is_new: bool) -> tuple[int, None]:
        calling = event.assoc.requestor.ae_title if is_new else ""
        self.reports.put(Report(event.request.EventTypeID, event.event_information, calling, is_new))
        return (self.answers.get_nowait() if not self.answers.empty() else 0), None

    def _notification(self, event: evt.Event) -> tuple[int, Dataset]:
        self.notifications.put(event.attribute_list)
        return 0, Dataset()


def action(*instances: tuple[str, str], transaction_uid: str | None = None) -> Dataset:
    """The Action Information of a request."""
    dataset = Dataset()
    dataset.TransactionUID = transaction_uid or generate_uid()
    dataset.ReferencedSOPSequence = []
    for sop_class_uid, sop_instance_uid in instances:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class_uid, sop_instance_uid
        dataset.ReferencedSOPSequence.append(item)
    return dataset


def request(association: Any, *instances: tuple[str, str], transaction_uid: str | None = None) -> tuple[int, str]:
    """Send a request; the status, and the Transaction UID."""
    dataset = action(*instances, transaction_uid=transaction_uid)
    status, _ = association.send_n_action(dataset, 1, StorageCommitmentPushModel, COMMITMENT_INSTANCE)
    return status.Status, str(dataset.TransactionUID)
