"""Writes ``single_items.txt``: the sequences for which PS3.3 allows one item only, from a package of the registry.

    python -m dicomnode.qa.standard.generate_items            # writes the file
    python -m dicomnode.qa.standard.generate_items --check    # fails where the file is not what would be written

A line is a tag, or the tag of the sequence around it, ">" and a tag (00000000: the top level), and a section of PS3.3. No words of
the standard are taken over.
"""

from __future__ import annotations

import json
import re
import tempfile
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import click

from dicomnode.dicom.value_representation import dictionary_vr
from dicomnode.qa.standard.generate import Package, download

FILE: Final = Path(__file__).with_name("single_items.txt")
DICOM_STANDARD: Final = Package(
    "dicom-standard", "0.1.0", "648aad3e57229c8891c7970533638584237b2347001cfcc78f84d7d19e8bdeac"
)

_TABLES: Final = ("module_to_attributes", "macro_to_attributes")
_MARKUP, _BLANKS = re.compile(r"<[^>]*>"), re.compile(r"\s+")
_ONE = re.compile(r"(?:Only a single|Only one|Zero or one|\bOne|A single) Items? (?:shall|is|may)[^.]*\.")
_ON_A_CONDITION = re.compile(r"\bif\b|unless|when ")
_AFTER_A_CONDITION = re.compile(r"(?:If|When|Unless)[^.]*$")
_MORE = re.compile(r"(?:or more|Two|two) Items")
_SECTION = re.compile(r"sect_([\w.]+)\.html#table_")

_ADDED: Final = {"006A0009": "C.37.1.2", "006A000A": "C.37.1.2", "00000000>00081111": "C.7.3.1"}
"""By hand: newer than the package's edition, or in modules of normalized SOP Classes only with more items."""
_LEFT_OUT: Final = frozenset({"00620007"})
"""By hand: newer editions may allow more."""

_Place = tuple[int, int]
"""The sequence in whose items it stands, 0 for the top level, and its own tag."""


def build() -> str:
    """The file's text."""
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(download(DICOM_STANDARD, Path(folder))) as archive:
        names = [name for table in _TABLES for name in archive.namelist() if name.endswith(f"/{table}.json")]
        lines = _lines(row for name in names for row in json.loads(archive.read(name)))
        told = {key: section for key, section in lines if key not in _LEFT_OUT} | _ADDED
    return "".join(f"{key} {told[key]}\n" for key in sorted(told, key=lambda key: (int(key.replace(">", ""), 16), key)))


def _lines(rows: Iterable[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Sequences that have one item wherever they stand, and those that have in every module within one certain sequence."""
    wherever: defaultdict[int, set[bool]] = defaultdict(set)
    within: defaultdict[_Place, set[bool]] = defaultdict(set)
    sections: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for row in rows:
        place = _place(row["path"])
        if place is None:
            continue
        is_sole = _is_sole(row["description"])
        wherever[place[1]].add(is_sole)
        within[place].add(is_sole)
        if found := _SECTION.search(row["linkToStandard"]):
            sections[place[1]][found[1]] += 1
    for tag, answers in wherever.items():
        if answers == {True}:
            yield f"{tag:08X}", sections[tag].most_common(1)[0][0]
    for (parent, tag), answers in within.items():
        if answers == {True} and wherever[tag] != {True}:
            yield f"{parent:08X}>{tag:08X}", sections[tag].most_common(1)[0][0]


def _place(path: str) -> _Place | None:
    _, *tags = path.split(":")
    try:
        numbers = [int(tag, 16) for tag in tags[-2:]]
    except ValueError:
        return None  # a repeating group
    if dictionary_vr(numbers[-1]) != b"SQ":
        return None
    return (numbers[0] if len(numbers) > 1 else 0), numbers[-1]


def _is_sole(description: str) -> bool:
    """Whether the words say that there is at most one item, on no condition."""
    words = _BLANKS.sub(" ", _MARKUP.sub(" ", description))
    found = _ONE.search(words)
    if found is None or _ON_A_CONDITION.search(found[0]) or _MORE.search(words):
        return False
    return not _AFTER_A_CONDITION.search(words[: found.start()])


@click.command(help=__doc__.split("\n", 1)[0])
@click.option("--check", is_flag=True, help="Write nothing; fail where the file differs.")
def main(*, check: bool) -> None:
    """Write the file, or compare it with what would be written."""
    built = build()
    if not check:
        FILE.write_text(built, "ascii")
        click.echo(f"{FILE}: {built.count(chr(10))} lines")
    elif FILE.read_text("ascii") != built:
        raise click.ClickException(
            f"{FILE.name} is not what its source says: run python -m dicomnode.qa.standard.generate_items"
        )
    else:
        click.echo(f"{FILE.name} is what its source says")


if __name__ == "__main__":
    main()
