"""Records of what was refused are kept for a while, and only for a while."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from unit.index.received import STUDY, received, request, verdict

from dicomnode.dicom.instance import Severity, Verdict
from dicomnode.index import Index, OnConflict

REFUSED = verdict("core.uids", severity=Severity.REJECT)
NOW = datetime.now(UTC)


def refuse(index: Index, count: int, *, days_ago: int = 0) -> None:
    for _ in range(count):
        index.refusals.record(request(), ("", "", ""), REFUSED, NOW - timedelta(days=days_ago))


def test_device_that_is_refused_for_ever_does_not_make_the_index_grow_for_ever(index: Index) -> None:
    for day in range(100, 0, -1):
        refuse(index, 3, days_ago=day)
    assert index.summary().refused == 3 * 91


def test_pile_of_old_records_wears_off_while_new_ones_come(index: Index) -> None:
    refuse(index, 10, days_ago=91)
    refuse(index, 5)
    assert index.summary().refused == 5


def test_all_that_is_past_its_time_is_removed_at_once_when_asked_for(open_index: Callable[..., Index]) -> None:
    refuse(open_index(refused_kept_days=0), 1200, days_ago=91)
    index = open_index()
    refuse(open_index(refused_kept_days=0), 2, days_ago=89)
    assert index.refusals.remove_old() == 1200
    assert index.summary().refused == 2
    assert index.refusals.remove_old() == 0


def test_number_of_a_removed_record_is_given_to_no_instance(open_index: Callable[..., Index]) -> None:
    """Who looks for what came since the last one would pass it over: its study would never be complete."""
    keeps = open_index(refused_kept_days=0)
    refuse(keeps, 3, days_ago=91)
    keeps.completeness.look(timedelta(0))
    index = open_index()
    index.refusals.remove_old()
    index.instances.add(received(), OnConflict())
    assert [one.study_instance_uid for one in index.completeness.look(timedelta(microseconds=-1))] == [STUDY]


def test_records_are_kept_for_ever_where_the_site_says_so(open_index: Callable[..., Index]) -> None:
    index = open_index(refused_kept_days=0)
    refuse(index, 3, days_ago=20_000)
    assert index.refusals.remove_old() == 0
    assert index.summary().refused == 3


@pytest.mark.parametrize("judged", [verdict(), verdict("patient.id")], ids=["accepted", "quarantined"])
def test_what_the_node_holds_stays_however_old_it_is(index: Index, judged: Verdict) -> None:
    old = received(judged=judged)._replace(received_at=NOW - timedelta(days=1000))
    index.instances.add(old, OnConflict())
    refuse(index, 3)
    index.refusals.remove_old()
    held = index.summary()
    assert held.instances + held.quarantined == 1
