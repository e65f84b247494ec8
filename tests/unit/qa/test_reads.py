"""A rule that says what it reads reads nothing else, and one that goes by a look finds nothing where that gives nothing."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs
from unit.dicom.against_pydicom import REAL_FILES, read
from unit.qa.judging import Changes, judge, number, sliced, text

from dicomnode.dicom.instance import Severity, StoreRequest
from dicomnode.dicom.layout import Layouts
from dicomnode.dicom.peer import Sender
from dicomnode.dicom.scan import ScannedDataset, scan
from dicomnode.dicom.transfer_syntax import EXPLICIT_VR_LITTLE_ENDIAN
from dicomnode.qa import iod, panel, walk
from dicomnode.qa.reads import MAX_VALUE_BYTES, Reads
from dicomnode.qa.rule import Hit, Rule, Subject
from dicomnode.qa.rules import RULES
from dicomnode.qa.settings import QaSettings
from dicomnode.qa.validation import Validation

pytestmark = pytest.mark.filterwarnings("ignore")

TODAY = date(2024, 1, 1)
SENDER = Sender("CT1", "DICOMNODE", "127.0.0.1")
OTHER_SENDER = Sender("MR9", "OTHER", "192.0.2.9", "mr9")
READING = [rule for rule in RULES if rule.reads is not None]
GOING_BY_A_LOOK = [rule for rule in RULES if rule.look is not None]
FILES = [read(path)[:2] for path in REAL_FILES if path.stat().st_size < 100_000]
VALUES = (b"20990101", b"19000101", b"PALETTE COLOR", b"MONOCHROME2", b"YBR_FULL_422", b"1\\0\\0\\0\\1\\0", b"0", b"1", b"-1",
          b"1\\2", b"M", b"CT", b"1.2.3", b"010Y", b"00", b"01", b"\x01\0", b"\x10\0", b"\0", b" ")  # fmt: skip
ROWS, COMMENTS = 0x00280010, 0x00104000


@pytest.fixture(autouse=True)
def _time_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "MAX_SECONDS", 60.0)
    monkeypatch.setattr(iod, "MAX_SECONDS", 60.0)


def changed(content: bytes, scanned: ScannedDataset, tags: set[int], chance: random.Random) -> bytes:
    """The data set with other values of the same lengths in some of the elements."""
    spoilt = bytearray(content)
    for tag in sorted(tags & scanned.elements.keys()):
        _, offset, length = scanned.elements[tag]
        if 0 < length <= MAX_VALUE_BYTES and offset + length <= len(spoilt) and chance.random() < 0.3:
            spoilt[offset : offset + length] = chance.choice(VALUES)[:length].ljust(
                length, chance.choice((b" ", b"\0"))
            )
    return bytes(spoilt)


def request(scanned: ScannedDataset, syntax: str) -> StoreRequest:
    return StoreRequest(scanned.uid(0x00080016) or "", scanned.uid(0x00080018) or "", syntax, SENDER)


def reduced(scanned: ScannedDataset, reads: Reads) -> ScannedDataset:
    """A data set that has no elements but those that are read, and no bytes but those of the values that are."""
    data = bytearray(b"\xaa" * len(scanned.data))
    for tag in reads.values & scanned.elements.keys():
        _, offset, length = scanned.elements[tag]
        data[offset : offset + length] = scanned.data[offset : offset + length]
    less = ScannedDataset()
    less.data, less.head, less.layout = bytes(data), bytes(data[: len(scanned.head)]), None
    less.elements = {tag: scanned.elements[tag] for tag in sorted(reads.tags & scanned.elements.keys())}
    less.items = {tag: items for tag, items in scanned.items.items() if tag in reads.values}
    less.implicit_vr, less.big_endian = scanned.implicit_vr, scanned.big_endian
    less.transfer_syntax, less.faults, less.complete = scanned.transfer_syntax, (), True
    pixels = scanned.pixel_data
    if pixels is not None and pixels.fragments is not None:
        pixels = pixels._replace(fragments=pixels.fragments + 7, present_bytes=11 * (pixels.present_bytes or 0))
    less.pixel_data = pixels
    return less


@given(st.sampled_from(FILES), st.randoms(use_true_random=False), st.sampled_from((TODAY, date(1999, 1, 1))))
@settings(max_examples=400, deadline=None)
def test_rule_that_says_what_it_reads_reads_nothing_else(
    file: tuple[bytes, str], chance: random.Random, today: date
) -> None:
    content, syntax = file
    read_by_rules = {tag for rule in READING if rule.reads for tag in rule.reads.values}
    scanned = scan(content, syntax)
    scanned = scan(changed(content, scanned, read_by_rules, chance), syntax)
    if scanned.faults or scanned.transfer_syntax.deflated:
        return  # nothing of it is remembered
    asked = request(scanned, syntax)
    other = asked._replace(sop_instance_uid="1.2.3.4", sender=OTHER_SENDER, message_id=7)
    for rule in READING:
        assert rule.reads is not None
        whole = tuple(rule.check(Subject(scanned, asked, today)))
        assert whole == tuple(rule.check(Subject(reduced(scanned, rule.reads), other, today))), rule.id


@given(st.sampled_from(FILES), st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_rule_that_goes_by_a_look_finds_nothing_where_that_gives_nothing(
    file: tuple[bytes, str], chance: random.Random
) -> None:
    content, syntax = file
    scanned = scan(content, syntax)
    scanned = scan(changed(content, scanned, set(scanned.elements), chance), syntax)
    for rule in GOING_BY_A_LOOK:
        assert rule.look is not None
        subject = Subject(scanned, request(scanned, syntax), TODAY)
        if not rule.look(subject):
            assert tuple(rule.check(subject)) == (), rule.id


def _asked(*slices: Changes, reads: Reads) -> list[tuple[int, bool]]:
    """Of slices with changes: how often a rule was asked until then, and whether it told of three rows."""
    asked = []

    def check(subject: Subject) -> Iterator[Hit]:
        asked.append(subject)
        if subject.integer(ROWS) == 3:
            yield Hit((ROWS,), "has three rows")

    rule = Rule("site.rows", Severity.WARN, 0xC500, "", check, reads=reads)
    validation, layouts, told = Validation(QaSettings(), rules=(rule,)), Layouts(), []
    for changes in slices:
        verdict = judge(changes, validation=validation, layouts=layouts)
        told.append((len(asked), bool(verdict.findings)))
    return told


THREE, TWO = {ROWS: number(ROWS, 3)}, {ROWS: number(ROWS, 2)}


def test_rule_is_not_asked_again_about_what_it_was_asked_about() -> None:
    known = [(1, True), (2, True), (2, True), (3, False), (3, False), (3, True)]  # the first has no layout yet
    assert _asked(THREE, THREE, THREE, TWO, TWO, THREE, reads=Reads((ROWS,))) == known


def test_of_another_value_that_is_read_or_another_length_the_rule_is_asked() -> None:
    named, longer = ({COMMENTS: text(COMMENTS, "LO", value), **THREE} for value in ("Head", "Head and neck"))
    slices = [THREE, THREE, THREE, named, named, named, longer, longer, longer]
    assert _asked(*slices, reads=Reads((ROWS,)))[-1] == (4, True)  # known, once there is a layout
    assert _asked(*slices, reads=Reads((ROWS, COMMENTS)))[-1] == (6, True)
    assert _asked(*slices, reads=Reads((ROWS,), shapes=(COMMENTS,)))[-1] == (6, True)


def test_rule_is_asked_each_time_where_a_value_is_long() -> None:
    long = {COMMENTS: text(COMMENTS, "LT", "a" * (MAX_VALUE_BYTES + 2)), **THREE}
    assert _asked(long, long, long, reads=Reads((ROWS, COMMENTS)))[-1] == (3, True)
    assert _asked(long, long, long, reads=Reads((ROWS,), shapes=(COMMENTS,)))[-1] == (2, True)


def test_rule_that_fails_is_asked_each_time() -> None:
    fails = Rule("site.fails", Severity.WARN, 0xC500, "", lambda _: [1 // 0], reads=Reads((ROWS,)))  # type: ignore[list-item]
    validation, layouts = Validation(QaSettings(), rules=(fails,)), Layouts()
    for _ in range(4):
        with capture_logs() as logged:
            verdict = judge(THREE, validation=validation, layouts=layouts)
        assert [one.rule for one in verdict.findings] == ["core.engine"]
        assert [line["event"] for line in logged] == ["qa.rule_failed"]


def test_no_more_is_remembered_than_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panel, "MAX_REMEMBERED", 10)
    memory: panel.Memory = {}
    rule = Rule("site.rows", Severity.WARN, 0xC500, "", lambda _: (), reads=Reads((ROWS,)))
    asked, layouts = panel.Panel((rule,), memory), Layouts()
    for rows in range(100):
        scanned = scan(sliced({ROWS: number(ROWS, rows)}), EXPLICIT_VR_LITTLE_ENDIAN, layouts=layouts)
        asked.questions(Subject(scanned, request(scanned, EXPLICIT_VR_LITTLE_ENDIAN), TODAY))
        assert len(memory) <= 10
    assert memory
