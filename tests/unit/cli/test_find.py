"""``dicomnode find`` against peers on the loopback interface, honest and odd ones."""

from __future__ import annotations

import json
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.dimse_messages import C_FIND_RSP
from pynetdicom.sop_class import (
    ModalityWorklistInformationFind,
    PatientRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelFind,
    Verification,
)

from dicomnode.cli import commands

PENDING, PENDING_WITH_UNSUPPORTED_KEYS, CANCEL = 0xFF00, 0xFF01, 0xFE00
Answers = Callable[[evt.Event], Iterator[tuple[Any, Dataset | None]]]


@contextmanager
def peer(answers: Answers, *, relational: bool = False) -> Iterator[str]:
    """AET@HOST:PORT of a peer that answers C-FIND so."""
    entity = AE("PEER")
    entity.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
    entity.add_supported_context(PatientRootQueryRetrieveInformationModelFind)
    entity.add_supported_context(ModalityWorklistInformationFind)
    handlers: list[tuple[Any, ...]] = [(evt.EVT_C_FIND, answers)]
    if relational:
        handlers.append((evt.EVT_SOP_EXTENDED, lambda event: event.app_info))
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    try:
        yield f"PEER@127.0.0.1:{server.socket.getsockname()[1]}"
    finally:
        server.shutdown()


def find(tmp_path: Path, *arguments: str, config: str = "") -> Result:
    path = tmp_path / "node.yaml"
    path.write_text(config)
    return CliRunner().invoke(commands, ["find", "--config", str(path), "--timeout", "5", *arguments])


def study(**values: Any) -> Dataset:
    dataset = Dataset()
    dataset.QueryRetrieveLevel = "STUDY"
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


class Recorder:
    """Answers with these matches, and remembers what it was asked."""

    def __init__(self, *matches: Dataset | None, final: int | Dataset = 0x0000) -> None:
        self.matches = matches
        self.final = final
        self.asked: list[Dataset] = []
        self.is_cancelled = threading.Event()

    def __call__(self, event: evt.Event) -> Iterator[tuple[Any, Dataset | None]]:
        self.asked.append(event.identifier)
        for match in self.matches:
            if event.is_cancelled:
                self.is_cancelled.set()
                yield CANCEL, None
                return
            yield PENDING, match
        if self.final:
            yield self.final, None


def test_table_shows_what_the_peer_has(tmp_path: Path) -> None:
    answers = Recorder(
        study(PatientID="007", PatientName="Doe^Jane", ModalitiesInStudy=["CT", "SR"], NumberOfStudyRelatedSeries=2)
    )
    with peer(answers) as address:
        done = find(tmp_path, address, "--patient-name", "Doe*", "--from", "2024-01-02")
    assert done.exit_code == 0, done.stderr
    assert done.stderr == ""
    for text in ("007", "Doe^Jane", "CT, SR", "Study Instance UID"):
        assert text in done.stdout
    (asked,) = answers.asked
    assert (asked.QueryRetrieveLevel, asked.PatientName, asked.StudyDate) == ("STUDY", "Doe*", "20240102-")
    assert asked.StudyInstanceUID == ""


def test_one_dicom_json_object_a_line(tmp_path: Path) -> None:
    answers = Recorder(study(StudyInstanceUID="1.2", NumberOfStudyRelatedInstances=3), study(StudyInstanceUID="1.3"))
    with peer(answers) as address:
        done = find(tmp_path, address, "--json")
    assert done.exit_code == 0
    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert first["0020000D"] == {"vr": "UI", "Value": ["1.2"]}
    assert first["00201208"] == {"vr": "IS", "Value": [3]}
    assert second["0020000D"]["Value"] == ["1.3"]


@pytest.mark.parametrize(
    ("terms", "name"),
    [
        ("ISO_IR 100", "Müller^Jörg"),
        ("ISO_IR 192", "山田^太郎"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    ],
)
def test_each_match_is_read_by_its_own_character_set(tmp_path: Path, terms: str | list[str], name: str) -> None:
    with peer(Recorder(study(PatientName="Doe"), study(SpecificCharacterSet=terms, PatientName=name))) as address:
        done = find(tmp_path, address, "--json")
        groups = json.loads(done.stdout.splitlines()[1])["00100010"]["Value"][0]
        assert "=".join(groups.values()) == name
        assert name in find(tmp_path, address).stdout


def test_names_in_any_script_are_asked_for(tmp_path: Path) -> None:
    answers = Recorder()
    with peer(answers) as address:
        done = find(tmp_path, address, "--patient-name", "山田*")
    assert done.exit_code == 0
    assert "nothing fits" in done.stdout
    answers.asked[0].decode()
    assert (answers.asked[0].SpecificCharacterSet, str(answers.asked[0].PatientName)) == ("ISO_IR 192", "山田*")


def test_keys_are_written_in_the_peers_own_character_set(tmp_path: Path) -> None:
    answers = Recorder()
    with peer(answers) as address:
        port = address.rpartition(":")[2]
        config = f"peers: {{old: {{ae_title: PEER, host: 127.0.0.1, port: {port}, character_set: '\\ISO 2022 IR 87'}}}}"
        done = find(tmp_path, "old", "--patient-name", "*=山田*", config=config)
    assert done.exit_code == 0, done.stderr
    answers.asked[0].decode()
    assert answers.asked[0].SpecificCharacterSet == ["", "ISO 2022 IR 87"]
    assert str(answers.asked[0].PatientName) == "*=山田*"


@pytest.mark.parametrize(
    ("arguments", "keys"),
    [
        (["--modality", "CT"], {"ModalitiesInStudy": "CT"}),
        (["--description", "Head*", "--accession", "A1"], {"StudyDescription": "Head*", "AccessionNumber": "A1"}),
        (["--from", "20240101", "--to", "20240131"], {"StudyDate": "20240101-20240131"}),
        (["--from", "20240101", "--to", "20240101"], {"StudyDate": "20240101"}),
        (["--to", "20240101"], {"StudyDate": "-20240101"}),
        (["--level", "patient", "--patient-id", "P*"], {"PatientID": "P*", "QueryRetrieveLevel": "PATIENT"}),
        (
            ["--level", "series", "--study", "1.2", "--modality", "MR", "--description", "T2"],
            {"StudyInstanceUID": "1.2", "Modality": "MR", "SeriesDescription": "T2", "QueryRetrieveLevel": "SERIES"},
        ),
        (["--study", "1.2", "--series", "1.2.3"], {"SeriesInstanceUID": "1.2.3", "QueryRetrieveLevel": "IMAGE"}),
        (["--key", "StationName=CT1", "--key", "0018,0015=HEAD"], {"StationName": "CT1", "BodyPartExamined": "HEAD"}),
        (["--return", "(0008,1010)", "--return", "00080090"], {"StationName": "", "ReferringPhysicianName": ""}),
        (["--root", "patient", "--patient-id", "P1"], {"PatientID": "P1", "QueryRetrieveLevel": "STUDY"}),
    ],
)
def test_options_become_keys(tmp_path: Path, arguments: list[str], keys: dict[str, str]) -> None:
    answers = Recorder()
    with peer(answers) as address:
        assert find(tmp_path, address, *arguments).exit_code == 0
    (asked,) = answers.asked
    assert {keyword: str(asked[keyword].value or "") for keyword in keys} == keys


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--level", "series"], "exactly one --study"),
        (["--level", "series", "--study", "1.2\\1.3"], "exactly one --study"),
        (["--level", "image", "--study", "1.2"], "exactly one --series"),
        (["--root", "patient"], "exactly one --patient-id"),
        (["--level", "patient", "--from", "2024-01-01"], "--from and --to says nothing at patient level"),
        (["--level", "study", "--series", "1.2"], "--series says nothing at study level"),
        (["--key", "PatientName"], "no TAG=VALUE"),
        (["--key", "Patientname=X"], "no attribute"),
        (["--key", "Rows=many"], "(0028,0010) is a whole number"),
        (["--return", "0008"], "no attribute"),
    ],
)
def test_wrong_usage_asks_nobody(tmp_path: Path, arguments: list[str], words: str) -> None:
    done = find(tmp_path, "PEER@127.0.0.1:1", *arguments)
    assert done.exit_code == 2
    assert words in done.stderr


def test_relational_query_needs_no_uid_above(tmp_path: Path) -> None:
    answers = Recorder()
    with peer(answers, relational=True) as address:
        done = find(tmp_path, address, "--level", "series", "--relational")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "StudyInstanceUID" in answers.asked[0]


def test_peer_is_asked_to_stop_past_the_limit(tmp_path: Path) -> None:
    is_cancelled = threading.Event()

    def answers(event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        for number in range(10):
            yield PENDING, study(StudyInstanceUID=f"1.{number}")
        for _ in range(3000):  # pynetdicom reads nothing while it has something to send
            if event.is_cancelled:
                is_cancelled.set()
                yield CANCEL, None
                return
            is_cancelled.wait(0.01)
        yield 0x0000, None

    with peer(answers) as address:
        done = find(tmp_path, address, "--json", "--limit", "3")
    assert done.exit_code == 0
    assert len(done.stdout.splitlines()) == 3
    assert "and more" in done.stderr
    assert is_cancelled.is_set()


def test_peer_that_does_not_stop_is_left(tmp_path: Path) -> None:
    is_over = threading.Event()

    def answers(event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        for number in range(4):
            yield PENDING, study(StudyInstanceUID=f"1.{number}")
        is_over.wait(30)
        yield 0x0000, None

    with peer(answers) as address:
        done = find(tmp_path, address, "--json", "--limit", "3", "--timeout", "0.5")
        is_over.set()
    assert done.exit_code == 0
    assert [line[0] for line in done.stdout.splitlines()].count("{") == 3
    assert "and more" in done.stderr


@pytest.mark.parametrize(
    "identifier",
    [b"\x08\x00", b"no data set at all", b"\xff" * 64, b"\x08\x00\x05\x00CS\xff\xff" + bytes(20), b"\0" * 200_000],
)
def test_match_that_is_no_data_set_is_an_empty_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, identifier: bytes
) -> None:
    original = C_FIND_RSP.primitive_to_message

    def spoilt(self: C_FIND_RSP, primitive: Any) -> None:
        if primitive.Identifier is not None:
            primitive.Identifier = BytesIO(identifier)
        original(self, primitive)

    monkeypatch.setattr(C_FIND_RSP, "primitive_to_message", spoilt)
    with peer(Recorder(study(PatientID="P1"))) as address:
        done = find(tmp_path, address)
        as_json = find(tmp_path, address, "--json")
    assert done.exit_code == as_json.exit_code == 0
    assert "P1" not in done.stdout
    json.loads(as_json.stdout)


def test_failure_is_told_with_its_meaning_after_what_came(tmp_path: Path) -> None:
    final = Dataset()
    final.Status = 0xA900
    final.ErrorComment = "no such key"
    final.OffendingElement = [0x00080061, 0x00100010]
    with peer(Recorder(study(PatientID="P1"), final=final)) as address:
        done = find(tmp_path, address)
    assert done.exit_code == 1
    assert "P1" in done.stdout
    assert "0xa900 (Identifier Does Not Match SOP Class): no such key" in done.stderr
    assert "offending element (0008,0061), (0010,0010)" in done.stderr


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0xA700, "Out of Resources"),
        (0xB001, "response limit"),
        (0xC123, "0xc123"),
        (0x0122, "SOP Class Not Supported"),
        (CANCEL, "Cancelled"),
    ],
)
def test_end_other_than_success_fails(tmp_path: Path, status: int, words: str) -> None:
    with peer(Recorder(final=status)) as address:
        done = find(tmp_path, address, "--json")
    assert done.exit_code == 1
    assert words in done.stderr
    assert done.stdout == ""


def test_match_of_another_level_with_other_attributes_is_shown(tmp_path: Path) -> None:
    odd = Dataset()
    odd.QueryRetrieveLevel = "PATIENT"
    odd.PatientID = "P1"
    odd.add_new(0x00091001, "UN", b"\1\2")
    with peer(Recorder(odd)) as address:
        done = find(tmp_path, address)
        as_json = json.loads(find(tmp_path, address, "--json").stdout)
    assert done.exit_code == 0
    assert "P1" in done.stdout
    assert as_json["00091001"] == {"vr": "UN", "InlineBinary": "AQI="}


def test_pending_response_without_identifier_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = C_FIND_RSP.primitive_to_message

    def without_identifier(self: C_FIND_RSP, primitive: Any) -> None:
        if primitive.Status == PENDING_WITH_UNSUPPORTED_KEYS:
            primitive.Identifier = None
        original(self, primitive)

    monkeypatch.setattr(C_FIND_RSP, "primitive_to_message", without_identifier)

    def answers(event: evt.Event) -> Iterator[tuple[int, Dataset]]:
        yield PENDING_WITH_UNSUPPORTED_KEYS, study(PatientID="P0")
        yield PENDING, study(PatientID="P1")

    with peer(answers) as address:
        done = find(tmp_path, address, "--json")
    assert done.exit_code == 0
    assert "P1" in done.stdout
    assert "P0" not in done.stdout
    assert "query.matches_without_identifier" in done.stdout  # a program's own log goes to standard error


def test_peer_that_aborts_after_a_match(tmp_path: Path) -> None:
    def answers(event: evt.Event) -> Iterator[tuple[int, Dataset]]:
        yield PENDING, study(PatientID="P1")
        event.assoc.abort()
        yield PENDING, study(PatientID="P2")

    with peer(answers) as address:
        done = find(tmp_path, address, "--json")
    assert done.exit_code == 1
    assert "association ended by PEER" in done.stderr
    assert len(done.stdout.splitlines()) == 1


def test_peer_that_falls_silent(tmp_path: Path) -> None:
    is_over = threading.Event()

    def answers(event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        is_over.wait(30)
        yield 0x0000, None

    with peer(answers) as address:
        done = find(tmp_path, address, "--timeout", "0.5")
        is_over.set()
    assert done.exit_code == 1
    assert "no response within 0.5 s from PEER" in done.stderr


def test_interruption_asks_the_peer_to_stop_and_shows_what_came(tmp_path: Path) -> None:
    is_cancelled = threading.Event()

    def answers(event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        yield PENDING, study(PatientID="P1")
        signal.raise_signal(signal.SIGINT)
        while not event.is_cancelled:
            yield PENDING, study(PatientID="P2")
        is_cancelled.set()
        yield CANCEL, None

    with peer(answers) as address:
        done = find(tmp_path, address, "--json")
    assert is_cancelled.is_set()
    assert done.exit_code == 1
    assert "interrupted" in done.stderr
    assert "P1" in done.stdout


def test_peer_without_queries(tmp_path: Path) -> None:
    entity = AE("PEER")
    entity.add_supported_context(Verification)
    server = entity.start_server(("127.0.0.1", 0), block=False)
    done = find(tmp_path, f"PEER@127.0.0.1:{server.socket.getsockname()[1]}")
    server.shutdown()
    assert done.exit_code == 1
    assert "no presentation context accepted" in done.stderr


def test_peer_that_cannot_be_reached(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but not listening
        done = find(tmp_path, f"PEER@127.0.0.1:{taken.getsockname()[1]}")
    assert done.exit_code == 1
    assert "Connection refused" in done.stderr


# -- worklists ------------------------------------------------------------------------------------------------------------


def scheduled(_: evt.Event) -> Iterator[tuple[Any, Dataset | None]]:
    """One step, whatever is asked."""
    step = Dataset()
    step.ScheduledStationAETitle, step.Modality = ["CT1", "CT2"], "CT"
    step.ScheduledProcedureStepStartDate = "20261124"
    match = Dataset()
    match.PatientName, match.PatientID = "Doe^Jane", "4711"
    match.ScheduledProcedureStepSequence = [step]
    yield PENDING, match


def test_worklist_is_asked_with_the_step_s_keys_in_their_sequence(tmp_path: Path) -> None:
    asked: list[Dataset] = []

    def answers(event: evt.Event) -> Iterator[tuple[Any, Dataset | None]]:
        asked.append(event.identifier)
        yield from scheduled(event)

    with peer(answers) as address:
        done = find(
            tmp_path, address, "--worklist", "--patient-name", "Doe*", "--modality", "CT", "--from", "2026-11-24",
            "--key", "ScheduledStationAETitle=CT1", "--return", "PatientSex",
        )  # fmt: skip
    assert done.exit_code == 0, done.output
    [query] = asked
    [step] = query.ScheduledProcedureStepSequence
    assert (query.PatientName, query.PatientSex, "QueryRetrieveLevel" in query) == ("Doe*", "", False)
    assert (step.Modality, step.ScheduledStationAETitle) == ("CT", "CT1")
    assert step.ScheduledProcedureStepStartDate == "20261124-"
    assert "CT1, CT2" in done.stdout
    assert "Doe^Jane" in done.stdout


def test_worklist_comes_as_json(tmp_path: Path) -> None:
    with peer(scheduled) as address:
        done = find(tmp_path, address, "--worklist", "--json")
    [line] = done.stdout.splitlines()
    assert json.loads(line)["00400100"]["Value"][0]["00080060"]["Value"] == ["CT"]


@pytest.mark.parametrize("options", [("--level", "series"), ("--series", "1.2"), ("--relational",)])
def test_worklist_has_no_levels(tmp_path: Path, options: tuple[str, ...]) -> None:
    assert find(tmp_path, "A@127.0.0.1:1", "--worklist", *options).exit_code == 2
