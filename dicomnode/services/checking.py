"""Files judged as on reception, without a node: the same scan, the same rules, the same answer; nothing is kept.

One file costs no other anything: what cannot be read is a finding of its own, and so is a file that ends the process which judges
it. Many files are shared among several processes; `parallel` has how.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from dicomnode.dicom import status
from dicomnode.dicom.instance import Finding, Severity, Verdict
from dicomnode.dicom.scan import UNDEFINED, ScannedDataset, scan
from dicomnode.dicom.sop_class import MEDIA_STORAGE_DIRECTORY
from dicomnode.errors import DatasetError
from dicomnode.qa import Validation
from dicomnode.services.amending import judged_as_received
from dicomnode.services.candidates import Candidate
from dicomnode.services.instance_files import mapped, recognised, request_for
from dicomnode.services.parallel import ALONE_S, in_order

log = structlog.get_logger()

UNREADABLE: Final = "core.file"
"""The finding that a file holds no instance that could be judged."""
UNKNOWN_SOURCE: Final = "CHECK"
"""Who is said to have sent a file that does not say it itself."""

_MANUFACTURER, _MODEL, _STATION = 0x00080070, 0x00081090, 0x00081010
_LONGEST_BYTES: Final = 64
"""Of what is told of a device: the longest LO (PS3.5 Table 6.2-1)."""


@dataclass(frozen=True, slots=True)
class Device:
    """What made an instance; empty where its data set does not say."""

    manufacturer: str = ""
    model: str = ""
    station: str = ""


@dataclass(frozen=True, slots=True)
class Checked:
    """How one file was judged.

    Attributes:
        status: what a C-STORE of it would be answered.
        is_other: the file lies in a folder and is no instance: another kind of file, or a DICOMDIR; nothing is found in it.
    """

    file: Path
    verdict: Verdict
    status: int
    device: Device = Device()
    is_other: bool = False


def check_files(
    found: Iterable[Candidate],
    validation: Callable[[], Validation],
    *,
    called_ae_title: str,
    calling_ae_title: str | None,
    today: date,
    jobs: int = 1,
    stop: Callable[[], bool] = lambda: False,
    alone_s: float = ALONE_S,
) -> Iterator[Checked]:
    """How each file is judged, in their order.

    Args:
        validation: makes the rules, once in each process; can be pickled.
        called_ae_title: our own title.
        calling_ae_title: who is said to have sent the files; None for the title that each file names.
        today: where the node stands.
        jobs: processes at most.
        stop: asked now and then; when it says so, no other file is begun.
        alone_s: how long this process works alone before others are started.
    """
    make = partial(Checker, validation, called_ae_title, calling_ae_title, today)
    for candidate, checked in in_order(found, make, jobs=jobs, stop=stop, alone_s=alone_s):
        yield checked or _unreadable(candidate.path, "judging it ended the process", "")


class Checker:
    """Judges files one after the other."""

    def __init__(
        self, validation: Callable[[], Validation], called_ae_title: str, calling_ae_title: str | None, today: date
    ) -> None:
        self._validation = validation()
        self._called = called_ae_title
        self._calling = calling_ae_title
        self._today = today

    def __call__(self, candidate: Candidate) -> Checked:
        """How the file is judged; never raises."""
        path = candidate.path
        try:
            return self._check(candidate)
        except DatasetError as error:
            if not candidate.is_named and _is_no_file(path):
                return self._other(path)
            return self._unreadable(path, str(error))
        except OSError as error:
            return self._unreadable(path, f"cannot be read: {error.strerror}")
        except Exception as error:  # a bug that one file comes upon keeps no other from being judged
            log.exception("check.failed", file=str(path))
            return self._unreadable(path, f"internal error: {type(error).__name__}")

    def _check(self, candidate: Candidate) -> Checked:
        path = candidate.path
        if not candidate.is_named and path.is_file() and not path.stat().st_size:
            return self._other(path)
        data = mapped(path)
        meta = recognised(path, data, len(data))
        if meta is None or meta.sop_class_uid == MEDIA_STORAGE_DIRECTORY:
            if candidate.is_named:
                raise DatasetError("not a DICOM file" if meta is None else "a DICOMDIR is no instance", 0)
            return self._other(path)
        content = memoryview(data)[meta.dataset_offset :]
        dataset = scan(content, meta.transfer_syntax_uid)
        request = request_for(
            meta,
            lambda: dataset,
            calling_ae_title=self._calling,
            unknown_source=UNKNOWN_SOURCE,
            called_ae_title=self._called,
        )
        if not (meta.dataset_offset or request.sop_instance_uid or candidate.is_named):
            return self._other(path)  # it only begins as a data set may
        verdict = judged_as_received(self._validation, dataset, content, request, self._today)
        answer = self._validation.answer(verdict.findings, request.sender)
        return Checked(path, verdict, answer.status, _device(dataset))

    def _other(self, path: Path) -> Checked:
        return Checked(path, Verdict((), self._validation.rule_set), status.SUCCESS, is_other=True)

    def _unreadable(self, path: Path, reason: str) -> Checked:
        return _unreadable(path, reason, self._validation.rule_set)


def _unreadable(path: Path, reason: str, rule_set: str) -> Checked:
    finding = Finding(UNREADABLE, Severity.REJECT, status.CANNOT_PARSE, (), reason, "", "PS3.10 7")
    return Checked(path, Verdict((finding,), rule_set), finding.status)


def _is_no_file(path: Path) -> bool:
    """Whether it is there, and a pipe or a device: nothing that could hold an instance."""
    return path.exists() and not path.is_file()


def _device(dataset: ScannedDataset) -> Device:
    return Device(*(_text(dataset, tag) for tag in (_MANUFACTURER, _MODEL, _STATION)))


def _text(dataset: ScannedDataset, tag: int) -> str:
    """What a device says of itself in one line; nothing when it is longer than it may be."""
    element = dataset.elements.get(tag)
    if element is None or element[2] == UNDEFINED or element[2] > _LONGEST_BYTES:
        return ""
    return (dataset.text(tag) or "").strip()
