"""``dicomnode echo``: is a peer there, and does it know us?"""

from __future__ import annotations

import json
from pathlib import Path

import click

from dicomnode.cli import configuration
from dicomnode.config import Config
from dicomnode.dicom.peer import PeerSettings, check_ae_title
from dicomnode.errors import ConfigurationError
from dicomnode.scu import verification
from dicomnode.settings.document import Document, Plain
from dicomnode.settings.faults import nearest


@click.command()
@click.argument("peer")
@click.option("--calling", metavar="AET", help="The AE title to call as.  [the node's own]")
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
    result = verification.echo(_find(peer, config), calling_ae_title=_own_title(calling, config), timeout_s=timeout_s)
    if as_json:
        click.echo(json.dumps({"peer": peer, "status": result.status, "duration_ms": round(result.duration_ms, 1)}))
    else:
        click.echo(f"{peer} answers: status {result.status:#06x} after {result.duration_ms:.1f} ms")
    if result.status:
        raise click.exceptions.Exit(1)


def _find(name: str, config: Config) -> PeerSettings:
    """The peer that ``name`` stands for; an AET@HOST:PORT needs no configuration."""
    if name in config.peers:
        return config.peers[name]
    if "@" in name:
        return _parse(name)
    meant = nearest(name, config.peers)
    hint = f"did you mean {meant}?" if meant else f"the configuration knows {', '.join(config.peers) or 'none'}"
    raise click.BadParameter(f"no peer {name}: {hint}; or write AET@HOST:PORT", param_hint="PEER")


def _parse(text: str) -> PeerSettings:
    ae_title, _, address = text.rpartition("@")
    host, _, port = address.rpartition(":")
    values: Plain = {"ae_title": ae_title, "host": host.strip("[]"), "port": port}
    try:
        return Document(text, values).check(PeerSettings)
    except ConfigurationError as error:
        faults = "; ".join(f"{problem.key}: {problem.text}" for problem in error.problems)
        raise click.BadParameter(f"{text} is no AET@HOST:PORT: {faults}", param_hint="PEER") from error


def _own_title(calling: str | None, config: Config) -> str:
    try:
        return check_ae_title(calling) if calling is not None else config.ae_title
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--calling") from error
