"""What is remembered of other data sets changes nothing of what is told: all rules, known layouts, in any order."""

from __future__ import annotations

import random
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unit.dicom.against_pydicom import REAL_FILES, read

from dicomnode.config import Config
from dicomnode.dicom.instance import Finding, StoreRequest
from dicomnode.dicom.layout import Layouts
from dicomnode.dicom.peer import Sender
from dicomnode.dicom.scan import Item, scan
from dicomnode.dicom.value_representation import LONG_FORM
from dicomnode.qa import iod, walk
from dicomnode.qa.validation import Validation
from dicomnode.qa.values import looking

pytestmark = pytest.mark.filterwarnings("ignore")

SENDER = Sender("CT1", "DICOMNODE", "127.0.0.1")
FILES = [read(path)[:2] for path in REAL_FILES if path.stat().st_size < 60_000]
DAYS = (date(2024, 1, 1), date(1999, 1, 1))
VALUES = (b"20990101", b"20240230", b"PALETTE COLOR", b"YBR_FULL_422", b"DERIVED\\SECONDARY", b"1\\0\\0\\0\\1\\0", b"-1", b"1.02",
          b"CT", b"\xe9", b"\x1b$B", b"ISO_IR 192", b"010Y", b"01", b"\x10\0", b"\0\0", b"", b"A\\B", b"1e400")  # fmt: skip

Instance = tuple[bytes, str, date]


@pytest.fixture(autouse=True)
def _time_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "MAX_SECONDS", 60.0)
    monkeypatch.setattr(iod, "MAX_SECONDS", 60.0)


def short_values(item: Item) -> list[tuple[bytes, int, int]]:
    """VR, offset and length of what may be changed, in the item and its own."""
    found = [(vr, offset, length) for tag, (vr, offset, length) in item.elements.items()
             if 0 < length < 200 and tag not in item.items and tag >> 16 < 0x7FE0]  # fmt: skip
    return found + [one for items in item.items.values() for each in items for one in short_values(each)]


def spoilt(content: bytes, syntax: str, chance: random.Random) -> bytes:
    """The data set with some other values, of the same lengths for the most part."""
    changed = bytearray(content)
    scanned = scan(content, syntax)
    places = [] if scanned.transfer_syntax.deflated else short_values(scanned)
    for _, offset, length in chance.sample(places, min(len(places), chance.choice((0, 1, 1, 2, 5)))):
        changed[offset : offset + length] = chance.choice(VALUES)[:length].ljust(length, chance.choice((b" ", b"\0")))
    if places and chance.random() < 0.2:
        vr, offset, length = chance.choice(places)
        size = 4 if scanned.implicit_vr or vr in LONG_FORM else 2
        value = chance.choice(VALUES)
        value += b" " * (len(value) % 2)
        header = len(value).to_bytes(size, "big" if scanned.big_endian else "little")
        changed[offset - size : offset + length] = header + value
    return bytes(changed)


def told(instance: Instance, validation: Validation, layouts: Layouts | None) -> tuple[Finding, ...]:
    content, syntax, today = instance
    scanned = scan(content, syntax, layouts=layouts)
    request = StoreRequest(scanned.uid(0x00080016) or "", scanned.uid(0x00080018) or "", syntax, SENDER)
    return validation.judge(scanned, request, today).findings


def forget() -> None:
    iod.forget()
    looking.forget()


@given(st.lists(st.sampled_from(FILES), min_size=1, max_size=3), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_remembered_changes_nothing_of_what_is_told(
    files: list[tuple[bytes, str]], chance: random.Random
) -> None:
    chosen = [chance.choice(files) for _ in range(8)]
    instances = [(spoilt(content, syntax, chance), syntax, chance.choice(DAYS)) for content, syntax in chosen]
    instances = [*instances, *((*file, DAYS[0]) for file in files)] * 3
    chance.shuffle(instances)
    forget()
    validation, layouts = Config().validation(), Layouts()
    warm = [told(instance, validation, layouts) for instance in instances]
    alone = {}
    for instance, findings in zip(instances, warm, strict=True):
        if instance not in alone:
            forget()
            alone[instance] = told(instance, Config().validation(), None)
        assert findings == alone[instance]
