"""A data set brought into another transfer syntax, for peers that do not take it as it is stored.

Values come out as they went in: only their encoding changes, and that of the pixels with the attributes that describe it.
``syntaxes`` has what is possible, ``rewriting`` the elements, ``pixels`` the frames, ``codecs`` the seam to the libraries.
"""

from __future__ import annotations

import importlib.util
import zlib
from collections.abc import Sequence
from functools import partial
from typing import Final

from dicomnode.dicom.element_header import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, UNDEFINED
from dicomnode.dicom.inflate import Inflater
from dicomnode.dicom.mapped import check_readable
from dicomnode.dicom.scan import Item, ScannedDataset, scan
from dicomnode.dicom.tags import PIXEL_DATA
from dicomnode.dicom.transfer_syntax import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    transfer_syntax,
)
from dicomnode.errors import TranscodingError
from dicomnode.transcoding.output import Output
from dicomnode.transcoding.rewriting import Change, ChangeOf, no_change, rewrite
from dicomnode.transcoding.syntaxes import DECODED, ENCODED, UNCOMPRESSED

__all__ = ["can_transcode", "transcode"]

MAX_INFLATED_BYTES: Final = 4 << 30
"""Of a deflated data set; its file may be a thousandth of that."""

_CHUNK_BYTES: Final = 1 << 20
_ENCODINGS: Final = {
    IMPLICIT_VR_LITTLE_ENDIAN: IMPLICIT_LITTLE,
    EXPLICIT_VR_BIG_ENDIAN: EXPLICIT_BIG,
}
"""Every other one is explicit VR little endian."""


def can_transcode(transfer_syntax_uid: str, wanted: Sequence[str]) -> bool:
    """Whether a data set can be brought from one transfer syntax to any of ``wanted``, by what the syntaxes alone tell."""
    return any(uid == transfer_syntax_uid or _is_possible(transfer_syntax_uid, uid) for uid in wanted)


def transcode(dataset: memoryview, transfer_syntax_uid: str, wanted: Sequence[str]) -> tuple[str, memoryview]:
    """The first of ``wanted`` that the data set can be brought to, and the data set in it.

    Compression is without loss. A data set of more than 64 MiB comes back in a mapped file without a name.

    Raises:
        TranscodingError: it can be brought to none of them; the message says why for the last.
        DatasetError: it lies in a file that cannot be read.
    """
    check_readable(dataset)
    failed = TranscodingError("there is no transfer syntax to transcode to")
    for uid in wanted:
        if uid == transfer_syntax_uid:
            return uid, dataset
        try:
            return uid, _transcoded(dataset, transfer_syntax_uid, uid)
        except TranscodingError as error:
            failed = error
        except OSError as error:
            failed = TranscodingError(f"there is no room for the transcoded data set: {error.strerror}")
            failed.__cause__ = error
    raise failed


def _is_possible(source: str, wanted: str) -> bool:
    return source in UNCOMPRESSED | DECODED and wanted in UNCOMPRESSED | ENCODED


def _transcoded(dataset: memoryview, source: str, wanted: str) -> memoryview:
    if not _is_possible(source, wanted):
        source_name, wanted_name = (transfer_syntax(uid).name or uid for uid in (source, wanted))
        if source not in UNCOMPRESSED | DECODED:
            raise TranscodingError(f"{source_name} cannot be decoded")
        raise TranscodingError(f"nothing is brought to {wanted_name}")
    if source == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
        dataset, source = _inflated(dataset), EXPLICIT_VR_LITTLE_ENDIAN
    if wanted in ENCODED and source == EXPLICIT_VR_BIG_ENDIAN:
        dataset, source = _rewritten(dataset, source, EXPLICIT_VR_LITTLE_ENDIAN), EXPLICIT_VR_LITTLE_ENDIAN
    if source in DECODED and wanted == EXPLICIT_VR_BIG_ENDIAN:
        dataset, source = _rewritten(dataset, source, EXPLICIT_VR_LITTLE_ENDIAN), EXPLICIT_VR_LITTLE_ENDIAN
    if wanted != DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
        return _rewritten(dataset, source, wanted)
    if source != EXPLICIT_VR_LITTLE_ENDIAN:
        dataset = _rewritten(dataset, source, EXPLICIT_VR_LITTLE_ENDIAN)
    return _deflated(dataset)


def _rewritten(dataset: memoryview, source: str, wanted: str) -> memoryview:
    scanned = scan(dataset, source)
    with Output() as out:
        rewrite(scanned, _ENCODINGS.get(wanted, EXPLICIT_LITTLE), out, _change_of(scanned, source, wanted))
        return out.view()


def _change_of(scanned: ScannedDataset, source: str, wanted: str) -> ChangeOf:
    """What happens to the images; the codecs are loaded when the first one is to be decoded or encoded."""
    if wanted in ENCODED:
        if PIXEL_DATA not in scanned.elements:
            raise TranscodingError("there is no Pixel Data to compress")
        _require_codecs()
        from dicomnode.transcoding.pixels import compressed  # noqa: PLC0415 - see above

        return partial(compressed, scanned, source, wanted)
    if source in DECODED:

        def change(item: Item) -> Change | None:
            if item.elements[PIXEL_DATA][2] != UNDEFINED:
                if item is scanned:
                    raise TranscodingError("Pixel Data is not encapsulated, although its transfer syntax says so")
                return None
            _require_codecs()
            from dicomnode.transcoding.pixels import decompressed  # noqa: PLC0415 - see above

            return decompressed(scanned, source, item)

        return change
    return no_change


def _require_codecs() -> None:
    for package in ("imagecodecs", "numpy"):
        if importlib.util.find_spec(package) is None:
            raise TranscodingError(f"{package} is not installed, without which no pixels are decoded or encoded")


def _inflated(dataset: memoryview) -> memoryview:
    inflater = Inflater(dataset)
    with Output() as out:
        while not inflater.ended:
            out.write(inflater.read(_CHUNK_BYTES))
            if out.size_bytes > MAX_INFLATED_BYTES:
                raise TranscodingError(f"the deflated data set has more than {MAX_INFLATED_BYTES >> 30} GiB")
        if inflater.failed:
            raise TranscodingError("the deflate stream is broken or cut off")
        return out.view()


def _deflated(dataset: memoryview) -> memoryview:
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    with Output() as out:
        for start in range(0, len(dataset), _CHUNK_BYTES):
            out.write(deflate.compress(dataset[start : start + _CHUNK_BYTES]))
        out.write(deflate.flush())
        out.write(bytes(out.size_bytes & 1))  # PS3.5 Section A.5
        return out.view()
