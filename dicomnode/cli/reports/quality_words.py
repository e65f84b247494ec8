"""How a report on quality puts things, for pages and terminals alike."""

from __future__ import annotations

from collections.abc import Mapping

from dicomnode.services.quality import By, Clock, Drift, Group, NewProtocol
from dicomnode.services.quality.groups import Key

_FREQUENT_RULES = 4


def device(key: Key) -> str:
    """A device in one line."""
    title, *made = key
    told = " ".join(part for part in made if part)
    return f"{title} ({told})" if told else title


def drift(one: Drift) -> str:
    """What changed with a device's software, in one sentence."""
    shares = f"{one.before:.0%} of series before, {one.after:.0%} since"
    if one.kind == "rule":
        return f"{one.what} finds more ({shares})"
    return f"{one.what} is {'empty' if one.kind == 'empty' else 'told'} ({shares})"


def clock(one: Clock) -> str:
    """What a device's clock is like, in one sentence; empty when nothing is to be said."""
    if one.is_ahead:
        return f"its clock is ahead by {duration(-one.shortest_s)} or more"
    if one.may_be_behind:
        return f"its clock is behind, or it sends late: nothing came sooner than {duration(one.shortest_s)} after it was made"
    return ""


def protocol(one: NewProtocol) -> str:
    """Who sent a new protocol."""
    return " ".join(part for part in (one.manufacturer, one.model) if part) or "a device that does not tell its model"


def duration(seconds: float) -> str:
    """A duration as people read it."""
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {left} s" if minutes else f"{left} s"


def frequent(group: Group) -> str:
    """The rules that found something in most instances."""
    return ", ".join(f"{rule} {count}" for rule, count in group.rules.most_common(_FREQUENT_RULES))


def worst_first(by: By, groups: Mapping[Key, Group]) -> list[tuple[Key, Group]]:
    """Groups with what the rules mind most first; days with the last one first."""
    if by is By.DAY:
        return sorted(groups.items(), reverse=True, key=lambda one: one[0])
    return sorted(groups.items(), key=lambda one: (-one[1].held, -one[1].remarked, -one[1].instances, one[0]))
