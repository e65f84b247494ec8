"""``dicomnode rules``: which rules hold here, what one of them means, and whether a site's own do what they shall."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import click

from dicomnode.cli import Failed, configuration, rule_changes, table
from dicomnode.cli.instants import since
from dicomnode.config import Config
from dicomnode.errors import DataFolderError
from dicomnode.index import Fired
from dicomnode.qa.core import ENGINE_FAULT, FOUND_BY_THE_INDEX, FOUND_BY_THE_NODE
from dicomnode.qa.language import Mode, RuleSet, RuleText, compile_rules
from dicomnode.qa.language.schema import json_schema
from dicomnode.qa.rule_tests import run_tests
from dicomnode.qa.rules import RULES
from dicomnode.qa.settings import OnEngineError, RuleSeverity
from dicomnode.qa.studies import OF_STUDIES, effective_severities
from dicomnode.settings.faults import nearest
from dicomnode.settings.yaml_text import read_yaml


@click.group()
def rules() -> None:
    """List and explain the rules that instances are judged by, test a site's own, and see what a draft would change.

    \b
    dicomnode rules list
    dicomnode rules explain patient.id
    dicomnode rules test site.yaml
    dicomnode rules diff site.yaml draft.yaml
    dicomnode rules replay draft.yaml --since 7d
    dicomnode rules schema
    """


rules.add_command(rule_changes.diff)
rules.add_command(rule_changes.replay_)


@rules.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a test and line.")
@click.pass_context
def test(context: click.Context, file: Path, *, as_json: bool) -> None:
    """Run the tests that stand in the rule FILE; exit 1 when one fails, 2 when the file is wrong.

    \b
    dicomnode rules test config/rules/example.yaml
    dicomnode rules test site.yaml --json | jq 'select(.passed | not)'
    """
    has_failed = False
    for tested in run_tests(compile_rules(read_yaml(file))):
        has_failed |= bool(tested.faults)
        if as_json:
            click.echo(json.dumps({"test": tested.name, "passed": not tested.faults, "faults": tested.faults}))
            continue
        click.echo(f"{'FAILED' if tested.faults else 'passed'}  {table.printable(tested.name)}")
        for fault in tested.faults:
            click.echo(f"        {table.printable(fault)}")
    if has_failed:
        context.exit(1)


@rules.command()
def schema() -> None:
    """Print the JSON Schema of rule files: editors complete and check them by it.

    \b
    dicomnode rules schema > rules.schema.json
    # yaml-language-server: $schema=rules.schema.json     <- first line of the rule file
    """
    click.echo(json.dumps(json_schema(), indent=2))


@rules.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a rule and line.")
@configuration.option
def list_(*, as_json: bool, config_path: Path | None) -> None:
    """List the rules that hold with this configuration, their severity here, and where it comes from.

    \b
    dicomnode rules list --json | jq -r 'select(.severity == "reject") | .rule'
    """
    known = list(_known(configuration.read(config_path)))
    if as_json:
        for one in known:
            click.echo(json.dumps(one.as_json()))
        return
    rows = [(one.id, one.severity, one.profile or "core", one.text) for one in known]
    table.show(("Rule", "Severity here", "Profile", "Finds"), rows, nothing="there are no rules")


@rules.command()
@click.argument("rule")
@click.option(
    "--since", "moment", metavar="TIME", default="7d", show_default=True, callback=since, help="How far to look back."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@configuration.option
def explain(rule: str, *, moment: datetime, as_json: bool, config_path: Path | None) -> None:
    """Say what RULE finds, how it judges here, where it is written that it must be so, and how often it found something.

    \b
    dicomnode rules explain pixel.size --since 30d
    """
    config = configuration.read(config_path)
    known = {one.id: one for one in _known(config)}
    if rule not in known:
        meant = nearest(rule, known)
        raise Failed(f"no rule has the id {rule}" + (f"; did you mean {meant}?" if meant else ""))
    one = known[rule]
    fired = _fired(config, rule, moment) if rule not in OF_STUDIES else None
    if as_json:
        click.echo(json.dumps(one.as_json() | {"fired": _fired_as_object(fired)}))
        return
    click.echo(f"{one.id}: {one.text}")
    click.echo(
        f"severity here: {one.severity}" + (f" (by default: {one.default})" if one.default != one.severity else "")
    )
    if one.status is not None:
        click.echo(f"where it rejects: {one.status:#06x}")
    for override in one.overrides:
        click.echo(f"in profile {override}")
    click.echo(f"reference: {one.reference or 'none'}")
    if fired is not None:
        last = f", last in one that came {table.instant(fired.last_at)}" if fired.last_at else ""
        click.echo(f"found in {fired.found} of {fired.instances} instances since {table.instant(moment)}{last}")


def _fired(config: Config, rule: str, moment: datetime) -> Fired | None:
    """How often it found something here; None where no node has run."""
    try:
        with configuration.open_index(config) as index:
            return index.receptions.fired(rule, moment)
    except DataFolderError:
        return None


def _fired_as_object(fired: Fired | None) -> dict[str, object] | None:
    if fired is None:
        return None
    last = fired.last_at.isoformat() if fired.last_at else None
    return {"instances": fired.instances, "found": fired.found, "last_at": last}


@dataclass(frozen=True, slots=True)
class _Known:
    """A rule, for those who ask.

    Attributes:
        default: its severity as it comes, or as the site's file has it.
        profile: of the site's file; empty for a rule of the house.
        overrides: in words, those of the site's profiles.
    """

    id: str
    text: str
    default: str
    severity: str
    status: int | None
    reference: str
    profile: str
    overrides: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """For scripts."""
        return {
            "rule": self.id,
            "severity": self.severity,
            "default": self.default,
            "status": f"{self.status:#06x}" if self.status is not None else None,
            "profile": self.profile or None,
            "overrides": list(self.overrides),
            "finds": self.text,
            "ref": self.reference,
        }


def _known(config: Config) -> Iterator[_Known]:
    site, severities = config.site_rules, config.qa.severities
    for rule in RULES:
        default = rule.severity.name.lower()
        severity = str(severities.get(rule.id, default))
        overrides = tuple(_overrides(site, rule.id))
        text = _first_line(rule.check.__doc__)
        yield _Known(rule.id, text, default, severity, rule.status, rule.reference, "", overrides)
    for rule_id, (_, comment, reference) in FOUND_BY_THE_INDEX.items():
        severity = str(severities.get(rule_id, "quarantine"))
        yield _Known(rule_id, comment, "quarantine", severity, None, reference, "", ())
    for finding, comment in FOUND_BY_THE_NODE.items():
        holds_back = finding != ENGINE_FAULT or config.qa.on_engine_error is OnEngineError.QUARANTINE
        severity = "quarantine" if holds_back else "info"
        yield _Known(finding, comment, severity, severity, None, "", "", ())
    for whole, severity_here in effective_severities(severities):
        default = whole.severity.name.lower()
        yield _Known(whole.id, _first_line(whole.check.__doc__), default, severity_here, None, whole.reference, "", ())
    for profile in site.profiles:
        for own in profile.texts:
            here = _with_mode(own.severity, own.mode or profile.mode)
            overrides = tuple(_overrides(site, own.id))
            yield _Known(own.id, _said(own), str(own.severity), here, own.status, own.ref, profile.name, overrides)


def _overrides(site: RuleSet, rule_id: str) -> Iterator[str]:
    for profile in site.profiles:
        if (override := profile.overrides.get(rule_id)) is not None:
            until = f" through {override.until}" if override.until else ""
            reason = f": {override.reason}" if override.reason else ""
            changes = [str(override.severity)] if override.severity else []
            changes += [f"mode {override.mode}"] if override.mode else []
            yield f"{profile.name}: {', '.join(changes)}{until}{reason}"


def _with_mode(severity: RuleSeverity, mode: Mode) -> str:
    if severity.level is None or severity.level <= mode.cap:
        return str(severity)
    return f"{mode.cap.name.lower()}, would {severity} (mode {mode})"


def _first_line(docstring: str | None) -> str:
    return (docstring or "").strip().split("\n")[0].rstrip(".")


def _said(text: RuleText) -> str:
    """A rule of the site, much as its file has it."""
    said = text.model_dump(by_alias=True, exclude_defaults=True, mode="json")
    words = ", ".join(f"{key} {_plain(value)}" for key, value in said.items() if key not in _TOLD_ELSEWHERE)
    return f"{words} ({text.comment})" if text.comment else words


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_plain(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return " ".join(str(each) for each in value)
    return str(value)


_TOLD_ELSEWHERE = frozenset({"id", "severity", "status", "comment", "ref", "mode"})
