"""``dicomnode hl7``: messages sent, checked, listed."""

from __future__ import annotations

import json
import select
import socket
import threading
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from structlog.testing import capture_logs
from unit.hl7.messages import OBR, ORC, PID, PV1, adt, message

from dicomnode.cli import commands
from dicomnode.hl7.feed import Feed
from dicomnode.hl7.listener import Connections, Listener
from dicomnode.hl7.mapping import load_mapping
from dicomnode.hl7.settings import Hl7Settings
from dicomnode.index import Durability, Index, IndexSettings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A configuration and a prepared data folder."""
    index = Index(tmp_path / "data", IndexSettings(), durability=Durability.FAST)
    (tmp_path / "data").mkdir()
    index.prepare()
    index.close()
    (tmp_path / "mapping.yaml").write_text("step: {ScheduledStationAETitle: {from: OBR-24, values: {CT: CT1}}}\n")
    (tmp_path / "node.yaml").write_text("data: data\ndurability: fast\nhl7: {mapping: mapping.yaml}\n")
    return tmp_path


@pytest.fixture
def port(folder: Path) -> Iterator[int]:
    """Where a feed of this data folder listens."""
    index = Index(folder / "data", IndexSettings(), durability=Durability.FAST)
    settings = Hl7Settings()
    listening = socket.create_server(("127.0.0.1", 0))
    connections = Connections()
    feed = Feed(index, load_mapping(None), settings, UTC)
    listener = Listener(listening, answer=feed.answer, settings=settings, tls=None, connections=connections)
    listening.settimeout(0)
    is_over = threading.Event()

    def accept() -> None:
        while not is_over.is_set():
            if select.select([listener], [], [], 0.05)[0]:
                listener.accept()

    thread = threading.Thread(target=accept)
    thread.start()
    with capture_logs():
        yield listening.getsockname()[1]
    is_over.set()
    thread.join()
    connections.abort(5)
    listening.close()
    index.close()


def run(folder: Path, *arguments: str) -> Result:
    needs_config = arguments[0] != "send"
    return CliRunner().invoke(
        commands, ["hl7", *arguments, *(["--config", str(folder / "node.yaml")] if needs_config else [])]
    )


def put(folder: Path, *messages: bytes, name: str = "a.hl7") -> str:
    (folder / name).write_bytes(b"".join(messages).replace(b"\r", b"\n"))
    return str(folder / name)


def test_sends_all_messages_of_a_file_and_tells_their_answers(folder: Path, port: int) -> None:
    file = put(folder, adt("A08", PID, control_id="c1"), adt("A08", PID, control_id="c2"))
    result = run(folder, "send", file, "--to", f"127.0.0.1:{port}", "--json")
    assert result.exit_code == 0
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(one["control_id"], one["code"], one["type"]) for one in told] == [
        ("c1", "AA", "ADT^A08"),
        ("c2", "AA", "ADT^A08"),
    ]


def test_send_says_why_a_message_was_not_accepted(folder: Path, port: int) -> None:
    file = put(folder, adt("A08", "PID|||", control_id="c1"))
    result = run(folder, "send", file, "--to", f"127.0.0.1:{port}")
    assert result.exit_code == 1
    assert "c1  AE: PID-3 (the patient's ID) is missing" in result.stdout


def test_send_goes_on_after_a_bad_file(folder: Path, port: int) -> None:
    bad = folder / "bad.hl7"
    bad.write_text("hello")
    result = run(folder, "send", str(bad), put(folder, adt("A08", PID)), "--to", f"127.0.0.1:{port}")
    assert result.exit_code == 1
    assert "no HL7 message in it" in result.stderr
    assert "AA" in result.stdout


def test_send_says_that_nobody_listens(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    result = run(folder, "send", put(folder, adt("A08", PID)), "--to", f"127.0.0.1:{port}")
    assert result.exit_code == 1
    assert "cannot connect" in str(result.exception) + result.output


def test_check_tells_what_becomes_of_an_order_and_does_nothing(folder: Path) -> None:
    file = put(folder, message("ORM^O01", PID, PV1, ORC, OBR))
    result = run(folder, "check", file, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    [step] = told["steps"]
    assert (step["status"], step["step"]["ScheduledStationAETitle"]) == ("SCHEDULED", "CT1")
    assert step["attributes"]["PatientName"] == "DOE^JANE^Q^DR"
    assert "ScheduledStationAETitle = CT1" in run(folder, "check", file).stdout
    assert "no messages" in run(folder, "list").stdout


def test_check_tells_who_is_merged_into_whom(folder: Path) -> None:
    result = run(folder, "check", put(folder, adt("A40", PID, "MRG|P0^^^HOSPITAL")))
    assert result.exit_code == 0
    assert "patient P1 of HOSPITAL merged (was P0 of HOSPITAL)" in result.stdout


def test_check_fails_with_what_is_wrong(folder: Path) -> None:
    result = run(folder, "check", put(folder, message("ORU^R01", PID)))
    assert result.exit_code == 1
    assert "AR: messages of type ORU^R01 are not supported" in result.stdout


def test_list_tells_what_came_and_the_text_only_when_asked(folder: Path, port: int) -> None:
    run(folder, "send", put(folder, adt("A08", PID, control_id="c1")), "--to", f"127.0.0.1:{port}")
    plain = run(folder, "list", "--json")
    [told] = [json.loads(line) for line in plain.stdout.splitlines()]
    assert (told["control_id"], told["code"], told["sender"]) == ("c1", "AA", "RIS|HOSPITAL")
    assert "DOE" not in plain.stdout
    assert "PID|||P1^^^HOSPITAL^MR||DOE^JANE" in run(folder, "list", "--content", "--control-id", "c1").stdout
    assert "no messages" in run(folder, "list", "--control-id", "other").stdout
