"""The report on what was received: groups, days, what changed with a software, clocks, new protocols."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from unit.index.received import CLEAN, received, verdict

from dicomnode.dicom.instance import Severity, Verdict
from dicomnode.dicom.peer import Sender
from dicomnode.index import Durability, Index, IndexSettings, OnConflict
from dicomnode.services.quality import By, Report, report

NOW = datetime(2024, 5, 20, 12, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
MANUFACTURER, MODEL, STATION, SOFTWARE, PROTOCOL = 0x00080070, 0x00081090, 0x00081010, 0x00181020, 0x00181030
SERIES_UID, BODY_PART = 0x0020000E, 0x00180015
CREATED = 0x00080012, 0x00080013
WARN, HOLD = verdict("patient.sex", severity=Severity.WARN), verdict("patient.id")


class Scanner:
    """Fills an index with what scanners sent."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._number = 0

    def sends(
        self,
        days_ago: float,
        judged: Verdict = CLEAN,
        *,
        ae: str = "CT1",
        software: str = "V1",
        late_s: float | None = None,
        address: str = "10.0.0.1",
        **series: str,
    ) -> None:
        """One instance of a series of its own; ``late_s`` after it was made, by the scanner's clock."""
        self._number += 1
        uid = f"1.2.{self._number}"
        names = {"protocol": PROTOCOL, "body_part": BODY_PART}
        of_series = {MANUFACTURER: "ACME", MODEL: "Scan", STATION: "S1", SOFTWARE: software, SERIES_UID: f"{uid}.0.0"}
        of_series |= {names[name]: value for name, value in series.items()}
        came = NOW - timedelta(days=days_ago)
        one = received(
            uid,
            study=f"{uid}.0",
            series=f"{uid}.0.0",
            of_series=of_series,
            judged=judged,
            sender=Sender(ae, "DICOMNODE", address),
        )
        if late_s is not None:
            made = (came - timedelta(seconds=late_s)).astimezone(BERLIN)
            own = {CREATED[0]: f"{made:%Y%m%d}", CREATED[1]: f"{made:%H%M%S}.25"}
            one = one._replace(attributes=one.attributes._replace(instance=own))
        self._index.instances.add(one._replace(received_at=came), OnConflict())

    def report(self, days: float = 30) -> Report:
        return report(self._index, NOW - timedelta(days=days), NOW, BERLIN)


@pytest.fixture
def scanner(tmp_path: Path) -> Iterator[Scanner]:
    index = Index(tmp_path, IndexSettings(), durability=Durability.FAST)
    index.prepare()
    yield Scanner(index)
    index.close()


def test_counts_by_what_instances_have_in_common(scanner: Scanner) -> None:
    scanner.sends(40, HOLD)
    scanner.sends(3, WARN)
    scanner.sends(2, HOLD)
    scanner.sends(2)
    scanner.sends(1, ae="CT2", software="V2")
    found = scanner.report()
    assert (found.total.instances, found.total.remarked, found.total.held) == (4, 1, 1)
    assert {key: group.instances for key, group in found.groups[By.AE].items()} == {("CT1",): 3, ("CT2",): 1}
    assert found.groups[By.DEVICE].keys() == {(ae, "ACME", "Scan", "S1", "") for ae in ("CT1", "CT2")}
    assert {key: group.held for key, group in found.groups[By.SOFTWARE].items()} == {
        ("ACME", "Scan", "V1"): 1,
        ("ACME", "Scan", "V2"): 0,
    }
    assert found.groups[By.MODEL][("ACME", "Scan")].rules == {"patient.sex": 1, "patient.id": 1}
    assert found.groups[By.RULE].keys() == {("patient.sex", "warn"), ("patient.id", "quarantine")}


def test_days_are_those_of_the_node(scanner: Scanner) -> None:
    scanner.sends(0.55)  # 22:48 in UTC, the next day in Berlin
    scanner.sends(0.7, HOLD)
    days = scanner.report().total.days
    assert {day: (counts.instances, counts.held) for day, counts in days.items()} == {
        date(2024, 5, 20): (1, 0),
        date(2024, 5, 19): (1, 1),
    }


def test_what_a_device_says_otherwise_since_its_software_changed_is_told(scanner: Scanner) -> None:
    for number in range(4):
        scanner.sends(10 - number, protocol="Head", body_part="HEAD")
    for number in range(4):
        scanner.sends(4 - number, WARN, software="V2", protocol="Head", body_part="")
    told = {(one.kind, one.what): one for one in scanner.report().drifts}
    assert told.keys() == {("empty", "BodyPartExamined"), ("rule", "patient.sex")}
    empty = told["empty", "BodyPartExamined"]
    assert (empty.software_before, empty.software, empty.since) == ("V1", "V2", NOW - timedelta(days=4))
    assert (empty.before, empty.after) == (1.0, 0.0)


def test_few_series_tell_of_no_change(scanner: Scanner) -> None:
    for number in range(4):
        scanner.sends(10 - number, body_part="HEAD")
    scanner.sends(1, software="V2", body_part="")
    assert scanner.report().drifts == ()


def test_a_clock_that_is_ahead_shows(scanner: Scanner) -> None:
    for number in range(12):
        scanner.sends(number, late_s=30 + number)
        scanner.sends(number, late_s=-300 + number, ae="CT2")
        scanner.sends(number, late_s=1200 + number, ae="CT3")
        scanner.sends(number, late_s=-9000, ae="DISK", address="")
    clocks = {one.device[0]: one for one in scanner.report().clocks}
    assert clocks.keys() == {"CT1", "CT2", "CT3"}
    assert (clocks["CT1"].is_ahead, clocks["CT1"].may_be_behind) == (False, False)
    assert clocks["CT2"].is_ahead
    assert clocks["CT2"].shortest_s == pytest.approx(-300, abs=1)
    assert clocks["CT3"].may_be_behind


def test_a_protocol_that_was_never_sent_before_is_new(scanner: Scanner) -> None:
    scanner.sends(40, protocol="Head")
    scanner.sends(3, protocol="Head")
    scanner.sends(2, protocol="Neck")
    scanner.sends(1, protocol="Neck")
    [new] = scanner.report().protocols
    assert (new.model, new.protocol, new.instances) == ("Scan", "Neck", 2)
    assert new.since == NOW - timedelta(days=2)


def test_nothing_received_is_a_report_too(scanner: Scanner) -> None:
    found = scanner.report()
    assert (found.total.instances, found.drifts, found.clocks, found.protocols) == (0, (), (), ())
