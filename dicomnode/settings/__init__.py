"""The ground that settings stand on: the model that every part's settings derive from, and YAML read with its line numbers.

A part declares its own settings beside the code that reads them: ``class FilesSettings(Settings)``; ``config.py`` composes them.
Any other YAML file (rules, mappings) is read the same way: ``read_yaml(path).check(Model)`` gives the model, or one
``ConfigurationError`` that names every fault with its line, its key and what was expected.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import get_args

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator


class Settings(BaseModel):
    """A frozen section of the configuration that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True)

    @field_validator("*", mode="before")
    @classmethod
    def _check_as_written(cls, value: object, info: ValidationInfo) -> object:
        """What would be read as something else: true as the number 1, an empty path as the file's own folder."""
        annotation = cls.model_fields[info.field_name or ""].annotation
        if isinstance(value, bool) and annotation in (int, float):
            raise ValueError(f"expected a number, got {str(value).lower()}")
        if value == "" and Path in (annotation, *get_args(annotation)):
            raise ValueError('expected a path, got ""')
        return value

    @field_validator("*")
    @classmethod
    def _check_path(cls, value: object) -> object:
        """What the system would not take for a path is told here, not wherever it is first used."""
        if isinstance(value, Path):
            try:
                if b"\0" in os.fsencode(value.expanduser()):
                    raise ValueError("a path holds no character of value 0")
            except RuntimeError:
                raise ValueError(f"nobody is known whose home {value.parts[0]} could be") from None
            except UnicodeEncodeError:
                raise ValueError("a path holds no half of a surrogate pair") from None
        return value
