"""Attributes that the configuration adds to what the index keeps."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from dicomnode.dicom.attributes import LEVEL_ATTRIBUTES
from dicomnode.dicom.further_attributes import FurtherAttributes


@pytest.mark.parametrize("name", ["PatientAddress", "0010,1040", "(0010,1040)", "00101040"])
def test_named_by_keyword_or_tag(name: str) -> None:
    further = FurtherAttributes(patient=(name,))
    assert further.patient == ("PatientAddress",)
    assert further.kept["PATIENT"] == {**LEVEL_ATTRIBUTES["PATIENT"], 0x00101040: "LO"}
    assert further.kept["STUDY"] == LEVEL_ATTRIBUTES["STUDY"]


@pytest.mark.parametrize("name", ["PatientAdress", "0010,1041", "0009,1001", "", "PixelData", "DiffusionBValue"])
def test_refuses_what_cannot_be_kept(name: str) -> None:
    with pytest.raises(ValidationError):
        FurtherAttributes(image=(name,))


def test_sequences_and_small_numbers_can_be_kept() -> None:
    kept = FurtherAttributes(image=("DerivationCodeSequence", "PixelRepresentation")).kept
    assert (kept["IMAGE"][0x00089215], kept["IMAGE"][0x00280103]) == ("SQ", "US")


def test_nothing_more_by_default() -> None:
    assert FurtherAttributes().kept == LEVEL_ATTRIBUTES
