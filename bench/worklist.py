"""``python -m bench.worklist``: what a scanner waits for its worklist, at 10,000 entries, beside wlmscpfs and Orthanc.

Each server has the same entries: 30 days, ten stations, as many patients as entries. wlmscpfs and Orthanc read a folder of files,
as their manuals say; the node has read the same folder before it starts, and follows it.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.table import Table

from bench import servers, wire
from bench.raw_client import Address, Association, PeerRefusedError
from bench.servers import DATA_FOLDER, NODE, Durability, Orthanc, Server, running
from dicomnode.dicom.character_sets import DEFAULT_REPERTOIRE
from dicomnode.dicom.encode import Encoding
from dicomnode.dicom.procedure import WorklistEntry
from dicomnode.dicom.sop_class import MODALITY_WORKLIST_FIND
from dicomnode.dicom.transfer_syntax import EXPLICIT_VR_LITTLE_ENDIAN
from dicomnode.index import Durability as IndexDurability
from dicomnode.index import Index, IndexSettings
from dicomnode.services.worklist.files import file_of
from dicomnode.services.worklist.folder import synchronise

_STATUS, _FINAL = b"\0\0\0\x09\2\0\0\0", b"\0\0\0\x08\2\0\0\0\1\1"
"""In a command set: the head of Status (0000,0900), and a Command Data Set Type (0000,0800) that says there is none."""
_PENDING: Final = (b"\x00\xff", b"\x01\xff")
_FINAL_AT: Final = 256
_STATIONS, _DAYS = 10, 30
_TAGS: Final = {
    "ScheduledStationAETitle": ("00400001", "AE"),
    "ScheduledProcedureStepStartDate": ("00400002", "DA"),
    "ScheduledProcedureStepStartTime": ("00400003", "TM"),
    "Modality": ("00080060", "CS"),
    "ScheduledProcedureStepDescription": ("00400007", "LO"),
    "ScheduledProcedureStepID": ("00400009", "SH"),
    "ScheduledPerformingPhysicianName": ("00400006", "PN"),
}
_OTHERS: Final = {
    "PatientName": ("00100010", "PN"),
    "PatientID": ("00100020", "LO"),
    "PatientBirthDate": ("00100030", "DA"),
    "PatientSex": ("00100040", "CS"),
    "AccessionNumber": ("00080050", "SH"),
    "StudyInstanceUID": ("0020000D", "UI"),
    "RequestedProcedureID": ("00401001", "SH"),
    "RequestedProcedureDescription": ("00321060", "LO"),
    "ReferringPhysicianName": ("00080090", "PN"),
}
QUERIES: Final[Mapping[str, Mapping[str, str]]] = {
    "a station's day": {
        "ScheduledStationAETitle": "STATION3",
        "ScheduledProcedureStepStartDate": "20261112",
        "Modality": "CT",
    },
    "a day": {"ScheduledProcedureStepStartDate": "20261112"},
    "an order": {"AccessionNumber": "A0004711"},
    "all": {},
}


@dataclass(frozen=True, slots=True)
class Times:
    """Of one query, in s."""

    first: float
    whole: float
    matches: int


@dataclass(frozen=True, slots=True)
class WorklistNode:
    """The node, whose index follows the folder."""

    files: Path
    name: str = "dicomnode"
    ae_title: str = NODE.ae_title
    associations_at_most: int = 1

    def version(self) -> str | None:
        return NODE.version()

    def command(self, folder: Path, port: int, durability: Durability) -> Sequence[str]:
        (folder / DATA_FOLDER).mkdir(mode=0o700)
        index = Index(folder / DATA_FOLDER, IndexSettings(), durability=IndexDurability.FAST)
        index.prepare()
        synchronise(index, self.files)
        index.close()
        return NODE.command(folder, port, durability)

    def stored(self, folder: Path) -> int:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Wlmscpfs:
    """DCMTK's worklist server: a folder for each called AE title, read anew for each query."""

    files: Path
    name: str = "wlmscpfs"
    ae_title: str = "WORKLIST"
    associations_at_most: int = 1

    def version(self) -> str | None:
        return servers._version("/usr/bin/wlmscpfs", r"wlmscpfs v(\S+)")

    def command(self, folder: Path, port: int, durability: Durability) -> Sequence[str]:  # noqa: ARG002 - it keeps nothing
        place = folder / self.ae_title
        place.mkdir()
        for file in self.files.iterdir():
            os.link(file, place / file.name)
        (place / "lockfile").touch()
        return ["/usr/bin/wlmscpfs", "-dfp", str(folder), "-csk", str(port)]

    def stored(self, folder: Path) -> int:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class OrthancWorklists:
    """Orthanc with its worklist plugin, whose folder is read anew for each query."""

    files: Path
    name: str = "Orthanc"
    ae_title: str = "ORTHANC"
    associations_at_most: int = 1

    def version(self) -> str | None:
        return Orthanc().version() if self._plugin() else None

    def command(self, folder: Path, port: int, durability: Durability) -> Sequence[str]:
        command = Orthanc().command(folder, port, durability)
        config = folder / "orthanc.json"
        settings = json.loads(config.read_text())
        settings |= {
            "Plugins": [self._plugin()],
            "Worklists": {"Enable": True, "Database": str(self.files), "FilterIssuerAet": False, "LimitAnswers": 0},
            "DicomAlwaysAllowFindWorklist": True,
        }
        config.write_text(json.dumps(settings))
        return command

    def stored(self, folder: Path) -> int:
        raise NotImplementedError

    @staticmethod
    def _plugin() -> str:
        found = sorted(Path("/usr/share/orthanc/plugins").glob("libModalityWorklists.so*"))
        return str(found[0]) if found else ""


def write_entries(folder: Path, count: int) -> None:
    """As many worklist files, spread over days and stations."""
    for number in range(count):
        day, rest = number % _DAYS, number // _DAYS
        step = {
            "ScheduledStationAETitle": f"STATION{rest % _STATIONS}",
            "ScheduledProcedureStepStartDate": f"202611{day + 1:02}",
            "ScheduledProcedureStepStartTime": f"{7 + number % 12:02}{number % 60:02}00",
            "Modality": "CT",
            "ScheduledProcedureStepDescription": "CT thorax with contrast",
            "ScheduledProcedureStepID": f"S{number:07}",
            "ScheduledPerformingPhysicianName": "Grey^Meredith",
        }
        others = {
            "PatientName": f"Doe{number}^Jane",
            "PatientID": f"P{number:07}",
            "PatientBirthDate": f"19{number % 100:02}0101",
            "PatientSex": "F",
            "AccessionNumber": f"A{number:07}",
            "StudyInstanceUID": f"1.2.826.0.1.3680043.9.9999.{number}",
            "RequestedProcedureID": f"R{number:07}",
            "RequestedProcedureDescription": "CT thorax with contrast",
            "ReferringPhysicianName": "House^Gregory",
        }
        item = {_TAGS[name][0]: {"vr": _TAGS[name][1], "Value": [value]} for name, value in step.items()}
        attributes = {_OTHERS[name][0]: {"vr": _OTHERS[name][1], "Value": [value]} for name, value in others.items()}
        made = WorklistEntry.of(attributes | {"00400100": {"vr": "SQ", "Value": [item]}})
        (folder / f"{number:07}.wl").write_bytes(file_of(made))


def identifier(keys: Mapping[str, str]) -> bytes:
    """The Identifier of a query: all attributes are asked for, these select."""
    empty = {tag: {"vr": vr, "Value": [keys[name]] if name in keys else []} for name, (tag, vr) in _OTHERS.items()}
    item = {tag: {"vr": vr, "Value": [keys[name]] if name in keys else []} for name, (tag, vr) in _TAGS.items()}
    encoding = Encoding.of(EXPLICIT_VR_LITTLE_ENDIAN, DEFAULT_REPERTOIRE)
    return encoding.json_dataset(empty | {"00400100": {"vr": "SQ", "Value": [item]}})


def ask(address: Address, keys: Mapping[str, str]) -> Times:
    """One query on an association of its own, timed from its request.

    Raises:
        PeerRefusedError: it failed.
    """
    with Association(address, [MODALITY_WORKLIST_FIND]) as association:
        association.socket.settimeout(300)
        request = wire.find_rq(association.require(wire.context_id(0)), identifier(keys), MODALITY_WORKLIST_FIND)
        began = time.perf_counter()
        association.send(request)
        received, first = bytearray(), 0.0
        while _FINAL not in received[-_FINAL_AT:]:
            more = association.socket.recv(1 << 20)
            if not more:
                raise PeerRefusedError("the peer closed the connection")
            received += more
            first = first or time.perf_counter() - began
        whole = time.perf_counter() - began
    status = received[received.rindex(_STATUS) + len(_STATUS) :][:2]
    if status != b"\0\0":
        raise PeerRefusedError(f"status {int.from_bytes(status, 'little'):04X}")
    return Times(first, whole, sum(received.count(_STATUS + pending) for pending in _PENDING))


@click.command()
@click.option("--entries", default=10_000, show_default=True, type=click.IntRange(min=1))
@click.option("--turns", default=7, show_default=True, type=click.IntRange(min=1), help="Of each query at each server.")
@click.option("--json", "as_json", is_flag=True)
def main(*, entries: int, turns: int, as_json: bool) -> None:
    """Time worklist queries; the servers take turns, query by query, so that all meet the same neighbours on the machine."""
    folder = Path(tempfile.mkdtemp(prefix="bench-worklist-"))
    try:
        files = folder / "files"
        files.mkdir()
        write_entries(files, entries)
        kinds: list[Server] = [WorklistNode(files), Wlmscpfs(files), OrthancWorklists(files)]
        there = [one for one in kinds if one.version()]
        taken: dict[tuple[str, str], list[Times]] = {}
        with ExitStack() as stack:
            answering = [stack.enter_context(running(one, folder / one.name, Durability.FAST)) for one in there]
            for (name, keys), turn in itertools.product(QUERIES.items(), range(turns + 1)):
                for one in answering:
                    times = ask(one.address, keys)
                    if turn:  # the first one does not count
                        taken.setdefault((one.server.name, name), []).append(times)
        _report(taken, [one.name for one in there], as_json=as_json)
    finally:
        shutil.rmtree(folder)


def _report(taken: Mapping[tuple[str, str], list[Times]], names: Sequence[str], *, as_json: bool) -> None:
    table = Table("Query", "Server", "Matches", "First response (ms)", "Whole answer (ms)", "Turns", "Whole, ratio")
    figures = []
    for query in QUERIES:
        node = [one.whole for one in taken[names[0], query]]
        for name in names:
            times = taken[name, query]
            first, whole = (
                statistics.median(values) * 1e3 for values in zip(*((t.first, t.whole) for t in times), strict=True)
            )
            matches = sorted({one.matches for one in times})
            figures.append({"query": query, "server": name, "matches": matches, "first_ms": first, "whole_ms": whole})
            table.add_row(
                query,
                name,
                ", ".join(map(str, matches)),
                f"{first:.1f}",
                f"{whole:.1f}",
                str(len(times)),
                f"{statistics.median(one.whole / ours for one, ours in zip(times, node, strict=True)):.1f}",
            )
    if as_json:
        click.echo(json.dumps(figures, indent=1))
    else:
        Console(width=120).print(table)


if __name__ == "__main__":
    main()
