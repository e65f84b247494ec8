"""``dicomnode hl7``: send messages to try a feed, see what the mapping makes of one, list the last ones."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from dicomnode.cli import Failed, configuration, table
from dicomnode.dicom.peer import OutgoingTlsSettings
from dicomnode.errors import MessageError
from dicomnode.hl7.client import Client, messages_in
from dicomnode.hl7.explanation import explained
from dicomnode.hl7.message import Message, read_header, read_message, readable
from dicomnode.hl7.settings import Hl7Settings
from dicomnode.index import KeptMessage
from dicomnode.upper_layer import client_context

_PORT = 2575
files = click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
as_json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")


@click.group()
def hl7() -> None:
    """Try HL7 messages, and see what became of those that came.

    \b
    dicomnode hl7 check order.hl7
    dicomnode hl7 send order.hl7 --to localhost:2575
    dicomnode hl7 list --limit 20
    """


@hl7.command()
@files
@click.option("--to", "target", metavar="HOST[:PORT]", required=True, help=f"Where to.  [port {_PORT}]")
@click.option("--tls", is_flag=True, help="Speak TLS; the certificate is checked by what this machine trusts.")
@click.option(
    "--trusted", type=click.Path(path_type=Path), help="Certificates (PEM) of authorities that are trusted instead."
)
@click.option(
    "--certificate", type=click.Path(path_type=Path), help="What to show (PEM), where the other side asks for it."
)
@click.option("--private-key", type=click.Path(path_type=Path), help="Its key, when it is not in the same file.")
@click.option("--any-host", is_flag=True, help="Let the certificate name another host.")
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(0.1, 3600), default=30.0, help="Seconds for each answer.  [30]"
)
@as_json_option
def send(
    paths: tuple[Path, ...],
    *,
    target: str,
    tls: bool,
    trusted: Path | None,
    certificate: Path | None,
    private_key: Path | None,
    any_host: bool,
    timeout_s: float,
    as_json: bool,
) -> None:
    """Send the messages in each FILE over MLLP, and tell what they are answered; exit 1 when any is not AA.

    A file may hold several messages, each from its MSH on; the lines may end in any way.

    \b
    dicomnode hl7 send order.hl7 --to localhost
    dicomnode hl7 send *.hl7 --to engine.example.org:2576 --tls --trusted ca.pem
    """
    host, port = _target(target)
    context = None
    if tls or trusted or certificate:
        settings = OutgoingTlsSettings(
            trusted=trusted, certificate=certificate, private_key=private_key, check_host=not any_host
        )
        context = client_context(settings)
    is_well = True
    with ExitStack() as stack:
        client: Client | None = None
        for path, message in _messages(paths):
            if message is None:
                is_well = False
                continue
            if client is None:
                client = stack.enter_context(Client(host, port, tls=context, timeout_s=timeout_s))
            answer = _answer(client.send(message))
            is_well = is_well and answer["code"] in ("AA", "CA")
            _tell_answer(path, message, answer, as_json=as_json)
    if not is_well:
        raise click.exceptions.Exit(1)


@hl7.command()
@files
@as_json_option
@configuration.option
def check(paths: tuple[Path, ...], *, as_json: bool, config_path: Path | None) -> None:
    """Tell what the node would make of the messages in each FILE, and do nothing; exit 1 when any would not be accepted.

    Whether an order that is to be changed or canceled is known, or a patient is, only the node itself can tell.

    \b
    dicomnode hl7 check order.hl7
    """
    config = configuration.read(config_path)
    settings = config.hl7 or Hl7Settings()
    is_well = True
    for path, message in _messages(paths):
        if message is None:
            is_well = False
            continue
        told = explained(message, config.field_mapping, settings)
        is_well = is_well and "error" not in told
        if as_json:
            click.echo(json.dumps({"file": str(path), **told}, ensure_ascii=False))
        else:
            click.echo("\n".join(_lines(path, told)))
    if not is_well:
        raise click.exceptions.Exit(1)


@hl7.command("list")
@click.option("--limit", type=click.IntRange(min=1), default=50, help="At most so many.  [50]")
@click.option("--control-id", metavar="TEXT", help="Those with this control ID (MSH-10) only.")
@click.option("--content", is_flag=True, help="With their text, which tells of patients.")
@as_json_option
@configuration.option
def list_(*, limit: int, control_id: str | None, content: bool, as_json: bool, config_path: Path | None) -> None:
    """List the last messages that came, the newest first, and what they were answered.

    \b
    dicomnode hl7 list
    dicomnode hl7 list --control-id 4711 --content
    """
    config = configuration.read(config_path)
    with configuration.open_index(config) as index:
        kept = index.messages.recent(limit, control_id=control_id)
    if as_json:
        for one in kept:
            click.echo(json.dumps(_as_json(one, content=content), ensure_ascii=False))
        return
    if content:
        for one in kept:
            click.echo(table.printable(f"{table.instant(one.at)}  {one.code}  {one.reason}".rstrip()))
            for line in readable(one.content or b"").split("\r"):
                click.echo(table.printable(line))
        return
    rows = [
        (table.instant(one.at), one.code, one.type, one.control_id, one.sender, one.address, one.reason) for one in kept
    ]
    columns = ("at", "answer", "type", "control ID", "sender", "address", "reason")
    table.show(columns, rows, nothing="no messages")


def _target(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        return text.strip("[]"), _PORT
    if not port.isdigit() or not 0 < int(port) < 1 << 16:
        raise click.UsageError(f"--to {text}: {port!r} is no port")
    return host.strip("[]"), int(port)


def _messages(paths: Sequence[Path]) -> Iterator[tuple[Path, bytes | None]]:
    """The messages of the files; None for a file that has none, which is told."""
    for path in paths:
        try:
            found = messages_in(path.read_bytes())
        except OSError as error:
            click.echo(f"{path}: cannot be read: {error.strerror}", err=True)
            yield path, None
            continue
        if not found:
            click.echo(f"{path}: no HL7 message in it", err=True)
            yield path, None
        for message in found:
            yield path, message


def _answer(data: bytes) -> dict[str, Any]:
    """MSA and ERR of an answer.

    Raises:
        Failed: it is none.
    """
    try:
        answer: Message = read_message(data, read_header(data), "UNICODE UTF-8")
        msa = answer.required("MSA")
        err = answer.first("ERR")
        reason = (err.value(8) if err else None) or msa.value(3) or ""
        return {"code": msa.value(1) or "", "control_id": msa.value(2) or "", "reason": reason}
    except MessageError as error:
        raise Failed(f"what was answered is no acknowledgment: {error}") from error


def _tell_answer(path: Path, message: bytes, answer: dict[str, Any], *, as_json: bool) -> None:
    try:
        kind = read_header(message).type
    except MessageError:
        kind = ""
    if as_json:
        click.echo(json.dumps({"file": str(path), "type": kind, **answer}, ensure_ascii=False))
        return
    reason = f": {answer['reason']}" if answer["reason"] else ""
    click.echo(f"{path}  {kind}  {answer['control_id']}  {answer['code']}{reason}")


def _lines(path: Path, told: dict[str, Any]) -> Iterator[str]:
    yield f"{path}: {told.get('type', 'no HL7 message')} {told.get('control_id', '')}".rstrip()
    for change in told.get("patients", ()):
        former = f" (was {_identity(change['former'])})" if change["former"] else ""
        yield f"  patient {_identity(change['patient'])} {change['kind']}{former}"
        yield from (f"    {keyword} = {value}" for keyword, value in change["attributes"].items())
    for step in told.get("steps", ()):
        yield f"  step {step['status']}"
        yield from (f"    {keyword} = {value}" for keyword, value in {**step["attributes"], **step["step"]}.items())
    if "error" in told:
        yield f"  {told['code']}: {told['error']}"


def _identity(identity: Sequence[str]) -> str:
    patient_id, issuer = identity
    return f"{patient_id} of {issuer}" if issuer else patient_id


def _as_json(one: KeptMessage, *, content: bool) -> dict[str, Any]:
    told: dict[str, Any] = {
        "at": one.at.isoformat(),
        "code": one.code,
        "reason": one.reason,
        "type": one.type,
        "control_id": one.control_id,
        "sender": one.sender,
        "address": one.address,
    }
    return told | ({"content": readable(one.content or b"")} if content else {})
