"""YAML text to values with their line numbers, and settings to YAML text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from pathlib import Path

import yaml
from pydantic import BaseModel

from dicomnode.errors import ConfigurationError, Problem
from dicomnode.settings.document import Document, KeyPath, Plain, dotted

MAX_NODES = 100_000
"""Values that one file may hold, each use of an anchor counted: a few lines of anchors can stand for billions."""
MAX_DEPTH = 32
"""Levels that one file may nest."""
_TOO_MUCH = f"holds too much: at most {MAX_NODES} values and {MAX_DEPTH} levels are read"


class _Loader(yaml.SafeLoader):
    """YAML's safe part with version 1.2's idea of a plain word: ``NO`` is an AE title, ``12:30`` and ``010`` are text."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^(?:[-+]?(?:0|[1-9][0-9]*)|0x[0-9a-fA-F]+)$", list("-+0123456789")),
    ("float", r"^[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", list("-+.0123456789")),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)

_SCALARS = {f"tag:yaml.org,2002:{tag}" for tag in ("null", "bool", "int", "float", "str")}


def read_yaml(path: Path) -> Document:
    """What the YAML file at ``path`` says; an empty file says nothing: ``{}``.

    Raises:
        ConfigurationError: it cannot be read, is no YAML, says a key twice, or is out of all bounds.
    """
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise ConfigurationError(path, [Problem("", f"cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(path, [Problem("", f"is not UTF-8 text (byte {error.start})")]) from error
    return parse_yaml(text, path)


def parse_yaml(text: str, source: Path | str) -> Document:
    """What YAML ``text`` says; ``source`` is named in errors.

    Raises:
        ConfigurationError: it is no YAML, says a key twice, or is out of all bounds.
    """
    document = Document(source, {})
    try:
        reader = _Reader(_Loader(text), document)
        document.values = reader.root()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = Problem("", f"is no YAML: {_yaml_in_words(error)}", mark.line + 1 if mark else None)
        raise ConfigurationError(source, [problem]) from error
    except RecursionError as error:
        raise ConfigurationError(source, [Problem("", _TOO_MUCH)]) from error
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigurationError(source, [Problem("", f"is no YAML that can be read: {error}")]) from error
    if reader.problems:
        raise ConfigurationError(source, reader.problems)
    return document


def _yaml_in_words(error: yaml.MarkedYAMLError) -> str:
    if error.problem and "'\\t'" in error.problem:
        return "a tab stands where only spaces may"
    return ", ".join(part for part in (error.problem, error.context) if part)


class _Reader:
    """Turns YAML's nodes into values; remembers the line of each, and what is wrong."""

    def __init__(self, loader: _Loader, document: Document) -> None:
        self.document = document
        self.problems: list[Problem] = []
        self._loader = loader
        self._nodes = 0

    def root(self) -> Plain:
        node = self._loader.get_single_node()
        return {} if node is None else self._value(node, ())

    def _value(self, node: yaml.Node, path: KeyPath) -> Plain:
        self._nodes += 1
        line: int = node.start_mark.line + 1
        if self._nodes > MAX_NODES or len(path) > MAX_DEPTH:
            raise ConfigurationError(self.document.source, [Problem(dotted(path[:3]), _TOO_MUCH, line)])
        self.document.lines.setdefault(path, line)
        if isinstance(node, yaml.MappingNode) and node.tag == self._loader.DEFAULT_MAPPING_TAG:
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == self._loader.DEFAULT_SEQUENCE_TAG:
            return [self._value(item, (*path, index)) for index, item in enumerate(node.value)]
        if node.tag in _SCALARS:
            value: Plain = self._loader.construct_object(node)
            return value
        self.problems.append(Problem(dotted(path), f"the tag {node.tag} is not known here", line))
        return None

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Plain]:
        values: dict[str, Plain] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append(Problem(dotted(path), "a key must be a plain word", line))
                continue
            key: str = key_node.value
            here = (*path, key)
            if key in values:
                text = f"stands here a second time; the first is in line {self.document.lines[here]}"
                self.problems.append(Problem(dotted(here), text, line))
                continue
            self.document.lines[here] = line
            values[key] = self._value(value_node, here)
        return values


def to_yaml(settings: BaseModel) -> str:
    """Settings as the YAML text that would give them."""
    return str(yaml.safe_dump(_plain(settings), sort_keys=False, allow_unicode=True, width=100))


def _plain(value: object) -> Plain:
    if isinstance(value, BaseModel):
        value = {name: getattr(value, name) for name in type(value).model_fields}
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, frozenset):
        value = sorted(value)
    if isinstance(value, Mapping):
        return {str(_plain(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, bool | int | float | None) else str(value)
