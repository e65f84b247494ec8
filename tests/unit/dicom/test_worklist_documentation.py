"""docs/worklist.md lists the attributes that there are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from pydicom.datadict import dictionary_description, dictionary_VR

from dicomnode.dicom.worklist_attributes import PROCEDURE, STEP

PAGE = (Path(__file__).parents[3] / "docs" / "worklist.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("heading", "table"),
    [("Of the entry:", PROCEDURE), ("Of the item of Scheduled Procedure Step Sequence:", STEP)],
)
def test_table_of_attributes(heading: str, table: Mapping[int, str]) -> None:
    section = PAGE.partition(heading)[2].strip().partition("\n\n")[0]
    rows = re.findall(r"^\| ([0-9A-F]{4}),([0-9A-F]{4}) \| (.+) \| (..) \| (..?) \|$", section, re.MULTILINE)
    listed = {int(group + element, 16): (name, vr, kind) for group, element, name, vr, kind in rows}
    assert listed == {tag: (dictionary_description(tag), dictionary_VR(tag), kind) for tag, kind in table.items()}
