"""The changes that rules make: applied once, judged again, and never more than that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import NamedTuple

import structlog

from dicomnode.dicom.amend import OriginalAttributes, Piece, Reason, amended
from dicomnode.dicom.instance import StoreRequest, Verdict
from dicomnode.dicom.knowledge import Knowledge
from dicomnode.dicom.scan import ScannedDataset, scan
from dicomnode.errors import AmendError, StorageError
from dicomnode.qa.validation import Validation

log = structlog.get_logger()


class Fixed(NamedTuple):
    """A data set with the changes of its verdict made, and the verdict on it now."""

    dataset: ScannedDataset
    verdict: Verdict


def fixed(
    validation: Validation,
    verdict: Verdict,
    dataset: memoryview,
    request: StoreRequest,
    at: datetime,
    write: Callable[[Iterator[Piece]], memoryview],
    look: Callable[[ScannedDataset], Knowledge | None] = lambda _: None,
) -> Fixed | None:
    """The data set as the rules would have it; None when it cannot be changed so: then it is to be judged as it is.

    The old values go into Original Attributes Sequence, with COERCE as the reason (PS3.3 Section C.12.1.1.9).

    Args:
        verdict: on ``dataset``, with changes.
        at: now, where the node stands.
        write: keeps the pieces of the new data set as long as it is looked at, and gives the whole.
        look: what the node has of the patient, study and series of a data set; nobody looks unless given.
    """
    sender = request.sender
    original = OriginalAttributes(at, sender.called_ae_title, sender.calling_ae_title, Reason.COERCE)
    try:
        changed = write(amended(dataset, request.transfer_syntax_uid, verdict.changes, original=original))
    except AmendError:
        return None
    except StorageError:  # there is no room for it: that is the sender's to know
        raise
    except Exception as error:  # noqa: BLE001 - a bug in a fix must never lose an image
        log.error("qa.fix_failed", sop_class_uid=request.sop_class_uid[:64], error=type(error).__name__)
        return None
    if changed == dataset:  # it says so already, if in other words
        return None
    scanned = scan(changed, request.transfer_syntax_uid)
    return Fixed(scanned, validation.judge_fixed(verdict, scanned, request, at.date(), look(scanned)))
