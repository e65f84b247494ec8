"""How commands name a peer, and the title that they call it by."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

from dicomnode.config import Config
from dicomnode.dicom.peer import PeerSettings, check_ae_title
from dicomnode.errors import ConfigurationError
from dicomnode.scu.settings import ScuSettings
from dicomnode.settings.document import Document, Plain
from dicomnode.settings.faults import nearest

_Command = TypeVar("_Command", bound=Callable[..., object])

calling_option = click.option("--calling", metavar="AET", help="The AE title to call as.  [the node's own]")


def sender_option(unknown: str) -> Callable[[_Command], _Command]:
    """``--as-ae``, for files that are taken as if they had been sent; ``unknown``: by whom when nobody says."""
    return click.option(
        "--as-ae", metavar="AET", callback=_title, help=f"Who sent them.  [as each file says, else {unknown}]"
    )


timeout_option = click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(0.1, 86400),
    metavar="S",
    help="Seconds that the peer may be silent.  [scu.answer_timeout_s]",
)


def scu_settings(config: Config, timeout_s: float | None) -> ScuSettings:
    """The node's own, with another time for the peer to answer when one is given."""
    return config.scu if timeout_s is None else config.scu.model_copy(update={"answer_timeout_s": timeout_s})


def find(name: str, config: Config) -> PeerSettings:
    """The peer that ``name`` stands for: a name in the configuration; an AET@HOST:PORT needs none.

    Raises:
        click.BadParameter: it stands for none.
    """
    if name in config.peers:
        return config.peers[name]
    if "@" in name:
        return _parse(name)
    meant = nearest(name, config.peers)
    hint = f"did you mean {meant}?" if meant else f"the configuration knows {', '.join(config.peers) or 'none'}"
    raise click.BadParameter(f"no peer {name}: {hint}; or write AET@HOST:PORT", param_hint="PEER")


def own_title(calling: str | None, config: Config) -> str:
    """``calling`` when it is an AE title, the node's own when nobody says.

    Raises:
        click.BadParameter: it is no AE title.
    """
    try:
        return check_ae_title(calling) if calling is not None else config.ae_title
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--calling") from error


def _title(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    try:
        return None if text is None else check_ae_title(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _parse(text: str) -> PeerSettings:
    ae_title, _, address = text.rpartition("@")
    host, has_port, port = address.rpartition(":")
    if not has_port:
        raise click.BadParameter(f"{text} is no AET@HOST:PORT: no port is named", param_hint="PEER")
    values: Plain = {"ae_title": ae_title, "host": host.strip("[]"), "port": port}
    try:
        return Document(text, values).check(PeerSettings)
    except ConfigurationError as error:
        faults = "; ".join(f"{problem.key}: {problem.text}" for problem in error.problems)
        raise click.BadParameter(f"{text} is no AET@HOST:PORT: {faults}", param_hint="PEER") from error
