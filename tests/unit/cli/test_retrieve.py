"""``dicomnode retrieve`` against peers on the loopback interface, honest and hostile ones."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from factories import ABSENT, ct
from pydicom import Dataset, dcmread
from pydicom.dataset import FileDataset
from pydicom.uid import CTImageStorage, MRImageStorage
from pynetdicom import AE, build_context, evt
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_MOVE, C_STORE
from pynetdicom.sop_class import (
    PatientRootQueryRetrieveInformationModelFind,
    PatientRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)

from dicomnode.cli import commands

pytestmark = pytest.mark.filterwarnings("ignore:Invalid value for VR UI")

PENDING, CANCEL = 0xFF00, 0xFE00
STUDY, SERIES = "1.2.3", "1.2.3.4"
QUERY_RETRIEVE = (
    PatientRootQueryRetrieveInformationModelFind,
    PatientRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)


class Archive:
    """A peer that has these instances and gives them all, whatever it is asked for."""

    def __init__(self, *instances: FileDataset, tells_classes: bool = True) -> None:
        self.instances = instances
        self.tells_classes = tells_classes
        self.store_statuses: list[int] = []
        self.asked: list[Dataset] = []
        self.queries: list[Dataset] = []

    def find(self, event: evt.Event) -> Iterator[tuple[int, Dataset]]:
        self.queries.append(event.identifier)
        level = event.identifier.QueryRetrieveLevel
        for instance in self.instances[:1] if level != "IMAGE" else self.instances:
            match = Dataset()
            match.QueryRetrieveLevel = level
            match.StudyInstanceUID = instance.StudyInstanceUID
            match.SeriesInstanceUID = instance.SeriesInstanceUID
            match.SOPClassUID = instance.SOPClassUID
            if self.tells_classes:
                match.SOPClassesInStudy = [one.SOPClassUID for one in self.instances]
            yield PENDING, match

    def get(self, event: evt.Event) -> Iterator[Any]:
        self.asked.append(event.identifier)
        yield len(self.instances)
        for instance in self.instances:
            if event.is_cancelled:
                yield CANCEL, None
                return
            yield PENDING, instance

    def move(self, event: evt.Event) -> Iterator[Any]:
        self.asked.append(event.identifier)
        yield None, None

    def note(self, event: evt.Event) -> None:
        """Keep the status of each C-STORE response, which only the wire shows."""
        command = event.message.command_set
        if command.CommandField == 0x8001:
            self.store_statuses.append(command.Status)


Handlers = Sequence[tuple[Any, Callable[..., Any]]]


@contextmanager
def peer(
    archive: Archive, *, supported: Sequence[str] = QUERY_RETRIEVE, roles: bool = True, handlers: Handlers = ()
) -> Iterator[str]:
    """AET@HOST:PORT of the archive."""
    entity = AE("PEER")
    for uid in supported:
        entity.add_supported_context(uid)
    for uid in (CTImageStorage, MRImageStorage):
        entity.add_supported_context(uid, scu_role=False if roles else None, scp_role=True if roles else None)
    bound = {evt.EVT_C_FIND: archive.find, evt.EVT_C_GET: archive.get, evt.EVT_C_MOVE: archive.move} | dict(handlers)
    server = entity.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=[*bound.items(), (evt.EVT_DIMSE_RECV, archive.note)]
    )
    try:
        yield f"PEER@127.0.0.1:{server.socket.getsockname()[1]}"
    finally:
        server.shutdown()


def retrieve(tmp_path: Path, *arguments: str, config: str = "") -> Result:
    path = tmp_path / "node.yaml"
    path.write_text(config)
    return CliRunner().invoke(commands, ["retrieve", "--config", str(path), "--timeout", "5", *arguments])


def instance(number: int, **changes: Any) -> FileDataset:
    values = {"StudyInstanceUID": STUDY, "SeriesInstanceUID": SERIES, "SOPInstanceUID": f"{SERIES}.{number}"}
    dataset = ct(**(values | changes))
    if "SOPInstanceUID" in changes and changes["SOPInstanceUID"] is ABSENT:
        dataset.file_meta.MediaStorageSOPInstanceUID = f"{SERIES}.{number}"
    return dataset


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_failures_or_warnings_that_are_not_counted_are_no_success(tmp_path: Path) -> None:
    def answer(event: evt.Event) -> Iterator[Any]:
        response = C_MOVE()
        response.MessageIDBeingRespondedTo = event.request.MessageID
        response.AffectedSOPClassUID = event.request.AffectedSOPClassUID
        response.Status = 0xB000
        event.assoc.dimse.send_msg(response, event.context.context_id)
        yield None, None

    with peer(Archive(), handlers=[(evt.EVT_C_MOVE, answer)]) as address:
        done = retrieve(tmp_path, address, "--study", STUDY, "--to", "WORKSTATION")
    assert done.exit_code == 1
    assert "ended with 0xb000" in done.stderr


def test_study_comes_into_the_folder_as_it_was_sent(tmp_path: Path) -> None:
    archive = Archive(instance(1), instance(2, Modality="MR", SOPClassUID=MRImageStorage))
    with peer(archive) as address:
        done = retrieve(tmp_path, address, "--study", STUDY, "--to", str(tmp_path / "out"))
    assert done.exit_code == 0, done.stderr
    assert "2 instances" in done.stdout
    assert files(tmp_path / "out") == [f"{STUDY}/{SERIES}/{SERIES}.{number}.dcm" for number in (1, 2)]
    kept = dcmread(tmp_path / "out" / STUDY / SERIES / f"{SERIES}.1.dcm")
    assert kept == archive.instances[0]
    assert kept.file_meta.SourceApplicationEntityTitle == "PEER"
    assert archive.store_statuses == [0, 0]
    (asked,) = archive.asked
    assert (asked.QueryRetrieveLevel, asked.StudyInstanceUID) == ("STUDY", STUDY)


@pytest.mark.parametrize(
    ("options", "level", "keys"),
    [
        (["--patient-id", "P1"], "PATIENT", {"PatientID": "P1"}),
        (["--study", STUDY, "--study", "1.9"], "STUDY", {"StudyInstanceUID": [STUDY, "1.9"]}),
        (["--study", STUDY, "--series", SERIES], "SERIES", {"StudyInstanceUID": STUDY, "SeriesInstanceUID": SERIES}),
        (
            ["--study", STUDY, "--series", SERIES, "--instance", f"{SERIES}.1"],
            "IMAGE",
            {"StudyInstanceUID": STUDY, "SeriesInstanceUID": SERIES, "SOPInstanceUID": f"{SERIES}.1"},
        ),
        (["--series", SERIES], "SERIES", {"StudyInstanceUID": STUDY, "SeriesInstanceUID": SERIES}),
        (
            ["--instance", f"{SERIES}.1"],
            "IMAGE",
            {"StudyInstanceUID": STUDY, "SeriesInstanceUID": SERIES, "SOPInstanceUID": f"{SERIES}.1"},
        ),
    ],
)
@pytest.mark.parametrize("tells_classes", [True, False])
def test_options_name_the_level_and_its_keys(
    tmp_path: Path, options: list[str], level: str, keys: dict[str, Any], tells_classes: bool
) -> None:
    archive = Archive(instance(1), tells_classes=tells_classes)
    with peer(archive) as address:
        done = retrieve(tmp_path, address, *options, "--to", str(tmp_path / "out"))
    assert done.exit_code == 0, done.stderr
    (asked,) = archive.asked
    assert asked.QueryRetrieveLevel == level
    assert {element.keyword: element.value for element in asked if element.keyword != "QueryRetrieveLevel"} == keys


def test_peer_without_queries_is_offered_the_usual_classes(tmp_path: Path) -> None:
    with peer(Archive(instance(1)), supported=[StudyRootQueryRetrieveInformationModelGet]) as address:
        done = retrieve(tmp_path, address, "--study", STUDY, "--to", str(tmp_path / "out"), "--json")
    assert done.exit_code == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["status"], answer["received"], answer["completed"]) == (0, 1, 1)


@pytest.mark.parametrize(
    ("sent", "status", "words"),
    [
        (instance(1, StudyInstanceUID="../../etc"), 0xC000, "missing or none"),
        (instance(1, SeriesInstanceUID="..", StudyInstanceUID=STUDY), 0xC000, "missing or none"),
        (instance(1, SeriesInstanceUID=ABSENT), 0xC000, "missing or none"),
        (instance(1, StudyInstanceUID="1.9"), 0x0124, "nobody asked"),
    ],
)
def test_instance_that_may_not_be_written_is_refused_and_the_rest_kept(
    tmp_path: Path, sent: FileDataset, status: int, words: str
) -> None:
    archive = Archive(sent, instance(2))
    with peer(archive) as address:
        done = retrieve(tmp_path, address, "--study", STUDY, "--to", str(tmp_path / "a" / "out"))
    assert done.exit_code == 1
    assert archive.store_statuses == [status, 0]
    assert f"refused: {SERIES}.1" in done.stderr
    assert words in done.stderr
    assert "0xb000" in done.stderr
    assert files(tmp_path / "a") == [f"out/{STUDY}/{SERIES}/{SERIES}.2.dcm"]


def test_data_set_of_another_instance_than_announced_is_refused(tmp_path: Path) -> None:
    archive = Archive(instance(1))

    def get(event: evt.Event) -> Iterator[Any]:
        yield 1
        sent = instance(1)
        event.assoc.bind(evt.EVT_DIMSE_SENT, rename)
        yield PENDING, sent

    def rename(event: evt.Event) -> None:
        if event.message.command_set.CommandField == 0x0001:
            event.message.command_set.AffectedSOPInstanceUID = "1.9.9"

    with peer(archive, handlers=[(evt.EVT_C_GET, get)]) as address:
        done = retrieve(tmp_path, address, "--study", STUDY, "--to", str(tmp_path / "out"))
    assert done.exit_code == 1
    assert archive.store_statuses == [0xA900]
    assert files(tmp_path / "out") == []


def test_only_the_instances_that_were_named_are_kept(tmp_path: Path) -> None:
    archive = Archive(instance(1), instance(2), instance(3, SeriesInstanceUID="1.2.3.5"))
    options = ["--study", STUDY, "--series", SERIES, "--instance", f"{SERIES}.1"]
    with peer(archive) as address:
        done = retrieve(tmp_path, address, *options, "--to", str(tmp_path / "out"), "--json")
    assert done.exit_code == 1
    answer = json.loads(done.stdout)
    assert answer["received"] == 1
    assert [one["sop_instance_uid"] for one in answer["refused"]] == [f"{SERIES}.2", f"{SERIES}.3"]
    assert sorted(answer["failed_sop_instance_uids"]) == [f"{SERIES}.2", f"{SERIES}.3"]
    assert files(tmp_path / "out") == [f"{STUDY}/{SERIES}/{SERIES}.1.dcm"]


def test_folder_that_cannot_be_written_answers_out_of_resources(tmp_path: Path) -> None:
    archive = Archive(instance(1))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / STUDY).write_text("in the way")
    with peer(archive) as address:
        done = retrieve(tmp_path, address, "--study", STUDY, "--to", str(tmp_path / "out"))
    assert done.exit_code == 1
    assert archive.store_statuses == [0xA700]
    assert files(tmp_path / "out") == [STUDY]


def test_nothing_that_matches_fails(tmp_path: Path) -> None:
    with peer(Archive()) as address:
        done = retrieve(tmp_path, address, "--study", "1.9", "--to", str(tmp_path / "out"))
    assert done.exit_code == 1
    assert "nothing that matches" in done.stderr


def test_peer_without_get_is_told_with_what_to_do(tmp_path: Path) -> None:
    with peer(Archive(instance(1)), supported=[StudyRootQueryRetrieveInformationModelFind]) as address:
        done = retrieve(tmp_path, address, "--study", STUDY, "--to", str(tmp_path / "out"))
    assert done.exit_code == 1
    assert "C-GET not accepted by PEER" in done.stderr
    assert "--move" in done.stderr


def test_peer_that_forgets_the_roles_but_sends(tmp_path: Path) -> None:
    archive = Archive(instance(1))

    def get(event: evt.Event) -> Iterator[Any]:
        context = next(one for one in event.assoc.accepted_contexts if one.abstract_syntax == CTImageStorage)
        context._as_scp, context._as_scu = True, True
        yield from archive.get(event)

    with peer(archive, roles=False, handlers=[(evt.EVT_C_GET, get)]) as address:
        done = retrieve(tmp_path, address, "--study", STUDY, "--to", str(tmp_path / "out"))
    assert done.exit_code == 0, done.stderr
    assert len(files(tmp_path / "out")) == 1


def test_peer_that_aborts_leaves_what_came_whole(tmp_path: Path) -> None:
    archive = Archive(instance(1), instance(2))

    def get(event: evt.Event) -> Iterator[Any]:
        yield 2
        yield PENDING, archive.instances[0]
        event.assoc.abort()
        yield PENDING, archive.instances[1]

    with peer(archive, handlers=[(evt.EVT_C_GET, get)]) as address:
        done = retrieve(tmp_path, address, "--study", STUDY, "--to", str(tmp_path / "out"), "--json")
    assert done.exit_code == 1
    assert "association ended by PEER" in done.stderr
    answer = json.loads(done.stdout)
    assert (answer["status"], answer["received"]) == (None, 1)
    assert files(tmp_path / "out") == [f"{STUDY}/{SERIES}/{SERIES}.1.dcm"]


def test_instance_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    def get(event: evt.Event) -> Iterator[Any]:
        yield 1
        request = C_STORE()
        request.MessageID, request.Priority = 1, 2
        request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = CTImageStorage, f"{SERIES}.1"
        request.DataSet = BytesIO(bytes(200_000))
        message = C_STORE_RQ()
        message.primitive_to_message(request)
        context = next(one for one in event.assoc.accepted_contexts if one.abstract_syntax == CTImageStorage)
        *most, _ = message.encode_msg(context.context_id, 16384)
        for pdu in most:
            event.assoc.dul.send_pdu(pdu)
        event.assoc.abort()
        yield PENDING, None

    with peer(Archive(instance(1)), handlers=[(evt.EVT_C_GET, get)]) as address:
        done = retrieve(tmp_path, address, "--study", STUDY, "--to", str(tmp_path / "out"))
    assert done.exit_code == 1
    assert "association ended by PEER" in done.stderr
    assert "0 instances" in done.stdout
    assert files(tmp_path / "out") == []


def test_peer_that_falls_silent(tmp_path: Path) -> None:
    is_over = threading.Event()

    def get(event: evt.Event) -> Iterator[Any]:
        is_over.wait(30)
        yield 0

    with peer(Archive(instance(1)), handlers=[(evt.EVT_C_GET, get)]) as address:
        done = retrieve(tmp_path, address, "--study", STUDY, "--to", str(tmp_path / "out"), "--timeout", "0.5")
        is_over.set()
    assert done.exit_code == 1
    assert "no response within 0.5 s from PEER" in done.stderr


def test_interruption_cancels_and_says_what_came(tmp_path: Path) -> None:
    archive = Archive(*(instance(number) for number in range(1, 200)))

    def get(event: evt.Event) -> Iterator[Any]:
        yield 200
        yield PENDING, archive.instances[0]
        signal.raise_signal(signal.SIGINT)
        for one in archive.instances[1:]:
            if event.is_cancelled:
                yield CANCEL, None
                return
            yield PENDING, one

    with peer(archive, handlers=[(evt.EVT_C_GET, get)]) as address:
        done = retrieve(tmp_path, address, "--study", STUDY, "--to", str(tmp_path / "out"), "--json")
    assert done.exit_code == 1
    assert "interrupted" in done.stderr
    answer = json.loads(done.stdout)
    assert answer["status"] == CANCEL
    assert 1 <= answer["received"] < 199
    assert len(files(tmp_path / "out")) == answer["received"]


def test_move_names_the_destination_and_shows_its_counts(tmp_path: Path) -> None:
    received: list[str] = []
    storage = AE("DEST")
    storage.add_supported_context(CTImageStorage)
    destination = storage.start_server(
        ("127.0.0.1", 0),
        block=False,
        evt_handlers=[(evt.EVT_C_STORE, lambda event: received.append(event.request.AffectedSOPInstanceUID) or 0)],
    )
    archive = Archive(instance(1), instance(2))

    def move(event: evt.Event) -> Iterator[Any]:
        assert event.move_destination == "DEST"
        yield (
            "127.0.0.1",
            destination.socket.getsockname()[1],
            {"ae_title": "DEST", "contexts": [build_context(CTImageStorage)]},
        )
        yield from archive.get(event)

    config = "peers: {workstation: {ae_title: DEST}}"
    with peer(archive, handlers=[(evt.EVT_C_MOVE, move)]) as address:
        done = retrieve(tmp_path, address, "--study", STUDY, "--to", "workstation", "--json", config=config)
    destination.shutdown()
    assert done.exit_code == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["destination"], answer["completed"], answer["failed"]) == ("DEST", 2, 0)
    assert sorted(received) == [f"{SERIES}.1", f"{SERIES}.2"]
    assert archive.queries == []


def test_unknown_destination_is_told(tmp_path: Path) -> None:
    with peer(Archive(instance(1))) as address:
        done = retrieve(tmp_path, address, "--study", STUDY, "--to", "NOBODY")
    assert done.exit_code == 1
    assert "0xa801 (Move destination unknown)" in done.stderr
    assert "--get" in done.stderr


def test_final_status_is_told_with_comment_and_element(tmp_path: Path) -> None:
    def get(event: evt.Event) -> Iterator[Any]:
        yield 1
        final = Dataset()
        final.Status = 0xA701
        final.ErrorComment = "the tape\x1b[2J is away"
        final.OffendingElement = 0x0020000D
        yield final, None

    with peer(Archive(instance(1)), handlers=[(evt.EVT_C_GET, get)]) as address:
        done = retrieve(tmp_path, address, "--study", STUDY, "--to", str(tmp_path / "out"))
    assert done.exit_code == 1
    assert "0xa701" in done.stderr
    assert "the tape?[2J is away; offending element (0020,000D)" in done.stderr


def test_series_that_the_peer_cannot_place_needs_its_study(tmp_path: Path) -> None:
    with peer(Archive()) as address:
        done = retrieve(tmp_path, address, "--series", SERIES, "--to", str(tmp_path / "out"))
    assert done.exit_code == 1
    assert "the UIDs above are needed" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "what to retrieve is needed"),
        (["--patient-id", "P*"], "what to retrieve is needed"),
        (["--patient-id", "P1", "--study", "1.2"], "stands alone"),
        (["--study", "1.2/3"], "no UID"),
        (["--study", "1.2", "--study", "1.3", "--series", "1.4"], "one study at a time"),
        (["--study", "1.2", "--to", "NAME_MUCH_TOO_LONG"], "a folder is written ./NAME_MUCH_TOO_LONG"),
    ],
)
def test_wrong_usage_asks_nobody(tmp_path: Path, options: list[str], words: str) -> None:
    done = retrieve(tmp_path, "PEER@127.0.0.1:1", "--to", "./out", *options)
    assert done.exit_code == 2
    assert words in done.stderr


def test_peer_that_only_answers_echoes(tmp_path: Path) -> None:
    entity = AE("PEER")
    entity.add_supported_context(Verification)
    server = entity.start_server(("127.0.0.1", 0), block=False)
    done = retrieve(tmp_path, f"PEER@127.0.0.1:{server.socket.getsockname()[1]}", "--study", STUDY, "--to", "./out")
    server.shutdown()
    assert done.exit_code == 1
    assert "no presentation context accepted" in done.stderr
