"""A run's results: what was measured on which machine, kept as JSON, and the medians and ratios of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.rounds import Outcome


@dataclass(frozen=True, slots=True)
class Results:
    """All outcomes of a run, and the facts without which they mean nothing."""

    facts: Mapping[str, object]
    outcomes: Sequence[Outcome]

    def servers(self, workload: str) -> list[str]:
        """Who was measured at it, in the order of appearance in the first round."""
        return list(dict.fromkeys(one.server for one in self._of(workload)))

    def median(self, workload: str, server: str, figure: str) -> float | None:
        """The median over the rounds; None when the server was not measured at this workload, or always failed."""
        values = [one.figures[figure] for one in self._of(workload, server) if figure in one.figures]
        return median(values) if values else None

    def sum(self, workload: str, server: str, figure: str) -> float:
        """The sum over the rounds."""
        return sum(one.figures.get(figure, 0) for one in self._of(workload, server))

    def ratio(self, workload: str, server: str, other: str, figure: str) -> float | None:
        """``server`` to ``other``: the median of the ratios in each round, because noise comes and goes in minutes."""
        mine = {one.round: one.figures[figure] for one in self._of(workload, server) if figure in one.figures}
        theirs = {one.round: one.figures[figure] for one in self._of(workload, other) if one.figures.get(figure)}
        ratios = [mine[number] / theirs[number] for number in mine.keys() & theirs.keys()]
        return median(ratios) if ratios else None

    def failures(self, workload: str, server: str) -> list[str]:
        """Why rounds gave no figures."""
        return [one.failure for one in self._of(workload, server) if one.failure]

    def write(self, path: Path) -> None:
        """Keep everything, every round's figures too."""
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = {"facts": dict(self.facts), "outcomes": [one.as_json() for one in self.outcomes]}
        path.write_text(json.dumps(whole, indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> Results:
        """What `write` kept."""
        whole = json.loads(path.read_text())
        return cls(whole["facts"], [Outcome(**one) for one in whole["outcomes"]])

    def _of(self, workload: str, server: str | None = None) -> Iterator[Outcome]:
        return (one for one in self.outcomes if one.workload == workload and server in {None, one.server})
