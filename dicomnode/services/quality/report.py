"""One report on the quality of what was received, from one look back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo

from dicomnode.index import Index, ReceivedRow
from dicomnode.services.quality.clocks import Clock, Clocks
from dicomnode.services.quality.drift import Drift, Drifts
from dicomnode.services.quality.groups import MANUFACTURER, MODEL, MOST, PROTOCOL, By, Group, Groups, Key


@dataclass(frozen=True, slots=True)
class NewProtocol:
    """A Protocol Name (0018,1030) that this model never sent before."""

    manufacturer: str
    model: str
    protocol: str
    since: datetime
    instances: int


@dataclass(frozen=True, slots=True)
class Report:
    """What the rules found in all that came in a time."""

    since: datetime
    until: datetime
    total: Group
    groups: Mapping[By, Mapping[Key, Group]]
    drifts: tuple[Drift, ...]
    clocks: tuple[Clock, ...]
    protocols: tuple[NewProtocol, ...]


def report(
    index: Index,
    since: datetime,
    until: datetime,
    zone: tzinfo,
    *,
    advance: Callable[[], None] = lambda: None,
    stop: Callable[[], bool] = lambda: False,
) -> Report:
    """The report on what came from ``since`` on, as it was judged then.

    Args:
        until: what comes later is left out.
        zone: where the node stands: its days, and the clocks of devices that do not tell their zone.
        advance: called after each instance.
        stop: asked now and then; when it says so, the report is on what was looked at until then.

    Raises:
        IndexUnavailableError: the index cannot be read.
    """
    groups, drifts, clocks, protocols = Groups(zone), Drifts(), Clocks(zone), _Protocols()
    for row in index.receptions.since(since):
        if stop() or row.received_at > until:
            break
        for part in (groups, drifts, clocks, protocols):
            part.add(row)
        advance()
    total = Group()
    for group in groups.of[By.DAY].values():
        total.verdicts.update(group.verdicts)
        total.rules.update(group.rules)
        total.days.update(group.days)
    return Report(
        since,
        until,
        total,
        groups.of,
        tuple(drifts.told()),
        tuple(clocks.told()),
        protocols.new(index, since),
    )


class _Protocols:
    """The Protocol Names that came, by model."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str, str], tuple[datetime, int]] = {}

    def add(self, row: ReceivedRow) -> None:
        """Take one instance in."""
        if not (key := _protocol(row.series))[-1] or (key not in self._seen and len(self._seen) >= MOST):
            return
        since, instances = self._seen.get(key, (row.received_at, 0))
        self._seen[key] = since, instances + 1

    def new(self, index: Index, since: datetime) -> tuple[NewProtocol, ...]:
        """Those that no series has which began to come before."""
        left = dict(self._seen)
        for series in index.receptions.series_before(since):
            if not left:
                break
            left.pop(_protocol(series), None)
        found = (NewProtocol(*key, first, instances) for key, (first, instances) in left.items())
        return tuple(sorted(found, key=lambda one: one.since))


def _protocol(series: Mapping[int, str]) -> tuple[str, str, str]:
    return series.get(MANUFACTURER, ""), series.get(MODEL, ""), series.get(PROTOCOL, "")
