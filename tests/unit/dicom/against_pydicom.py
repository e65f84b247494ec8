"""Real files from the pydicom wheel, and what pydicom reads from them, to hold our own reading against."""

from __future__ import annotations

import zlib
from io import BytesIO
from pathlib import Path

import pydicom
import pydicom.data
from pydicom import Dataset
from pydicom.dataelem import DataElement
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import _read_file_meta_info, read_preamble
from pydicom.filewriter import write_dataset

from dicomnode.dicom.element_header import EXPLICIT_BIG, EXPLICIT_LITTLE
from dicomnode.dicom.fragments import each_fragment
from dicomnode.dicom.scan import UNDEFINED, Item, ScannedDataset
from dicomnode.dicom.transfer_syntax import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    transfer_syntax,
)

DATA = Path(pydicom.data.__file__).parent
REAL_FILES = sorted(
    path
    for path in DATA.rglob("*")
    if path.is_file()
    and (path.suffix == ".dcm" or "dicomdirtests" in path.parts)
    and not path.name.startswith("README")
)


def real_file(name: str) -> Path:
    """The file of the wheel that is called ``name``."""
    return next(path for path in REAL_FILES if path.name == name)


def read(path: Path) -> tuple[bytes, str, Dataset]:
    """The bytes of a file's data set, its transfer syntax (or what pydicom takes for it), and what pydicom reads."""
    with path.open("rb") as file:
        read_preamble(file, force=True)
        meta = _read_file_meta_info(file)
        content = file.read()
    syntax = meta.get("TransferSyntaxUID") or _syntax_read(pydicom.dcmread(path, force=True))
    return content, syntax, decode(content, syntax)


def _syntax_read(dataset: Dataset) -> str:
    implicit_vr, little_endian = dataset.original_encoding
    if implicit_vr:
        return IMPLICIT_VR_LITTLE_ENDIAN
    return EXPLICIT_VR_LITTLE_ENDIAN if little_endian else EXPLICIT_VR_BIG_ENDIAN


def encode(dataset: Dataset, transfer_syntax_uid: str) -> bytes:
    """``dataset`` as pydicom writes it, without preamble, file meta information and deflation."""
    syntax = transfer_syntax(transfer_syntax_uid)
    file = DicomBytesIO()
    file.is_implicit_VR = syntax.implicit_vr
    file.is_little_endian = not syntax.big_endian
    write_dataset(file, dataset)
    return file.getvalue()


def decode(content: bytes, transfer_syntax_uid: str) -> Dataset:
    """What pydicom reads from the bytes of a data set."""
    syntax = transfer_syntax(transfer_syntax_uid)
    if syntax.deflated:
        content = zlib.decompress(content, -zlib.MAX_WBITS)
    return pydicom.filereader.read_dataset(BytesIO(content), syntax.implicit_vr, not syntax.big_endian)


def differences(scanned: ScannedDataset, dataset: Dataset) -> list[str]:
    """Where the scan and pydicom disagree on tags, VRs, values or items."""
    return list(_differences(scanned, scanned, dataset, ""))


def _differences(scanned: ScannedDataset, item: Item, dataset: Dataset, path: str):
    theirs = dict(dataset._dict.items())
    for tag in theirs.keys() ^ item.elements.keys():
        yield f"{path}{tag:08X}: only {'pydicom' if tag in theirs else 'the scan'} has it"
    for tag in theirs.keys() & item.elements.keys():
        here = f"{path}{tag:08X}"
        element = theirs[tag]
        if tag in item.items:
            yield from _differing_items(scanned, item.items[tag], dataset[tag].value, here)
        elif isinstance(element, DataElement):
            yield f"{here}: only pydicom has items"
        else:
            vr = item.elements[tag][0].decode()
            if element.VR and vr not in element.VR:
                yield f"{here}: VR {vr}, pydicom {element.VR}"
            if (element.value or b"") != _value(scanned, item, tag):
                yield f"{here}: another value"


def _differing_items(scanned: ScannedDataset, ours: tuple[Item, ...], theirs: list[Dataset], path: str):
    if len(ours) != len(theirs):
        yield f"{path}: {len(ours)} items, pydicom {len(theirs)}"
    for number, (item, dataset) in enumerate(zip(ours, theirs, strict=False)):
        yield from _differences(scanned, item, dataset, f"{path}[{number}].")


def _value(scanned: ScannedDataset, item: Item, tag: int) -> bytes:
    _, offset, length = item.elements[tag]
    if length != UNDEFINED:
        return scanned.raw(item.elements[tag])
    encoding = EXPLICIT_BIG if scanned.big_endian else EXPLICIT_LITTLE
    end = max(
        (start + size for start, size in each_fragment(scanned.data, offset, len(scanned.data), encoding)),
        default=offset,
    )
    return bytes(scanned.data[offset:end])
