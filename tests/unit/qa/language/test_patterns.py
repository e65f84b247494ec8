"""Patterns of site rules: whole values, and an end to each of them."""

from __future__ import annotations

import time

import pytest

from dicomnode.qa.language.patterns import compile_pattern


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        ("[A-Z]{0,2}[0-9]{1,10}", "AB12", "ABC12"),
        ("P.*", "P12", "xP12"),
        (r"\d+", "12", "٣"),
        (r"\p{Lu}\p{L}+", "Größe", "größe"),
        ("(?i)ct", "CT", "MR"),
        ("a|ab", "ab", "abc"),
        ("(a|b)*c", "abac", "abad"),
        ("", "", "x"),
    ],
)
def test_whole_value_must_match(pattern: str, good: str, bad: str) -> None:
    matches = compile_pattern(pattern)
    assert [matches(good), matches(good)] == [True, True]
    assert not matches(bad)


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "(a|aa)+c", "a*a*a*a*a*a*b", "(.*a){12}", "([a-z]+)*[0-9]"])
def test_no_pattern_takes_long(pattern: str) -> None:
    matches = compile_pattern(pattern)
    started = time.process_time()
    matches("a" * 1023 + "!")
    assert time.process_time() - started < 0.1


@pytest.mark.parametrize("pattern", ["(?=a)b", "(?<!a)b", r"(a)\1", "(", "a++", "a{1001}", "((a{1,50}){1,50}){1,50}"])
def test_what_has_no_bound_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="is no pattern"):
        compile_pattern(pattern)
