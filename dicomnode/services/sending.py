"""Files to a peer: found in folders by their content, sent, each with its outcome."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

from dicomnode.dicom.outgoing import OutgoingInstance
from dicomnode.dicom.part10 import read_file_meta
from dicomnode.dicom.scan import scan
from dicomnode.dicom.sop_class import MEDIA_STORAGE_DIRECTORY
from dicomnode.dicom.tags import SOP_CLASS_UID, SOP_INSTANCE_UID
from dicomnode.errors import DatasetError, PeerError
from dicomnode.scu.storage import Sent, StorageSCU
from dicomnode.services.candidates import Candidate
from dicomnode.services.instance_files import mapped

_FILES_AT_ONCE: Final = 2000
"""Heads that are read before their instances are sent, over associations of their own."""
_HEAD_BYTES: Final = 8 * 1024
_HEAD_ELEMENTS: Final = 64
"""Where SOP Class UID and SOP Instance UID are looked for: both stand in group 0008, near its beginning."""
_READ_AHEAD_BYTES: Final = 64 * 1024 * 1024
"""Of a file, asked of the disk before it is needed."""
_PREFIX_END: Final = 132
"""Of preamble and prefix (PS3.10 Section 7.1)."""


@dataclass(frozen=True, slots=True)
class SentFile:
    """What became of one file.

    Attributes:
        sop_instance_uid: empty when the file does not say.
        size_bytes: of the file.
        status: of the C-STORE response; None when it was never sent, or never answered.
        reason: for a person; empty for Success.
        is_other: the file is none of ours to send: no DICOM, and nobody named it.
    """

    path: Path
    sop_instance_uid: str
    size_bytes: int
    status: int | None
    reason: str
    is_other: bool = False


def read_instance(path: Path) -> OutgoingInstance:
    """The instance in the file at ``path``; its data set is mapped when its turn comes.

    Raises:
        DatasetError: there is none, or the file cannot be read.
    """
    data = mapped(path)
    meta = read_file_meta(data)
    head = memoryview(data)[meta.dataset_offset : meta.dataset_offset + _HEAD_BYTES]
    scanned = scan(head, meta.transfer_syntax_uid, max_elements=_HEAD_ELEMENTS)
    # What the data set says goes before the file's head: the peer compares the former with the request.
    sop_class_uid = scanned.uid(SOP_CLASS_UID) or meta.sop_class_uid
    sop_instance_uid = scanned.uid(SOP_INSTANCE_UID) or meta.sop_instance_uid
    if sop_class_uid == MEDIA_STORAGE_DIRECTORY:
        raise DatasetError("a DICOMDIR is no instance that can be sent", 0)
    if not sop_class_uid or not sop_instance_uid:
        raise DatasetError("not a DICOM instance: no SOP Class UID or SOP Instance UID", meta.dataset_offset)
    return OutgoingInstance(
        sop_class_uid, sop_instance_uid, meta.transfer_syntax_uid, partial(_dataset, path, meta.dataset_offset)
    )


def send_files(
    files: Sequence[Candidate], scu: StorageSCU, stop: Callable[[], bool] = lambda: False
) -> Iterator[SentFile]:
    """What became of each file, in their order but for those that are not sent: these come first among each two thousand.

    Args:
        stop: asked before each instance; when it says so, the outcomes end, and nothing after them was sent.

    Raises:
        PeerError: the first association cannot be made.
    """
    waiting = iter(files)
    has_begun, lost = False, ""
    while (some := list(islice(waiting, _FILES_AT_ONCE))) and not stop():
        instances: list[OutgoingInstance] = []
        kept: list[Path] = []
        for file in some:
            try:
                instances.append(read_instance(file.path))
                kept.append(file.path)
            except DatasetError as error:
                yield _unsent(file, str(error))
        if lost:
            yield from (
                _outcome(path, Sent(instance, None, lost)) for path, instance in zip(kept, instances, strict=True)
            )
            continue
        done = 0
        try:
            for sent in scu.send(instances, stop=stop):
                has_begun = True
                yield _outcome(kept[done], sent)
                done += 1
        except PeerError as error:
            if not has_begun:
                raise
            lost = str(error)
            for path, instance in zip(kept[done:], instances[done:], strict=True):
                yield _outcome(path, Sent(instance, None, lost))


def _outcome(path: Path, sent: Sent) -> SentFile:
    try:
        size_bytes = path.stat().st_size
    except OSError:
        size_bytes = 0
    return SentFile(path, sent.instance.sop_instance_uid, size_bytes, sent.status, sent.reason)


def _unsent(file: Candidate, reason: str) -> SentFile:
    return SentFile(file.path, "", 0, None, reason, is_other=is_other(file))


def is_other(file: Candidate) -> bool:
    """Whether a file that holds no instance need not: nobody named it, it can be looked at, and is no DICOM file or a DICOMDIR."""
    path = file.path
    if file.is_named:
        return False
    if not path.is_file():
        return path.exists()
    try:
        with path.open("rb") as opened:
            head = opened.read(_PREFIX_END)
        return head[-4:] != b"DICM" or read_file_meta(path).sop_class_uid == MEDIA_STORAGE_DIRECTORY
    except (OSError, DatasetError):
        return False


def _dataset(path: Path, offset: int) -> memoryview:
    data = mapped(path)
    data.madvise(mmap.MADV_WILLNEED, 0, min(len(data), _READ_AHEAD_BYTES))
    return memoryview(data)[offset:]
