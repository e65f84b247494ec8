"""Whatever stands in a data set, all rules judge it: none fails, and no value of a patient is told."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unit.dicom.against_pydicom import REAL_FILES, read

from dicomnode.config import Config
from dicomnode.dicom.instance import StoreRequest, Verdict
from dicomnode.dicom.peer import Sender
from dicomnode.dicom.scan import scan
from dicomnode.qa.core import ENGINE_FAULT

VALIDATION = Config().validation()
TODAY = date(2024, 1, 1)
SENDER = Sender("CT1", "DICOMNODE", "127.0.0.1")
SMALL_FILES = [path for path in REAL_FILES if path.stat().st_size < 100_000]


def judged(content: bytes, syntax: str) -> Verdict:
    dataset = scan(content, syntax)
    sop_class, instance = dataset.uid(0x00080016) or "", dataset.uid(0x00080018) or ""
    return VALIDATION.judge(dataset, StoreRequest(sop_class, instance, syntax, SENDER), TODAY)


@st.composite
def spoiled(draw: st.DrawFn) -> tuple[bytes, str]:
    """A real data set in which some bytes are others, are missing, or come twice."""
    content, syntax, _ = read(draw(st.sampled_from(SMALL_FILES)))
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 8))):
        at = draw(st.integers(0, max(min(len(changed), 4000) - 1, 0)))
        match draw(st.sampled_from(("byte", "byte", "byte", "cut", "double", "end"))):
            case "byte" if changed:
                changed[at] = draw(st.integers(0, 255))
            case "cut":
                del changed[at : at + draw(st.integers(1, 40))]
            case "double":
                changed[at:at] = changed[at : at + draw(st.integers(1, 200))]
            case "end":
                del changed[max(at, 100) :]
    return bytes(changed), syntax


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(spoiled())
def test_every_rule_judges_what_is_spoiled(instance: tuple[bytes, str]) -> None:
    assert [one.comment for one in judged(*instance).findings if one.rule == ENGINE_FAULT] == []


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", REAL_FILES, ids=lambda path: path.name)
def test_every_rule_judges_real_files(path: object) -> None:
    content, syntax, _ = read(path)  # type: ignore[arg-type]
    assert [one.comment for one in judged(content, syntax).findings if one.rule == ENGINE_FAULT] == []


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", REAL_FILES, ids=lambda path: path.name)
def test_no_comment_tells_of_a_patient(path: object) -> None:
    content, syntax, dataset = read(path)  # type: ignore[arg-type]
    told = "\n".join(one.comment for one in judged(content, syntax).findings)
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "AccessionNumber"):
        value = str(dataset.get(keyword) or "")
        assert len(value) < 4 or value not in told
