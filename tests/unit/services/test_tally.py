"""The accounts of C-MOVE and C-GET."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.filereader import read_dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicomnode.dicom.sub_operations import SubOperations
from dicomnode.services.tally import Tally, failed_list

SUCCESS, WARNING, FAILURE = 0x0000, 0xB000, 0xA702
CANCEL = 0xFE00
STORED_WITH_FAULTS, REFUSED, NEVER_ANSWERED = 0xB007, 0xA700, None


def tally_of(*statuses: int | None, total: int | None = None) -> Tally:
    tally = Tally(len(statuses) if total is None else total)
    for number, status in enumerate(statuses):
        tally.add(f"1.2.{number}", status)
    return tally


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ((), SUCCESS),
        ((0, 0, 0), SUCCESS),
        ((0, STORED_WITH_FAULTS), WARNING),
        ((STORED_WITH_FAULTS, STORED_WITH_FAULTS), WARNING),
        ((0, REFUSED), WARNING),
        ((STORED_WITH_FAULTS, NEVER_ANSWERED), WARNING),
        ((REFUSED, NEVER_ANSWERED, 0x0122), FAILURE),
    ],
)
def test_final_status(statuses: tuple[int | None, ...], expected: int) -> None:
    assert tally_of(*statuses).final_status() == expected


def test_cancel_tells_what_remains() -> None:
    tally = tally_of(0, REFUSED, 0xB006, total=5)
    assert tally.final_status(is_cancelled=True) == CANCEL
    assert tally.counts == SubOperations(remaining=2, completed=1, failed=1, warning=1)


def test_cancel_that_comes_after_the_last_sub_operation_changes_nothing() -> None:
    assert tally_of(0, 0).final_status(is_cancelled=True) == SUCCESS


@given(st.lists(st.sampled_from([0, 0xB000, 0xB007, 0xA700, 0xA900, 0xC000, 0x0110, 0x0122, None])), st.integers(0, 9))
def test_counts_always_add_up(statuses: list[int | None], unsent: int) -> None:
    tally = Tally(len(statuses) + unsent)
    for number, status in enumerate(statuses):
        counts = tally.counts
        assert counts.remaining + counts.completed + counts.failed + counts.warning == len(statuses) + unsent
        assert counts.remaining == len(statuses) + unsent - number
        tally.add(f"1.{number}", status)
    assert tally.counts.failed == len(tally.failed_uids)


def test_names_exactly_what_failed() -> None:
    assert tally_of(0, REFUSED, 0xB000, NEVER_ANSWERED).failed_uids == ["1.2.1", "1.2.3"]


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("uids", [["1.2"], ["1.2", "1.23"], ["1.2.3"] * 7])
def test_failed_list_is_the_only_element(syntax: str, uids: list[str]) -> None:
    identifier, named = failed_list(uids, syntax)
    dataset = read(identifier, syntax)
    assert [element.keyword for element in dataset] == ["FailedSOPInstanceUIDList"]
    assert dataset["FailedSOPInstanceUIDList"].VR == "UI"
    assert listed(dataset) == uids
    assert named == len(uids)
    assert len(identifier) % 2 == 0


def test_failed_list_is_absent_when_nothing_failed() -> None:
    assert failed_list([], ExplicitVRLittleEndian) == (b"", 0)


@pytest.mark.parametrize("length", [9, 16, 63, 64])
def test_failed_list_is_cut_between_uids_where_its_length_has_16_bits(length: int) -> None:
    uids = [f"1.1{number:04}".ljust(length, "7") for number in range(10_000)]
    dataset = read(failed_list(uids, ExplicitVRLittleEndian)[0], ExplicitVRLittleEndian)
    found = listed(dataset)
    assert found == uids[: len(found)]
    assert len("\\".join(uids[: len(found) + 1])) > 65534 >= len("\\".join(found))
    assert failed_list(uids, ExplicitVRLittleEndian)[1] == len(found)


def test_failed_list_is_whole_where_its_length_has_32_bits() -> None:
    uids = [f"1.2.{number}" for number in range(20_000)]
    identifier, named = failed_list(uids, ImplicitVRLittleEndian)
    assert listed(read(identifier, ImplicitVRLittleEndian)) == uids
    assert named == len(uids)


def read(identifier: bytes, syntax: str) -> Dataset:
    return read_dataset(io.BytesIO(identifier), syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian)


def listed(dataset: Dataset) -> list[str]:
    value = dataset.FailedSOPInstanceUIDList
    return [value] if isinstance(value, str) else [str(uid) for uid in value]
