"""Stock pynetdicom as the peer that associates and asks."""

from __future__ import annotations

from typing import Any

from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    ModalityPerformedProcedureStep,
    StorageCommitmentPushModel,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)

FIND = StudyRootQueryRetrieveInformationModelFind
GET = StudyRootQueryRetrieveInformationModelGet
MOVE = StudyRootQueryRetrieveInformationModelMove
MPPS = ModalityPerformedProcedureStep
COMMITMENT = StorageCommitmentPushModel


def associate(port: int, *abstract_syntaxes: str, **options: Any) -> Association:
    """An association with the node; for C-FIND when no abstract syntax is given."""
    ae = AE("PEER")
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 20
    for uid in abstract_syntaxes or (FIND,):
        ae.add_requested_context(uid, ExplicitVRLittleEndian)
    association = ae.associate("127.0.0.1", port, **options)
    assert association.is_established
    return association


def identifier(**keys: str) -> Dataset:
    """What is asked for; of studies unless the keys say otherwise."""
    dataset = Dataset()
    for keyword, value in ({"QueryRetrieveLevel": "STUDY"} | keys).items():
        setattr(dataset, keyword, value)
    return dataset
