"""Tells peers which instances can be retrieved here (Instance Availability Notification, PS3.4 Annex R)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Annotated, Any, Final

import structlog
from pydantic import Field

from dicomnode.dicom import status
from dicomnode.dicom.character_sets import character_set
from dicomnode.dicom.encode import Encoding
from dicomnode.dicom.peer import PeerSettings
from dicomnode.dicom.procedure import new_uid
from dicomnode.dicom.sop_class import INSTANCE_AVAILABILITY_NOTIFICATION, MODALITY_PERFORMED_PROCEDURE_STEP
from dicomnode.errors import DeliveryError, UndeliverableError
from dicomnode.index import Index
from dicomnode.index.availability import AvailableInstance, Untold
from dicomnode.index.outbox import OutboxEntry
from dicomnode.scu.caller import Caller
from dicomnode.scu.normalized import n_create, opened, transfer_syntax
from dicomnode.scu.settings import ScuSettings
from dicomnode.settings import Settings

log = structlog.get_logger()

_AT_ONCE: Final = 2000
"""Instances in one notification; a study with more takes several."""
_ONLINE: Final = "ONLINE"


class AvailabilitySettings(Settings):
    """When peers are told that instances can be retrieved."""

    quiet_s: Annotated[float, Field(ge=0, le=86400)] = 60.0
    """Time in s from the first instance of a study that was accepted to the notification: it tells of all that came meanwhile."""


class AvailabilityNotifier:
    """The handler of ``availability`` entries; see `dicomnode.index.availability`."""

    def __init__(self, index: Index, peers: Mapping[str, PeerSettings], scu: ScuSettings, *, ae_title: str) -> None:
        """Tell of what ``index`` has accepted; ``ae_title`` is where it can be retrieved."""
        self._index = index
        self._peers = peers
        self._scu = scu
        self._ae_title = ae_title

    def __call__(self, entry: OutboxEntry) -> None:
        """Tell a peer of the instances of one study that it was not told of.

        Raises:
            UndeliverableError: the peer is not configured any more.
            DeliveryError: it does not take the notification.
            PeerError: it cannot be reached.
            IndexUnavailableError: what there is to tell may not be durable.
        """
        peer = self._peers.get(entry.destination)
        if peer is None:
            raise UndeliverableError(f"no peer is named {entry.destination} any more")
        study = entry.key
        untold = self._index.availability.untold(entry.destination, study)
        if untold.instances:
            self._index.sync()  # their rows may be younger than the last sync: no power loss may take back what is told
            self._tell(peer, study, untold)
        self._index.availability.told(entry.destination, study, untold)
        log.info(
            "availability.notified",
            called_ae_title=peer.ae_title,
            study_instance_uid=study,
            instances=len(untold.instances),
        )

    def _tell(self, peer: PeerSettings, study: str, untold: Untold) -> None:
        with opened(Caller(peer, self._ae_title, self._scu), INSTANCE_AVAILABILITY_NOTIFICATION) as association:
            syntax = transfer_syntax(association, INSTANCE_AVAILABILITY_NOTIFICATION)
            encoding = Encoding.of(syntax, character_set(""))
            for at in range(0, len(untold.instances), _AT_ONCE):
                some = untold.instances[at : at + _AT_ONCE]
                attributes = notification(study, some, ae_title=self._ae_title, performed_step=untold.performed_step)
                dataset = encoding.json_dataset(attributes)
                response = n_create(association, INSTANCE_AVAILABILITY_NOTIFICATION, new_uid(), dataset)
                if not response.is_success and response.status != status.DUPLICATE_SOP_INSTANCE:
                    raise DeliveryError(f"notification not taken: {response.told()}")


def notification(
    study_instance_uid: str, instances: Iterable[AvailableInstance], *, ae_title: str, performed_step: str = ""
) -> dict[str, Any]:
    """The Attribute List as DICOM JSON: nothing but what PS3.4 Table R.3.2-1 lists, since other attributes are forbidden.

    Args:
        instances: those of a series next to one another.
        ae_title: where they can be retrieved.
        performed_step: the SOP Instance UID of the step that made them; empty when that is not known.
    """
    step = {
        "00081150": {"vr": "UI", "Value": [MODALITY_PERFORMED_PROCEDURE_STEP]},
        "00081155": {"vr": "UI", "Value": [performed_step]},
        "00404019": {"vr": "SQ"},  # Performed Workitem Code Sequence
    }
    series = [
        {
            "0020000E": {"vr": "UI", "Value": [uid]},
            "00081199": {"vr": "SQ", "Value": [_instance(one, ae_title) for one in group]},
        }
        for uid, group in groupby(instances, key=lambda one: one.series_instance_uid)
    ]
    return {
        "00081111": {"vr": "SQ", "Value": [step] if performed_step else []},
        "00081115": {"vr": "SQ", "Value": series},
        "0020000D": {"vr": "UI", "Value": [study_instance_uid]},
    }


def _instance(one: AvailableInstance, ae_title: str) -> dict[str, Any]:
    return {
        "00081150": {"vr": "UI", "Value": [one.sop_class_uid]},
        "00081155": {"vr": "UI", "Value": [one.sop_instance_uid]},
        "00080056": {"vr": "CS", "Value": [_ONLINE]},
        "00080054": {"vr": "AE", "Value": [ae_title]},
    }
