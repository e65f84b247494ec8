"""Whatever comes: a verdict, an answer within its bounds, and nothing of the patient in it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.dicom.against_pydicom import read, real_file
from unit.dicom.elements import explicit, implicit
from unit.qa.judging import ELEMENTS, SENDER, TODAY, VALIDATION, answer, judge, sliced, text

from dicomnode.dicom import status
from dicomnode.dicom.instance import Severity, StoreRequest, Verdict
from dicomnode.dicom.scan import scan
from dicomnode.dicom.transfer_syntax import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from dicomnode.qa.core import CORE

SYNTAXES = st.sampled_from(
    [
        IMPLICIT_VR_LITTLE_ENDIAN,
        EXPLICIT_VR_LITTLE_ENDIAN,
        EXPLICIT_VR_BIG_ENDIAN,
        DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
        "1.2.840.10008.1.2.4.50",
        "1.2.3",
    ]
)
NAMES = ["CT_small.dcm", "liver_1frame.dcm", "rtplan.dcm", "test-SR.dcm", "MR_small_bigendian.dcm", "JPEG2000.dcm",
         "image_dfl.dcm", "SC_rgb_jpeg.dcm"]  # fmt: skip
REAL = {name: read(real_file(name))[:2] for name in NAMES}

WORDS = ("Xylophon", "Quixotic", "Zugzwang", "KVOTHE77")
"""Parts of a name, an ID and a birth date that no rule's own words contain."""
PATIENT = {
    0x00100010: text(0x00100010, "PN", "Xylophon^Quixotic"),
    0x00100020: text(0x00100020, "LO", "KVOTHE77"),
    0x00100030: text(0x00100030, "DA", "19511112"),
    0x00104000: text(0x00104000, "LT", "Zugzwang " * 20),
}


def assert_bounded(verdict: Verdict) -> None:
    told = answer(verdict)
    assert {finding.rule for finding in verdict.findings} <= {rule.id for rule in CORE}  # above all no core.engine
    assert len(told.comment) <= status.ERROR_COMMENT_LENGTH
    assert told.comment.isascii()
    assert "\\" not in told.comment
    assert status.is_success(told.status) is (verdict.severity is not Severity.REJECT)
    assert bool(told.comment) is (told.status != status.SUCCESS)


def assert_silent(verdict: Verdict, secrets: Iterable[str]) -> None:
    told = " ".join([answer(verdict).comment, *(f"{one.comment} {one.path}" for one in verdict.findings)])
    tags = b"".join(tag.to_bytes(4, "big") for one in verdict.findings for tag in one.tags)
    for secret in secrets:
        pieces = {secret[at : at + 4] for at in range(len(secret) - 3)}
        assert not any(piece in told for piece in pieces)
        assert not any(piece.encode() in tags for piece in pieces)


@given(st.sampled_from(NAMES), st.data())
@settings(max_examples=300, deadline=None)
def test_every_mutation_of_a_real_file_is_judged(name: str, data: st.DataObject) -> None:
    content, syntax = REAL[name]
    content = bytearray(content)
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, min(len(content), 4000)))
        content[at : at + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=40))
    del content[data.draw(st.integers(0, 4 * len(content))) :]
    assert_bounded(judge(bytes(content), transfer_syntax=data.draw(st.just(syntax) | SYNTAXES)))


@given(st.binary(max_size=400), SYNTAXES, st.text(max_size=80))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_judged(content: bytes, syntax: str, name: str) -> None:
    assert_bounded(judge(content, transfer_syntax=syntax, sop_class=name, sop_instance=name))


@given(
    st.sampled_from(sorted(ELEMENTS | PATIENT)), st.binary(max_size=80), st.sampled_from(["DA", "UI", "US", "UN", "PN"])
)
@settings(max_examples=300, deadline=None)
def test_any_value_of_any_element_is_judged(tag: int, value: bytes, vr: str) -> None:
    assert_bounded(judge({tag: explicit(tag, vr, value)}))


@given(st.integers(0, 2000), st.integers(0, 12), st.binary(max_size=12), SYNTAXES)
@settings(max_examples=300, deadline=None)
def test_nothing_that_is_told_has_a_piece_of_what_tells_of_the_patient(
    at: int, removed: int, put_in: bytes, syntax: str
) -> None:
    content = bytearray(sliced(PATIENT))
    at %= len(content)
    content[at : at + removed] = put_in
    assert_silent(judge(bytes(content), transfer_syntax=syntax), (*WORDS, "19511112"))


@pytest.mark.parametrize("tag", [0x00080018, 0x0020000D, 0x00100020, 0x00080020, 0x00100030, 0x00100040, 0x00080005,
                                 0x00280004, 0x00280008, 0x00080060])  # fmt: skip
def test_of_a_huge_value_little_is_read(tag: int) -> None:
    assert read_bytes(tag, 32 << 20) <= read_bytes(tag, 32) + (1 << 20)


class Counted(bytes):
    """Bytes that know how many of them were cut out."""

    taken = 0

    def __getitem__(self, key: Any) -> Any:
        part = super().__getitem__(key)
        self.taken += len(part) if isinstance(part, bytes) else 1
        return part


def read_bytes(tag: int, size_bytes: int) -> int:
    """Bytes that the rules (not the scan) cut out, for an element of that size in implicit VR."""
    numbers = dict.fromkeys((0x00280002, 0x00280010, 0x00280011, 0x00280100), b"\1\0")
    values = numbers | {0x7FE00010: b"\0\0", tag: b"1\\" * (size_bytes // 2)}
    content = Counted(b"".join(implicit(one, values[one]) for one in sorted(values)))
    scanned = scan(content, IMPLICIT_VR_LITTLE_ENDIAN)
    before = content.taken
    VALIDATION.judge(scanned, StoreRequest("1.2", "1.2", IMPLICIT_VR_LITTLE_ENDIAN, SENDER), TODAY)
    return content.taken - before
