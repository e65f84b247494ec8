"""What is wrong with a value, for someone who knows neither pydantic nor Python."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

SHOWN_LENGTH = 60
"""Characters of a wrong value that an error repeats."""

_EXPECTED = {
    "int": "a whole number",
    "float": "a number",
    "finite": "a number",
    "bool": "true or false",
    "string": "text",
    "path": "a path",
    "list": "a list",
    "tuple": "a list",
    "set": "a list",
    "frozen": "a list",
    "dict": "a section of keys and values",
    "mapping": "a section of keys and values",
    "model": "a section of keys and values",
    "date": "a date such as 2024-12-31",
    "none": "nothing (null)",
}
"""What is expected, by the first word of pydantic's error type."""


def in_words(error: ErrorDetails, model: type[BaseModel], path: Sequence[str | int]) -> str:
    """One of pydantic's errors about the value at ``path`` of a ``model``, in plain words."""
    kind = error["type"]
    if kind == "extra_forbidden":
        return _unknown_key(str(path[-1]), _keys_known_at(model, path[:-1]))
    if kind in _SAID:
        return _SAID[kind](error)
    expected = _EXPECTED.get(kind.partition("_")[0])
    if expected:
        is_number_for_text = expected == "text" and isinstance(error["input"], int | float)
        return f"expected {expected}, got {_shown(error)}" + (": put it in quotes" if is_number_for_text else "")
    return f"{error['msg'][:1].lower()}{error['msg'][1:]}, got {_shown(error)}"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that a misspelt one most likely means."""
    folded = {name.lower().replace("-", "_"): name for name in known}
    match = difflib.get_close_matches(word.lower().replace("-", "_"), folded, n=1)
    return folded[match[0]] if match else None


def _wrong_word(error: ErrorDetails) -> str:
    words = [word.strip("' ") for word in re.split(", | or ", str(error["ctx"]["expected"]))]
    meant = nearest(str(error["input"]), words)
    listed = " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
    return f"expected {listed}, got {_shown(error)}" + (f"; did you mean {meant}?" if meant else "")


def _bound(words: str, name: str) -> Callable[[ErrorDetails], str]:
    return lambda error: f"expected {words} {error['ctx'][name]}, got {_shown(error)}"


def _count(words: str, name: str, unit: str) -> Callable[[ErrorDetails], str]:
    return lambda error: f"{words} {error['ctx'][name]} {unit}"


_SAID: dict[str, Callable[[ErrorDetails], str]] = {
    "missing": lambda _: "is missing",
    "value_error": lambda error: str(error["ctx"]["error"]),
    "enum": _wrong_word,
    "literal_error": _wrong_word,
    "greater_than_equal": _bound("at least", "ge"),
    "greater_than": _bound("more than", "gt"),
    "less_than_equal": _bound("at most", "le"),
    "less_than": _bound("less than", "lt"),
    "too_short": _count("must have at least", "min_length", "of them"),
    "too_long": _count("must have at most", "max_length", "of them"),
    "string_too_short": _count("must have at least", "min_length", "characters"),
    "string_too_long": _count("must have at most", "max_length", "characters"),
    "string_pattern_mismatch": _bound("text of the form", "pattern"),
}
"""What to say of an error, by pydantic's error type."""


def _shown(error: ErrorDetails) -> str:
    """The value that came instead, as it may stand in an error: short."""
    match error["input"]:
        case dict():
            return "a section"
        case list():
            return "a list"
        case None:
            return "nothing"
        case value:
            text = json.dumps(value, ensure_ascii=False, default=str)
            return text if len(text) <= SHOWN_LENGTH else f"{text[:SHOWN_LENGTH]} ..."


def _unknown_key(key: str, known: Sequence[str]) -> str:
    meant = nearest(key, known)
    return f"unknown key; did you mean {meant}?" if meant else f"unknown key; known here: {', '.join(known)}"


def _keys_known_at(annotation: object, path: Sequence[str | int]) -> list[str]:
    """The keys of the settings at ``path`` below a type; those of each branch of a union."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if not path:
            return [field.alias or name for name, field in annotation.model_fields.items()]
        field = annotation.model_fields.get(str(path[0]))
        return _keys_known_at(field.annotation, path[1:]) if field else []
    origin = get_origin(annotation)
    branches = [branch for branch in get_args(annotation) if branch is not Ellipsis]
    if origin is Annotated:
        return _keys_known_at(branches[0], path)
    if isinstance(origin, type) and issubclass(origin, Mapping | Sequence):
        return _keys_known_at(branches[-1], path[1:]) if path else []
    return [key for branch in branches for key in _keys_known_at(branch, path)]
