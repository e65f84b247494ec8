"""Faults that devices really make, put into good files one at a time: each is a way to spoil a data set's bytes.

A fault is put in by splicing bytes, so that what else stands in the file stays as it is. Of each kind it is known to what files it
can be done: those in which what is spoiled was good; it is done to each of them.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from dicomnode.dicom.part10 import file_meta, read_file_meta
from dicomnode.dicom.scan import ScannedDataset, scan
from dicomnode.dicom.transfer_syntax import transfer_syntax
from dicomnode.dicom.value_representation import LONG_FORM, dictionary_vr
from dicomnode.qa.standard import tables

CHARACTER_SET, SOP_CLASS, SOP_INSTANCE, STUDY, SERIES = 0x00080005, 0x00080016, 0x00080018, 0x0020000D, 0x0020000E
STUDY_DATE, SERIES_DATE, CONTENT_DATE, STUDY_TIME, ACQUIRED = 0x00080020, 0x00080021, 0x00080023, 0x00080030, 0x0008002A
ACCESSION, MODALITY, REFERRER, STUDY_DESCRIPTION = 0x00080050, 0x00080060, 0x00080090, 0x00081030
NAME, PATIENT_ID, BIRTH_DATE, SEX, AGE = 0x00100010, 0x00100020, 0x00100030, 0x00100040, 0x00101010
SLICE_THICKNESS, KVP, STATION_AE = 0x00180050, 0x00180060, 0x00080055
STUDY_ID, SERIES_NUMBER, INSTANCE_NUMBER, POSITION, ORIENTATION = (
    0x00200010,
    0x00200011,
    0x00200013,
    0x00200032,
    0x00200037,
)
SAMPLES, PHOTOMETRIC, FRAMES, ROWS, COLUMNS, SPACING = (
    0x00280002,
    0x00280004,
    0x00280008,
    0x00280010,
    0x00280011,
    0x00280030,
)
ALLOCATED, STORED, HIGH_BIT, REPRESENTATION, PIXELS = 0x00280100, 0x00280101, 0x00280102, 0x00280103, 0x7FE00010
PLANAR, WINDOW_CENTER, WINDOW_WIDTH = 0x00280006, 0x00281050, 0x00281051


@dataclass(frozen=True, slots=True)
class Subject:
    """A good file, as the faults see it; ``named`` is the SOP Instance UID in its head."""

    content: bytes
    syntax: str
    scanned: ScannedDataset
    named: str = ""

    def has(self, tag: int) -> bool:
        """Whether the attribute is there and says something."""
        element = self.scanned.elements.get(tag)
        return element is not None and element[2] != 0

    def number(self, tag: int) -> int:
        """A number; 0 when it is not told."""
        return self.scanned.integer(tag) or 0

    def type_of(self, tag: int) -> str:
        """The attribute's type in the mandatory modules of the IOD; empty where it is in none."""
        iod = tables().iod(self.scanned.uid(SOP_CLASS) or "")
        mandatory = (module for module in (iod.modules if iod else ()) if module.usage == "M")
        types = [one.type for module in mandatory for one in module.node.attributes if one.tag == tag]
        return min(types, default="")

    def put(self, tag: int, value: bytes, vr: bytes | None = None) -> bytes:
        """The data set with another value of an attribute of its top level."""
        parts = self._split(tag)
        return parts[0] + self._element(tag, vr or dictionary_vr(tag), value) + parts[2]

    def without(self, tag: int) -> bytes:
        """The data set without the attribute."""
        before, _, after = self._split(tag)
        return before + after

    def moved(self, tag: int, behind: int) -> bytes:
        """The data set with the attribute behind another one that follows it."""
        before, own, after = self._split(tag)
        at = self._start(behind) + len(self._split(behind)[1]) - len(before) - len(own)
        return before + after[:at] + own + after[at:]

    def doubled(self, tag: int) -> bytes:
        """The data set with the attribute twice."""
        before, own, after = self._split(tag)
        return before + own + own + after

    def cut(self, size_bytes: int) -> bytes:
        """The data set's first bytes."""
        return self.content[:size_bytes]

    def _split(self, tag: int) -> tuple[bytes, bytes, bytes]:
        """What stands before the attribute's element, the element, and what follows; where it is missing, where it would stand."""
        starts = sorted((self._start(one), one) for one in self.scanned.elements)
        ends = [start for start, _ in starts[1:]] + [len(self.content)]
        for (start, one), end in zip(starts, ends, strict=True):
            if one == tag:
                return self.content[:start], self.content[start:end], self.content[end:]
            if one > tag:
                return self.content[:start], b"", self.content[start:]
        return self.content, b"", b""

    def _start(self, tag: int) -> int:
        vr, offset, _ = self.scanned.elements[tag]
        return offset - (8 if self.scanned.implicit_vr or vr not in LONG_FORM else 12)

    def _element(self, tag: int, vr: bytes, value: bytes) -> bytes:
        order = ">" if self.scanned.big_endian else "<"
        group, element = tag >> 16, tag & 0xFFFF
        if self.scanned.implicit_vr:
            return struct.pack(f"{order}HHL", group, element, len(value)) + value
        if vr in LONG_FORM:
            return struct.pack(f"{order}HH2sxxL", group, element, vr, len(value)) + value
        return struct.pack(f"{order}HH2sH", group, element, vr, len(value)) + value


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to spoil a data set.

    Attributes:
        fits: whether it can be done to this file.
        spoil: the data set with the fault.
    """

    name: str
    fits: Callable[[Subject], bool]
    spoil: Callable[[Subject], bytes]


_Way = tuple[Callable[[Subject], bool], Callable[[Subject], bytes]]


def subject_of(file: bytes) -> Subject | None:
    """A file that is good to put faults in: uncompressed header, read whole without faults; None for others."""
    meta = read_file_meta(file)
    syntax = transfer_syntax(meta.transfer_syntax_uid)
    content = file[meta.dataset_offset :]
    scanned = scan(content, meta.transfer_syntax_uid)
    if (
        syntax.deflated
        or scanned.faults
        or not scanned.complete
        or not (scanned.uid(SOP_INSTANCE) and scanned.uid(STUDY))
    ):
        return None
    return Subject(content, meta.transfer_syntax_uid, scanned, meta.sop_instance_uid)


def part10(subject: Subject, content: bytes) -> bytes:
    """A file with this data set; its File Meta Information is that of the good one."""
    return file_meta(subject.scanned.uid(SOP_CLASS) or "", subject.named, subject.syntax, "FAULTS") + content


def _value(tag: int, value: bytes, *, where: Callable[[Subject], bool] | None = None) -> _Way:
    """A bad value in the place of a good one."""
    padded = value + b" " * (len(value) % 2)
    return (where or (lambda subject: subject.has(tag))), (lambda subject: subject.put(tag, padded))


def _us(tag: int, of: Callable[[Subject], int], *, where: Callable[[Subject], bool]) -> _Way:
    """Another number in the place of the right one."""

    def spoil(subject: Subject) -> bytes:
        order = ">" if subject.scanned.big_endian else "<"
        return subject.put(tag, struct.pack(f"{order}H", of(subject) & 0xFFFF), b"US")

    return where, spoil


def _missing(tag: int, types: str = "") -> _Way:
    def fits(subject: Subject) -> bool:
        return tag in subject.scanned.elements and (not types or subject.type_of(tag) == types)

    return fits, lambda subject: subject.without(tag)


def _emptied(tag: int, types: str = "") -> _Way:
    def fits(subject: Subject) -> bool:
        return subject.has(tag) and (not types or subject.type_of(tag) == types)

    return fits, lambda subject: subject.put(tag, b"", subject.scanned.elements[tag][0])


def _has_native_pixels(subject: Subject) -> bool:
    pixels = subject.scanned.pixel_data
    return pixels is not None and pixels.fragments is None and pixels.tag == PIXELS and subject.number(ROWS) > 1


def _has_ascii_name(subject: Subject) -> bool:
    return subject.has(NAME) and not subject.has(CHARACTER_SET)


def _dated(subject: Subject) -> bool:
    study, series = subject.scanned.uid(STUDY_DATE) or "", subject.scanned.uid(SERIES_DATE) or ""
    return "1901" < study <= series


def _has_good_uids(subject: Subject) -> bool:
    return all(re.fullmatch(r"[0-9.]{1,64}", subject.scanned.uid(tag) or "") for tag in (STUDY, SERIES))


def _has_no_bad_age(subject: Subject) -> bool:
    return re.fullmatch(r"([0-9]{3}[DWMY])?", subject.scanned.uid(AGE) or "") is not None


def _always(_: Subject) -> bool:
    return True


def _in_another_set(subject: Subject) -> bytes:
    labelled = subject.put(CHARACTER_SET, b"ISO_IR 192")
    return Subject(labelled, subject.syntax, scan(labelled, subject.syntax)).put(NAME, b"M\xfcller^Ja ")


FAULTS: Final[Mapping[str, Fault]] = {
    name: Fault(name, *made)
    for name, made in {
        "SOP Instance UID missing": _missing(SOP_INSTANCE),
        "Study Instance UID missing": _missing(STUDY),
        "Series Instance UID empty": _emptied(SERIES),
        "SOP Class UID missing": _missing(SOP_CLASS),
        "Patient ID missing": _missing(PATIENT_ID),
        "Patient ID empty": _emptied(PATIENT_ID),
        "Patient's Name missing": _missing(NAME),
        "UID with a letter": _value(STUDY, b"1.2.840.X1.5", where=_has_good_uids),
        "UID of 66 characters": _value(SERIES, b"1." + b"2" * 64, where=_has_good_uids),
        "UID with an empty component": _value(STUDY, b"1.2..3.4", where=_has_good_uids),
        "UID with a leading zero": _value(SERIES, b"1.2.840.012"),
        "SOP Instance UID other than in the file's head": _value(
            SOP_INSTANCE, b"1.2.840.99.7", where=lambda subject: subject.scanned.uid(SOP_INSTANCE) == subject.named
        ),
        "DA of 30 February": _value(STUDY_DATE, b"20240230"),
        "DA with a word": _value(STUDY_DATE, b"today"),
        "DA in the future": _value(STUDY_DATE, b"20990101"),
        "birth after the study": _value(BIRTH_DATE, b"20991231", where=lambda subject: subject.has(STUDY_DATE)),
        "series before its study": _value(SERIES_DATE, b"19010101", where=_dated),
        "TM of 25 o'clock": _value(STUDY_TIME, b"250000"),
        "TM with a word": _value(STUDY_TIME, b"noon"),
        "DT of month 13": _value(ACQUIRED, b"20241301120000", where=_always),
        "AS without a unit": _value(AGE, b"0045", where=_has_no_bad_age),
        "CS in small letters": _value(MODALITY, b"ct"),
        "CS of 17 characters": _value(MODALITY, b"COMPUTEDTOMOGRAPH"),
        "CS that is not enumerated": _value(SEX, b"X"),
        "SH of 17 characters": _value(ACCESSION, b"A2345678901234567", where=_always),
        "LO of 65 characters": _value(STUDY_DESCRIPTION, b"D" * 65, where=_always),
        "PN of four groups": _value(NAME, b"Doe^A=Doe^A=Doe^A=Doe^A"),
        "PN of six components": _value(NAME, b"Doe^A^B^C^D^E"),
        "IS with a fraction": _value(INSTANCE_NUMBER, b"1.5"),
        "IS beyond 31 bits": _value(INSTANCE_NUMBER, b"2147483648"),
        "DS with a word": _value(SLICE_THICKNESS, b"thin"),
        "DS with a comma": _value(SLICE_THICKNESS, b"1,25"),
        "too many values": _value(SLICE_THICKNESS, b"1.0\\2.0 "),
        "too few values": _value(POSITION, b"1.0\\2.0 "),
        "text beyond ASCII without a character set": _value(NAME, b"M\xfcller^J", where=_has_ascii_name),
        "text that is not in its character set": (lambda subject: subject.has(NAME), _in_another_set),
        "character set that does not exist": _value(CHARACTER_SET, b"ISO_IR 999", where=_always),
        "Rows too large": _us(ROWS, lambda subject: subject.number(ROWS) + 1, where=_has_native_pixels),
        "pixels cut off": (_has_native_pixels, lambda subject: subject.cut(len(subject.content) - 100)),
        "Bits Stored beyond Bits Allocated": _us(
            STORED, lambda subject: subject.number(ALLOCATED) + 1, where=_has_native_pixels
        ),
        "High Bit beyond Bits Stored": _us(HIGH_BIT, lambda subject: subject.number(STORED), where=_has_native_pixels),
        "samples that the color does not have": _us(
            SAMPLES,
            lambda subject: 4 - subject.number(SAMPLES),
            where=lambda subject: _has_native_pixels(subject) and subject.number(SAMPLES) in (1, 3),
        ),
        "Photometric Interpretation missing": _missing(PHOTOMETRIC),
        "Bits Allocated missing": _missing(ALLOCATED),
        "type 1 missing: Modality": _missing(MODALITY),
        "type 1 emptied: Modality": _emptied(MODALITY),
        "type 2 missing: Referring Physician's Name": _missing(REFERRER, "2"),
        "type 2 missing: Study ID": _missing(STUDY_ID, "2"),
        "type 1 missing: Image Position": _missing(POSITION, "1"),
        "type 1 missing: Pixel Spacing": _missing(SPACING, "1"),
        "type 1C missing: Planar Configuration": (
            lambda subject: PLANAR in subject.scanned.elements and subject.number(SAMPLES) > 1,
            lambda subject: subject.without(PLANAR),
        ),
        "one Window Center for no Window Width": (
            lambda subject: subject.has(WINDOW_CENTER) and subject.has(WINDOW_WIDTH),
            lambda subject: subject.without(WINDOW_WIDTH),
        ),
        "orientation that is no unit vector": _value(ORIENTATION, b"1\\1\\0\\0\\1\\0 "),
        "private attribute without creator": (
            lambda subject: 0x00990010 not in subject.scanned.elements,
            lambda subject: subject.put(0x00991001, b"PRIVATE ", b"LO"),
        ),
        "attribute of another IOD": (
            lambda subject: 0x300A0002 not in subject.scanned.elements,
            lambda subject: subject.put(0x300A0002, b"PLAN", b"SH"),
        ),
        "retired attribute": (
            lambda subject: 0x00200070 not in subject.scanned.elements,
            lambda subject: subject.put(0x00200070, b"OLD ", b"LO"),
        ),
        "attributes out of order": (
            lambda subject: subject.has(PATIENT_ID) and subject.has(STUDY),
            lambda subject: subject.moved(PATIENT_ID, STUDY),
        ),
        "attribute twice": (lambda subject: subject.has(PATIENT_ID), lambda subject: subject.doubled(PATIENT_ID)),
        "value of odd length": (
            lambda subject: subject.has(PATIENT_ID),
            lambda subject: subject.put(PATIENT_ID, b"ABC", b"LO"),
        ),
        "text padded with NUL": (
            lambda subject: subject.has(PATIENT_ID),
            lambda subject: subject.put(PATIENT_ID, b"ABC\0", b"LO"),
        ),
        "header cut off": (_always, lambda subject: subject.cut(min(len(subject.content) // 2, 700) // 2 * 2 + 1)),
    }.items()
}


def spoiled(subject: Subject) -> Iterator[tuple[str, bytes]]:
    """Each fault that can be put into the file, with the file that has it."""
    for name, fault in FAULTS.items():
        if fault.fits(subject):
            content = fault.spoil(subject)
            if content != subject.content:
                yield name, part10(subject, content)
