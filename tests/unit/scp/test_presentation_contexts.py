"""Which presentation contexts are accepted, and in which transfer syntax."""

from __future__ import annotations

import pytest
from pydicom.uid import (
    MPEG4HP41,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    MediaStorageDirectoryStorage,
    RLELossless,
)
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    _STORAGE_CLASSES,
    BasicFilmSession,
    ModalityPerformedProcedureStep,
    ModalityPerformedProcedureStepNotification,
    ModalityPerformedProcedureStepRetrieve,
    ModalityWorklistInformationFind,
    StorageCommitmentPushModel,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)

from dicomnode.dicom.sop_class import VERIFICATION
from dicomnode.scp.presentation_contexts import ContextPolicy, PresentationContextSettings, Unlisted

DEFAULT = ContextPolicy(PresentationContextSettings())
PRIVATE = "1.2.826.0.1.3680043.9.9999.1"


def test_supports_verification_and_every_storage_class_that_pynetdicom_knows() -> None:
    assert DEFAULT.supports(VERIFICATION)
    assert [uid for uid in _STORAGE_CLASSES.values() if not DEFAULT.supports(uid)] == []


def test_supports_the_worklist_in_uncompressed_transfer_syntaxes() -> None:
    assert DEFAULT.supports(ModalityWorklistInformationFind)
    assert DEFAULT.choose(ModalityWorklistInformationFind, [ImplicitVRLittleEndian]) == ImplicitVRLittleEndian
    assert DEFAULT.choose(ModalityWorklistInformationFind, [JPEGBaseline8Bit]) is None


@pytest.mark.parametrize("uid", ["1.2.840.10008.5.1.4.1.1.5", "1.2.840.10008.5.1.1.29", "1.2.840.10008.5.1.4.1.1.12.3"])
def test_supports_retired_storage_classes(uid: str) -> None:
    assert DEFAULT.supports(uid)


@pytest.mark.parametrize("uid", [BasicFilmSession, MediaStorageDirectoryStorage, "1.2.840.10008.5.1.4.33"])
def test_does_not_support_what_it_does_not_serve(uid: str) -> None:
    assert not DEFAULT.supports(uid)


def test_private_and_newer_classes_follow_the_setting() -> None:
    strict = ContextPolicy(PresentationContextSettings(unlisted_sop_classes=Unlisted.REJECT))
    for uid in (PRIVATE, "1.2.840.10008.5.1.4.1.1.999"):
        assert DEFAULT.supports(uid)
        assert not strict.supports(uid)


@pytest.mark.parametrize(
    ("proposed", "chosen"),
    [
        ([ImplicitVRLittleEndian, ExplicitVRLittleEndian], ExplicitVRLittleEndian),
        ([ExplicitVRBigEndian, ImplicitVRLittleEndian], ImplicitVRLittleEndian),
        ([ImplicitVRLittleEndian, JPEG2000Lossless], ImplicitVRLittleEndian),
        ([JPEG2000Lossless, ExplicitVRLittleEndian], JPEG2000Lossless),
        ([JPEGBaseline8Bit], JPEGBaseline8Bit),
        ([HTJ2KLossless], HTJ2KLossless),
        ([MPEG4HP41], MPEG4HP41),
        ([RLELossless, JPEG2000Lossless], RLELossless),
        ([DeflatedExplicitVRLittleEndian], DeflatedExplicitVRLittleEndian),
        ([ExplicitVRBigEndian], ExplicitVRBigEndian),
        ([DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian], ExplicitVRLittleEndian),
        ([PRIVATE, ImplicitVRLittleEndian], ImplicitVRLittleEndian),
        ([PRIVATE], None),
        ([], None),
    ],
)
def test_chooses_the_transfer_syntax(proposed: list[str], chosen: str | None) -> None:
    assert DEFAULT.choose(CTImageStorage, proposed) == chosen


@pytest.mark.parametrize(
    ("proposed", "chosen"),
    [
        ([JPEG2000Lossless, ExplicitVRBigEndian, ImplicitVRLittleEndian], ImplicitVRLittleEndian),
        ([JPEG2000Lossless, RLELossless], JPEG2000Lossless),
        ([ImplicitVRLittleEndian, ExplicitVRLittleEndian], ExplicitVRLittleEndian),
    ],
)
def test_who_receives_gets_what_everything_can_be_brought_to(proposed: list[str], chosen: str) -> None:
    assert DEFAULT.choose(CTImageStorage, proposed, receives=True) == chosen


@pytest.mark.parametrize("uid", ["1.2.840.10008.1.2.4.94", "1.2.840.10008.1.2.4.204", "1.2.840.10008.1.2.7.1"])
def test_refuses_transfer_syntaxes_that_carry_no_whole_instance(uid: str) -> None:
    assert DEFAULT.choose(CTImageStorage, [uid]) is None


def test_private_transfer_syntaxes_follow_the_setting() -> None:
    lenient = ContextPolicy(PresentationContextSettings(unlisted_transfer_syntaxes=Unlisted.ACCEPT))
    assert lenient.choose(CTImageStorage, [PRIVATE]) == PRIVATE


def test_verification_takes_no_compressed_syntax() -> None:
    assert DEFAULT.choose(VERIFICATION, [JPEG2000Lossless]) is None


@pytest.mark.parametrize(
    ("proposed", "chosen"),
    [
        ([ImplicitVRLittleEndian, ExplicitVRBigEndian, ExplicitVRLittleEndian], ExplicitVRLittleEndian),
        ([ExplicitVRBigEndian, ImplicitVRLittleEndian], ImplicitVRLittleEndian),
        ([DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian], ExplicitVRBigEndian),
        ([JPEG2000Lossless, ImplicitVRLittleEndian], ImplicitVRLittleEndian),
        ([DeflatedExplicitVRLittleEndian], None),
    ],
)
def test_identifiers_come_uncompressed(proposed: list[str], chosen: str | None) -> None:
    for model in (1, 2, 3):
        for operation in (1, 2, 3):
            uid = f"1.2.840.10008.5.1.4.1.2.{model}.{operation}"
            assert DEFAULT.supports(uid)
            assert DEFAULT.choose(uid, proposed) == chosen
            assert DEFAULT.roles(uid, frozenset({uid})) == (True, False)


def test_peer_may_receive_instances_where_it_proposes_to_get_them() -> None:
    get, move = StudyRootQueryRetrieveInformationModelGet, StudyRootQueryRetrieveInformationModelMove
    assert DEFAULT.roles(CTImageStorage, frozenset({get, CTImageStorage})) == (True, True)
    assert DEFAULT.roles(CTImageStorage, frozenset({move, CTImageStorage})) == (True, False)
    assert DEFAULT.roles(VERIFICATION, frozenset({get, VERIFICATION})) == (True, False)


@pytest.mark.parametrize(
    ("beside", "lenient", "roles"),
    [
        (StudyRootQueryRetrieveInformationModelGet, True, (True, True)),
        (StudyRootQueryRetrieveInformationModelGet, False, (True, False)),
        (StudyRootQueryRetrieveInformationModelMove, True, (True, False)),
    ],
)
def test_who_forgets_his_roles_receives_by_get_if_that_is_wanted(
    beside: str, lenient: bool, roles: tuple[bool, bool]
) -> None:
    policy = ContextPolicy(PresentationContextSettings(lenient_get_roles=lenient))
    assert policy.assumed_roles(CTImageStorage, frozenset({CTImageStorage, beside})) == roles
    assert policy.assumed_roles(beside, frozenset({CTImageStorage, beside})) == (True, False)


def test_normalized_classes_are_supported_in_plain_encodings_only() -> None:
    for uid in (ModalityPerformedProcedureStep, ModalityPerformedProcedureStepRetrieve, StorageCommitmentPushModel):
        assert DEFAULT.supports(uid)
        assert DEFAULT.choose(uid, [ImplicitVRLittleEndian, ExplicitVRLittleEndian]) == ExplicitVRLittleEndian
        assert DEFAULT.choose(uid, [JPEG2000Lossless, DeflatedExplicitVRLittleEndian]) is None
    assert not DEFAULT.supports(ModalityPerformedProcedureStepNotification)


def test_only_the_scp_of_storage_commitment_may_call_us() -> None:
    assert DEFAULT.roles(StorageCommitmentPushModel, frozenset()) == (True, True)
    assert DEFAULT.roles(ModalityPerformedProcedureStep, frozenset()) == (True, False)
    assert DEFAULT.assumed_roles(StorageCommitmentPushModel, frozenset()) == (True, False)
