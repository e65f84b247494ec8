"""``dicomnode check-config``: what a configuration means, or everything that is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path

import click

from dicomnode.cli import configuration
from dicomnode.config import Config
from dicomnode.errors import ConfigurationError


@click.command("check-config")
@click.argument("file", type=click.Path(path_type=Path), required=False, envvar=configuration.VARIABLE)
@click.option("--json", "as_json", is_flag=True, help="One JSON object: the settings; or one for each fault.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of the file instead, for editors.")
@click.pass_context
def check_config(context: click.Context, file: Path | None, *, as_json: bool, schema: bool) -> None:
    """Print the effective settings of FILE, or file, line, key and what is wrong (exit 2).

    What environment variables (DICOMNODE__LOG__LEVEL=debug) override is in it.

    \b
    dicomnode check-config /etc/dicomnode/dicomnode.yaml
    dicomnode check-config --schema > dicomnode.schema.json
    """
    if schema:
        click.echo(json.dumps(Config.model_json_schema(), indent=2))
        return
    try:
        config = configuration.read(file or configuration.find())
    except ConfigurationError as error:
        if not as_json:
            raise
        for problem in error.problems:
            fault = {"file": str(error.source), "line": problem.line, "key": problem.key, "fault": problem.text}
            click.echo(json.dumps(fault))
        context.exit(2)
    click.echo(json.dumps(config.model_dump(mode="json")) if as_json else config.effective(), nl=as_json)
