"""The quality of what was received: who sends what the rules mind, what changed with a device's software, whose clock is wrong."""

from dicomnode.services.quality.clocks import Clock
from dicomnode.services.quality.drift import Drift
from dicomnode.services.quality.groups import By, Group
from dicomnode.services.quality.report import NewProtocol, Report, report

__all__ = ["By", "Clock", "Drift", "Group", "NewProtocol", "Report", "report"]
