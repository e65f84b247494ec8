"""Worklist entries from files and to files: ``.wl`` (DICOM), JSON, CSV and YAML.

A ``.wl`` file is a data set as wlmscpfs and Orthanc read it, with or without the head of Part 10. The others hold one entry or
many, each as DICOM JSON or with values by keyword (`dicomnode.dicom.keyword_form`).
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any, Final

from dicomnode.dicom.character_sets import character_set
from dicomnode.dicom.encode import Encoding
from dicomnode.dicom.json_form import hex_name
from dicomnode.dicom.json_model import dataset_json
from dicomnode.dicom.part10 import file_meta, read_file_meta
from dicomnode.dicom.procedure import WorklistEntry, new_uid
from dicomnode.dicom.scan import scan
from dicomnode.dicom.scanned import SPECIFIC_CHARACTER_SET
from dicomnode.dicom.sop_class import MODALITY_WORKLIST_FIND
from dicomnode.dicom.transfer_syntax import EXPLICIT_VR_LITTLE_ENDIAN
from dicomnode.errors import ConfigurationError, DatasetError, WorklistError
from dicomnode.settings.yaml_text import parse_yaml

_LARGEST: Final = 64 << 20
"""Bytes of a file that is read."""
_SEPARATORS: Final = ",;\t"


def read_entries(path: Path) -> list[Any]:
    """What a file holds, entry by entry, not yet looked at: for `dicomnode.dicom.keyword_form.attributes_of`.

    Raises:
        WorklistError: the file cannot be read.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise WorklistError([f"longer than {_LARGEST >> 20} MiB"])
        content = path.read_bytes()
    except OSError as error:
        raise WorklistError([f"cannot be read: {error.strerror}"]) from error
    match path.suffix.lower():
        case ".json" | ".jsonl":
            return _in_json(content)
        case ".yaml" | ".yml":
            return _in_yaml(content, path)
        case ".csv":
            return _in_csv(content)
        case _:
            return [dataset_attributes(content)]


def dataset_attributes(content: bytes) -> dict[str, Any]:
    """What a DICOM file says, as DICOM JSON.

    Raises:
        WorklistError: it cannot be read to its end, or its text cannot be understood.
    """
    try:
        head = read_file_meta(content)
    except DatasetError as error:
        raise WorklistError([str(error)]) from error
    scanned = scan(content[head.dataset_offset :], head.transfer_syntax_uid)
    if scanned.faults or not scanned.complete:
        raise WorklistError(["the data set is damaged, or not yet whole"])
    if not scanned.character_set().known:
        raise WorklistError(["its Specific Character Set (0008,0005) is unknown"])
    return dataset_json(scanned)


def file_of(entry: WorklistEntry) -> bytes:
    """An entry as a ``.wl`` file: Part 10, Explicit VR Little Endian, in UTF-8 where ASCII is not enough."""
    dataset = entry.dataset()
    if not json.dumps(dataset, ensure_ascii=False).isascii():
        dataset[hex_name(SPECIFIC_CHARACTER_SET)] = {"vr": "CS", "Value": ["ISO_IR 192"]}
    encoding = Encoding.of(EXPLICIT_VR_LITTLE_ENDIAN, character_set("ISO_IR 192"))
    head = file_meta(MODALITY_WORKLIST_FIND, new_uid(), EXPLICIT_VR_LITTLE_ENDIAN, "")
    return head + encoding.json_dataset(dataset)


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise WorklistError([f"is not UTF-8 text (byte {error.start})"]) from error


def _in_json(content: bytes) -> list[Any]:
    """Of one object, an array, or an object a line."""
    text = _text(content)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        try:
            return [json.loads(line) for line in text.splitlines() if line.strip()]
        except (ValueError, RecursionError):
            raise WorklistError([f"is no JSON: {error}"]) from error
    return value if isinstance(value, list) else [value]


def _in_yaml(content: bytes, path: Path) -> list[Any]:
    try:
        value = parse_yaml(_text(content), path).values
    except ConfigurationError as error:
        raise WorklistError([f"line {one.line}: {one.text}" for one in error.problems]) from error
    return value if isinstance(value, list) else [value]


def _in_csv(content: bytes) -> list[Any]:
    """A line of keywords, then an entry a line; commas, semicolons or tabs between them."""
    text = _text(content)
    first = text.partition("\n")[0]
    separator = max(_SEPARATORS, key=first.count)
    try:
        rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except csv.Error as error:
        raise WorklistError([f"is no CSV: {error}"]) from error
    if any(None in row for row in rows):
        raise WorklistError(["is no CSV: a line has more values than the first one names"])
    return [{name.strip(): (value or "").strip() for name, value in row.items()} for row in rows]
