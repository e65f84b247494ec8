"""Instances that were received, judged anew by other rules: what a draft of a site's rules would have changed.

Both the rules that hold and the draft judge the stored data set, as on the day on which it came. What is found with the index's
help, or was seen only on the way in, is found again by neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, tzinfo
from functools import partial
from pathlib import Path

from dicomnode.dicom.instance import StoreAnswer, StoreRequest, Verdict
from dicomnode.dicom.part10 import read_file_meta
from dicomnode.dicom.scan import ScannedDataset, scan
from dicomnode.errors import DatasetError
from dicomnode.index import ReceivedRow
from dicomnode.qa import Validation
from dicomnode.services.amending import judged_as_received
from dicomnode.services.instance_files import mapped
from dicomnode.services.parallel import ALONE_S, in_order


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict, and what the sender is told of it."""

    verdict: Verdict
    answer: StoreAnswer


@dataclass(frozen=True, slots=True)
class Replayed:
    """One instance as the rules that hold judge it, and as the draft does.

    Attributes:
        fault: why it could not be judged; then there are no verdicts.
    """

    row: ReceivedRow
    now: Judged | None
    draft: Judged | None
    fault: str = ""

    @property
    def is_changed(self) -> bool:
        """Whether another verdict would be come to, or other rules would find something."""
        return self.now is not None and self.draft is not None and _told(self.now) != _told(self.draft)


def replay(
    rows: Iterable[ReceivedRow],
    path_of: Callable[[str], Path],
    now: Callable[[], Validation],
    draft: Callable[[], Validation],
    zone: tzinfo,
    *,
    jobs: int = 1,
    stop: Callable[[], bool] = lambda: False,
    alone_s: float = ALONE_S,
) -> Iterator[Replayed]:
    """Each instance of which something was kept, judged twice, in their order.

    Args:
        path_of: the file at a location.
        now: makes the rules that hold, once in each process; can be pickled.
        draft: the same for the others.
        zone: where the node stands.
        jobs: processes at most.
        stop: asked now and then; when it says so, no other instance is begun.
        alone_s: how long this process works alone before others are started.
    """
    held = ((row, path_of(row.location)) for row in rows if row.location is not None)
    make = partial(_Judge, now, draft, zone)
    for (row, _), replayed in in_order(held, make, jobs=jobs, stop=stop, alone_s=alone_s):
        yield replayed or Replayed(row, None, None, "judging it ended the process")


class _Judge:
    """Judges one instance after the other."""

    def __init__(self, now: Callable[[], Validation], draft: Callable[[], Validation], zone: tzinfo) -> None:
        self._now = now()
        self._draft = draft()
        self._zone = zone

    def __call__(self, held: tuple[ReceivedRow, Path]) -> Replayed:
        """How the instance is judged; never raises."""
        row, path = held
        try:
            data = mapped(path)
            meta = read_file_meta(data)
        except DatasetError as error:
            return Replayed(row, None, None, str(error))
        content = memoryview(data)[meta.dataset_offset :]
        dataset = scan(content, meta.transfer_syntax_uid)
        request = StoreRequest(row.sop_class_uid, row.sop_instance_uid, meta.transfer_syntax_uid, row.sender)
        today = row.received_at.astimezone(self._zone).date()
        now, draft = (_judged(one, dataset, content, request, today) for one in (self._now, self._draft))
        return Replayed(row, now, draft)


def _judged(
    validation: Validation, dataset: ScannedDataset, data: memoryview, request: StoreRequest, today: date
) -> Judged:
    verdict = judged_as_received(validation, dataset, data, request, today)
    return Judged(verdict, validation.answer(verdict.findings, request.sender))


def _told(judged: Judged) -> tuple[object, ...]:
    return judged.verdict.severity, judged.answer.status, {(one.rule, one.severity) for one in judged.verdict.findings}
