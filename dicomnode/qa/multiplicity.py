"""How many values an attribute may have (PS3.6), and which sequences may have one item only (PS3.3)."""

from __future__ import annotations

from functools import cache, lru_cache
from importlib.resources import files
from typing import Final, NamedTuple

from pydicom._dicom_dict import DicomDictionary, RepeatersDictionary
from pydicom.datadict import mask_match

ITEMS: Final = "iod.items"

_UNBOUNDED: Final = 1 << 32


class Multiplicity(NamedTuple):
    """A Value Multiplicity (PS3.5 Section 6.4): from ``least`` to ``most`` values, in steps."""

    least: int
    most: int
    step: int
    name: str

    def allows(self, count: int) -> bool:
        """Whether there may be as many values."""
        return self.least <= count <= self.most and (count - self.least) % self.step == 0

    def __str__(self) -> str:
        return self.name


ANY: Final = Multiplicity(0, _UNBOUNDED, 1, "0-n")


@cache
def multiplicity(name: str) -> Multiplicity:
    """What ``1``, ``1-3``, ``1-n`` or ``2-2n`` stands for."""
    least, _, most = name.partition("-")
    if not most:
        return Multiplicity(int(least), int(least), 1, name)
    if most.endswith("n"):
        return Multiplicity(int(least), _UNBOUNDED, int(most[:-1] or 1), name)
    return Multiplicity(int(least), int(most), 1, name)


_DICTIONARY: Final = {tag: multiplicity(entry[1]) for tag, entry in DicomDictionary.items()}


def allowed_values(tag: int) -> Multiplicity:
    """How many values the data dictionary allows; any number of an attribute that it does not have."""
    return _DICTIONARY.get(tag) or _of_repeaters(tag)


@lru_cache(maxsize=4096)  # a peer can make up any number of tags
def _of_repeaters(tag: int) -> Multiplicity:
    mask = None if tag >> 16 & 1 else mask_match(tag)
    return ANY if mask is None else multiplicity(RepeatersDictionary[mask][1])


@cache
def _single_items() -> dict[tuple[int, int], str]:
    """Sections by sequence and tag: the sequence in whose items it stands, 0 for the top level, -1 for wherever it stands."""
    sections = {}
    for line in files("dicomnode.qa.standard").joinpath("single_items.txt").read_text("ascii").splitlines():
        key, _, section = line.partition(" ")
        parent, _, tag = key.rpartition(">")
        sections[int(parent, 16) if parent else -1, int(tag, 16)] = section
    return sections


def single_item_section(parent: int, tag: int) -> str | None:
    """The section of PS3.3 that allows the sequence ``tag`` one item only; None where there may be more, or that is not known.

    Args:
        parent: the sequence in whose items it stands; 0 at the top level.
    """
    sections = _single_items()
    return sections.get((-1, tag)) or sections.get((parent, tag))
