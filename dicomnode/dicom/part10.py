"""The head of a Part 10 file: preamble, prefix and File Meta Information (PS3.10 Section 7.1), written and read.

What is written is the standard's letter. What is read may come from anybody: files without preamble, without group length,
without any meta information are read as far as they can be.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from dicomnode import __version__
from dicomnode.dicom.scanned import Buffer
from dicomnode.dicom.transfer_syntax import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from dicomnode.dicom.value_representation import LONG_FORM, SHORT_FORM
from dicomnode.errors import DatasetError

IMPLEMENTATION_CLASS_UID: Final = "2.25.166054577076579835088461938463850880382"
"""Names dicomnode among implementations; made from a UUID (PS3.5 Section B.2), and never to change."""
IMPLEMENTATION_VERSION_NAME: Final = f"DICOMNODE_{__version__}"[:16]


_PREAMBLE: Final = b"\0" * 128 + b"DICM"
_GROUP: Final = 0x0002
_SOP_CLASS_UID, _SOP_INSTANCE_UID, _TRANSFER_SYNTAX_UID = 0x0002, 0x0003, 0x0010
_SOURCE_AE_TITLE: Final = 0x0016
_UNDEFINED_LENGTH: Final = 0xFFFFFFFF
_REMEMBERED: Final = 32

_group_length = struct.Struct("<HH2sHI").pack


@dataclass(frozen=True, slots=True)
class FileMeta:
    """What the head of a file says.

    Attributes:
        transfer_syntax_uid: of the data set; guessed from its first element where the file does not say.
        sop_class_uid: Media Storage SOP Class UID (0002,0002); empty where the file does not say.
        sop_instance_uid: Media Storage SOP Instance UID (0002,0003); empty where the file does not say.
        dataset_offset: bytes before the data set.
        source_ae_title: Source Application Entity Title (0002,0016); empty where the file does not say.
    """

    transfer_syntax_uid: str
    sop_class_uid: str
    sop_instance_uid: str
    dataset_offset: int
    source_ae_title: str = ""


def file_meta(
    sop_class_uid: str,
    sop_instance_uid: str,
    transfer_syntax_uid: str,
    source_ae_title: str,
    receiving_ae_title: str = "",
) -> bytes:
    """All that stands before the data set: preamble, prefix, group 0002 in explicit VR little endian.

    Args:
        source_ae_title: of the Application Entity that sent the data set over the network; empty when there was none.
        receiving_ae_title: our own, as the sender called us.
    """
    before, after = _around_instance(sop_class_uid, transfer_syntax_uid, source_ae_title, receiving_ae_title)
    instance = _element(_SOP_INSTANCE_UID, b"UI", sop_instance_uid)
    length = len(before) + len(instance) + len(after)
    return b"".join((_PREAMBLE, _group_length(_GROUP, 0x0000, b"UL", 4, length), before, instance, after))


def read_file_meta(source: Buffer | Path) -> FileMeta:
    """What the head of a file says, wherever the file comes from.

    Args:
        source: the file's bytes, or its path.

    Raises:
        DatasetError: this is no DICOM file.
        OSError: the file cannot be opened.
    """
    if isinstance(source, Path):
        with source.open("rb") as file:
            if not source.stat().st_size:
                raise DatasetError("not a DICOM file: it is empty", 0)
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                return read_file_meta(mapped)
    offset = _start(source)
    values: dict[int, str] = {}
    for element, value, end in _meta_elements(source, offset):
        values[element] = value
        offset = end
    return FileMeta(
        transfer_syntax_uid=values.get(_TRANSFER_SYNTAX_UID) or _guess_transfer_syntax(source, offset),
        sop_class_uid=values.get(_SOP_CLASS_UID, ""),
        sop_instance_uid=values.get(_SOP_INSTANCE_UID, ""),
        dataset_offset=offset,
        source_ae_title=values.get(_SOURCE_AE_TITLE, ""),
    )


def _start(buffer: Buffer) -> int:
    """Where the meta information begins, or the data set where there is none."""
    if buffer[128:132] == b"DICM":
        return 132
    return 4 if buffer[:4] == b"DICM" else 0


def _meta_elements(buffer: Buffer, offset: int) -> Iterator[tuple[int, str, int]]:
    """Each element of group 0002: element number, its value as text, where it ends; the group length is not trusted."""
    size = len(buffer)
    while offset + 8 <= size:
        group, element = struct.unpack_from("<HH", buffer, offset)
        if group != _GROUP:
            return
        vr = bytes(buffer[offset + 4 : offset + 6])
        if vr in LONG_FORM and offset + 12 <= size:
            start, (length,) = offset + 12, struct.unpack_from("<I", buffer, offset + 8)
        elif vr in SHORT_FORM:
            start, (length,) = offset + 8, struct.unpack_from("<H", buffer, offset + 6)
        else:  # some writers encode the group as implicit VR
            start, (length,) = offset + 8, struct.unpack_from("<I", buffer, offset + 4)
        if length > size - start:
            raise DatasetError("File Meta Information is cut off", offset)
        offset = start + length
        yield element, bytes(buffer[start : min(offset, start + 1024)]).decode("ascii", "replace").strip("\0 "), offset


def _guess_transfer_syntax(buffer: Buffer, offset: int) -> str:
    """The transfer syntax that fits the first element of the data set at ``offset``.

    Without a prefix before it (``offset`` 0), only what a data set may begin with counts as one.

    Raises:
        DatasetError: what stands there is no element.
    """
    head = bytes(buffer[offset : offset + 8])
    if len(head) == 8:  # noqa: PLR2004 - tag and length, or tag, VR and a short length
        little, big = (struct.unpack_from(order, head)[0] for order in ("<H", ">H"))
        if head[4:6] in LONG_FORM | SHORT_FORM:
            return EXPLICIT_VR_LITTLE_ENDIAN if little <= big else EXPLICIT_VR_BIG_ENDIAN
        (length,) = struct.unpack_from("<I", head, 4)
        is_likely = offset > 0 or (little in range(0x0004, 0x0100) and little % 2 == 0)
        if is_likely and (length == _UNDEFINED_LENGTH or length <= len(buffer) - offset - 8):
            return IMPLICIT_VR_LITTLE_ENDIAN
    raise DatasetError("not a DICOM file", offset)


@lru_cache(maxsize=_REMEMBERED)
def _around_instance(
    sop_class_uid: str, transfer_syntax_uid: str, source_ae_title: str, receiving_ae_title: str
) -> tuple[bytes, bytes]:
    """What stands before and after the SOP Instance UID in group 0002: the same for all instances of a series."""
    before = _VERSION + _element(_SOP_CLASS_UID, b"UI", sop_class_uid)
    after = _element(_TRANSFER_SYNTAX_UID, b"UI", transfer_syntax_uid) + _IMPLEMENTATION
    if source_ae_title:
        after += _element(_SOURCE_AE_TITLE, b"AE", source_ae_title) + _element(0x0017, b"AE", source_ae_title)
    if receiving_ae_title:
        after += _element(0x0018, b"AE", receiving_ae_title)
    return before, after


def _element(element: int, vr: bytes, text: str) -> bytes:
    """An element of group 0002 with a short value; a value longer than its length field is cut."""
    value = text.encode("ascii", "replace")[:0xFFFE]
    if len(value) % 2:
        value += b"\0" if vr == b"UI" else b" "
    return struct.pack("<HH2sH", _GROUP, element, vr, len(value)) + value


_VERSION: Final = struct.pack("<HH2sHI2s", _GROUP, 0x0001, b"OB", 0, 2, b"\0\x01")
_IMPLEMENTATION: Final = _element(0x0012, b"UI", IMPLEMENTATION_CLASS_UID) + _element(
    0x0013, b"SH", IMPLEMENTATION_VERSION_NAME
)
