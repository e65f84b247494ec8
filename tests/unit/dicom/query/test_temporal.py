"""Dates and times as keys, and stored values that compare with them."""

from __future__ import annotations

import pytest

from dicomnode.dicom.query.temporal import (
    comparable_date,
    comparable_date_time,
    comparable_time,
    date_interval,
    date_time_interval,
    time_interval,
)


@pytest.mark.parametrize(
    ("key", "inside", "outside"),
    [
        ("20240131", ["20240131", "2024.01.31"], ["20240130", "20240201"]),
        ("2024.01.31", ["20240131"], ["20240130"]),
        ("20240101-20240131", ["20240101", "20240131"], ["20231231", "20240201"]),
        ("20240101 - 20240131", ["20240115"], ["20240201"]),
        ("-20240131", ["20240131", "19000101"], ["20240201", "unknown"]),
        ("20240131-", ["20240131", "99981231"], ["20240130", "unknown"]),
    ],
)
def test_dates(key: str, inside: list[str], outside: list[str]) -> None:
    assert all(date_interval(key).holds(comparable_date(value)) for value in inside)
    assert not any(date_interval(key).holds(comparable_date(value)) for value in outside)


@pytest.mark.parametrize(
    ("key", "inside", "outside"),
    [
        ("10", ["10", "1000", "105959.999999", "10:59"], ["09", "095959.999999", "11", "110000"]),
        ("1030", ["1030", "103000", "103059.9"], ["10", "102959", "1031"]),
        ("103000", ["1030", "103000", "103000.999999"], ["10", "103001"]),
        ("103000.5", ["103000.5", "103000.59"], ["103000", "103000.6"]),
        ("100000", ["10", "1000", "100000.5"], ["100001", "095959"]),
        ("10-1115", ["10", "111559"], ["095959", "1116"]),
        ("-10", ["00", "105959"], ["11"]),
        ("10-", ["10", "235959.999999"], ["0959", "unknown"]),
        ("10:30-11:00", ["103000", "1100"], ["1101"]),
        ("235960", ["235960"], ["235959"]),
    ],
)
def test_times(key: str, inside: list[str], outside: list[str]) -> None:
    assert all(time_interval(key).holds(comparable_time(value)) for value in inside)
    assert not any(time_interval(key).holds(comparable_time(value)) for value in outside)


@pytest.mark.parametrize(
    ("key", "inside", "outside"),
    [
        ("2024", ["2024", "20241231235959.9"], ["2023", "2025"]),
        ("20240131", ["202401310000", "20240131235959"], ["20240201", "202401"]),
        ("20240131-", ["20240131", "2025"], ["20240130235959"]),
        ("-202401", ["20240131235959"], ["202402"]),
        ("20240131103000+0100", ["20240131093000+0000", "20240131043000-0500"], ["20240131103000+0000"]),
        ("2024013110+0000-2024013112+0000", ["20240131110000+0000", "20240131120000+0100"], ["20240131100000+0100"]),
        ("20240131-0500", ["20240131050000+0000"], ["20240131040000+0000"]),
        ("-20240131103000-0500", ["20240131153000+0000"], ["20240131153001+0000"]),
    ],
)
def test_dates_with_times(key: str, inside: list[str], outside: list[str]) -> None:
    assert all(date_time_interval(key).holds(comparable_date_time(value)) for value in inside)
    assert not any(date_time_interval(key).holds(comparable_date_time(value)) for value in outside)


@pytest.mark.parametrize(
    "key", ["2024", "20241301", "20240100", "2024.0131", "20240101-2024", "-", "a", "20240102-20240101"]
)
def test_what_is_no_date(key: str) -> None:
    with pytest.raises(ValueError, match=r"date|range"):
        date_interval(key)


@pytest.mark.parametrize(
    "key", ["1", "24", "1060", "101061", "1010.5", "101010.", "101010.1234567", "-", "12-11", "10:1030"]
)
def test_what_is_no_time(key: str) -> None:
    with pytest.raises(ValueError, match=r"time|range"):
        time_interval(key)


@pytest.mark.parametrize("key", ["", "-", "202", "20241301", "2024+15", "2024--2025", "x"])
def test_what_is_no_date_with_time(key: str) -> None:
    with pytest.raises(ValueError, match="date"):
        date_time_interval(key)
