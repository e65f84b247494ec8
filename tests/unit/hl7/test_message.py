"""Messages read: header, delimiters, escape sequences, character sets, nulls."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.hl7.messages import PID, adt, message

from dicomnode.errors import MessageError
from dicomnode.hl7.message import Message, read_header, read_message


def read(data: bytes, default: str = "UNICODE UTF-8") -> Message:
    return read_message(data, read_header(data), default)


def pid(field: str, charset: str = "", encoding: str = "utf-8") -> bytes:
    return adt("A08", "PID|||1||X", charset=charset).replace(b"X\r", field.encode(encoding) + b"\r")


def name(data: bytes, default: str = "UNICODE UTF-8") -> str | None:
    return read(data, default).required("PID").value(5)


def test_header_says_who_sends_what_to_whom() -> None:
    header = read_header(message("ORM^O01^ORM_O01", control_id="c1", header="A^1|B|C|D", version="2.3.1"))
    assert (header.type, header.control_id, header.version) == ("ORM^O01", "c1", "2.3.1")
    assert (header.sending_application, header.sending_facility) == ("A", "B")
    assert (header.receiving_application, header.receiving_facility) == ("C", "D")


@pytest.mark.parametrize(
    "data", [b"", b"MSH", b"PID|||1", b"MSH|", b"MSHx^~\\&|a", b"MSH|||||||", b"MSH|^^\\&|A", b"MSH|ab\\&|A"]
)
def test_refuses_what_has_no_usable_header(data: bytes) -> None:
    with pytest.raises(MessageError):
        read_header(data)


def test_delimiters_are_those_of_the_header() -> None:
    data = b"MSH#*@!%#RIS#HOSP#N#R#20260101##ADT*A08#1#P#2.5\rPID###1*x**HOSP%1.2@2**y##DOE*JANE!T!X"
    segment = read(data).required("PID")
    assert segment.value(3, 4) == "HOSP"
    assert segment.value(3, 4, 2) == "1.2"
    assert segment.repetitions(3) == 2
    assert segment.value(3, 3, repetition=1) == "y"
    assert segment.value(5, 2) == "JANE%X"


@pytest.mark.parametrize(
    ("raw", "meant"),
    [
        (r"a\F\b", "a|b"),
        (r"a\S\b", "a^b"),
        (r"a\T\b", "a&b"),
        (r"a\R\b", "a~b"),
        (r"a\E\b", "a\\b"),
        (r"\H\a\N\b", "ab"),
        (r"a\.br\b", "a\nb"),
        (r"a\.sp3\b", "a b"),
        (r"\X4D\ax", "Max"),
        (r"M\XC3BC\ller", "Müller"),
        (r"a\Zloc\b", "ab"),
        ("a\\b", "a\\b"),
        (r"C:\dir\file", r"C:\dir\file"),
        (r"\E\F\E\x", r"\F\x"),
    ],
)
def test_escape_sequences_are_read(raw: str, meant: str) -> None:
    assert name(pid(raw)) == meant


@pytest.mark.parametrize("raw", [r"a\XFF\b", r"\C2842\x", r"\M242842\x"])
def test_refuses_escape_sequences_that_it_cannot_read(raw: str) -> None:
    with pytest.raises(MessageError, match="escape sequence"):
        name(pid(raw))


@pytest.mark.parametrize(
    ("charset", "encoding", "text"),
    [
        ("", "utf-8", "Müller"),
        ("UNICODE UTF-8", "utf-8", "Ελλάδα"),
        ("unicode utf-8", "utf-8", "Müller"),
        ("UTF-8", "utf-8", "Müller"),
        ("8859/1", "latin_1", "Müller"),
        ("ISO 8859/1", "latin_1", "Müller"),
        ("ISO_IR 100", "latin_1", "Müller"),
        ("8859/2", "iso8859_2", "Łódź"),
        ("8859/5", "iso8859_5", "\u041b\u044e\u043a\u0441\u0435\u043c"),
        ("8859/7", "iso8859_7", "Διονυσιος"),
        ("8859/9", "iso8859_9", "Çavuşoğlu"),
        ("8859/15", "iso8859_15", "Šœur€"),
        ("GB 18030-2000", "gb18030", "王小东"),
        ("KS X 1001", "euc_kr", "김희중"),
        ("BIG-5", "big5", "王大明"),
        ("ASCII~ISO IR87", "iso2022_jp", "山田 Tarou"),
        ("~ISO IR87", "iso2022_jp", "山田 Tarou"),
        ("ISO IR6~ISO IR87~ISO IR159", "iso2022_jp_2", "山田"),
    ],
)
def test_text_is_decoded_as_the_header_says(charset: str, encoding: str, text: str) -> None:
    assert name(pid(text, charset, encoding)) == text


def test_several_sets_are_switched_between_by_escape_sequences() -> None:
    data = pid("X", "8859/1~ISO IR87").replace(
        b"||X\r", b"||" + "ü".encode("latin_1") + "山田".encode("iso2022_jp") + b"\r"
    )
    assert name(data) == "ü山田"


@pytest.mark.parametrize(
    ("charset", "encoding", "words"),
    [
        ("ASCII", "utf-8", "characters are not ASCII"),
        ("UNICODE UTF-8", "latin_1", "characters are not UNICODE UTF-8"),
        ("", "latin_1", "characters are not UNICODE UTF-8"),
        ("EBCDIC", "ascii", "character set 'EBCDIC' is not supported"),
        ("UNICODE UTF-16", "ascii", "is not supported"),
    ],
)
def test_refuses_text_that_is_not_what_the_header_says(charset: str, encoding: str, words: str) -> None:
    text = "x" if encoding == "ascii" else "Müller"
    with pytest.raises(MessageError, match=words):
        name(pid(text, charset, encoding))


def test_messages_without_a_character_set_have_the_one_of_the_settings() -> None:
    assert name(pid("Müller", "", "latin_1"), "8859/1") == "Müller"


def test_null_is_told_from_nothing() -> None:
    segment = read(adt("A08", 'PID|||1||""|||M')).required("PID")
    assert (segment.value(5), segment.is_null(5)) == ("", True)
    assert (segment.value(7), segment.is_null(7)) == (None, False)
    assert segment.value(99) is None


def test_lines_may_end_as_they_do_in_files() -> None:
    for ending in (b"\n", b"\r\n"):
        assert read(adt("A08", PID).replace(b"\r", ending)).required("PID").value(3) == "P1"


def test_refuses_a_message_that_is_nothing_but_separators() -> None:
    with pytest.raises(MessageError, match="too many parts"):
        read(adt("A08", "PID" + "|" * 60_000))


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_an_error_of_it(data: bytes) -> None:
    for whole in (data, b"MSH|^~\\&|" + data, adt("A08", PID) + data):
        try:
            for segment in read(whole).segments:
                for field in range(len(segment)):
                    segment.value(field, 2, 2)
        except MessageError:
            pass
