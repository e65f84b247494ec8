"""What can be said of a peer."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from dicomnode.dicom.peer import PeerSettings


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", ""),
        ("ISO_IR 100", "ISO_IR 100"),
        ("ISO-IR 100", "ISO_IR 100"),
        ("\\ISO 2022 IR 87", "\\ISO 2022 IR 87"),
        ("ISO 2022 IR 13\\ISO 2022 IR 87", "ISO 2022 IR 13\\ISO 2022 IR 87"),
        ("ISO_IR 192", "ISO_IR 192"),
    ],
)
def test_character_set_is_spelled_as_in_the_standard(text: str, value: str) -> None:
    assert PeerSettings(ae_title="X", character_set=text).character_set == value


@pytest.mark.parametrize("text", ["latin1", "ISO_IR 999", "\\ISO 2022 IR 1"])
def test_character_set_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="Specific Character Set"):
        PeerSettings(ae_title="X", character_set=text)
