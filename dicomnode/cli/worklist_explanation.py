"""An entry of the worklist whole, and how a query compares with all of them, for people and for scripts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import click

from dicomnode.cli import json_lines, table
from dicomnode.dicom.query.keys import Key
from dicomnode.dicom.worklist_attributes import START_DATE, START_TIME
from dicomnode.index import AnsweredQuery, Explanation, ListedEntry, NearMiss, WorklistRecord


def show_entry(one: ListedEntry, history: Sequence[WorklistRecord], *, as_json: bool) -> None:
    """Print an entry and its history."""
    records = [
        {
            "at": record.at.isoformat(),
            "kind": record.kind,
            "status": record.status,
            "by": record.by,
            "reason": record.reason,
        }
        for record in history
    ]
    if as_json:
        whole = {"entry": one.entry.dataset(), "source": one.source, "history": records}
        click.echo(json.dumps(whole, ensure_ascii=False))
        return
    for line in json_lines.lines(one.entry.dataset()):
        click.echo(table.printable(line))
    if one.source:
        click.echo(f"Follows the file {table.printable(one.source)}")
    for record in history:
        why = f": {record.reason}" if record.reason else ""
        click.echo(
            table.printable(
                f"{table.instant(record.at)}  {record.kind} ({record.status}) by {record.by or 'unknown'}{why}"
            )
        )
    click.echo()


def show_query(query: AnsweredQuery, explanation: Explanation | None, *, as_json: bool) -> None:
    """Print a query, and why it found what it found."""
    if as_json:
        click.echo(json.dumps(_as_json(query, explanation), ensure_ascii=False))
        return
    keys = _keys(query)
    outcome = f"{query.matches} matches" if not query.reason else f"failed ({query.status:04X}): {query.reason}"
    click.echo(f"{query.calling_ae_title} at {table.instant(query.at)}: {outcome}")
    click.echo(
        table.printable(f"  asked for: {', '.join(f'{name}={value}' for name, value in keys.items()) or 'everything'}")
    )
    click.echo(f"  is shown: {', '.join(query.view.statuses)}{_own(query)}")
    for line in _sentences(query, explanation):
        click.echo(table.printable(f"  {line}"))


def _own(query: AnsweredQuery) -> str:
    return f", scheduled for {query.view.ae_title}" if query.view.ae_title else ""


def _keys(query: AnsweredQuery) -> dict[str, str]:
    """What selects, by keyword."""
    matched = query.identifier.matched() if query.identifier is not None else {}
    return {json_lines.keyword(path[-1]): _value(key) for path, key in matched.items()}


def _value(key: Key) -> str:
    if key.items is None:
        return "\\".join(key.values)
    inner = (
        f"{json_lines.keyword(tag)}={_value(one)}"
        for item in key.items
        for tag, one in item.items()
        if not one.is_universal
    )
    return f"({', '.join(inner)})"


def _sentences(query: AnsweredQuery, explanation: Explanation | None) -> Iterator[str]:
    if explanation is None:
        if not query.reason:
            yield "its keys are too long to have been kept"
        return
    if not explanation.entries:
        yield "the worklist is empty"
        return
    yield f"{_entries(explanation.matches)} of {explanation.entries} would match now"
    for near in explanation.near_misses:
        yield _near(query, near)
    if not explanation.near_misses and not explanation.matches:
        fits = (f"{_condition(query, path)}: {count}" for path, count in explanation.fits.items())
        yield f"no entry comes near; how many fit each condition alone: {'; '.join(fits)}"


def _near(query: AnsweredQuery, near: NearMiss) -> str:
    have = ", ".join(f"{value} ({count})" for value, count in near.values)
    if not near.path:
        verb = "matches" if near.count == 1 else "match"
        whose = "its" if near.count == 1 else "their"
        return f"{_entries(near.count)} {verb} but {whose} status is {' or '.join(value for value, _ in near.values)}"
    verb = "matches" if near.count == 1 else "match"
    return f"{_entries(near.count)} {verb} all but {_condition(query, near.path)}{f'; there: {have}' if have else ''}"


def _condition(query: AnsweredQuery, path: tuple[int, ...]) -> str:
    """A condition as it was asked."""
    if not path:
        return f"status {' or '.join(query.view.statuses)}"
    keys = _keys(query)
    name = json_lines.keyword(path[-1])
    text = f"{name}={keys[name]}" if name in keys else f"{name}={query.view.ae_title}, as the device is set"
    time = json_lines.keyword(START_TIME)
    if path[-1] == START_DATE and time in keys:
        text += f" with {time}={keys[time]}"
    return text


def _entries(count: int) -> str:
    return "1 entry" if count == 1 else f"{count} entries"


def _as_json(query: AnsweredQuery, explanation: Explanation | None) -> dict[str, object]:
    told: dict[str, object] = {
        "at": query.at.isoformat(),
        "calling_ae_title": query.calling_ae_title,
        "peer": query.peer,
        "keys": _keys(query),
        "shown": {"statuses": query.view.statuses, "ae_title": query.view.ae_title},
        "matches": query.matches,
        "status": f"{query.status:04X}",
        "reason": query.reason,
        "explanation": list(_sentences(query, explanation)),
    }
    if explanation is not None:
        told |= {
            "entries": explanation.entries,
            "matches_now": explanation.matches,
            "near_misses": [
                {
                    "key": json_lines.keyword(near.path[-1]) if near.path else "status",
                    "count": near.count,
                    "there": dict(near.values),
                }
                for near in explanation.near_misses
            ],
        }
    return told
