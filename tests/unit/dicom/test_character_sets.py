# ruff: noqa: RUF001 - letters of many alphabets are what this is about
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.charset import python_encoding
from unit.dicom.against_pydicom import REAL_FILES, read, real_file

from dicomnode.dicom.character_sets import character_set
from dicomnode.dicom.scan import scan

PATIENT_NAME = 0x00100010

# Specific Character Set, bytes of a person's name, its text (PS3.5 Annexes H to K)
NAMES = [
    ("", b"Doe^Jane", "Doe^Jane"),
    ("ISO_IR 100", b"Buc^J\xe9r\xf4me", "Buc^Jérôme"),
    ("ISO_IR 101", b"W\xb3\xf3d\xbc^\xb3\xb1ka", "Włódź^łąka"),
    ("ISO_IR 109", b"\xa1\xb1", "Ħħ"),
    ("ISO_IR 110", b"\xbd\xbf", "Ŋŋ"),
    ("ISO_IR 126", b"\xc4\xe9\xef\xed\xf5\xf3\xe9\xef\xf2", "Διονυσιος"),
    ("ISO_IR 127", b"\xe2\xc8\xc7\xe6\xea^\xe4\xe6\xd2\xc7\xd1", "قباني^لنزار"),
    ("ISO_IR 138", b"\xf9\xf8\xe5\xef^\xe3\xe1\xe5\xf8\xe4", "שרון^דבורה"),
    ("ISO_IR 144", b"\xbb\xee\xda\x63\x65\xdc\xd1yp\xd3", "Люкceмбypг"),
    ("ISO_IR 148", b"\xd0\xdd\xde", "ĞİŞ"),
    ("ISO_IR 166", b"\xa1\xa2^\xa4", "กข^ค"),
    ("ISO_IR 203", b"\xa4", "€"),
    ("ISO_IR 13", b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3", "ﾔﾏﾀﾞ^ﾀﾛｳ"),
    ("ISO_IR 192", "Wang^XiaoDong=王^小東=".encode(), "Wang^XiaoDong=王^小東="),
    ("GB18030", b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab=", "Wang^XiaoDong=王^小东="),
    ("GBK", b"\x81\x5c^\xcd\xf5", "乗^王"),  # a backslash as a second byte
    (
        "\\ISO 2022 IR 87",
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
    ),
    (
        "ISO 2022 IR 13\\ISO 2022 IR 87",
        b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J",
        "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
    ),
    ("\\ISO 2022 IR 87\\ISO 2022 IR 159", b"\x1b$(D0!\x1b(B^\x1b$B;3\x1b(B", "丂^山"),
    (
        "\\ISO 2022 IR 149",
        b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
        "Hong^Gildong=洪^吉洞=홍^길동",
    ),
    (
        "\\ISO 2022 IR 58",
        b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=",
        "Zhang^XiaoDong=张^小东=",
    ),
    ("ISO 2022 IR 100\\ISO 2022 IR 144\\ISO 2022 IR 126",
     b"J\xe9r\xf4me \x1b-L\xbb\xee \x1b-F\xc4\xe9 \x1b-A\xe9", "Jérôme Лю Δι é"),
]  # fmt: skip


@pytest.mark.parametrize(("specific_character_set", "value", "text"), NAMES)
def test_decodes_each_set_of_the_standard(specific_character_set, value, text):
    found = character_set(specific_character_set)
    assert found.known
    assert found.decode(value, is_name=True) == text


@pytest.mark.parametrize(("specific_character_set", "value", "text"), NAMES)
def test_encodes_back_to_the_same_bytes(specific_character_set, value, text):
    assert character_set(specific_character_set).encode(text, is_name=True) == value


@pytest.mark.parametrize("term", [term for term in python_encoding if term.startswith(("ISO", "GB"))])
def test_knows_every_term_that_pydicom_knows(term):
    assert character_set(term).known


def test_goes_back_to_the_first_set_behind_a_delimiter():
    found = character_set("ISO 2022 IR 100\\ISO 2022 IR 126")
    assert found.decode(b"\x1b-F\xc4^\xc4", is_name=True) == "Δ^Ä"
    assert found.decode(b"\x1b-F\xc4^\xc4") == "Δ^Δ"  # outside of names it is a letter like any other
    assert found.decode(b"\x1b-F\xc4\\\xc4") == "Δ\\Ä"


@pytest.mark.parametrize(
    "spelling", ["ISO-IR 100", "ISO IR 100", "ISO_IR_100", "iso_ir 100", "ISO_IR 100 ", "ISO_IR 100\0"]
)
def test_understands_common_misspellings(spelling):
    assert character_set(spelling).known
    assert character_set(spelling).decode(b"\xe9") == "é"


@pytest.mark.parametrize("unknown", ["nonsense", "ISO_IR 999", "ISO 2022 IR 999", "utf-8 please", "\\ISO 2022 IR 1"])
def test_takes_an_unknown_set_for_latin_1_and_says_so(unknown):
    assert not character_set(unknown).known
    assert character_set(unknown).decode(b"\xe9") == "é"


def test_takes_undeclared_bytes_for_latin_1():
    assert character_set("").decode(b"J\xe9r\xf4me") == "Jérôme"


@pytest.mark.parametrize(
    ("specific_character_set", "text"),
    [
        ("", "é"),
        ("ISO_IR 100", "ł"),
        ("ISO_IR 13", "山"),
        ("ISO_IR 6", "é"),
        ("\\ISO 2022 IR 87", "é"),
        ("ISO_IR 100", "€"),
        ("ISO 2022 IR 87", "é"),
        ("ISO 2022 IR 87", "홍"),
        ("ISO 2022 IR 87\\ISO 2022 IR 13", "¥"),
    ],
)
def test_encodes_no_text_that_does_not_fit(specific_character_set, text):
    assert character_set(specific_character_set).encode(text) is None


@given(st.binary(max_size=60), st.sampled_from([each[0] for each in NAMES] + ["nonsense"]), st.booleans())
def test_decodes_any_bytes(value, specific_character_set, is_name):
    assert isinstance(character_set(specific_character_set).decode(value, is_name=is_name), str)


KANJI_FIRST = ["ISO 2022 IR 87", "ISO 2022 IR 159\\ISO 2022 IR 87", "ISO 2022 IR 87\\ISO 2022 IR 13"]
"""Against PS3.3 Section C.12.1.1.2, and in use."""


@pytest.mark.parametrize("specific_character_set", KANJI_FIRST)
def test_kanji_as_first_set_are_written_with_declared_escape_sequences(specific_character_set):
    found = character_set(specific_character_set)
    encoded = found.encode("Yamada^山田^太郎", is_name=True)
    assert encoded == b"Yamada^\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B"
    assert not found.has_undeclared_escapes(encoded)


@given(st.text(max_size=30), st.sampled_from([*(each[0] for each in NAMES), *KANJI_FIRST]), st.booleans())
def test_what_it_encodes_decodes_to_the_same(text, specific_character_set, is_name):
    found = character_set(specific_character_set)
    encoded = found.encode(text.replace("\x1b", ""), is_name=is_name)
    assert encoded is None or found.decode(encoded, is_name=is_name) == text.replace("\x1b", "")


@pytest.mark.parametrize(
    "name", [path.name for path in REAL_FILES if path.parent.name == "charset_files" and "SQ" not in path.name]
)
def test_reads_names_in_real_files_as_pydicom_does(name):
    content, syntax, dataset = read(real_file(name))
    assert scan(content, syntax).text(PATIENT_NAME).rstrip("=") == str(dataset.PatientName)
