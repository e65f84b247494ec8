"""``dicomnode echo``: is a peer there, and does it know us?"""

from __future__ import annotations

import json
from pathlib import Path

import click

from dicomnode.cli import configuration, peers
from dicomnode.scu import verification


@click.command()
@click.argument("peer")
@peers.calling_option
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(0.1, 600), default=10.0, help="Seconds for each step.  [10]"
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@configuration.option
def echo(peer: str, *, calling: str | None, timeout_s: float, as_json: bool, config_path: Path | None) -> None:
    """Send a C-ECHO to PEER: its name in the configuration, or AET@HOST:PORT.

    \b
    dicomnode echo ct1
    dicomnode echo ARCHIVE@pacs.example.org:104 --calling TEST
    """
    config = configuration.read(config_path)
    called, calling_ae_title = peers.find(peer, config), peers.own_title(calling, config)
    result = verification.echo(called, calling_ae_title=calling_ae_title, timeout_s=timeout_s)
    if as_json:
        click.echo(json.dumps({"peer": peer, "status": result.status, "duration_ms": round(result.duration_ms, 1)}))
    else:
        click.echo(f"{peer} answers: status {result.status:#06x} after {result.duration_ms:.1f} ms")
    if result.status:
        raise click.exceptions.Exit(1)
