"""Strategies for data sets, as pydicom holds them."""

from __future__ import annotations

import struct

from hypothesis import strategies as st
from pydicom import Dataset, Sequence
from pydicom.dataelem import DataElement

_TEXT = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters="\\"), max_size=12).map(
    str.strip
)
_UID = st.lists(st.integers(0, 99999).map(str), min_size=1, max_size=6).map(".".join)
_BYTES = st.binary(max_size=40).map(lambda content: content + b"\0" * (len(content) % 2))

# tags of one VR each, with values of that VR
_ELEMENTS = st.one_of(
    st.tuples(st.sampled_from([(0x00080060, "CS"), (0x00100020, "LO"), (0x00200010, "SH"), (0x00104000, "LT")]), _TEXT),
    st.tuples(st.just((0x00091001, "UN")), _BYTES),
    st.tuples(st.just((0x00091002, "LO")), _TEXT),
    st.tuples(st.sampled_from([(0x00080018, "UI"), (0x0020000D, "UI")]), _UID),
    st.tuples(st.just((0x00080008, "CS")), st.lists(_TEXT.filter(bool), max_size=3)),
    st.tuples(st.just((0x00280010, "US")), st.integers(0, 0xFFFF)),
    st.tuples(st.just((0x00280009, "AT")), st.integers(0x00080000, 0x7FE00000)),
    st.tuples(st.just((0x00189073, "FD")), st.floats(width=64, allow_nan=False)),
    st.tuples(st.just((0x00186020, "SL")), st.integers(-(2**31), 2**31 - 1)),
    st.tuples(st.just((0x00420011, "OB")), _BYTES),
    st.tuples(
        st.just((0x56000020, "OF")),
        st.lists(st.floats(width=32, allow_nan=False), max_size=5).map(
            lambda all_: struct.pack(f"<{len(all_)}f", *all_)
        ),
    ),
)


@st.composite
def datasets(draw: st.DrawFn, depth: int = 3) -> Dataset:
    """A data set with some elements, and sequences of the same kind; in little endian where bytes have an order."""
    dataset = Dataset()
    for (tag, vr), value in draw(st.lists(_ELEMENTS, max_size=6)):
        dataset.add(DataElement(tag, vr, value))
    if depth:
        for tag in draw(
            st.lists(st.sampled_from([0x00081140, 0x00400275, 0x52009230, 0x00091003]), max_size=2, unique=True)
        ):
            element = DataElement(tag, "SQ", Sequence(draw(st.lists(datasets(depth - 1), max_size=2))))
            element.is_undefined_length = draw(st.booleans())
            for item in element.value:
                item.is_undefined_length_sequence_item = draw(st.booleans())
            dataset.add(element)
    return dataset
