"""How far rules may go: observe, warn, quarantine, enforce; a new rule climbs from one to the next."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from pydantic import BeforeValidator, WithJsonSchema

from dicomnode.dicom.instance import Severity


class Mode(StrEnum):
    """What rules may at most do; what they would have done is recorded beside it."""

    OBSERVE = "observe"
    """Nothing: what they find is recorded as info."""
    WARN = "warn"
    """Warn: nothing is changed, held back or refused."""
    QUARANTINE = "quarantine"
    """Warn, fix, quarantine: nothing is refused."""
    ENFORCE = "enforce"
    """All that their severity says; ``reject`` means the same."""

    @property
    def cap(self) -> Severity:
        """The severity that findings have at most."""
        return _CAPS[self]


_CAPS: Final = {
    Mode.OBSERVE: Severity.INFO,
    Mode.WARN: Severity.WARN,
    Mode.QUARANTINE: Severity.QUARANTINE,
    Mode.ENFORCE: Severity.REJECT,
}


def _reject_is_enforce(value: object) -> object:
    return Mode.ENFORCE if value == "reject" else value


ModeText = Annotated[Mode, BeforeValidator(_reject_is_enforce), WithJsonSchema({"enum": [*Mode, "reject"]})]
"""A mode as a file has it."""
