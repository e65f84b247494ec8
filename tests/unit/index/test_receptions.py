"""What came in a time, and how it was judged then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from unit.index.received import CLEAN, MODALITY, received, request, verdict

from dicomnode.dicom.instance import Severity, State
from dicomnode.dicom.peer import Sender
from dicomnode.index import Index, OnConflict

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
PROTOCOL = 0x00181030


def add(index: Index, uid: str, days_ago: float, **changes: object) -> None:
    """One instance of a series of its own, which came so long before ``NOW``."""
    one = received(uid, study=f"{uid}.0", series=f"{uid}.0.0", **changes)  # type: ignore[arg-type]
    index.instances.add(one._replace(received_at=NOW - timedelta(days=days_ago)), OnConflict())


def uids(index: Index, days: float, **which: str) -> list[str]:
    return [row.sop_instance_uid for row in index.receptions.since(NOW - timedelta(days=days), **which)]


def test_tells_what_came_since(index: Index) -> None:
    for number, days_ago in enumerate((9.0, 5.0, 4.99, 1.0, 0.0)):
        add(index, f"1.2.{number}", days_ago)
    assert uids(index, 5) == ["1.2.1", "1.2.2", "1.2.3", "1.2.4"]
    assert uids(index, 0.5) == ["1.2.4"]
    assert uids(index, 100) == [f"1.2.{number}" for number in range(5)]
    assert uids(index, -1) == []


def test_an_empty_index_received_nothing(index: Index) -> None:
    assert uids(index, 5) == []
    assert index.receptions.fired("core.uids", NOW).instances == 0


def test_what_came_a_little_out_of_order_is_told(index: Index) -> None:
    for number, days_ago in enumerate((2.0, 0.99, 1.01, 0.98)):
        add(index, f"1.2.{number}", days_ago)
    assert uids(index, 1) == ["1.2.1", "1.2.3"]


def test_tells_what_became_of_it_and_how_it_was_judged(index: Index) -> None:
    add(index, "1.2.1", 0, judged=verdict("patient.id"), of_series={MODALITY: "CT", PROTOCOL: "Head"})
    add(index, "1.2.2", 0, judged=verdict("patient.sex", severity=Severity.WARN), of_series={PROTOCOL: "Neck"})
    index.refusals.record(request("1.2.3"), ("", "", ""), verdict("core.uids", severity=Severity.REJECT), NOW)
    held, warned, refused = index.receptions.since(NOW)
    assert [one.state for one in (held, warned, refused)] == [State.QUARANTINED, State.ACCEPTED, State.REFUSED]
    assert [one.findings[0].rule for one in (held, warned, refused)] == ["patient.id", "patient.sex", "core.uids"]
    assert held.series == {MODALITY: "CT", PROTOCOL: "Head"}
    assert warned.series == {PROTOCOL: "Neck"}
    assert refused.series == {}
    assert refused.location is None
    assert held.sender.peer == "ct1"


def test_tells_of_one_sender(index: Index) -> None:
    add(index, "1.2.1", 0, sender=Sender("CT1", "DICOMNODE", "127.0.0.1"))
    add(index, "1.2.2", 0, sender=Sender("CT2", "DICOMNODE", "127.0.0.1"))
    assert uids(index, 1, calling_ae_title="CT2") == ["1.2.2"]


def test_many_are_read_page_by_page(index: Index) -> None:
    for number in range(1203):
        add(index, f"1.2.{number}", 0)
    assert len(set(uids(index, 1))) == 1203


def test_counts_how_often_a_rule_found_something(index: Index) -> None:
    add(index, "1.2.1", 9, judged=verdict("patient.id"))
    add(index, "1.2.2", 3, judged=verdict("patient.id", "patient.sex"))
    add(index, "1.2.3", 2, judged=verdict("patient.id-card"))
    add(index, "1.2.4", 1, judged=CLEAN)
    fired = index.receptions.fired("patient.id", NOW - timedelta(days=7))
    assert (fired.instances, fired.found, fired.last_at) == (3, 1, NOW - timedelta(days=3))
    assert index.receptions.fired("patient.name", NOW - timedelta(days=7)).last_at is None


def test_tells_the_series_of_before(index: Index) -> None:
    add(index, "1.2.1", 9, of_series={PROTOCOL: "Head"})
    add(index, "1.2.2", 1, of_series={PROTOCOL: "Neck"})
    again = received("1.2.3", study="1.2.1.0", series="1.2.1.0.0", of_series={PROTOCOL: "Head"})
    index.instances.add(again._replace(received_at=NOW), OnConflict())
    assert list(index.receptions.series_before(NOW - timedelta(days=2))) == [{PROTOCOL: "Head"}]
