"""DICOM JSON to data sets, quickly: the same bytes as the plain way."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomnode.dicom.character_sets import character_set
from dicomnode.dicom.encode import Encoding, InexpressibleError
from dicomnode.dicom.encode_json import JsonEncoder
from dicomnode.dicom.transfer_syntax import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)

texts = st.one_of(st.text("abc ", max_size=70), st.text("abcüß山", max_size=9), st.none())
names = st.dictionaries(st.sampled_from(["Alphabetic", "Ideographic", "Phonetic"]), st.text("ab^ü山", max_size=9))
plain: st.SearchStrategy[tuple[str, dict[str, Any]]] = st.one_of(
    st.builds(lambda values: ("00104000", {"vr": "LT", "Value": values}), st.lists(texts, max_size=1)),
    st.builds(lambda values: ("00080050", {"vr": "SH", "Value": values}), st.lists(texts, max_size=3)),
    st.builds(lambda values: ("00100010", {"vr": "PN", "Value": values}), st.lists(names, max_size=2)),
    st.builds(
        lambda uid: ("0020000D", {"vr": "UI", "Value": [uid]}), st.from_regex(r"1(\.[1-9]){1,20}", fullmatch=True)
    ),
    st.builds(lambda number: ("001021C0", {"vr": "US", "Value": [number]}), st.integers(0, 65535)),
    st.builds(
        lambda number: ("00101030", {"vr": "DS", "Value": [number]}), st.one_of(st.floats(0, 500), st.just("70"))
    ),
    st.builds(lambda vr: ("00100020", {"vr": vr}), st.just("LO")),
    st.just(("00091010", {"vr": "OB", "InlineBinary": "AQI="})),
)
datasets = st.recursive(
    st.lists(plain, max_size=6).map(dict),
    lambda inner: st.builds(
        lambda items, others: {**others, "00400100": {"vr": "SQ", "Value": items}},
        st.lists(inner, max_size=2),
        st.lists(plain, max_size=3).map(dict),
    ),
    max_leaves=4,
)


def encoded(encoder: Any, dataset: dict[str, Any]) -> bytes | None:
    try:
        return bytes(encoder(dataset))
    except InexpressibleError:
        return None


@pytest.mark.parametrize("syntax", [EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN])
@pytest.mark.parametrize("terms", ["", "ISO_IR 100", "ISO_IR 192"])
@given(dataset=datasets)
def test_same_bytes_as_the_plain_way(syntax: str, terms: str, dataset: dict[str, Any]) -> None:
    encoding = Encoding.of(syntax, character_set(terms))
    assert encoded(JsonEncoder(encoding).dataset, dataset) == encoded(encoding.json_dataset, dataset)
