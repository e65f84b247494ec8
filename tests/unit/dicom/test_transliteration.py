"""Names for devices that know one character set only."""

from __future__ import annotations

import pytest

from dicomnode.dicom.character_sets import character_set
from dicomnode.dicom.transliteration import transliterated


@pytest.mark.parametrize(
    ("text", "term", "expected"),
    [
        ("Müller^Jörg", "ISO_IR 100", "Müller^Jörg"),
        ("Müller^Jörg", "", "Muller^Jorg"),
        ("Łukasz^Żółć", "ISO_IR 100", "Lukasz^Zólc"),
        ("Weiß", "", "Weiss"),
        ("Yamada=山田=やまだ", "ISO_IR 100", "Yamada=??=???"),
        ("Mu\u0308ller", "ISO_IR 100", "Müller"),
        ("≠", "", "?"),
        ("\uff3c\uff3e\uff1d", "", "???"),
    ],
)
def test_what_the_set_lacks_comes_as_near_as_it_can(text: str, term: str, expected: str) -> None:
    written = transliterated(text, character_set(term))
    assert written == expected
    assert character_set(term).encode(written) is not None
