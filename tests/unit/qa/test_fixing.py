"""Whatever a fix does: it makes the value right or leaves the instance alone, and touches nothing else."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from unit.qa.judging import SENDER, sliced, text
from unit.qa.site import one_rule

from dicomnode.dicom.instance import Severity, StoreRequest
from dicomnode.dicom.scan import scan
from dicomnode.qa.fixing import fixed

ID, STUDY_ID, ORIGINAL, MODIFIED = 0x00100020, 0x00200010, 0x04000561, 0x04000550
NOW = datetime(2024, 6, 1, tzinfo=UTC)

VALUES = st.text(st.sampled_from("aBc1 _\\-"), max_size=12)
FIXES = st.fixed_dictionaries(
    {},
    optional={
        "trim": st.just("true"),
        "upper": st.just("true"),
        "map": st.sampled_from(["{a: A, c: C}", "{'-': B1}"]),
        "copy": st.just("StudyID"),
        "default": st.sampled_from(["B1", "1", "ABC"]),
    },
).filter(bool)


@given(VALUES, VALUES, FIXES)
def test_value_is_right_then_or_the_instance_is_as_it_was(value: str, study_id: str, fix: dict[str, str]) -> None:
    spec = ", ".join(f"{key}: '{word}'" if key == "default" else f"{key}: {word}" for key, word in fix.items())
    rule = one_rule(f"fields: [PatientID]\npattern: '[A-Z1]*'\nseverity: fix\nfix: {{{spec}}}")
    data = sliced({ID: text(ID, "LO", value), STUDY_ID: text(STUDY_ID, "SH", study_id)})
    before = scan(data, ExplicitVRLittleEndian)
    request = StoreRequest(CTImageStorage, before.uid(0x00080018) or "", ExplicitVRLittleEndian, SENDER)
    verdict = rule.judge(before, request, NOW.date())
    kept: list[bytes] = []

    def write(pieces: object) -> memoryview:
        kept.append(b"".join(pieces))  # type: ignore[call-overload]  # an iterator of pieces
        return memoryview(kept[-1])

    made = fixed(rule, verdict, memoryview(data), request, NOW, write) if verdict.changes else None
    if made is None:
        assert all(one.severity is not Severity.FIX for one in verdict.findings)
        return
    now, found = made
    assert [one.severity for one in found.findings if one.rule == "site.rule"] == [Severity.FIX]
    assert now.elements.keys() == before.elements.keys() | {ORIGINAL}
    for tag in before.elements.keys() - {ID}:
        assert now.raw(now.elements[tag]) == before.raw(before.elements[tag])
    [item] = now.items[ORIGINAL]
    [old] = item.items[MODIFIED]
    assert now.raw(old.elements[ID]) == before.raw(before.elements[ID])
