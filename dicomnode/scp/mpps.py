"""Modality Performed Procedure Step as SCP (PS3.4 Annex F): N-CREATE, N-SET and N-GET."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import structlog

from dicomnode.dicom import status as statuses
from dicomnode.dicom.peer import Permission
from dicomnode.dicom.sop_class import (
    MODALITY_PERFORMED_PROCEDURE_STEP,
    MODALITY_PERFORMED_PROCEDURE_STEP_RETRIEVE,
)
from dicomnode.errors import (
    DatasetError,
    DicomNodeError,
    InvalidValuesError,
    MissingValuesError,
    NormalizedError,
)
from dicomnode.index.growth import CompleteStudy
from dicomnode.index.mpps import Recorded
from dicomnode.scp import status
from dicomnode.scp.application_entity import NormalizedServices
from dicomnode.scp.known_peers import KnownPeers
from dicomnode.services.completeness import tell_complete
from dicomnode.services.mpps import PerformedProcedureSteps, only
from dicomnode.upper_layer.operations import NormalizedAnswer, NormalizedKind, NormalizedRequest

log = structlog.get_logger()

_EVENTS: Final = {
    NormalizedKind.CREATE: "performed_step.created",
    NormalizedKind.SET: "performed_step.changed",
    NormalizedKind.GET: "performed_step.read",
}


class MppsSCP:
    """Takes what modalities tell of their procedure steps."""

    def __init__(self, steps: PerformedProcedureSteps, peers: KnownPeers) -> None:
        self._steps = steps
        self._peers = peers

    def services(self) -> NormalizedServices:
        """What it serves of which SOP Class."""
        return {
            (NormalizedKind.CREATE, MODALITY_PERFORMED_PROCEDURE_STEP): self.create,
            (NormalizedKind.SET, MODALITY_PERFORMED_PROCEDURE_STEP): self.change,
            (NormalizedKind.GET, MODALITY_PERFORMED_PROCEDURE_STEP): self.get,
            (NormalizedKind.GET, MODALITY_PERFORMED_PROCEDURE_STEP_RETRIEVE): self.get,
        }

    def create(self, request: NormalizedRequest) -> NormalizedAnswer:
        """N-CREATE (PS3.4 Section F.7.2.1)."""

        def create(account: _Account) -> NormalizedAnswer:
            uid, recorded = self._steps.create(
                request.sop_instance_uid, request.dataset, request.transfer_syntax_uid, request.sender
            )
            account.tell(recorded, uid)
            return NormalizedAnswer(statuses.SUCCESS, uid)

        return self._answer(request, create)

    def change(self, request: NormalizedRequest) -> NormalizedAnswer:
        """N-SET (PS3.4 Section F.7.2.2)."""

        def change(account: _Account) -> NormalizedAnswer:
            recorded = self._steps.change(
                request.sop_instance_uid, request.dataset, request.transfer_syntax_uid, request.sender
            )
            account.tell(recorded, request.sop_instance_uid)
            if recorded.refused:
                return NormalizedAnswer(statuses.ATTRIBUTE_LIST_ERROR, offending_elements=recorded.refused)
            return NormalizedAnswer(statuses.SUCCESS)

        return self._answer(request, change)

    def get(self, request: NormalizedRequest) -> NormalizedAnswer:
        """N-GET (PS3.4 Section F.8.2.1)."""
        peer = self._peers[request.sender.peer] if request.sender.peer is not None else None

        def get(_: _Account) -> NormalizedAnswer:
            dataset, unknown = self._steps.get(
                request.sop_instance_uid,
                request.attributes,
                request.transfer_syntax_uid,
                only_set=peer.character_set if peer is not None else "",
            )
            code = statuses.ATTRIBUTE_LIST_ERROR if unknown else statuses.SUCCESS
            return NormalizedAnswer(code, dataset=dataset, offending_elements=unknown)

        return self._answer(request, get)

    def _answer(self, request: NormalizedRequest, serve: Callable[[_Account], NormalizedAnswer]) -> NormalizedAnswer:
        account = _Account(request)
        if not self._peers.may(request.sender, Permission.MPPS):
            answer = status.not_authorized_for_steps()
            account.write(log.warning, answer, reason=answer.comment)
            return answer
        try:
            answer = serve(account)
        except DicomNodeError as error:
            answer = _failure(request, error)
            write = log.warning if isinstance(error, NormalizedError | DatasetError) else log.error
            account.write(write, answer, reason=str(error), attributes=_named(error))
            return answer
        account.write(log.info, answer, attributes=_tags(answer.offending_elements))
        tell_complete(account.complete)
        return answer


class _Account:
    """What the log says of a request, told once at its end."""

    def __init__(self, request: NormalizedRequest) -> None:
        self._request = request
        self._began = time.monotonic()
        self._fields: dict[str, object] = {}
        self.complete: tuple[CompleteStudy, ...] = ()

    def tell(self, recorded: Recorded, sop_instance_uid: str) -> None:
        """What the request did."""
        self.complete = recorded.complete
        self._fields = {
            "sop_instance_uid": sop_instance_uid,
            "step_status": str(recorded.step.status),
            "study_instance_uids": list(recorded.step.study_instance_uids),
            "scheduled_steps": len(recorded.done),
            "unknown_steps": recorded.unknown,
        }

    def write(self, write: Callable[..., None], answer: NormalizedAnswer, **outcome: object) -> None:
        """One line."""
        sender = self._request.sender
        is_done = statuses.is_success(answer.status)
        write(
            _EVENTS[self._request.kind] if is_done else "performed_step.refused",
            operation=str(self._request.kind),
            **({"sop_instance_uid": self._request.sop_instance_uid[:64]} | self._fields),
            calling_ae_title=sender.calling_ae_title,
            peer=sender.peer,
            status=f"{answer.status:04X}",
            duration_ms=round((time.monotonic() - self._began) * 1000, 1),
            **{name: value for name, value in outcome.items() if value},
        )


def _failure(request: NormalizedRequest, error: DicomNodeError) -> NormalizedAnswer:
    answer = status.normalized_answer(error)
    if isinstance(error, InvalidValuesError | MissingValuesError):
        with suppress(DicomNodeError):  # a data set that cannot be read back tells nothing
            dataset = only(error.attributes, request.dataset, request.transfer_syntax_uid)
            return NormalizedAnswer(answer.status, dataset=dataset)
    return answer


def _named(error: DicomNodeError) -> list[str]:
    return _tags(error.attributes) if isinstance(error, NormalizedError) else []


def _tags(tags: tuple[int, ...]) -> list[str]:
    return [f"({tag >> 16:04X},{tag & 0xFFFF:04X})" for tag in tags]
