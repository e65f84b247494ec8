"""docs/query.md lists the keys that there are, and how each is matched."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydicom.datadict import dictionary_description

from dicomnode.dicom.query.keys import WILDCARD
from dicomnode.dicom.query.model import QUERY_KEYS, Level

PAGE = (Path(__file__).parents[4] / "docs" / "query.md").read_text(encoding="utf-8")
KINDS = {
    "DA": "single, range",
    "DS": "number",
    "DT": "single, range",
    "IS": "number",
    "PN": "name",
    "SQ": "sequence",
    "TM": "single, range",
    "UI": "single, list",
    "US": "number",
} | dict.fromkeys(WILDCARD - {"PN"}, "single, wildcard")


@pytest.mark.parametrize("level", Level)
def test_table_of_keys(level: Level) -> None:
    section = re.split(r"^#+ ", PAGE.partition(f"### {level}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    rows = re.findall(r"^\| ([0-9A-F]{4}),([0-9A-F]{4}) \| (.+) \| (..) \| (.+) \|$", section, re.MULTILINE)
    listed = {int(group + element, 16): (name, vr, kind) for group, element, name, vr, kind in rows}
    assert listed == {
        tag: (dictionary_description(tag), vr, KINDS.get(vr, "single")) for tag, vr in QUERY_KEYS[level].items()
    }
