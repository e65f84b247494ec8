"""Private elements without a creator, retired attributes, attributes that the IOD does not have: told, but not at reception."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from unit.dicom.elements import explicit, item
from unit.qa.judging import Changes, judge, text

from dicomnode.dicom.instance import Finding, Severity
from dicomnode.qa import QaSettings, Validation, elements
from dicomnode.qa.elements import ELEMENTS

VALIDATION = Validation(QaSettings(), ELEMENTS)
CREATOR, PRIVATE, OTHER_BLOCK = 0x00090010, 0x00091001, 0x00091101
REFERENCED_IMAGES = 0x00081140


def findings(changes: Changes, sop_class: str = "1.2.840.10008.5.1.4.1.1.2") -> tuple[Finding, ...]:
    return judge(changes, sop_class=sop_class, validation=VALIDATION).findings


def found(changes: Changes, sop_class: str = "1.2.840.10008.5.1.4.1.1.2") -> list[tuple[str, int, str]]:
    return [(one.rule, one.tags[0], one.path) for one in findings(changes, sop_class)]


def test_slice_has_no_fault() -> None:
    assert found({}) == []


def test_private_element_needs_a_creator() -> None:
    creator, private = text(CREATOR, "LO", "ACME"), text(PRIVATE, "LO", "x")
    assert found({CREATOR: creator, PRIVATE: private}) == []
    assert found({PRIVATE: private}) == [("private.creator", PRIVATE, "")]
    assert found({CREATOR: text(CREATOR, "LO", "  "), PRIVATE: private}) == [("private.creator", PRIVATE, "")]
    assert found({CREATOR: creator, OTHER_BLOCK: text(OTHER_BLOCK, "LO", "x")}) == [
        ("private.creator", OTHER_BLOCK, "")
    ]


def test_elements_of_one_block_are_told_once() -> None:
    changes = {tag: text(tag, "LO", "x") for tag in (PRIVATE, PRIVATE + 1, PRIVATE + 2)}
    assert found(changes) == [("private.creator", PRIVATE, "")]


def test_creator_in_the_data_set_does_not_count_in_items() -> None:
    nested = explicit(REFERENCED_IMAGES, "SQ", item(text(PRIVATE, "LO", "x")))
    changes = {CREATOR: text(CREATOR, "LO", "ACME"), REFERENCED_IMAGES: nested}
    assert found(changes) == [("private.creator", PRIVATE, "(0008,1140)[0]")]


def test_private_element_below_the_creators_belongs_to_nobody() -> None:
    assert found({0x0009000D: text(0x0009000D, "LO", "x")}) == [("private.creator", 0x0009000D, "")]


def test_retired_attribute_is_told_once_where_it_first_is() -> None:
    retired = 0x00101000  # Other Patient IDs
    nested = explicit(REFERENCED_IMAGES, "SQ", item(text(retired, "LO", "A")) * 2)
    assert found({REFERENCED_IMAGES: nested}) == [("attribute.retired", retired, "(0008,1140)[0]")]
    told = findings({retired: text(retired, "LO", "A"), REFERENCED_IMAGES: nested})
    assert [(one.comment, one.path, one.severity) for one in told] == [
        ("OtherPatientIDs is retired", "", Severity.INFO)
    ]


def test_group_length_and_curves_are_retired() -> None:
    changes = {0x00080000: explicit(0x00080000, "UL", bytes(4)), 0x50003000: explicit(0x50003000, "OW", bytes(2))}
    assert {tag for rule, tag, _ in found(changes) if rule == "attribute.retired"} == set(changes)


def test_attribute_of_another_iod_is_told() -> None:
    frame_time = {0x00181063: text(0x00181063, "DS", "40")}
    assert found(frame_time) == [("attribute.out-of-iod", 0x00181063, "")]
    assert found(frame_time, "1.2.840.10008.5.1.4.1.1.3.1") != found(frame_time)  # US Multi-frame has it
    assert found(frame_time, "1.2.3") == []


def test_what_is_in_no_module_by_nature_is_not_told() -> None:
    private = {CREATOR: text(CREATOR, "LO", "ACME"), PRIVATE: text(PRIVATE, "LO", "x")}
    padding = {0xFFFCFFFC: explicit(0xFFFCFFFC, "OB", bytes(2))}
    unknown = {0x00080FFE: text(0x00080FFE, "LO", "x")}
    assert found({**private, **padding, **unknown}) == []


def test_findings_are_bounded() -> None:
    changes = {0x00090000 + (block << 8): text(0x00090000 + (block << 8), "LO", "x") for block in range(0x10, 0xFF)}
    assert len(findings(changes)) == elements.MAX_HITS


def test_none_is_looked_for_at_reception() -> None:
    assert {rule.severity for rule in ELEMENTS} == {Severity.INFO}


@given(st.dictionaries(st.integers(0x00080000, 0xFFFFFFFF), st.binary(max_size=20), max_size=8))
@settings(max_examples=300, deadline=None)
def test_any_elements_are_judged(raw: dict[int, bytes]) -> None:
    changes = {tag: explicit(tag, "LO", value) for tag, value in raw.items() if tag >> 16 != 0xFFFE}
    assert {one.rule for one in findings(changes)} <= {rule.id for rule in ELEMENTS}  # above all no core.engine
