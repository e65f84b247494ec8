"""What differs between two rule files, in the words of the language."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from dicomnode.settings.document import Document

_ABSENT: Final = "(not there)"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that another file says otherwise.

    Attributes:
        kind: added, removed or changed.
        what: a rule, an override, a profile, a test or a key of the file, by its name.
        details: for what changed, each key that did: (key, before, after); for what came or went, each that it has, once.
    """

    kind: str
    what: str
    details: tuple[tuple[str, str, str], ...]


def differences(old: Document, new: Document) -> Iterator[Difference]:
    """What ``new`` says otherwise than ``old``; both are valid rule files. Comments and order do not count."""
    before, after = _parts(old), _parts(new)
    for what in dict.fromkeys([*before, *after]):
        was, becomes = before.get(what), after.get(what)
        if was is None:
            yield Difference("added", what, tuple((key, "", _plain(value)) for key, value in (becomes or {}).items()))
        elif becomes is None:
            yield Difference("removed", what, tuple((key, _plain(value), "") for key, value in was.items()))
        elif was != becomes:
            keys = [
                key for key in dict.fromkeys([*was, *becomes]) if was.get(key, _ABSENT) != becomes.get(key, _ABSENT)
            ]
            yield Difference(
                "changed",
                what,
                tuple((key, _plain(was.get(key, _ABSENT)), _plain(becomes.get(key, _ABSENT))) for key in keys),
            )


def _parts(document: Document) -> dict[str, Mapping[str, Any]]:
    """What a file consists of, by name."""
    file: Any = document.values
    parts: dict[str, Mapping[str, Any]] = {}
    parts["file"] = {key: value for key, value in file.items() if key not in ("profiles", "tests")}
    for name, profile in (file.get("profiles") or {}).items():
        parts[f"profile {name}"] = {key: value for key, value in profile.items() if key not in ("rules", "override")}
        for rule in profile.get("rules") or ():
            parts[f"rule {rule['id']}"] = {"profile": name, **{key: rule[key] for key in rule if key != "id"}}
        for rule_id, override in (profile.get("override") or {}).items():
            parts[f"override of {rule_id} in profile {name}"] = override
    for test in file.get("tests") or ():
        parts[f"test {test['name']!r}"] = {key: test[key] for key in test if key != "name"}
    return parts


def _plain(value: object) -> str:
    """A value much as the file has it, in one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_plain(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_plain(each) for each in value) + "]"
    return "null" if value is None else str(value)
