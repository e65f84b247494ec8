"""What is found in the slices of a series: gaps, slices that come twice, spacing that varies; and what only looks like it."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.qa.studies.headers import AXIAL, slice_at, stack

from dicomnode.qa.studies.header import Header, Plane
from dicomnode.qa.studies.slices import Stacks, look_at

ECHO, TEMPORAL_POSITION, ACQUISITION, ACQUISITION_TIME = 0x00180086, 0x00200100, 0x00200012, 0x00080032
NOTHING = Stacks()


def missing(headers: list[Header]) -> list[tuple[int | None, int]]:
    """After which instance how many slices are missing."""
    random.Random(7).shuffle(headers)
    return [(gap.after, gap.missing) for gap in look_at(headers).gaps]


def test_whole_stack_is_clean() -> None:
    assert look_at(stack(20)) == NOTHING


def test_missing_slice_is_found() -> None:
    assert missing(stack(20, without=(8,))) == [(7, 1)]


def test_several_gaps_are_found() -> None:
    assert missing(stack(40, without=(8, 20, 21, 22))) == [(7, 1), (19, 3)]


def test_many_slices_are_missing_where_as_many_numbers_are() -> None:
    assert missing(stack(200, 0.6, without=tuple(range(50, 110)))) == [(49, 60)]


def test_wide_gap_separates_stacks_when_numbers_go_on() -> None:
    headers = stack(20) + [slice_at(1000 + 5 * n, 20 + n) for n in range(1, 21)]
    assert missing(headers) == []
    assert look_at(headers).irregular == 1


def test_nothing_can_be_told_of_three_slices() -> None:
    assert look_at(stack(5, without=(2, 3))) == NOTHING


def test_slice_that_comes_twice_is_found() -> None:
    found = look_at([*stack(20), slice_at(40, 21)])
    assert (found.doubled, found.gaps) == (1, [])


@pytest.mark.parametrize("spacing", [0.625, 0.333, 1.25, 2.0833333])
def test_rounded_positions_are_regular(spacing: float) -> None:
    headers = [slice_at(round(spacing * n, 1), n) for n in range(100)]
    assert (missing(headers), look_at(headers).doubled) == ([], 0)


@given(st.floats(0, math.pi), st.floats(0, math.pi), st.floats(0.3, 10), st.integers(2, 18))
def test_missing_slice_is_found_in_any_direction(turn: float, tilt: float, spacing: float, left_out: int) -> None:
    row = (math.cos(turn), math.sin(turn), 0.0)
    column = (-math.sin(turn) * math.cos(tilt), math.cos(turn) * math.cos(tilt), math.sin(tilt))
    normal = (math.sin(turn) * math.sin(tilt), -math.cos(turn) * math.sin(tilt), math.cos(tilt))
    headers = [
        slice_at(0, n, plane=Plane(tuple(100 + n * spacing * part for part in normal), (*row, *column), (512, 512)))
        for n in range(1, 20)
        if n != left_out
    ]
    assert missing(headers) in ([(left_out - 1, 1)], [(left_out + 1, 1)])


def test_tilted_gantry_is_no_fault() -> None:
    headers = [
        slice_at(0, n, plane=Plane((0.0, 1.5 * n, 5.0 * n), (1, 0, 0, 0, 0.96, -0.28), (512, 512))) for n in range(20)
    ]
    assert look_at(headers) == NOTHING


def test_two_regions_with_a_spacing_of_their_own_vary() -> None:
    headers = [slice_at(3 * n, n) for n in range(10)] + [slice_at(30 + 8 * n, 10 + n) for n in range(10)]
    assert (look_at(headers).gaps, look_at(headers).irregular) == ([], 1)


@pytest.mark.parametrize("tag", [ECHO, TEMPORAL_POSITION, ACQUISITION])
def test_volumes_are_told_apart(tag: int) -> None:
    headers = [slice_at(5 * n, apart={tag: str(volume)}) for volume in range(3) for n in range(20)]
    assert look_at(headers) == NOTHING


def test_slice_that_one_volume_lacks_is_found() -> None:
    headers = [
        slice_at(5 * n, n, apart={TEMPORAL_POSITION: str(volume), ACQUISITION_TIME: f"1015{volume:02}.{n:02}"})
        for volume in range(3)
        for n in range(20)
        if (volume, n) != (1, 7)
    ]
    assert missing(headers) == [(6, 1)]


def test_slice_that_one_volume_lacks_is_found_when_nothing_tells_them_apart() -> None:
    headers = [slice_at(5 * n) for volume in range(3) for n in range(20) if (volume, n) != (1, 7)]
    assert (look_at(headers).thinned, look_at(headers).doubled) == (1, 0)


def test_slices_in_steps_of_an_acquisition_each_are_one_stack() -> None:
    headers = [slice_at(5 * n, n, apart={ACQUISITION: str(n // 4)}) for n in range(20) if n != 9]
    assert missing(headers) == [(8, 1)]


def test_slice_that_is_made_again_later_is_one_too_many() -> None:
    headers = [slice_at(5 * n, n, apart={ACQUISITION_TIME: f"1015{n:02}"}) for n in range(20)]
    assert look_at([*headers, slice_at(35, 21, apart={ACQUISITION_TIME: "101630"})]).doubled == 1


def test_orientations_are_stacks_of_their_own() -> None:
    sagittal = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
    headers = stack(10) + [
        slice_at(0, 10 + n, plane=Plane((4.0 * n, 0, 0), sagittal, (512, 512))) for n in range(10) if n != 4
    ]
    assert [found for _, found in missing(headers)] == [1]


def test_tiles_are_no_stack() -> None:
    headers = [slice_at(0, n, plane=Plane((100.0 * n, 0.0, 0.0), AXIAL, (512, 512))) for n in range(20)]
    assert look_at(headers) == NOTHING


def test_what_is_no_slice_is_left_out() -> None:
    assert look_at([replace(header, plane=None) for header in stack(20, without=(8,))]) == NOTHING


def test_slices_that_rotate_cost_no_more_than_their_number() -> None:
    headers = [
        slice_at(0, n, plane=Plane((0.0, 0.0, 0.0), (math.cos(n), math.sin(n), 0, 0, 0, 1), (512, 512)))
        for n in range(5000)
    ]
    assert look_at(headers).gaps == []


@given(st.lists(st.tuples(*[st.floats(-1e6, 1e6)] * 3), max_size=12), st.tuples(*[st.floats(-1e6, 1e6)] * 6))
def test_any_numbers_are_borne(positions: list[tuple[float, ...]], orientation: tuple[float, ...]) -> None:
    look_at([slice_at(0, n, plane=Plane(one, orientation, (1, 1))) for n, one in enumerate(positions)])
