"""A rule file that is wrong: every fault with its line and its key."""

from __future__ import annotations

import pytest
from unit.qa.site import rules

from dicomnode.errors import ConfigurationError

HEAD = """version: 1
profiles:
  all:
    rules:
      - id: site.one
        severity: warn
"""


@pytest.mark.parametrize(
    ("rest", "line", "key", "said"),
    [
        ("        require: [PatientID]\n", 7, "profiles.all.rules.0.require", "unknown key; did you mean required?"),
        ("        required: [PatientId]\n", 7, "profiles.all.rules.0.required.0", "did you mean PatientID?"),
        ("        assert: 'StudyDate ='\n", 7, "profiles.all.rules.0.assert", "is no condition"),
        ("        required: [Rows]\n        when: 'Rows + 1 == 2'\n", 8, "profiles.all.rules.0.when", "Rows + 1 is not known here"),
        ("        fields: [PatientID]\n        pattern: '('\n", 8, "profiles.all.rules.0.pattern", "is no pattern"),
        ("        fields: [PatientID]\n        length: {max: 300}\n", 8, "profiles.all.rules.0.length.max", "at most 256"),
        ("        fields: [StudyDate]\n        date: {max: soon}\n", 8, "profiles.all.rules.0.date.max", "is no day"),
        ("        fields: [PixelData]\n        length: {max: 3}\n", 7, "profiles.all.rules.0.fields.0", "has the VR OW"),
        ("        check: pixel.sizes\n", 7, "profiles.all.rules.0.check", "did you mean pixel.size?"),
        ("        required: [Rows]\n        comment: '{value}'\n", 8, "profiles.all.rules.0.comment", "{keyword} and nothing else"),
        ("        required: [Rows]\n        comment: '{keyword:>9}'\n", 8, "profiles.all.rules.0.comment", "and nothing else"),
        ("        required: [Rows]\n        comment: '{keyword.x}'\n", 8, "profiles.all.rules.0.comment", "and nothing else"),
        ("        required: [Rows]\n        status: 0xB007\n", 8, "profiles.all.rules.0.status", "0xb007 is no failure"),
        ("        required: [Rows]\n        status: 0xA700\n", 8, "profiles.all.rules.0.status", "may try again for ever"),
        ("        required: [Rows]\n        status: 0xA900\n", 5, "profiles.all.rules.0", "needs severity reject"),
        ("        required: [Rows]\n        present: [Rows]\n", 5, "profiles.all.rules.0", "required and present"),
        ("        ref: PS3.3\n", 5, "profiles.all.rules.0", "this one has none"),
        ("        fields: [Rows]\n", 5, "profiles.all.rules.0", "belong together"),
        ("        fields: [PatientID]\n        range: [1, 2]\n", 5, "profiles.all.rules.0", "PatientID is text"),
        ("        fields: [Rows]\n        pattern: '1'\n", 5, "profiles.all.rules.0", "Rows is a number"),
        ("        required: [Rows]\n      - {id: site.one, severity: warn, required: [Rows]}\n", 8, "profiles.all.rules.1.id",
         "stands in profile all already"),
        ("        required: [Rows]\n      - {id: patient.id, severity: warn, required: [Rows]}\n", 8, "profiles.all.rules.1.id",
         "is a core rule"),
        ("        required: [Rows]\n    override: {patient.ids: {severity: warn}}\n", 8, "profiles.all.override.patient.ids",
         "did you mean patient.id?"),
        ("        required: [Rows]\n    override: {core.uids: {severity: warn}}\n", 8, "profiles.all.override.core.uids",
         "stays at reject"),
        ("        required: [Rows]\n    override: {patient.id: {severity: warn, until: 20270101}}\n", 8,
         "profiles.all.override.patient.id.until", "expected a date"),
        ("        required: [Rows]\n    match: {sop_class: CTImageStore}\n", 8, "profiles.all.match.sop_class",
         "did you mean CTImageStorage?"),
        ("        required: [Rows]\ntests:\n  - {name: a, dataset: {}, expect: {site.two: warn}}\n", 9, "tests.0.expect.site.two",
         "did you mean site.one?"),
    ],
)  # fmt: skip
def test_fault_is_told_with_line_and_key(rest: str, line: int, key: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        rules(HEAD + rest)
    [problem] = caught.value.problems
    assert (problem.line, problem.key) == (line, key)
    assert said in problem.text


def test_version_must_be_said() -> None:
    with pytest.raises(ConfigurationError, match="version: is missing"):
        rules("profiles: {}")
