"""Whatever a peer sends as an Identifier is answered or refused; nothing else comes out of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.datadict import dictionary_VR
from unit.dicom.elements import explicit, item
from unit.index.received import received

from dicomnode.dicom.query.identifier import Level, Model, QueryOptions, parse_query, parse_retrieve
from dicomnode.dicom.query.model import QUERY_KEYS
from dicomnode.dicom.transfer_syntax import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from dicomnode.errors import IdentifierError
from dicomnode.index import Durability, Index, IndexSettings, OnConflict

SYNTAXES = [
    IMPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
]
TAGS = sorted({tag for keys in QUERY_KEYS.values() for tag in keys} | {0x00080005, 0x00091001, 0x00080000})
VRS = st.sampled_from(["CS", "LO", "UI", "DA", "TM", "SQ", "PN", "US", "UN", "ZZ"])
VALUES = (
    st.binary(max_size=30)
    | st.sampled_from(
        [b"STUDY ", b"IMAGE ", b"ISO_IR 192", b"1.2.3", b"20240101-", b"10-", b"*", b"?\\*", b'""', b"=^*=", b"\x1b$B"]
    )
    | st.text(max_size=10).map(str.encode)
)


@st.composite
def elements(draw: st.DrawFn, depth: int = 2) -> bytes:
    """An element of a usual tag, with any VR and any value."""
    tag = draw(st.sampled_from(TAGS))
    vr = draw(st.just("UN" if tag == 0x00080000 or tag >> 16 & 1 else dictionary_VR(tag)) | VRS)
    if depth and draw(st.booleans()) and vr == "SQ":
        return explicit(tag, vr, b"".join(item(draw(elements(depth - 1))) for _ in range(draw(st.integers(0, 2)))))
    return explicit(tag, vr, draw(VALUES))


LEVELS = st.sampled_from([level.value.ljust(len(level) + len(level) % 2).encode() for level in Level])
UNIQUE = [explicit(tag, vr, b"1.2.") for tag, vr in ((0x00100020, "LO"), (0x0020000D, "UI"), (0x0020000E, "UI"))]
OWN = explicit(0x00080018, "UI", b"1.2.3\\")


@st.composite
def identifiers(draw: st.DrawFn) -> bytes:
    """Elements in rising order, with a level and mostly with unique keys; now and then cut off."""
    found = {one[:4]: one for one in [*UNIQUE, OWN] if draw(st.integers(0, 9))}
    found |= {one[:4]: one for one in draw(st.lists(elements(), max_size=5))}
    found[explicit(0x00080052, "CS")[:4]] = explicit(0x00080052, "CS", draw(LEVELS))
    content = b"".join(found[tag] for tag in sorted(found, key=lambda tag: tag[1::-1] + tag[:1:-1]))
    return content[: -draw(st.integers(1, 20))] if draw(st.integers(0, 19)) == 0 else content


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """An index of one instance, the same for all examples."""
    opened = Index(tmp_path_factory.mktemp("data"), IndexSettings(), durability=Durability.FAST)
    opened.prepare()
    opened.instances.add(received(), OnConflict())
    yield opened
    opened.close()


@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    content=identifiers() | st.binary(max_size=60),
    syntax=st.sampled_from(SYNTAXES[1:2] * 12 + SYNTAXES),
    model=st.sampled_from(Model),
    flags=st.fixed_dictionaries({field.name: st.booleans() for field in fields(QueryOptions)}),
)
def test_identifier_is_answered_or_refused(
    index: Index, content: bytes, syntax: str, model: Model, flags: dict[str, bool]
) -> None:
    options = QueryOptions(**flags)
    try:
        identifier = parse_query(content, syntax, model, options)
    except IdentifierError:
        pass
    else:
        list(index.find(identifier, list(identifier.keys)).pages)
    try:
        selection = parse_retrieve(content, syntax, model, options)
    except IdentifierError:
        return
    index.select(selection)
