"""The command line: one file a command group.

To add a command: write its file, with a function of the same name, and its line in ``COMMANDS``. A file is imported only when its
command is asked for, so ``dicomnode --help`` stays quick.
"""

from __future__ import annotations

import io
import logging
import sys
from importlib import import_module
from keyword import iskeyword
from typing import IO

import click
import structlog

from dicomnode import __version__
from dicomnode.errors import ConfigurationError, DataFolderError, DicomNodeError

COMMANDS = {
    "serve": "Start the node.",
    "check-config": "Print the effective settings, or everything that is wrong with them.",
    "status": "What the node holds, and whether it runs.",
    "studies": "List the studies that the node holds.",
    "worklist": "Schedule steps, and say why a scanner's list is empty.",
    "hl7": "Send and check HL7 messages, list the last ones.",
    "mpps": "List and show the procedure steps that modalities performed.",
    "quarantine": "Show, correct, release and discard what was held back.",
    "outbox": "What the node owes others: reports and notifications that wait or were given up.",
    "check": "Judge files as on reception, and keep nothing.",
    "qa": "Report on the quality of what was received.",
    "rules": "List and explain the rules, and test your own.",
    "import": "Take files in: a folder, a disk, another archive's files.",
    "reindex": "Add attributes that the index keeps since lately to what is stored already.",
    "delete": "Delete a study, a series or an instance for good.",
    "echo": "Ask a peer whether it is there (C-ECHO).",
    "find": "Ask a peer what it has (C-FIND).",
    "send": "Send files to a peer (C-STORE).",
    "commit": "Ask a peer to vouch for instances (Storage Commitment).",
    "retrieve": "Have a peer send what it has: into a folder (C-GET), or to another node (C-MOVE).",
}


class Failed(click.ClickException):
    """What was asked for could not be done."""

    exit_code = 1


class WrongUsage(click.ClickException):
    """The command line or the data folder is wrong, so nothing was tried."""

    exit_code = 2


class Faults(WrongUsage):
    """What is wrong with the configuration, a line a fault: ``file:line: key: what``, as editors understand it."""

    def show(self, file: IO[str] | None = None) -> None:
        """Print the faults as they are."""
        click.echo(self.message, file=file or sys.stderr)


class Commands(click.Group):
    """Imports a command's file when it is asked for; an error becomes one message and an exit code, never a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of this name."""
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        if iskeyword(name):  # import
            name += "_"
        command: click.Command = getattr(import_module(f"dicomnode.cli.{name}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The help's list, without importing any command."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> object:
        """Run the command that the command line names."""
        try:
            return super().invoke(ctx)
        except ConfigurationError as error:
            raise Faults(str(error)) from error
        except DataFolderError as error:
            raise WrongUsage(str(error)) from error
        except DicomNodeError as error:
            raise Failed(str(error)) from error


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 could not be done, 2 wrong usage or configuration.",
)
@click.version_option(__version__, message="dicomnode %(version)s")
def commands() -> None:
    """A DICOM network node that checks every instance before it accepts it.

    \b
    dicomnode serve             start the node
    dicomnode studies           what arrived?
    dicomnode check study/      would these files be accepted?
    dicomnode echo ct1          can this peer be reached?
    dicomnode quarantine list   what waits for a decision?
    """


def main() -> None:
    """Run the command line and exit with its code; what commands log is never among their answers, `serve` has a log of its own."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that the locale cannot express ends no command
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    commands(prog_name="dicomnode")
