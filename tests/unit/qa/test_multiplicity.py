"""How many values an attribute may have, and which sequences may have one item only."""

from __future__ import annotations

import pytest

from dicomnode.qa.multiplicity import allowed_values, multiplicity, single_item_section

MAPPING, PERFORMED_STEP, SHARED_GROUPS, CODES, REFERENCED_SERIES = (
    0x0040A043,
    0x00081111,
    0x52009229,
    0x00081032,
    0x00081115,
)


@pytest.mark.parametrize(
    ("name", "allowed", "others"),
    [
        ("1", [1], [0, 2]),
        ("1-3", [1, 2, 3], [0, 4]),
        ("1-n", [1, 2, 999], [0]),
        ("2-2n", [2, 4, 6], [0, 1, 3, 5]),
        ("3-3n", [3, 6], [1, 2, 4, 5]),
        ("2-n", [2, 3], [1]),
        ("4-5", [4, 5], [3, 6]),
    ],
)
def test_understands_a_value_multiplicity(name: str, allowed: list[int], others: list[int]) -> None:
    assert [count for count in allowed + others if multiplicity(name).allows(count)] == allowed
    assert str(multiplicity(name)) == name


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        (0x00080008, "2-n"),
        (0x00200037, "6"),
        (0x60020050, "2"),  # Overlay Origin of the second group
        (0x00091001, "0-n"),
        (0x7FFFFFFF, "0-n"),
    ],
)
def test_knows_what_the_dictionary_says(tag: int, name: str) -> None:
    assert str(allowed_values(tag)) == name


def test_knows_sequences_for_one_item_wherever_they_stand_and_within_others() -> None:
    assert single_item_section(0, SHARED_GROUPS) == single_item_section(CODES, SHARED_GROUPS) == "C.7.6.16"
    assert single_item_section(0x0040A730, MAPPING) is not None
    assert single_item_section(0, PERFORMED_STEP) == "C.7.3.1"
    assert single_item_section(CODES, PERFORMED_STEP) is None
    assert single_item_section(0, CODES) is None
    assert single_item_section(0, REFERENCED_SERIES) is None
