"""The HL7 feed of the real program: orders reach a scanner, corrected patients a workstation; what was answered AA is there."""

from __future__ import annotations

import os
import re
import signal
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pydicom
import pytest
from certificates import Authority
from factories import ct, write
from pydicom import Dataset
from pydicom.uid import generate_uid
from running_node import RunningNode, dcmtk, free_port, wait_for

MAPPING = "step: {ScheduledStationAETitle: {from: OBR-24, values: {CT: CT1}}}\n"
HEADER = "MSH|^~\\&|RIS|HOSPITAL|DICOMNODE|RADIOLOGY|20260105101500||{kind}|{control}|P|2.3.1||||||{charset}"
PID = "PID|||P1^^^HOSPITAL||SMITH^JANE||19700203|F"


class Feed:
    """A node with two HL7 listeners, one of them for TLS."""

    def __init__(self, folder: Path) -> None:
        self.port, self.tls_port = free_port(), free_port()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "mapping.yaml").write_text(MAPPING)
        authority = Authority(folder, "hospital")
        self.authority = authority.certificate
        own = authority.issue("node")
        tls = {"certificate": str(own.certificate), "private_key": str(own.key)}
        listeners = [
            {"host": "127.0.0.1", "port": self.port},
            {"host": "127.0.0.1", "port": self.tls_port, "tls": tls},
        ]
        feed = {"listeners": listeners, "mapping": "mapping.yaml"}
        self.node = RunningNode(folder, hl7=feed, processes={"workers": 1})

    def start(self) -> None:
        """Start the node, on a machine that may be busy."""
        self.node.launch()
        self.node.wait_until_ready(timeout_s=240)

    def connect(self) -> Sender:
        return Sender(socket.create_connection(("127.0.0.1", self.port), timeout=30))


class Sender:
    """A connection of a system that sends messages."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._count = 0

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, kind: str, *segments: str, control: str = "", charset: str = "UNICODE UTF-8") -> str:
        """MSA-1 of the answer; empty when the connection ended without one."""
        self._count += 1
        header = HEADER.format(kind=kind, control=control or f"{id(self)}.{self._count}", charset=charset)
        text = "\r".join((header, *segments, ""))
        self.raw(b"\x0b" + text.encode("latin_1" if charset == "8859/1" else "utf-8") + b"\x1c\r")
        answer = self.answer()
        match = re.search(rb"\rMSA\|(\w\w)\|", answer)
        return match[1].decode() if match else ""

    def raw(self, data: bytes) -> None:
        self._socket.sendall(data)

    def answer(self) -> bytes:
        data = b""
        while not data.endswith(b"\x1c\r"):
            piece = self._socket.recv(65536)
            if not piece:
                return b""
            data += piece
        return data


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Feed]:
    """One node for all that leave it as it was."""
    feed = Feed(tmp_path_factory.mktemp("hl7") / "node")
    try:
        feed.start()
        yield feed
    finally:
        feed.node.stop()


def order(accession: str, control: str = "NW", status: str = "SC") -> tuple[str, str, str, str]:
    """The segments of an order of one step."""
    return (
        PID.replace("SMITH", "MÜLLER"),
        f"ORC|{control}|P{accession}|F{accession}||{status}||^^^20991231110000",
        f"OBR||P{accession}|F{accession}|CTH^CT Head^L||||||||||||||{accession}|R{accession}|S{accession}||||CT",
        f"ZDS|1.2.3.{accession[1:]}^RIS^Application^DICOM",
    )


def worklist(node: RunningNode, folder: Path, **keys: str) -> list[Dataset]:
    """What a scanner gets by DCMTK's findscu -W."""
    folder.mkdir(exist_ok=True)
    for old in folder.glob("rsp*.dcm"):
        old.unlink()
    asked = {"PatientName": "", "PatientID": "", "AccessionNumber": "", "StudyInstanceUID": ""} | keys
    arguments = [part for keyword, value in asked.items() for part in ("-k", f"{keyword}={value}")]
    step = ["-k", "ScheduledProcedureStepSequence[0].ScheduledStationAETitle=CT1"]
    step += ["-k", "ScheduledProcedureStepSequence[0].ScheduledProcedureStepID="]
    done = dcmtk(
        "findscu", "-W", "-X", "-od", folder, "-aet", "CT1", "-aec", "DICOMNODE", *arguments, *step,
        "127.0.0.1", str(node.port),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [pydicom.dcmread(path, force=True) for path in sorted(folder.glob("rsp*.dcm"))]


def test_order_reaches_the_scanner_and_leaves_when_it_is_canceled(feed: Feed, tmp_path: Path) -> None:
    with feed.connect() as ris:
        assert ris.send("ORM^O01", *order("A1"), charset="8859/1") == "AA"
        [answer] = worklist(feed.node, tmp_path / "found")
        assert (answer.AccessionNumber, answer.PatientID, answer.StudyInstanceUID) == ("A1", "P1", "1.2.3.1")
        assert str(answer.PatientName) == "MÜLLER^JANE"
        assert answer.ScheduledProcedureStepSequence[0].ScheduledProcedureStepID == "SA1"
        assert ris.send("ADT^A40", PID.replace("P1", "P2"), "MRG|P1^^^HOSPITAL") == "AA"
        [answer] = worklist(feed.node, tmp_path / "found")
        assert (answer.PatientID, str(answer.PatientName)) == ("P2", "SMITH^JANE")
        canceled = (PID.replace("P1", "P2"), *order("A1", "CA", "CA")[1:])
        assert ris.send("ORM^O01", *canceled) == "AA"
    assert worklist(feed.node, tmp_path / "found") == []


def get(node: RunningNode, folder: Path, study: str) -> list[Dataset]:
    folder.mkdir()
    done = dcmtk(
        "getscu", "-S", "+B", "-od", folder, "-aec", "DICOMNODE", "-k", "QueryRetrieveLevel=STUDY",
        "-k", f"StudyInstanceUID={study}", "127.0.0.1", str(node.port),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [pydicom.dcmread(path) for path in sorted(folder.iterdir())]


def find(node: RunningNode, **keys: str) -> str:
    arguments = [part for keyword, value in keys.items() for part in ("-k", f"{keyword}={value}")]
    done = dcmtk(
        "findscu", "-S", "-aec", "DICOMNODE", "-k", "QueryRetrieveLevel=STUDY", *arguments, "127.0.0.1", str(node.port)
    )
    return done.stdout + done.stderr


def test_merged_patient_is_found_and_goes_out_as_the_survivor(feed: Feed, tmp_path: Path) -> None:
    study, series = generate_uid(), generate_uid()
    common = {"StudyInstanceUID": study, "SeriesInstanceUID": series, "PatientID": "P5", "PatientName": "Doe^J"}
    first, late, other = ct(**common), ct(**common), ct(PatientID="P7")
    files = [write(first, tmp_path / "1.dcm"), write(other, tmp_path / "2.dcm")]
    assert feed.node.storescu(*files) == [0, 0]
    stored = {path: path.read_bytes() for path in feed.node.files()}
    with feed.connect() as ris:
        assert ris.send("ADT^A40", PID.replace("P1", "P6"), "MRG|P5^^^HOSPITAL") == "AA"
    assert feed.node.storescu(write(late, tmp_path / "3.dcm")) == [0]
    told = find(feed.node, PatientID="P6", StudyInstanceUID="", PatientName="", PatientBirthDate="")
    assert study in told
    assert "SMITH^JANE" in told
    assert study not in find(feed.node, PatientID="P5", StudyInstanceUID="")
    received = get(feed.node, tmp_path / "got", study)
    assert len(received) == 2
    for dataset in received:
        assert (dataset.PatientID, str(dataset.PatientName), dataset.PatientBirthDate) == (
            "P6",
            "SMITH^JANE",
            "19700203",
        )
        assert dataset.PixelData == first.PixelData
        assert "OriginalAttributesSequence" not in dataset
    assert {path: path.read_bytes() for path in stored} == stored
    [untouched] = get(feed.node, tmp_path / "other", str(other.StudyInstanceUID))
    assert untouched == pydicom.dcmread(files[1])


def test_whatever_dies_what_was_accepted_is_there(tmp_path: Path) -> None:
    feed = Feed(tmp_path / "node")
    feed.start()
    [first] = feed.node.events("worker.started", worker="feed")
    os.kill(int(first["worker_pid"]), signal.SIGKILL)

    def answers() -> bool:
        with suppress(OSError), feed.connect() as ris:
            return ris.send("ADT^A08", PID) == "AA"
        return False

    wait_for(answers, what="an answer of the next one", timeout_s=60)
    accepted: set[str] = set()
    enough = threading.Event()

    def send(first: int) -> None:
        with suppress(OSError), feed.connect() as ris:
            for number in range(first, first + 1000):
                if ris.send("ORM^O01", *order(f"A{number}")) != "AA":
                    return
                accepted.add(f"A{number}")
                if len(accepted) > 60:
                    enough.set()

    threads = [threading.Thread(target=send, args=(1000 * (number + 1),)) for number in range(3)]
    for thread in threads:
        thread.start()
    assert enough.wait(90)
    feed.node.kill()
    for thread in threads:
        thread.join()
    feed.start()
    there = {accession_number(row) for row in feed.node.rows("worklist", "list", "--all", "--limit", "100000")}
    assert accepted <= there
    with feed.connect() as ris:  # senders keep their connections
        assert ris.send("ADT^A08", PID) == "AA"
        assert feed.node.stop() == 0
        assert ris.answer() == b""
    assert not feed.node.events("worker.killed")


def accession_number(entry: dict[str, Any]) -> str:
    """Of an entry in DICOM JSON."""
    return str(entry["00080050"]["Value"][0])


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\n\r\n", b"\x0bMSH\x0b", b"\x16\x03\x01\x02\x00\x01" * 50, b"\x0b" + b"x" * (2 << 20)]
)
def test_hostile_bytes_cost_only_their_connection(feed: Feed, data: bytes) -> None:
    with feed.connect() as good, feed.connect() as bad:
        with suppress(OSError):
            bad.raw(data)
            assert bad.answer() == b""
        assert good.send("ADT^A08", PID) == "AA"


def test_several_messages_may_come_at_once(feed: Feed) -> None:
    with feed.connect() as ris:
        texts = [HEADER.format(kind="ADT^A08", control=str(n), charset="") + "\r" + PID + "\r" for n in range(3)]
        ris.raw(b"".join(b"\x0b" + text.encode() + b"\x1c\r" for text in texts))
        answers = b""
        while answers.count(b"\x1c\r") < 3:
            answers += ris.answer()
    assert re.findall(rb"MSA\|AA\|(\d)", answers) == [b"0", b"1", b"2"]


def test_tls_is_spoken_where_it_is_set(feed: Feed, tmp_path: Path) -> None:
    message = tmp_path / "a.hl7"
    message.write_text(HEADER.format(kind="ADT^A08", control="tls1", charset="") + "\n" + PID + "\n")
    to = ("--to", f"127.0.0.1:{feed.tls_port}")
    sent = feed.node.cli("hl7", "send", message, *to, "--trusted", feed.authority, "--any-host")
    assert (sent.returncode, "AA" in sent.stdout) == (0, True), sent.stderr
    assert feed.node.cli("hl7", "send", message, *to, "--tls").returncode == 1
    context = ssl.create_default_context(cafile=feed.authority)
    context.check_hostname = False
    with socket.create_connection(("127.0.0.1", feed.tls_port), timeout=60) as plain:
        wrapped = context.wrap_socket(plain)
        with Sender(wrapped) as ris:
            assert ris.send("ADT^A08", PID) == "AA"
    with (
        socket.create_connection(("127.0.0.1", feed.tls_port), timeout=60) as plain,
        Sender(plain) as ris,
        suppress(OSError),
    ):
        assert ris.send("ADT^A08", PID) == ""
    assert not feed.node.events("hl7.connection_crashed")


def test_last_messages_are_listed(feed: Feed) -> None:
    with feed.connect() as ris:
        ris.send("ADT^A08", PID, control="c1")
        ris.send("ORU^R01", PID, control="c2")
    rows = feed.node.rows("hl7", "list")
    assert [(row["control_id"], row["code"]) for row in rows[:2]] == [("c2", "AR"), ("c1", "AA")]
    assert not any(word in str(feed.node.log()) for word in ("SMITH", "JANE", "19700203"))
