"""What the node has to reach, and whether it does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.results import Results
from bench.servers import NODE, ONE_WORKER, SINK

Measured = Callable[[Results], float | None]


def _not_measured(_: Results) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Target:
    """One figure of the node and its bound; None stands for not measured."""

    what: str
    measured: Measured
    unit: str
    at_least: float | None = None
    at_most: float | None = None
    limit: Measured = _not_measured
    """The same figure of the sink, where it has one: what the machine can do at all."""

    @property
    def bound(self) -> str:
        """The bound in words."""
        if self.at_least is not None:
            return f">= {self.at_least:g}{self.unit}"
        return f"<= {self.at_most:g}{self.unit}"

    def holds(self, results: Results) -> bool | None:
        """Whether the bound holds; None when it was not measured."""
        value = self.measured(results)
        if value is None:
            return None
        return value >= self.at_least if self.at_least is not None else value <= (self.at_most or 0)


def times(workload: str, other: str, figure: str = "instances_per_s", server: str = NODE.name) -> Measured:
    """The node's figure, divided by another's in the same rounds."""
    return lambda results: results.ratio(workload, server, other, figure)


def own(workload: str, figure: str) -> Measured:
    """A figure of the node itself."""
    return lambda results: results.median(workload, NODE.name, figure)


def _reception(what: str, workload: str, other: str, at_least: float) -> Target:
    limit = _not_measured if other == SINK.name else times(workload, other, server=SINK.name)
    return Target(f"{what}, against {other}", times(workload, other), "x", at_least, limit=limit)


ALL: Sequence[Target] = (
    _reception("durable CT, 1 association", "durable-ct-1", "Orthanc", 2.7),
    _reception("durable CT, 4 associations", "durable-ct-4", "Orthanc", 3.5),
    _reception("durable tiny, 8 associations", "durable-tiny-8", "Orthanc", 5),
    _reception("durable CT, 1 association", "durable-ct-1", "sink", 0.7),
    _reception("CT without sync", "fast-ct-1", "Orthanc", 7),
    _reception("MR without sync", "fast-mr-1", "Orthanc", 7),
    _reception("CT without sync", "fast-ct-1", "dcmqrscp", 2.5),
    _reception("MR without sync", "fast-mr-1", "dcmqrscp", 6),
    _reception("CT without sync", "fast-ct-1", "storescp", 0.9),
    _reception("MR without sync", "fast-mr-1", "storescp", 0.9),
    _reception("CT without sync", "fast-ct-1", "qrscp", 35),
    _reception("MR without sync", "fast-mr-1", "qrscp", 35),
    _reception("multiframes 21-52 MB", "fast-big-1", "Orthanc", 5),
    _reception("multiframes 21-52 MB", "fast-big-1", "dcmqrscp", 0.9),
    Target("an instance of 2 GiB: more memory than the idle node", own("huge", "more_peak_mb"), " MB", at_most=64),
    _reception("CT from plain storescu (Nagle)", "plain-ct-1", "Orthanc", 40),
    _reception("MR from plain storescu (Nagle)", "plain-mr-1", "Orthanc", 40),
    Target("two workers against one, durable CT, 4 associations", times("durable-ct-4", ONE_WORKER.name), "x", 1.0),
    Target("two workers against one, durable tiny, 8 associations", times("durable-tiny-8", ONE_WORKER.name), "x", 1.0),
    Target("two workers against one, CT without sync, 4 associations", times("fast-ct-4", ONE_WORKER.name), "x", 1.3),
    Target(
        "associations per second, 1 context, against dcmqrscp",
        times("associations-1", "dcmqrscp", "associations_per_s"), "x", 2,
    ),
    Target(
        "associations per second, 60 contexts, against dcmqrscp",
        times("associations-60", "dcmqrscp", "associations_per_s"), "x", 1,
    ),
    Target("C-ECHO on an open association, median", own("echo", "p50_us"), " us", at_most=60),
    Target("200 idle associations: processor", own("idle-200", "cpu_percent"), " % of a core", at_most=1),
    Target("200 idle associations: more memory than the idle node", own("idle-200", "more_pss_mb"), " MB", at_most=30),
    Target(
        "C-FIND, 5000 matches, responses per second against Orthanc",
        times("find-5000", "Orthanc", "responses_per_s"), "x", 15,
    ),
    Target("C-FIND, exact key at 100,000 studies, in the index", own("find-100000", "index_p50_ms"), " ms", at_most=0.2),
    *(
        Target(f"{what}, against {other}", times(workload, other, "megabytes_per_s"), "x", at_least)
        for other, at_least in (("Orthanc", 1.5), ("dcmqrscp", 1.3))
        for what, workload in (
            ("C-MOVE of CT", "move-ct"), ("C-GET of CT", "get-ct"),
            ("C-MOVE of multiframes", "move-big"), ("C-GET of multiframes", "get-big"),
        )
    ),
    Target("reception at 5 million instances in the index: python -m bench.filled", _not_measured, "x", 0.8),
)  # fmt: skip
"""In the order of the table."""
