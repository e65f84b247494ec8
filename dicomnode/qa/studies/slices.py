"""Slices of a series, or frames of an image, as stacks: positions that are missing or come twice, and whether the spacing varies.

A stack is what has one orientation, one size and, where several images lie at the same place, one echo, phase or moment. Positions
are projected on the normal of the slices (PS3.3 Section C.7.6.2.1.1). Nobody can tell of slices that are missing at an end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from statistics import median
from typing import Final, Protocol

from dicomnode.qa.studies.header import Plane, Vector

SAME_PLACE_MM: Final = 0.02
"""Positions nearer than this are one."""
_SAME_DIRECTION: Final = 0.002
"""Components of directions that differ by less are the same: scanners write six digits, some fewer."""
_FEWEST: Final = 4
"""Slices of a stack of which a spacing can be told."""
_TOLERANCE: Final = 0.2
"""Of the spacing; by so much a regular gap may differ."""
_TOLERANCE_MM: Final = 0.11
"""The same for positions that are rounded to a tenth of a millimetre."""
_REGULAR: Final = 0.75
"""Of the gaps must be regular for a larger one to be a gap with slices missing."""
_WIDEST: Final = 10
"""A gap of more spacings separates two stacks, unless the instance numbers leave as many out."""
_MOST_STACKS: Final = 200
"""Of one series; rotating slices have each a direction of its own."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Where slices are missing.

    Attributes:
        after: Instance Number of the slice before it, along the normal; None when that has none.
        missing: so many slices have room in it.
        gap_mm: its width.
        spacing_mm: what it would be.
    """

    after: int | None
    missing: int
    gap_mm: float
    spacing_mm: float


@dataclass(slots=True)
class Stacks:
    """What was found in the slices of a series.

    Attributes:
        doubled: positions at which there are more slices than at the others.
        thinned: positions at which there are fewer, where there are several at the others.
        irregular: stacks whose spacing varies.
    """

    gaps: list[Gap] = field(default_factory=list)
    doubled: int = 0
    thinned: int = 0
    irregular: int = 0


class Slice(Protocol):
    """What is asked of a slice: the header of an instance has it, and so has a frame.

    Attributes:
        plane: None for what is no slice.
        number: that counts slices up, if anything does.
        told_apart_by: what slices at the same place may differ in.
    """

    @property
    def plane(self) -> Plane | None: ...
    @property
    def number(self) -> int | None: ...
    @property
    def told_apart_by(self) -> tuple[str | bytes, ...]: ...


_Placed = tuple[float, Vector, Slice]
"""A slice: its distance along the normal, its position, and what else it says."""


def look_at(slices: Iterable[Slice]) -> Stacks:
    """What is wrong with the slices of one series."""
    found = Stacks()
    for orientation, parallel in _by_orientation(slices):
        x, y, z = _normal(orientation)
        placed = [
            (x * p + y * q + z * r, plane.position, one) for plane, one in parallel for p, q, r in (plane.position,)
        ]
        placed.sort(key=_distance)
        for stack in _told_apart(placed):
            _look_at_stack(stack, found)
    return found


def _by_orientation(found: Iterable[Slice]) -> Iterator[tuple[Vector, list[tuple[Plane, Slice]]]]:
    stacks: list[tuple[Plane, list[tuple[Plane, Slice]]]] = []
    for one in found:
        plane = one.plane
        if plane is None:
            continue
        for first, slices in stacks:
            if first.size == plane.size and _is_parallel(first.orientation, plane.orientation):
                slices.append((plane, one))
                break
        else:
            if len(stacks) < _MOST_STACKS:
                stacks.append((plane, [(plane, one)]))
    return ((first.orientation, slices) for first, slices in stacks if len(slices) >= _FEWEST)


def _is_parallel(one: Vector, other: Vector) -> bool:
    return one == other or all(abs(a - b) < _SAME_DIRECTION for a, b in zip(one, other, strict=True))


def _normal(orientation: Vector) -> Vector:
    """The normal of rows and columns: along it slices are placed."""
    a, b, c, d, e, f = orientation
    return b * f - c * e, c * d - a * f, a * e - b * d


def _distance(placed: _Placed) -> float:
    return placed[0]


def _told_apart(placed: Sequence[_Placed]) -> list[list[_Placed]]:
    """One stack for each volume: split by what best tells images at the same place apart, if anything does."""
    doubles = _doubles(placed)
    differing = sorted({index for one, other in doubles for index in _differing(one, other)})
    best, fewest = [list(placed)], len(doubles)
    for by in (*combinations(differing, 1), *combinations(differing, 2), tuple(differing)):
        if not fewest:
            break
        volumes: dict[tuple[str | bytes, ...], list[_Placed]] = {}
        for one in placed:
            volumes.setdefault(tuple(one[2].told_apart_by[index] for index in by), []).append(one)
        left = sum(len(_doubles(volume)) for volume in volumes.values())
        if left < fewest and min(map(len, volumes.values())) >= _FEWEST:  # else each image has a time of its own
            best, fewest = list(volumes.values()), left
    return best


def _doubles(placed: Sequence[_Placed]) -> list[tuple[Slice, Slice]]:
    """Slices that lie where the one before them does."""
    return [(one, other) for (_, here, one), (_, there, other) in pairwise(placed) if _is_same_place(here, there)]


def _differing(one: Slice, other: Slice) -> Iterator[int]:
    return (index for index in range(len(one.told_apart_by)) if one.told_apart_by[index] != other.told_apart_by[index])


def _is_same_place(here: Vector, there: Vector) -> bool:
    (a, b, c), (d, e, f) = here, there
    return abs(c - f) < SAME_PLACE_MM and abs(a - d) < SAME_PLACE_MM and abs(b - e) < SAME_PLACE_MM


def _look_at_stack(stack: Sequence[_Placed], found: Stacks) -> None:
    places = _places(stack)
    if places is None or len(places) < _FEWEST:
        return
    usual, _ = Counter(count for _, count, _ in places).most_common(1)[0]
    found.doubled += sum(count > usual for _, count, _ in places)
    found.thinned += sum(count < usual for _, count, _ in places)
    gaps = [(later[0] - earlier[0], earlier[2], later[2]) for earlier, later in pairwise(places)]
    spacing = median(width for width, _, _ in gaps)
    tolerance = min(max(spacing * _TOLERANCE, _TOLERANCE_MM), spacing / 2)
    others = [gap for gap in gaps if abs(gap[0] - spacing) > tolerance]
    if len(others) > len(gaps) * (1 - _REGULAR):
        found.irregular += 1
        return
    missing = [gap for width, earlier, later in others if (gap := _gap(width, spacing, tolerance, earlier, later))]
    found.gaps.extend(missing)
    found.irregular += len(missing) < len(others)


def _places(stack: Sequence[_Placed]) -> list[tuple[float, int, Slice]] | None:
    """Distance, number of slices and one of them for each place; None when several lie side by side: tiles are no stack."""
    places: list[tuple[float, int, Slice]] = []
    last: Vector | None = None
    for distance, position, one in stack:
        if last is not None and distance - places[-1][0] < SAME_PLACE_MM:
            if not _is_same_place(last, position):
                return None
            places[-1] = (places[-1][0], places[-1][1] + 1, one)
        else:
            places.append((distance, 1, one))
        last = position
    return places


def _gap(width: float, spacing: float, tolerance: float, earlier: Slice, later: Slice) -> Gap | None:
    steps = round(width / spacing)
    if steps < 2 or abs(width - steps * spacing) > 2 * tolerance:  # noqa: PLR2004 - one step is no gap
        return None
    leaves_out = earlier.number is not None and later.number is not None and abs(later.number - earlier.number) == steps
    if steps > _WIDEST and not leaves_out:
        return None
    return Gap(earlier.number, steps - 1, width, spacing)
