"""The ``fix`` of a rule as a file has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import AfterValidator, Field, model_validator

from dicomnode.qa.language.operands import tag_of
from dicomnode.qa.settings import RuleSeverity
from dicomnode.settings import Settings

_LEFT: Final = (RuleSeverity.INFO, RuleSeverity.WARN, RuleSeverity.QUARANTINE, RuleSeverity.REJECT)


def _check_keyword(text: str) -> str:
    tag_of(text)
    return text


def _is_left_over(severity: RuleSeverity) -> RuleSeverity:
    if severity not in _LEFT:
        raise ValueError("else is how what cannot be fixed counts: info, warn, quarantine or reject")
    return severity


class FixText(Settings):
    """What becomes of a value that a rule finds wrong, in this order; the old one is kept in the instance."""

    trim: bool = False
    """Without outer spaces."""
    upper: bool = False
    """In capitals."""
    lower: bool = False
    """In small letters."""
    map: Mapping[str, str] = {}
    """Another value for each of these."""
    copy_: Annotated[str, AfterValidator(_check_keyword)] | None = Field(default=None, alias="copy")
    """What this other attribute says, where the value is still wrong, or there is none."""
    default: Annotated[str, Field(max_length=200)] | None = None
    """This, where the value is still wrong, or there is none."""
    else_: Annotated[RuleSeverity, AfterValidator(_is_left_over)] = Field(default=RuleSeverity.WARN, alias="else")
    """How it counts what cannot be fixed so: info, warn, quarantine or reject."""

    @property
    def changes_values(self) -> bool:
        """Whether it makes a value of the value that is there."""
        return self.trim or self.upper or self.lower or bool(self.map)

    @property
    def gives_values(self) -> bool:
        """Whether it has a value where there is none."""
        return self.copy_ is not None or self.default is not None

    @model_validator(mode="after")
    def _makes_sense(self) -> FixText:
        if not (self.changes_values or self.gives_values):
            raise ValueError("a fix has one or more of trim, upper, lower, map, copy, default")
        if self.upper and self.lower:
            raise ValueError("a value is in capitals or in small letters")
        return self
