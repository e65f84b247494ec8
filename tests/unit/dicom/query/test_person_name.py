"""Names of persons as queries compare them."""

from __future__ import annotations

import unicodedata

import pytest

from dicomnode.dicom.query.person_name import name_groups, name_matches

YAMADA = "Yamada^Tarou=山田^太郎=やまだ^たろう"


@pytest.mark.parametrize(
    ("key", "name", "expected"),
    [
        ("Doe^Jane", "Doe^Jane", True),
        ("DOE^JANE", "Doe^Jane", True),
        ("Doe^Jane", "Doe^Jane^^Dr.", False),
        ("Doe", "Doe^Jane", False),
        ("Doe^Jane^^", "Doe^Jane", True),
        ("Doe^Jane", "Doe^Jane^^^", True),
        ("Doe^Jane", "Doe ^ Jane", True),
        ("Doe^Jane==", "Doe^Jane", True),
        ("Doe^*", "Doe^Jane", True),
        ("Doe^*", "Doe", True),
        ("Doe^*^*", "Doe^Jane", True),
        ("Doe^*", "Doerr^Jane", False),
        ("D?e*", "Doe^Jane", True),
        ("D?e", "Dooe", False),
        ("Muller", "Müller", True),
        ("müller", "MULLER", True),
        ("M?ller", unicodedata.normalize("NFD", "Müller"), True),
        ("Strasse", "Straße", True),
        ("ヤマダ", "ﾔﾏﾀﾞ", True),
        ("かき", "がき", False),
        ("Doe[1]", "Doe1", False),
        ("Doe.", "Doex", False),
        ("Yamada*", YAMADA, True),
        ("山田*", YAMADA, True),
        ("やまだ^たろう", YAMADA, True),
        ("yamada*=山田*", YAMADA, True),
        ("=山田*", YAMADA, True),
        ("==やまだ*", YAMADA, True),
        ("山田*=Yamada*", YAMADA, False),
        ("Yamada*=鈴木*", YAMADA, False),
    ],
)
def test_name(key: str, name: str, expected: bool) -> None:
    assert name_matches(key, fuzzy=False)(name) is expected


@pytest.mark.parametrize(
    ("key", "name", "expected"),
    [
        ("jane doe", "Doe^Jane", True),
        ("Doe^J", "Doe^Jane", True),
        ("Doe, Jane", "Doe^Jane", True),
        ("oe", "Doe^Jane", False),
        ("*oe", "Doe^Jane", True),
        ("Doe Bob", "Doe^Jane", False),
        ("muller", "van der Müller^Ann", True),
        ("yamada 山田", YAMADA, False),
        ("太郎", YAMADA, True),
    ],
)
def test_fuzzy_name(key: str, name: str, expected: bool) -> None:
    assert name_matches(key, fuzzy=True)(name) is expected


def test_groups() -> None:
    assert name_groups("DOE^Jané^^=山田 =") == ("doe^jane", "山田", "")
    assert name_groups("") == ("", "", "")
