"""C-FIND: each failure has its status, and the peer is looked at between pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from unit.index.received import received

from dicomnode.dicom.character_sets import DEFAULT_REPERTOIRE
from dicomnode.dicom.encode import Encoding
from dicomnode.dicom.peer import PeerSettings, Permission, Sender
from dicomnode.dicom.sub_operations import SubOperations
from dicomnode.dicom.transfer_syntax import EXPLICIT_VR_LITTLE_ENDIAN
from dicomnode.index import Durability, Index, IndexSettings, OnConflict
from dicomnode.scp.known_peers import KnownPeers
from dicomnode.scp.query import QuerySCP
from dicomnode.services.query import Query, QuerySettings
from dicomnode.upper_layer.operations import FinalAnswer, IdentifierKind, IdentifierRequest

FIND, MOVE = "1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.5.1.4.1.2.2.2"
LEVEL, PATIENT_NAME, STUDY_UID, SERIES_UID = 0x00080052, 0x00100010, 0x0020000D, 0x0020000E
PEERS = {
    "may": PeerSettings(ae_title="MAY", may=frozenset({Permission.QUERY})),
    "not": PeerSettings(ae_title="NOT", may=frozenset({Permission.STORE})),
    "strict": PeerSettings(ae_title="STRICT", strict_queries=True),
}


@dataclass
class Waiting:
    """A peer that takes what comes, and cancels after so many pages."""

    cancels_after: int = 1000
    statuses: list[int] = field(default_factory=list)
    identifiers: list[bytes] = field(default_factory=list)

    def is_cancelled(self) -> bool:
        return len(self.statuses) >= self.cancels_after

    def matches(self, identifiers: Sequence[bytes], *, status: int) -> None:
        self.statuses.append(status)
        self.identifiers += identifiers

    def progress(self, counts: SubOperations) -> None:
        raise AssertionError("a query has no sub-operations")


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    opened = Index(tmp_path, IndexSettings(lock_timeout_s=0.2), durability=Durability.FAST)
    opened.prepare()
    for number in range(30):
        uid = f"1.2.{number}"
        opened.instances.add(received(f"{uid}.1.1", study=uid, series=f"{uid}.1"), OnConflict())
    yield opened
    opened.close()


def find(
    index: Index,
    keys: dict[int, str],
    *,
    peer: str | None = None,
    waiting: Waiting | None = None,
    sop_class: str = FIND,
    agreed: bytes = b"",
    strangers_may: frozenset[Permission] = frozenset(Permission),
) -> FinalAnswer:
    scp = QuerySCP(
        Query(index, QuerySettings(), retrieve_ae_title="NODE"), KnownPeers(PEERS, strangers_may=strangers_may)
    )
    identifier = Encoding.of(EXPLICIT_VR_LITTLE_ENDIAN, DEFAULT_REPERTOIRE).dataset(keys)
    request = IdentifierRequest(
        kind=IdentifierKind.FIND,
        sop_class_uid=sop_class,
        message_id=1,
        transfer_syntax_uid=EXPLICIT_VR_LITTLE_ENDIAN,
        identifier=identifier,
        move_destination="",
        sender=Sender("PEER", "NODE", "192.0.2.1", peer),
        extended_negotiation=agreed,
    )
    return scp.find(request, waiting or Waiting())  # type: ignore[arg-type]  # what sends instances is not asked for


def test_matches_come_before_success(index: Index) -> None:
    waiting = Waiting()
    assert find(index, {LEVEL: "STUDY", STUDY_UID: ""}, waiting=waiting) == FinalAnswer(0x0000)
    assert len(waiting.identifiers) == 30
    assert set(waiting.statuses) == {0xFF00}


def test_nothing_found_is_a_success_without_matches(index: Index) -> None:
    waiting = Waiting()
    assert find(index, {LEVEL: "STUDY", STUDY_UID: "1.9"}, waiting=waiting) == FinalAnswer(0x0000)
    assert waiting.statuses == []


def test_cancelled_between_pages(index: Index) -> None:
    waiting = Waiting(cancels_after=1)
    assert find(index, {LEVEL: "STUDY", STUDY_UID: ""}, waiting=waiting) == FinalAnswer(0xFE00)
    assert 0 < len(waiting.identifiers) < 30


@pytest.mark.parametrize(("peer", "status"), [(None, 0x0000), ("may", 0x0000), ("not", 0x0124)])
def test_who_may_query(index: Index, peer: str | None, status: int) -> None:
    waiting = Waiting()
    assert find(index, {LEVEL: "STUDY", STUDY_UID: ""}, peer=peer, waiting=waiting).status == status
    assert bool(waiting.identifiers) == (status == 0)


def test_identifier_that_is_wrong_says_where(index: Index) -> None:
    answer = find(index, {LEVEL: "SERIES", SERIES_UID: ""})
    assert (answer.status, answer.offending_elements) == (0xA900, (STUDY_UID,))
    assert answer.comment


def test_relational_query_once_that_is_agreed_on(index: Index) -> None:
    keys = {LEVEL: "SERIES", SERIES_UID: "1.2.7.1"}
    assert find(index, keys).status == 0xA900
    waiting = Waiting()
    assert find(index, keys, agreed=b"\1", waiting=waiting).status == 0x0000
    assert len(waiting.identifiers) == 1


def test_strict_peer_is_held_to_the_baseline(index: Index) -> None:
    keys = {LEVEL: "SERIES", STUDY_UID: "1.2.7", SERIES_UID: "", PATIENT_NAME: ""}
    assert find(index, keys, peer="may").status == 0x0000
    answer = find(index, keys, peer="strict")
    assert (answer.status, answer.offending_elements) == (0xA900, (PATIENT_NAME,))


def test_class_that_is_not_for_queries(index: Index) -> None:
    assert find(index, {LEVEL: "STUDY", STUDY_UID: ""}, sop_class=MOVE).status == 0x0122


def test_index_that_cannot_be_read(index: Index, tmp_path: Path) -> None:
    index.close()
    for path in tmp_path.glob("index.sqlite*"):
        path.write_bytes(b"no database at all, but long enough to be looked at as if it were one" * 100)
    answer = find(index, {LEVEL: "STUDY", STUDY_UID: ""})
    assert (answer.status, answer.offending_elements) == (0xA700, ())
    assert "index" in answer.comment
