"""Environment variables that override single keys: ``DICOMNODE__LISTENERS__0__PORT=104`` is ``listeners.0.port: 104``.

Each value is read as YAML: ``[CT1, CT2]`` is a list, ``"104"`` in quotes is text, ``null`` takes a value away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dicomnode.errors import ConfigurationError, Problem
from dicomnode.settings.document import Document, KeyPath, Plain, dotted
from dicomnode.settings.yaml_text import parse_yaml

PREFIX = "DICOMNODE__"


def override(document: Document, environ: Mapping[str, str]) -> None:
    """Put the values of the variables that start with ``DICOMNODE__`` in the place of the file's.

    Raises:
        ConfigurationError: a value is no YAML, or a name leads nowhere; it names the variable.
    """
    for name in sorted((name for name in environ if name.startswith(PREFIX)), key=_in_order):
        source = f"environment variable {name}"
        text = environ[name]
        value = parse_yaml(text, source).values if text.strip() else ""
        try:
            document.values, path = _put(value, document.values, name.removeprefix(PREFIX).split("__"))
        except ValueError as error:
            raise ConfigurationError(source, [Problem("", str(error))]) from error
        document.variables[path] = name


def _in_order(name: str) -> list[tuple[int, str]]:
    """Numbers by their value, because a list grows by its next entry only."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in name.split("__")]


def _put(value: Plain, here: Plain, parts: Sequence[str], path: KeyPath = ()) -> tuple[Plain, KeyPath]:
    """``here``, which stands at ``path``, with ``value`` where ``parts`` lead; and the path of that place."""
    if not parts:
        return value, path
    part, *rest = parts
    if isinstance(here, list) or (here is None and part.isdecimal()):
        entries = here or []
        index = _index(part, len(entries), path)
        before = entries[index] if index < len(entries) else None
        entry, place = _put(value, before, rest, (*path, index))
        return [*entries[:index], entry, *entries[index + 1 :]], place
    if isinstance(here, dict | None):
        sections = dict(here or {})
        key = next((key for key in sections if _folded(key) == _folded(part)), part.lower())
        sections[key], place = _put(value, sections.get(key), rest, (*path, key))
        return sections, place
    raise ValueError(f"{dotted(path)} is a single value; nothing lies below it")


def _index(part: str, length: int, path: KeyPath) -> int:
    if not part.isdecimal():
        raise ValueError(f"{dotted(path)} is a list: a number must follow, counted from 0")
    if int(part) > length:
        raise ValueError(f"{dotted(path)} has {length} entries in the file: the next one is number {length}")
    return int(part)


def _folded(key: str) -> str:
    """A key as a variable's name can spell it."""
    return key.lower().replace("-", "_")
