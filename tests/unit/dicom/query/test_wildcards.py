"""Wildcards in keys."""

from __future__ import annotations

import time

import pytest

from dicomnode.dicom.query.wildcards import wildcard_test


@pytest.mark.parametrize(
    ("pattern", "fits", "others"),
    [
        ("A*", ["A", "AB", "A\nB", "A*"], ["a", "BA", ""]),
        ("*A", ["A", "BA"], ["AB"]),
        ("A?", ["AB", "A?"], ["A", "ABC"]),
        ("*A*B*", ["AB", "xAyBz"], ["BA"]),
        ("[AB]*", ["[AB]", "[AB]x"], ["A", "B"]),
        ("A.C", ["A.C"], ["ABC"]),
        ("100%_", ["100%_"], ["100", "1000x"]),
        ("", [""], ["A"]),
        ("山?", ["山田"], ["山", "山田太"]),
    ],
)
def test_whole_value(pattern: str, fits: list[str], others: list[str]) -> None:
    assert all(wildcard_test(pattern)(text) for text in fits)
    assert not any(wildcard_test(pattern)(text) for text in others)


def test_many_wildcards_cost_no_more_than_few() -> None:
    started = time.process_time()
    assert not wildcard_test("*a" * 30 + "*b")("a" * 2000)
    assert time.process_time() - started < 1
