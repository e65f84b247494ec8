"""What `dicomnode check` tells of many files: lines, and reports for build servers and for people.

To add a form of report: a file with a class of the shape of `Report`, and its option in `cli/check.py`.
"""

from __future__ import annotations

from typing import Protocol

from dicomnode.cli.reports.tally import Tally
from dicomnode.services.checking import Checked


class Report(Protocol):
    """Takes files in one by one, and is whole when it is finished; what it keeps in memory meanwhile is bounded."""

    def add(self, checked: Checked) -> None:
        """Take one file in."""
        ...

    def finish(self, tally: Tally, duration_s: float) -> None:
        """Tell what is known only at the end."""
        ...
