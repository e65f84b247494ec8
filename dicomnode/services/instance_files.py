"""Files that may hold an instance: opened, known by their content, and as the C-STORE request that would bring them."""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from dicomnode.dicom.instance import StoreRequest
from dicomnode.dicom.part10 import FileMeta, read_file_meta
from dicomnode.dicom.peer import Sender, check_ae_title
from dicomnode.dicom.scanned import Buffer, ScannedDataset
from dicomnode.dicom.tags import SOP_CLASS_UID, SOP_INSTANCE_UID
from dicomnode.errors import DatasetError

_FIRST_GROUPS: Final = frozenset({b"\x02\x00", b"\x08\x00", b"\x00\x08"})
"""What a file without the prefix may begin with: File Meta Information, or group 0008 in either byte order."""


def opened(path: Path) -> int:
    """The descriptor of a file; a pipe that nobody writes to keeps nobody waiting."""
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)


def mapped(path: Path) -> mmap.mmap:
    """The whole file as bytes that are read when they are looked at.

    Raises:
        DatasetError: it is none, is empty, or cannot be read.
    """
    try:
        descriptor = opened(path)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise DatasetError("not a file", 0)
            if not status.st_size:
                raise DatasetError("not a DICOM file: it is empty", 0)
            return mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise DatasetError(f"cannot be read: {error.strerror or error}", 0) from error


def recognised(path: Path, head: Buffer, size_bytes: int) -> FileMeta | None:
    """What the head of a DICOM file says; None for another kind of file.

    Args:
        head: the first of the file's ``size_bytes``, or all of them.

    Raises:
        DatasetError: it is a DICOM file, but damaged.
    """
    has_prefix = b"DICM" in (bytes(head[128:132]), bytes(head[:4]))
    if not has_prefix and bytes(head[:2]) not in _FIRST_GROUPS:
        return None
    try:
        return read_file_meta(head)
    except DatasetError:
        if size_bytes > len(head):  # its File Meta Information may be longer than what was read
            return read_file_meta(path)
        if has_prefix:
            raise
        return None


def request_for(
    meta: FileMeta,
    dataset: Callable[[], ScannedDataset],
    *,
    calling_ae_title: str | None,
    unknown_source: str,
    called_ae_title: str,
) -> StoreRequest:
    """The C-STORE request that would bring the file's instance.

    Args:
        dataset: asked only where the File Meta Information does not name the instance.
        calling_ae_title: who is said to have sent it; None for Source Application Entity Title (0002,0016).
        unknown_source: who is said to have sent a file that does not say it either.
    """
    sop_class_uid, sop_instance_uid = meta.sop_class_uid, meta.sop_instance_uid
    if not (sop_class_uid and sop_instance_uid):
        scanned = dataset()
        sop_class_uid = sop_class_uid or scanned.uid(SOP_CLASS_UID) or ""
        sop_instance_uid = sop_instance_uid or scanned.uid(SOP_INSTANCE_UID) or ""
    return StoreRequest(
        sop_class_uid=sop_class_uid,
        sop_instance_uid=sop_instance_uid,
        transfer_syntax_uid=meta.transfer_syntax_uid,
        sender=Sender(calling_ae_title or _source(meta) or unknown_source, called_ae_title, ""),
    )


def _source(meta: FileMeta) -> str:
    try:
        return check_ae_title(meta.source_ae_title)
    except ValueError:
        return ""
