"""``dicomnode studies --incomplete``: what each study waits for."""

from __future__ import annotations

import json
from collections.abc import Iterable

import click

from dicomnode.cli import table
from dicomnode.index.completeness import IncompleteStudy, Waiting

_NAMED = 20
"""Missing instances of one study that a person is shown."""


def show(studies: Iterable[IncompleteStudy], *, as_json: bool) -> None:
    """Print the studies, each with what it lacks."""
    if as_json:
        for study in studies:
            click.echo(json.dumps(_as_json(study)))
        return
    rows = list(studies)
    columns = ("Study Instance UID", "Last received", "Waits for")
    table.show(columns, [_cells(study) for study in rows], nothing="every study is complete")
    for study in rows:
        if study.missing:
            click.echo(f"Missing of {table.printable(study.study_instance_uid)}:")
            for uid in study.missing[:_NAMED]:
                click.echo(f"  {table.printable(uid)}")
            if len(study.missing) > _NAMED:
                click.echo(f"  and {len(study.missing) - _NAMED} more: --json names them")


def _as_json(study: IncompleteStudy) -> dict[str, object]:
    return {
        "study_instance_uid": study.study_instance_uid,
        "waits_for": study.waits_for,
        "last_received_at": study.last_received_at.isoformat() if study.last_received_at else None,
        "announced": study.announced,
        "missing": list(study.missing),
    }


def _cells(study: IncompleteStudy) -> tuple[object, ...]:
    received = table.instant(study.last_received_at) if study.last_received_at else "never"
    return study.study_instance_uid, received, _reason(study)


def _reason(study: IncompleteStudy) -> str:
    match study.waits_for:
        case Waiting.INSTANCES:
            return f"{len(study.missing)} of {study.announced} instances"
        case Waiting.PERFORMED_STEP:
            return "the end of a performed step"
        case Waiting.NOTHING:
            return f"nothing: {len(study.missing)} of {study.announced} instances never came"
        case Waiting.SILENCE:
            return "silence: nothing says what it has"
