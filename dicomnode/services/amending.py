"""Data sets that are changed before they are kept, written as one that comes is: memory is bounded, pixel data streams."""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from functools import partial
from typing import IO, Final

from dicomnode.dicom.amend import Piece
from dicomnode.dicom.instance import StoreRequest, Verdict
from dicomnode.dicom.scan import ScannedDataset
from dicomnode.errors import AmendError
from dicomnode.files import Reception
from dicomnode.qa import Validation
from dicomnode.qa.fixing import fixed

_WRITTEN_BYTES: Final = 1 << 20


def write_pieces(reception: Reception, pieces: Iterable[Piece]) -> None:
    """Write an amended data set into ``reception``.

    Raises:
        AmendError: a deflated data set breaks off; the reception is discarded.
    """
    try:
        for piece in pieces:
            for at in range(0, len(piece), _WRITTEN_BYTES):
                reception.write(memoryview(piece)[at : at + _WRITTEN_BYTES])
    except AmendError:
        reception.discard()
        raise


def judged_as_received(
    validation: Validation, dataset: ScannedDataset, data: memoryview, request: StoreRequest, today: date
) -> Verdict:
    """The verdict on an instance if it came now: what rules would fix is fixed, in a file of its own, and judged so.

    Args:
        data: what ``dataset`` was scanned from.
    """
    verdict = validation.judge(dataset, request, today)
    if not verdict.changes:
        return verdict
    at = datetime.combine(today, time(), UTC)
    with tempfile.TemporaryFile() as file:
        made = fixed(validation, verdict, data, request, at, partial(_mapped, file))
    return made.verdict if made is not None else validation.judge(dataset, request, today, can_be_fixed=False)


def _mapped(file: IO[bytes], pieces: Iterable[Piece]) -> memoryview:
    file.writelines(pieces)
    file.flush()
    return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
