"""The ground that settings stand on: the model that every part's settings derive from, and YAML read with its line numbers.

A part declares its own settings beside the code that reads them: ``class FilesSettings(Settings)``; ``config.py`` composes them.
Any other YAML file (rules, mappings) is read the same way: ``read_yaml(path).check(Model)`` gives the model, or one
``ConfigurationError`` that names every fault with its line, its key and what was expected.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """A frozen section of the configuration that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True)
