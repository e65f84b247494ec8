"""Every item once, with its place; a walk that takes too long stops and says so."""

from __future__ import annotations

import pytest
from unit.dicom.elements import explicit, item
from unit.qa.judging import SENDER, TODAY, sliced, text

from dicomnode.dicom.instance import StoreRequest
from dicomnode.dicom.scan import scan
from dicomnode.dicom.transfer_syntax import EXPLICIT_VR_LITTLE_ENDIAN
from dicomnode.qa import walk
from dicomnode.qa.rule import Subject

OUTER, INNER = 0x00081140, 0x0040A170


def subject(count: int) -> Subject:
    inner = explicit(INNER, "SQ", item(text(0x00080100, "SH", "1")))
    data = sliced({OUTER: explicit(OUTER, "SQ", item(inner) * count)})
    dataset = scan(data, EXPLICIT_VR_LITTLE_ENDIAN)
    return Subject(dataset, StoreRequest("1.2", "1.2", EXPLICIT_VR_LITTLE_ENDIAN, SENDER), TODAY)


def test_each_item_has_its_place() -> None:
    found = walk.every_item(one := subject(2))
    assert [walk.path(place) for _, place in found.items] == [
        "",
        "(0008,1140)[0]",
        "(0008,1140)[1]",
        "(0008,1140)[0](0040,A170)[0]",
        "(0008,1140)[1](0040,A170)[0]",
    ]
    assert not found.partial
    assert walk.every_item(one) is found


def test_walk_that_takes_too_long_is_partial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "MAX_SECONDS", -1.0)
    found = walk.every_item(subject(1000))
    assert found.partial
    assert len(found.items) < 2001
