"""``dicomnode rules diff`` and ``dicomnode rules replay``: what another rule file would change."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

import click

from dicomnode import parts
from dicomnode.cli import Failed, configuration, findings, progress, table
from dicomnode.cli.instants import since
from dicomnode.cli.interruption import interruptible
from dicomnode.cli.reports.words import VERDICTS
from dicomnode.config import Config
from dicomnode.dicom.instance import Severity
from dicomnode.index import Durability
from dicomnode.qa import Validation
from dicomnode.qa.language import compile_rules, enforced
from dicomnode.qa.language.comparing import Difference, differences
from dicomnode.services.replaying import Judged, Replayed, replay
from dicomnode.settings.document import Document
from dicomnode.settings.yaml_text import read_yaml

_SIGNS: Final = {"added": "+", "removed": "-", "changed": "~"}
_MOST_LISTED: Final = 20


@click.command("diff")
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a difference and line.")
@click.pass_context
def diff(context: click.Context, old: Path, new: Path, *, as_json: bool) -> None:
    """Say what the rule file NEW says otherwise than OLD; exit 1 when they differ, 2 when one is wrong.

    \b
    dicomnode rules diff site.yaml draft.yaml
    git show HEAD:site.yaml | dicomnode rules diff /dev/stdin site.yaml
    """
    before, after = read_yaml(old), read_yaml(new)
    for document in (before, after):
        compile_rules(document)  # a wrong one is told as such
    has_differences = False
    for one in differences(before, after):
        has_differences = True
        click.echo(json.dumps(_as_object(one)) if as_json else _line(one))
    if has_differences:
        context.exit(1)


@click.command("replay")
@click.argument("draft", type=click.Path(path_type=Path))
@click.option("--ae", metavar="AET", default="", help="Only what this AE title sent.")
@click.option("--since", "moment", metavar="TIME", default="7d", show_default=True, callback=since, help="Not older.")
@click.option("--jobs", metavar="N", type=click.IntRange(1, 256), help="Processes.  [as many as processors]")
@click.option("--json", "as_json", is_flag=True, help="One JSON object an instance that would be judged otherwise.")
@configuration.option
def replay_(
    *, draft: Path, ae: str, moment: datetime, jobs: int | None, as_json: bool, config_path: Path | None
) -> None:
    """Judge what was received anew, by the rules that hold and by the rule file DRAFT, and say what would change.

    The stored data sets are judged as on the day on which they came; nothing is changed. The rules of DRAFT count in full,
    also where the file only observes. Exit code 1 when an instance would be refused or held back that is not now.

    \b
    dicomnode rules replay draft.yaml --since 30d
    dicomnode rules replay draft.yaml --ae ER_CT1 --json | jq -r 'select(.draft.verdict == "reject") | .sop_instance_uid'
    """
    document = read_yaml(draft)
    compile_rules(document)
    config = configuration.read(config_path)
    tally = _Tally()
    with (
        configuration.open_index(config) as index,
        closing(parts.open_files(config, "replay", durability=Durability.FAST)) as files,
        interruptible() as is_interrupted,
        progress.files(lambda: index.receptions.since(moment, calling_ae_title=ae)) as advance,
    ):
        replayed = replay(
            index.receptions.since(moment, calling_ae_title=ae),
            files.path,
            partial(_rules_that_hold, config),
            partial(_drafted, config, document),
            config.zone,
            jobs=jobs or len(os.sched_getaffinity(0)),
            stop=is_interrupted,
        )
        for one in replayed:
            advance()
            tally.add(one)
            if as_json and (one.is_changed or one.fault):
                click.echo(json.dumps(_replayed_as_object(one)))
    if not as_json:
        tally.show()
    if is_interrupted():
        raise Failed("interrupted: there are more")
    if tally.newly_held:
        raise click.exceptions.Exit(1)


def _rules_that_hold(config: Config) -> Validation:
    return config.validation(Severity.WARN)


def _drafted(config: Config, document: Document) -> Validation:
    return Validation(config.qa, site=enforced(compile_rules(document)), from_severity=Severity.WARN)


@dataclass(slots=True)
class _Tally:
    """Counts what would change, and keeps the first instances of which that holds."""

    verdicts: Counter[tuple[Severity, Severity]] = field(default_factory=Counter)
    rules_now: Counter[str] = field(default_factory=Counter)
    rules_draft: Counter[str] = field(default_factory=Counter)
    changed: int = 0
    newly_held: int = 0
    faults: int = 0
    first: list[Replayed] = field(default_factory=list)

    def add(self, one: Replayed) -> None:
        if one.now is None or one.draft is None:
            self.faults += 1
            return
        was, becomes = one.now.verdict.severity, one.draft.verdict.severity
        self.verdicts[was, becomes] += 1
        self.newly_held += was < Severity.QUARANTINE <= becomes
        self.rules_now.update(_rules(one.now))
        self.rules_draft.update(_rules(one.draft))
        if one.is_changed:
            self.changed += 1
            if len(self.first) < _MOST_LISTED:
                self.first.append(one)

    def show(self) -> None:
        judged = self.verdicts.total()
        columns = ("Now", *(f"{word.capitalize()} by the draft" for word in VERDICTS.values()))
        rows = [
            (VERDICTS[was], *(self.verdicts[was, becomes] or "" for becomes in VERDICTS))
            for was in VERDICTS
            if any(self.verdicts[was, becomes] for becomes in VERDICTS)
        ]
        table.show(columns, rows, nothing="nothing was received in this time")
        rules = sorted(self.rules_now.keys() | self.rules_draft.keys())
        differing = [
            (rule, self.rules_now[rule], self.rules_draft[rule])
            for rule in rules
            if self.rules_now[rule] != self.rules_draft[rule]
        ]
        if differing:
            table.show(("Rule", "Instances now", "by the draft"), differing, nothing="")
        if self.first:
            columns = ("Received", "From", "Now", "By the draft", "Rules of the draft", "SOP Instance UID")
            table.show(columns, list(map(_row, self.first)), nothing="")
        more = f", {self.faults} that cannot be read" if self.faults else ""
        click.echo(f"{judged} instances, {self.changed} judged otherwise{more}")


def _rules(judged: Judged) -> set[str]:
    return {finding.rule for finding in judged.verdict.findings}


def _row(one: Replayed) -> tuple[object, ...]:
    assert one.now is not None
    assert one.draft is not None
    return (
        table.instant(one.row.received_at),
        one.row.sender.calling_ae_title,
        VERDICTS[one.now.verdict.severity],
        VERDICTS[one.draft.verdict.severity],
        ", ".join(sorted(_rules(one.draft))),
        one.row.sop_instance_uid,
    )


def _replayed_as_object(one: Replayed) -> dict[str, object]:
    return {
        "sop_instance_uid": one.row.sop_instance_uid,
        "sop_class_uid": one.row.sop_class_uid,
        "received_at": one.row.received_at.isoformat(),
        "calling_ae_title": one.row.sender.calling_ae_title,
        "now": _judged_as_object(one.now),
        "draft": _judged_as_object(one.draft),
        "fault": one.fault or None,
    }


def _judged_as_object(judged: Judged | None) -> dict[str, object] | None:
    if judged is None:
        return None
    return {
        "verdict": VERDICTS[judged.verdict.severity],
        "status": f"0x{judged.answer.status:04X}",
        "findings": [findings.as_json(one) for one in judged.verdict.findings],
    }


def _line(one: Difference) -> str:
    if one.kind == "changed":
        details: Iterable[str] = (f"{key} {before} -> {after}" for key, before, after in one.details)
    else:
        details = (f"{key} {before}{after}" for key, before, after in one.details)
    told = "; ".join(details)
    return table.printable(f"{_SIGNS[one.kind]} {one.what}" + (f": {told}" if told else ""))


def _as_object(one: Difference) -> dict[str, object]:
    keys = [{"key": key, "before": before, "after": after} for key, before, after in one.details]
    return {"kind": one.kind, "what": one.what, "keys": keys}
