"""A modality tells of its procedure steps: pynetdicom is the modality, the node is the real program."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from factories import ct
from modality import begun, dataset, ended, reason, scheduled
from pydicom import Dataset
from pydicom.tag import Tag
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    ModalityPerformedProcedureStep,
    ModalityPerformedProcedureStepRetrieve,
)
from raw_peer import A_ABORT, A_ASSOCIATE_AC, COMMAND, LAST, P_DATA_TF, RawPeer, command, pdu, pdv
from running_node import RunningNode, free_port, wait_for

RIS_PORT = free_port()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """One node for all of it, which tells a RIS what it is told."""
    settings = {
        "peers": {
            "ris": {"ae_title": "RIS", "host": "127.0.0.1", "port": RIS_PORT},
            "ct9": {"ae_title": "CT9", "host": "127.0.0.1", "may": ["store"]},
        },
        "mpps": {"forward_to": ["ris"]},
        "delivery": {"first_retry_s": 0.2, "longest_retry_s": 0.5},
        "processes": {"workers": 1},
    }
    with RunningNode(tmp_path_factory.mktemp("mpps"), **settings) as running:
        yield running


MPPS, RETRIEVE = ModalityPerformedProcedureStep, ModalityPerformedProcedureStepRetrieve


@contextmanager
def modality(
    node: RunningNode, transfer_syntax: str = ExplicitVRLittleEndian, title: str = "CT1", **options: Any
) -> Iterator[Association]:
    """An association with the node, as a scanner has it."""
    ae = AE(title)
    for uid in (MPPS, RETRIEVE):
        ae.add_requested_context(uid, transfer_syntax)
    ae.add_requested_context(CTImageStorage, ExplicitVRLittleEndian)
    association = ae.associate("127.0.0.1", node.port, ae_title="DICOMNODE", **options)
    assert association.is_established
    try:
        yield association
    except BaseException:
        association.abort()
        raise
    if association.is_established:
        association.release()


def create(association: Association, made: Dataset, uid: str | None = None) -> int:
    return int(association.send_n_create(made, MPPS, uid)[0].Status)


def change(association: Association, made: Dataset, uid: str) -> int:
    return int(association.send_n_set(made, MPPS, uid)[0].Status)


def read(association: Association, uid: str, *tags: int) -> Dataset:
    status, attributes = association.send_n_get([Tag(tag) for tag in tags], RETRIEVE, uid)
    assert status.Status == 0
    assert attributes is not None
    return attributes


def put(node: RunningNode, **values: str) -> None:
    """Put a step on the worklist."""
    options = [f"{keyword}={value}" for keyword, value in values.items()]
    done = node.cli("worklist", "add", *options)
    assert done.returncode == 0, done.stderr


def test_whole_life_of_a_step(node: RunningNode) -> None:
    uid, study, images = generate_uid(), generate_uid(), [ct() for _ in range(3)]
    for image in images:
        image.StudyInstanceUID = study
    names = [str(image.SOPInstanceUID) for image in images]
    with modality(node) as association:
        assert create(association, begun(scheduled(study)), uid) == 0
        assert create(association, begun(scheduled(study)), uid) == 0x0111
        assert association.send_c_store(images[0]).Status == 0
        assert change(association, dataset(PerformedProcedureStepDescription="Head"), uid) == 0
        assert change(association, ended(*names), uid) == 0
        final, _ = association.send_n_set(ended(*names), MPPS, uid)
        assert (final.Status, final.ErrorID) == (0x0110, 0xA710)
        assert final.ErrorComment == "Performed Procedure Step Object may no longer be updated"
        kept = read(association, uid)
        assert (kept.PerformedProcedureStepStatus, kept.PerformedProcedureStepDescription) == ("COMPLETED", "Head")
        assert len(kept.PerformedSeriesSequence[0].ReferencedImageSequence) == 3
        assert node.events("study.completed", study_instance_uid=study) == []
        for image in images[1:]:
            assert association.send_c_store(image).Status == 0
    told = wait_for(lambda: node.events("study.completed", study_instance_uid=study), what="the study to be complete")
    assert [(one["source"], one["round"], one["instances"]) for one in told] == [("performed-step", 1, 3)]


def test_step_that_ends_when_all_is_here_completes_its_study_at_once(node: RunningNode) -> None:
    uid, image = generate_uid(), ct()
    with modality(node) as association:
        assert create(association, begun(scheduled(image.StudyInstanceUID)), uid) == 0
        assert association.send_c_store(image).Status == 0
        assert change(association, ended(image.SOPInstanceUID), uid) == 0
        [told] = node.events("study.completed", study_instance_uid=image.StudyInstanceUID)
    assert told["source"] == "performed-step"


def test_missing_instances_are_named(node: RunningNode) -> None:
    uid, image, missing = generate_uid(), ct(), generate_uid()
    with modality(node) as association:
        create(association, begun(scheduled(image.StudyInstanceUID)), uid)
        association.send_c_store(image)
        change(association, ended(image.SOPInstanceUID, missing), uid)
    [study] = [
        row for row in node.rows("studies", "--incomplete") if row["study_instance_uid"] == image.StudyInstanceUID
    ]
    assert study["waits_for"] == "instances"
    assert (study["announced"], study["missing"]) == (2, [missing])
    text = node.cli("studies", "--incomplete")
    assert text.returncode == 0
    assert missing in text.stdout


@pytest.mark.parametrize("transfer_syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
@pytest.mark.parametrize(
    ("character_set", "name"), [("ISO_IR 100", "Müller^Änne"), ("ISO_IR 192", "山田^太郎"), ("ISO_IR 13", "ﾔﾏﾀﾞ^ﾀﾛｳ")]
)
def test_text_comes_back_as_it_was_meant(
    node: RunningNode, transfer_syntax: str, character_set: str, name: str
) -> None:
    uid = generate_uid()
    with modality(node, transfer_syntax) as association:
        assert create(association, begun(PatientName=name, SpecificCharacterSet=character_set), uid) == 0
        kept = read(association, uid, 0x00100010)
    assert (kept.SpecificCharacterSet, kept.PatientName) == (character_set, name)


def test_refusals_say_what_is_wrong(node: RunningNode) -> None:
    heard: list[Dataset] = []
    hear = (evt.EVT_DIMSE_RECV, lambda event: heard.append(event.message.command_set))
    with modality(node, evt_handlers=[hear]) as association:
        assert create(association, begun(Modality=None, PatientName=None)) == 0x0120
        assert set(heard[-1].AttributeIdentifierList) == {0x00080060, 0x00100010}
        assert create(association, begun(Modality="")) == 0x0121
        status, told = association.send_n_create(begun(PerformedProcedureStepStatus="COMPLETED"), MPPS, None)
        assert status.Status == 0x0106
        assert create(association, begun(), generate_uid()) == 0
        uid = str(heard[-1].AffectedSOPInstanceUID)
        assert change(association, dataset(PatientID="other", PerformedProcedureStepDescription="Head"), uid) == 0x0107
        assert heard[-1].AttributeIdentifierList == 0x00100020
        kept = read(association, uid, 0x00100020, 0x00400254)
        assert (kept.PatientID, kept.PerformedProcedureStepDescription) == ("4711", "Head")
        assert change(association, ended(), generate_uid()) == 0x0112
        assert association.send_n_delete(MPPS, uid).Status == 0x0211
        assert create(association, begun()) == 0
        assert str(heard[-1].AffectedSOPInstanceUID).startswith("2.25.")
    assert told is None or told.PerformedProcedureStepStatus == "COMPLETED"


def test_worklist_follows(node: RunningNode) -> None:
    study = generate_uid()
    put(
        node,
        PatientID="4711",
        PatientName="Doe^Jane",
        StudyInstanceUID=study,
        AccessionNumber="A1",
        RequestedProcedureID="R1",
        RequestedProcedureDescription="CT",
        ScheduledStationAETitle="CT1",
        ScheduledProcedureStepStartDate="20260105",
        ScheduledProcedureStepID="S1",
        Modality="CT",
    )

    def status() -> str:
        [shown] = node.rows("worklist", "show", "S1")
        [step] = shown["entry"]["00400100"]["Value"]
        return str(step["00400020"]["Value"][0])

    item = scheduled(study, ScheduledProcedureStepID="S1", AccessionNumber="A1")
    with modality(node) as association:
        first, second = generate_uid(), generate_uid()
        create(association, begun(item), first)
        assert status() == "STARTED"
        change(association, ended(status="DISCONTINUED", **reason("110514")), first)
        assert status() == "SCHEDULED"
        create(association, begun(item), second)
        change(association, ended(), second)
        assert status() == "COMPLETED"


def test_peer_without_the_permission_is_refused(node: RunningNode) -> None:
    with modality(node, title="CT9") as association:
        assert create(association, begun()) == 0x0124
        assert association.send_n_get([], RETRIEVE, generate_uid())[0].Status == 0x0124


def test_messages_reach_another_system_in_order_also_when_it_comes_late(node: RunningNode) -> None:
    came: list[tuple[str, str, str]] = []
    uid = generate_uid()

    def take_create(event: evt.Event) -> tuple[int, None]:
        came.append(("create", event.request.AffectedSOPInstanceUID, str(event.attribute_list.PatientName)))
        return 0, None

    def take_set(event: evt.Event) -> tuple[int, None]:
        made = event.modification_list
        came.append(("set", event.request.RequestedSOPInstanceUID, made.get("PerformedProcedureStepStatus", "")))
        return 0, None

    with modality(node) as association:
        assert create(association, begun(PatientName="Müller", SpecificCharacterSet="ISO_IR 100"), uid) == 0
        assert change(association, ended(), uid) == 0
    wait_for(lambda: node.events("delivery.failed"), what="a delivery to fail")
    ae = AE("RIS")
    ae.add_supported_context(MPPS)
    handlers = [(evt.EVT_N_CREATE, take_create), (evt.EVT_N_SET, take_set)]
    server = ae.start_server(("127.0.0.1", RIS_PORT), block=False, evt_handlers=handlers)
    try:
        wait_for(lambda: ("set", uid, "COMPLETED") in came, what="both messages")
    finally:
        server.shutdown()
    assert [one for one in came if one[1] == uid] == [("create", uid, "Müller"), ("set", uid, "COMPLETED")]


# -- hostile peers ---------------------------------------------------------------------------------------------------------


def request(field: int, sop_class_uid: str = MPPS, **elements: object) -> bytes:
    """The command set of a normalized request with a data set."""
    affected = field in (0x0100, 0x0140)
    names = (
        ("AffectedSOPClassUID", "AffectedSOPInstanceUID")
        if affected
        else (
            "RequestedSOPClassUID",
            "RequestedSOPInstanceUID",
        )
    )
    usual = {names[0]: sop_class_uid, "CommandField": field, "MessageID": 1, "CommandDataSetType": 1, names[1]: "1.2.3"}
    return command(**(usual | elements))


@pytest.fixture
def hostile(node: RunningNode) -> Iterator[RawPeer]:
    with RawPeer(node.port) as peer:
        assert peer.associate(contexts=[(MPPS, [ExplicitVRLittleEndian])]) == A_ASSOCIATE_AC
        yield peer
    with modality(node) as association:
        assert create(association, begun()) == 0  # everybody else is served


NOISE = os.urandom(4096)


@pytest.mark.parametrize("field", [0x0120, 0x0140])
@pytest.mark.parametrize(
    "data",
    [b"\xff" * 100, NOISE, b"\x40\x00\x70\x02SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff" * 2000],
    ids=["ones", "noise", "deep"],
)
def test_data_set_that_makes_no_sense_is_refused(hostile: RawPeer, field: int, data: bytes) -> None:
    hostile.send(pdu(P_DATA_TF, pdv(1, COMMAND | LAST, request(field))))
    hostile.send(pdu(P_DATA_TF, pdv(1, LAST, data)))
    assert hostile.status() in (0x0110, 0x0112, 0x0120)


@pytest.mark.parametrize("field", [0x0100, 0x0110, 0x0120, 0x0130, 0x0140, 0x0150])
def test_request_without_anything_is_refused(hostile: RawPeer, field: int) -> None:
    hostile.send(pdu(P_DATA_TF, pdv(1, COMMAND | LAST, command(CommandField=field, CommandDataSetType=0x0101))))
    assert hostile.status() not in (0, -1)


def test_response_that_nobody_waits_for_ends_its_association(hostile: RawPeer) -> None:
    answer = command(CommandField=0x8100, MessageIDBeingRespondedTo=1, CommandDataSetType=0x0101, Status=0)
    hostile.send(pdu(P_DATA_TF, pdv(1, COMMAND | LAST, answer)))
    assert hostile.receive()[0] == A_ABORT


def test_flood_of_requests_is_answered_or_ended(hostile: RawPeer) -> None:
    one = pdv(1, COMMAND | LAST, command(CommandField=0x0150, MessageID=1, CommandDataSetType=0x0101))
    hostile.socket.settimeout(60)
    pdus = pdu(P_DATA_TF, one * 400)
    for _ in range(5):
        hostile.send(pdus)
    kinds = {hostile.receive()[0] for _ in range(200)}
    assert kinds <= {P_DATA_TF, A_ABORT, 0}


# -- the end of it ---------------------------------------------------------------------------------------------------------


def test_step_is_there_after_the_node_was_killed(node: RunningNode) -> None:
    uid = generate_uid()
    with modality(node) as association:
        assert create(association, begun(scheduled(), PatientID="P1"), uid) == 0
        for pid in node.workers():
            os.kill(pid, signal.SIGKILL)
        association.abort()
    node.kill()
    node.start()
    with modality(node) as association:
        kept = read(association, uid, 0x00100020, 0x00400252)
        assert (kept.PatientID, kept.PerformedProcedureStepStatus) == ("P1", "IN PROGRESS")
        assert change(association, ended(), uid) == 0
