"""``dicomnode serve``: the node itself."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from dicomnode import node
from dicomnode.cli import configuration
from dicomnode.config import Config


@click.command()
@click.argument("config", type=click.Path(path_type=Path), required=False, envvar=configuration.VARIABLE)
@click.pass_context
def serve(context: click.Context, config: Path | None) -> None:
    """Start the node and serve until SIGTERM; SIGHUP reads CONFIG anew.

    CONFIG is by default $DICOMNODE_CONFIG, else ./config/dicomnode.yaml, /etc/dicomnode/dicomnode.yaml, or the
    built-in settings.

    \b
    dicomnode serve config/dicomnode.yaml
    DICOMNODE__LISTENERS__0__PORT=104 dicomnode serve
    """
    path = config or configuration.find()
    settings = configuration.read(path)

    def greet() -> None:
        if sys.stdout.isatty():
            click.echo("\n".join(welcome(settings, path)))

    context.exit(node.serve(settings, path, greet))


def welcome(config: Config, path: Path | None) -> Iterator[str]:
    """What a person who starts the node by hand wants to know: where it listens, and what to try next."""
    first = config.listeners[0]
    host = first.host or "127.0.0.1"
    address = f"-aec {config.ae_title} {host} {first.port}"
    option = f" --config {shlex.quote(str(path))}" if path and path != configuration.find() else ""
    yield f"dicomnode is ready as {', '.join(config.ae_titles)}; it stops with Ctrl-C"
    for listener in config.listeners:
        yield f"  listens on    {listener.host or 'all addresses'}, port {listener.port}"
    yield f"  settings      {path or 'built-in'}"
    yield f"  data          {config.data}"
    yield "Try in another terminal (echoscu and storescu: apt install dcmtk):"
    yield f"  echoscu {address}"
    yield f"  storescu {address} FILE.dcm"
    yield f"  {_program()} studies{option}"
    yield ""


def _program() -> str:
    """How this program was called, so that a person can call it again."""
    called = Path(sys.argv[0])
    return "python -m dicomnode" if called.name == "__main__.py" else shlex.quote(str(called))
