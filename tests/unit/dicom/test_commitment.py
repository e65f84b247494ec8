"""Requests for storage commitment and reports on them, as data sets."""

from __future__ import annotations

import contextlib
from io import BytesIO

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomnode.dicom.commitment import CommitmentReport, CommitmentRequest, Reference
from dicomnode.errors import CommitmentError, TooLargeError

EXPLICIT, IMPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
SYNTAXES = st.sampled_from([EXPLICIT, IMPLICIT, BIG_ENDIAN])
CT = "1.2.840.10008.5.1.4.1.1.2"
REFERENCES = st.lists(
    st.builds(Reference, st.just(CT), st.from_regex(r"1\.[1-9][0-9]{0,20}", fullmatch=True)),
    min_size=1,
    max_size=20,
    unique=True,
).map(tuple)


def request(*uids: str) -> CommitmentRequest:
    return CommitmentRequest("1.2.3", tuple(Reference(CT, uid) for uid in uids))


@given(references=REFERENCES, syntax=SYNTAXES)
def test_request_is_read_as_it_was_written(references: tuple[Reference, ...], syntax: str) -> None:
    asked = CommitmentRequest("1.2.3", references)
    assert CommitmentRequest.read(asked.encoded(syntax), syntax, maximum=20) == asked


@given(references=REFERENCES, failures=st.lists(st.sampled_from([0x0110, 0x0112, 0x0119])), syntax=SYNTAXES)
def test_report_tells_the_whole_request(references: tuple[Reference, ...], failures: list[int], syntax: str) -> None:
    failed = dict(zip(references, failures, strict=False))
    report = CommitmentReport("1.2.3", references[len(failed) :], failed)
    assert report.event_type_id == (2 if failed else 1)
    written = report.encoded(syntax, retrieve_ae_title="DICOMNODE")
    assert CommitmentReport.read(written, syntax, maximum=20) == report


def test_report_without_failures_has_no_failed_sequence() -> None:
    report = CommitmentReport("1.2.3", (Reference(CT, "1.2.4"),), {})
    dataset = pydicom.dcmread(BytesIO(report.encoded(IMPLICIT, retrieve_ae_title="DICOMNODE")), force=True)
    assert [element.keyword for element in dataset] == ["RetrieveAETitle", "TransactionUID", "ReferencedSOPSequence"]


def test_refuses_more_references_than_one_may_name() -> None:
    with pytest.raises(TooLargeError):
        CommitmentRequest.read(request("1.1", "1.2", "1.3").encoded(EXPLICIT), EXPLICIT, maximum=2)


@pytest.mark.parametrize(
    "wrong", [request(), request("1.1", "1.1"), request("../etc"), CommitmentRequest("", (Reference(CT, "1.1"),))]
)
def test_refuses_what_cannot_be_a_request(wrong: CommitmentRequest) -> None:
    with pytest.raises(CommitmentError):
        CommitmentRequest.read(wrong.encoded(EXPLICIT), EXPLICIT, maximum=20)


@given(st.binary(max_size=200), SYNTAXES)
def test_any_bytes_are_a_request_or_refused(dataset: bytes, syntax: str) -> None:
    with contextlib.suppress(CommitmentError, TooLargeError):
        CommitmentRequest.read(dataset, syntax, maximum=20)


def test_cut_request_is_refused() -> None:
    with pytest.raises(CommitmentError):
        CommitmentRequest.read(request("1.1", "1.2").encoded(EXPLICIT)[:-3], EXPLICIT, maximum=20)
