"""What a YAML file says and where it says it; checked against settings, with every fault named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from dicomnode.errors import ConfigurationError, Problem
from dicomnode.settings.faults import in_words

KeyPath = tuple[str | int, ...]
"""A key as it is reached from the top: ``("peers", "ct1", "port")``; a place in a list is counted from 0."""

Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]
"""What YAML holds once it is read."""

M = TypeVar("M", bound=BaseModel)


@dataclass(slots=True)
class Document:
    """What a YAML file says, and where it says it.

    Attributes:
        source: the file, or words for where the values come from.
        values: what it says.
        lines: the line of each key and list entry, from 1.
        variables: the environment variable that each overridden key comes from.
    """

    source: Path | str
    values: Plain
    lines: dict[KeyPath, int] = field(default_factory=dict)
    variables: dict[KeyPath, str] = field(default_factory=dict)

    def check(self, model: type[M]) -> M:
        """The values as a ``model``.

        Raises:
            ConfigurationError: they are not what the model asks for; every fault is in it.
        """
        try:
            return model.model_validate(self.values)
        except ValidationError as error:
            problems = self._problems(model, error.errors(include_url=False))
            raise ConfigurationError(self.source, problems) from error

    def problem(self, path: KeyPath, text: str) -> Problem:
        """What is wrong at ``path``, with its line; with the variable's name where one set it."""
        where = next((path[:end] for end in range(len(path), -1, -1) if path[:end] in self.variables), None)
        if where is not None:
            return Problem(dotted(path), f"{text} (from the environment variable {self.variables[where]})")
        line = next((self.lines[path[:end]] for end in range(len(path), -1, -1) if path[:end] in self.lines), None)
        return Problem(dotted(path), text, line)

    def _problems(self, model: type[BaseModel], errors: Sequence[ErrorDetails]) -> list[Problem]:
        texts: dict[KeyPath, list[str]] = {}
        for error in errors:
            if error["type"] == "too_short" and len(error["input"]) >= error["ctx"]["min_length"]:
                continue  # pydantic counts valid entries only; what is wrong with the others is said anyway
            path = self._place(error)
            said = texts.setdefault(path, [])
            text = in_words(error, model, path)
            if text not in said:
                said.append(text)
        problems = [self.problem(path, ", or ".join(said)) for path, said in texts.items()]
        return sorted(problems, key=lambda problem: (problem.line or 0, problem.key))

    def _place(self, error: ErrorDetails) -> KeyPath:
        """The key that an error speaks of: pydantic also names the branches of unions, which nobody wrote."""
        path: KeyPath = ()
        here = self.values
        for step in error["loc"]:
            if isinstance(here, dict) and step in here:
                here = here[str(step)]
            elif isinstance(here, list) and isinstance(step, int) and step < len(here):
                here = here[step]
            elif error["type"] != "missing" or step != error["loc"][-1]:
                continue
            path = (*path, step)
        return path


def dotted(path: KeyPath) -> str:
    """A key as people write it: ``peers.ct1.port``."""
    return ".".join(str(step) for step in path)
