"""C-FIND at STUDY level: all studies with ten keys, and one study by its Patient ID."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from bench import instances, measure, synthetic, wire
from bench.effort import Effort
from bench.instances import Identity, identities
from bench.raw_client import Address, Association, PeerRefusedError
from bench.servers import DATA_FOLDER, MANY, NODE, Durability, Running, Server
from dicomnode.dicom.character_sets import DEFAULT_REPERTOIRE
from dicomnode.dicom.encode import Encoding
from dicomnode.dicom.query.identifier import Model, QueryOptions, parse_query
from dicomnode.dicom.transfer_syntax import EXPLICIT_VR_LITTLE_ENDIAN
from dicomnode.index import Durability as IndexDurability
from dicomnode.index import Index, IndexSettings

Figures = Mapping[str, float]

_LEVEL, _PATIENT_ID = 0x00080052, 0x00100020
_KEYS = (
    0x00080020,  # Study Date
    0x00080030,  # Study Time
    0x00080050,  # Accession Number
    0x00080061,  # Modalities in Study
    0x00081030,  # Study Description
    0x00100010,  # Patient's Name
    _PATIENT_ID,
    0x00100030,  # Patient's Birth Date
    0x0020000D,  # Study Instance UID
    0x00201208,  # Number of Study Related Instances
)
_EXACT_AT_MOST = 5000
_FINAL_AT = 256
"""Bytes from the end of what came in which a final response is looked for."""
_STATUS, _FINAL = b"\0\0\0\x09\2\0\0\0", b"\0\0\0\x08\2\0\0\0\1\1"
"""In a command set: the head of Status (0000,0900), and a Command Data Set Type (0000,0800) that says there is none."""
_PENDING = (b"\x00\xff", b"\x01\xff")


@dataclass(frozen=True, slots=True)
class Finding:
    """Queries of an archive of ``studies`` small studies that were sent to it."""

    studies: int
    headline: str = "responses_per_s"
    durability: Durability = Durability.FAST
    nagle: bool = False

    @property
    def name(self) -> str:
        return f"find-{self.studies}"

    @property
    def title(self) -> str:
        return f"C-FIND, {self.studies} studies: all of them with 10 keys (responses/s); by Patient ID (p50, p99)"

    def takes(self, server: Server) -> bool:
        names = {NODE.name, "Orthanc"} | ({"dcmqrscp"} if self.studies <= 500 else set())  # it takes no more
        return server.name in names

    def measure(self, running: Running, scratch: Path, effort: Effort) -> Figures:  # noqa: ARG002 - keeps nothing
        patient_ids = _store(running.address, self.studies)
        return _ask(running, self.studies, patient_ids, effort)


@dataclass(frozen=True, slots=True)
class Growth:
    """The same queries of an index of ``studies`` rows that no instance was ever sent for."""

    studies: int
    headline: str = "index_p50_ms"
    durability: Durability = Durability.FAST
    nagle: bool = False

    @property
    def name(self) -> str:
        return f"find-{self.studies}"

    @property
    def title(self) -> str:
        return f"C-FIND, {self.studies} studies in the index: by Patient ID in the index, and over the network"

    def takes(self, server: Server) -> bool:
        return server == NODE

    def measure(self, running: Running, scratch: Path, effort: Effort) -> Figures:  # noqa: ARG002 - keeps nothing
        folder = running.folder / DATA_FOLDER
        synthetic.insert(folder, self.studies)
        patient_ids = [synthetic.patient_id(number) for number in range(1, self.studies + 1, 97)]
        index_p50_s = measure.percentile(list(_in_the_index(folder, patient_ids)), 50)
        return {"index_p50_ms": index_p50_s * 1e3, **_ask(running, self.studies, patient_ids, effort)}


def _store(address: Address, studies: int) -> list[str]:
    """Send one instance for each study; the Patient IDs."""
    template = instances.tiny()
    uids = iter(identities(1))
    patient_ids = []
    with Association(address, [template.sop_class_uid]) as association:
        context = association.require(wire.context_id(0))
        form = wire.store_rq(template, context, association.acceptance.max_pdu_length)
        for number in range(studies):
            first, second = next(uids), next(uids)  # a study has two of them
            patient_id = f"P{number:011}"
            patient_ids.append(patient_id)
            identity = Identity(
                patient_id, first.study_uid, first.series_uid, second.sop_instance_uid, first.instance_number
            )
            if association.ask(form.fill_in(identity)) != wire.SUCCESS:
                raise PeerRefusedError("the studies could not be stored")
    return patient_ids


def _ask(running: Running, studies: int, patient_ids: Sequence[str], effort: Effort) -> Figures:
    with Association(running.address, [wire.STUDY_ROOT_FIND]) as association:
        context = association.require(wire.context_id(0))
        everything = wire.find_rq(context, _identifier(""))
        find(association, everything, studies)
        cpu_before = measure.cpu_s(running.pid)
        took = _repeat(lambda: find(association, everything, studies), effort.duration_s)
        cpu_s = measure.cpu_s(running.pid) - cpu_before
        requests = [wire.find_rq(context, _identifier(patient_id)) for patient_id in patient_ids[:_EXACT_AT_MOST]]
        for request in requests[:50]:
            find(association, request, 1)
        exact = _each(association, requests, effort.duration_s)
    return {
        "responses_per_s": studies * len(took) / sum(took),
        "cpu_us": cpu_s / len(took) / studies * 1e6,
        "exact_p50_ms": measure.percentile(exact, 50) * 1e3,
        "exact_p99_ms": measure.percentile(exact, 99) * 1e3,
        "pss_mb": measure.memory(running.pid).proportional / 2**20,
    }


def _repeat(do: Callable[[], None], duration_s: float) -> list[float]:
    durations: list[float] = []
    while sum(durations) < duration_s:
        began = time.monotonic()
        do()
        durations.append(time.monotonic() - began)
    return durations


def _each(association: Association, requests: Iterable[bytes], duration_s: float) -> list[float]:
    """How long each took, as many as the time allows."""
    latencies = []
    began = before = now = time.monotonic()
    for request in islice(cycle(requests), MANY):
        find(association, request, 1)
        before, now = now, time.monotonic()
        latencies.append(now - before)
        if now - began > duration_s:
            break
    return latencies


def find(association: Association, request: bytes, expected: int) -> None:
    """Ask, and read until the final response; what came is counted when everything is there.

    Raises:
        PeerRefusedError: the query failed, or did not find as many as are expected.
    """
    association.send(request)
    received = bytearray()
    while _FINAL not in received[-_FINAL_AT:]:
        more = association.socket.recv(1 << 20)
        if not more:
            raise PeerRefusedError("the peer closed the connection")
        received += more
    status = received[received.rindex(_STATUS) + len(_STATUS) :][:2]
    matches = sum(received.count(_STATUS + pending) for pending in _PENDING)
    if status != b"\0\0" or matches != expected:
        raise PeerRefusedError(f"{matches} matches of {expected}, status {int.from_bytes(status, 'little'):04X}")


def _identifier(patient_id: str) -> bytes:
    encoding = Encoding.of(EXPLICIT_VR_LITTLE_ENDIAN, DEFAULT_REPERTOIRE)
    return encoding.dataset({_LEVEL: "STUDY", **dict.fromkeys(_KEYS, ""), _PATIENT_ID: patient_id})


def _in_the_index(folder: Path, patient_ids: Sequence[str]) -> Iterable[float]:
    """How long the index takes for each Patient ID, without network and encoding."""
    index = Index(folder, IndexSettings(), durability=IndexDurability.FAST)
    for patient_id in patient_ids:
        identifier = parse_query(_identifier(patient_id), EXPLICIT_VR_LITTLE_ENDIAN, Model.STUDY_ROOT, QueryOptions())
        began = time.perf_counter()
        matches = sum(len(page) for page in index.find(identifier, _KEYS).pages)
        yield time.perf_counter() - began
        assert matches == 1
    index.close()
