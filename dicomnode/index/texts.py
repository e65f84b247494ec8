"""Attributes and findings as the JSON text that a row holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from json.encoder import encode_basestring

from dicomnode.dicom.instance import Finding, Severity

Level = Mapping[int, str]
"""The attributes of one level."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def level_text(level: Level) -> str:
    """One level's attributes: ``{"00100010":"Doe^Jane"}``; the encoder would be made anew for each instance."""
    return _form(tuple(level)) % tuple(map(encode_basestring, level.values()))


def level_of(text: str) -> dict[int, str]:
    """The attributes that `level_text` made ``text`` from."""
    return _numbered(json.loads(text))


def levels_text(levels: tuple[Level, ...]) -> str:
    """Several levels' attributes, as an array."""
    return _encode([_named(level) for level in levels])


def levels_of(text: str) -> tuple[Level, ...]:
    """The levels that `levels_text` made ``text`` from."""
    return tuple(_numbered(level) for level in json.loads(text))


@lru_cache(maxsize=1024)
def tags_with_values(text: str) -> frozenset[int]:
    """The attributes in ``text`` that are not empty; the same few texts are asked about for every instance of a series."""
    return frozenset(tag for tag, value in level_of(text).items() if value)


def findings_text(findings: tuple[Finding, ...]) -> str:
    """Findings as an array of arrays."""
    if not findings:
        return "[]"
    return _encode([_finding_row(one) for one in findings])


def findings_of(text: str) -> tuple[Finding, ...]:
    """The findings that `findings_text` made ``text`` from."""
    return tuple(
        Finding(
            rule,
            Severity(severity),
            status,
            tuple(tags),
            comment,
            path,
            reference,
            Severity(would[0]) if would else None,
        )
        for rule, severity, status, tags, comment, path, reference, *would in json.loads(text)
    )


def _finding_row(one: Finding) -> tuple[object, ...]:
    row = (one.rule, int(one.severity), one.status, one.tags, one.comment, one.path, one.reference)
    return row if one.would is None else (*row, int(one.would))


def _named(level: Level) -> dict[str, str]:
    return {_name(tag): value for tag, value in level.items()}


def _numbered(level: dict[str, str]) -> dict[int, str]:
    return {int(name, 16): value for name, value in level.items()}


@lru_cache(maxsize=1024)
def _form(tags: tuple[int, ...]) -> str:
    """The text of a level that has these attributes, with ``%s`` for each value; instances of a series have the same ones."""
    return "{" + ",".join([f'"{_name(tag)}":%s' for tag in tags]) + "}"


@lru_cache(maxsize=1024)
def _name(tag: int) -> str:
    return f"{tag:08X}"
