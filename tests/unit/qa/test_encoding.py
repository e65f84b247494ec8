"""Faults of encoding: which reject, which hold back, which are only told."""

from __future__ import annotations

import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from unit.dicom.elements import SEQUENCE_END, UNDEFINED, explicit, implicit, item
from unit.qa.judging import ELEMENTS, answer, judge, sliced, text, told

from dicomnode.dicom import status
from dicomnode.dicom.instance import Severity

MODALITY, NAME, CODES, PIXELS, PRIVATE = 0x00080060, 0x00100010, 0x00081032, 0x7FE00010, 0x00291010
UIDS = (0x00080016, 0x00080018, 0x0020000D, 0x0020000E)


CUT = sliced(dict.fromkeys(tag for tag in ELEMENTS if tag > MODALITY))[:-1]


@pytest.mark.parametrize(
    ("data", "tags", "words"),
    [
        (b"", (), "it has no elements"),
        (b"\0", (), "it has no elements"),
        (b"noise" * 20, (), "bad-vr"),
        (CUT, (MODALITY,), "truncated"),
    ],
    ids=["empty", "one byte", "noise", "cut"],
)
def test_rejects_what_cannot_be_read_as_far_as_the_four_uids(data: bytes, tags: tuple[int, ...], words: str) -> None:
    verdict = judge(data)
    assert told(verdict)["core.parse"] == (Severity.REJECT, tags, f"Data Set cannot be parsed: {words}")
    told_sender = answer(verdict)
    assert told_sender.status == status.CANNOT_PARSE
    assert told_sender.comment == f"Data Set cannot be parsed: {words} [core.parse]"
    assert set(told_sender.offending_elements) <= {*tags, *UIDS}


def test_rejects_what_is_no_deflate_stream() -> None:
    verdict = judge(b"\xff" * 64, transfer_syntax=DeflatedExplicitVRLittleEndian)
    assert answer(verdict).status == status.CANNOT_PARSE


def test_what_was_read_whole_but_lacks_uids_can_be_parsed() -> None:
    verdict = judge(text(0x00080060, "CS", "CT"))
    assert "core.parse" not in told(verdict)
    assert answer(verdict).status == status.MISSING_UID


@pytest.mark.parametrize(
    "sequence",
    [
        explicit(CODES, "SQ", item(text(0x00080100, "SH", "1"), length=99)),
        explicit(CODES, "SQ", item(length=UNDEFINED) + SEQUENCE_END, length=UNDEFINED),
    ],
    ids=["item too long", "item without an end"],
)
def test_quarantines_what_is_damaged_though_it_could_be_identified(sequence: bytes) -> None:
    severity, tags, comment = told(judge({CODES: sequence}))["core.damaged"]
    assert (severity, comment) == (Severity.QUARANTINE, "Data Set damaged: bad-item")
    assert set(tags) <= {CODES, 0x00080100}


def test_quarantines_a_vr_that_is_none() -> None:
    verdict = judge({NAME: ELEMENTS[NAME].replace(b"PN", b"Q1", 1)})
    assert told(verdict)["core.damaged"] == (Severity.QUARANTINE, (NAME,), "Data Set damaged: bad-vr")
    assert answer(verdict).status == status.STORED_WITH_FAULTS


def test_quarantines_sequences_nested_too_deep() -> None:
    nested = b""
    for _ in range(40):
        nested = explicit(CODES, "SQ", item(nested))
    assert told(judge({CODES: nested}))["core.damaged"] == (
        Severity.QUARANTINE,
        (CODES,),
        "Data Set damaged: too-deep",
    )


def test_truncated_native_pixels_are_told_by_their_own_rule_only() -> None:
    assert set(told(judge(sliced()[:-10]))) == {"pixel.present"}


def test_truncated_fragments_are_damage() -> None:
    pixels = explicit(PIXELS, "OB", item() + item(b"\xff\xd8"), length=UNDEFINED)  # no delimiter
    verdict = judge({PIXELS: pixels}, transfer_syntax="1.2.840.10008.1.2.4.50")
    assert told(verdict) == {"core.damaged": (Severity.QUARANTINE, (PIXELS,), "Data Set damaged: truncated")}


def test_remarks_on_elements_out_of_order() -> None:
    verdict = judge(sliced({NAME: None, PIXELS: None}) + ELEMENTS[NAME] + ELEMENTS[PIXELS])
    assert told(verdict) == {"core.encoding": (Severity.WARN, (NAME,), "Data Set encoding: out-of-order")}


def test_remarks_on_an_element_that_comes_twice() -> None:
    assert told(judge({NAME: ELEMENTS[NAME] * 2})) == {
        "core.encoding": (Severity.WARN, (NAME,), "Data Set encoding: duplicate-element")
    }


def test_remarks_on_another_encoding_than_the_announced_one() -> None:
    assert told(judge({}, transfer_syntax=ImplicitVRLittleEndian)) == {
        "core.encoding": (Severity.WARN, (), "Data Set encoding: other-encoding")
    }


@pytest.mark.parametrize(
    ("data", "tags", "words"),
    [
        (sliced({NAME: explicit(NAME, "PN", b"Doe")}), (NAME,), "odd-length"),
        (sliced() + bytes(64), (), "trailing-padding"),
    ],
)
def test_only_records_what_leaves_nothing_in_doubt(data: bytes, tags: tuple[int, ...], words: str) -> None:
    verdict = judge(data)
    assert told(verdict) == {"core.untidy": (Severity.INFO, tags, f"Data Set encoding: {words}")}
    assert answer(verdict).status == status.SUCCESS


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_bytes_of_a_name_are_told_neither_as_a_vr_nor_as_a_tag(syntax: str) -> None:
    out_of_step = b"SecretName^Jane^Agnes^^"
    for finding in judge(CUT[:-1] + out_of_step, transfer_syntax=syntax).findings:
        assert all(tag < 0x7FE10000 and not tag.to_bytes(4, "big").isalpha() for tag in finding.tags)
        assert not any(out_of_step[at : at + 2].decode() in finding.comment.split() for at in range(22))
        assert "b'" not in finding.comment


def test_private_elements_are_no_fault() -> None:
    assert judge({0x00290010: text(0x00290010, "LO", "ACME"), PRIVATE: explicit(PRIVATE, "UN", b"12")}).findings == ()


def test_implicit_vr_of_an_unknown_sequence_is_no_fault() -> None:
    inner = implicit(0x00080100, b"1 ")
    assert judge({PRIVATE: explicit(PRIVATE, "UN", item(inner) + SEQUENCE_END, length=UNDEFINED)}).findings == ()
