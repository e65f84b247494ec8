"""Quality assurance before acceptance: rules find faults, the worst of them is the verdict."""

from dicomnode.qa.settings import QaSettings
from dicomnode.qa.validation import Validation

__all__ = ["QaSettings", "Validation"]
