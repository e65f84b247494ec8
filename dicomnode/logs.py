"""Logging: one structured line an operation, for a person at a terminal or, as JSON, for a machine.

``configure(settings, worker=1)`` once in each process; then everywhere ``log = structlog.get_logger()`` and
``log.info("instance.stored", size_bytes=..., duration_ms=...)``. An event is named ``noun.past_verb``; no field tells of a patient.

A line never stops the node: when nobody reads the output any more, or its disk is full, lines are dropped and counted.
"""

from __future__ import annotations

import json
import logging
import os
import select
import sys
import threading
import time
import warnings
from datetime import UTC, datetime
from enum import StrEnum
from types import TracebackType
from typing import Final, TextIO

import structlog
from structlog.typing import EventDict, Processor

from dicomnode.settings import Settings

PATIENT_KEYS: Final = frozenset(
    {
        "patient",
        "patient_id",
        "patient_name",
        "patients_name",
        "patient_birth_date",
        "birth_date",
        "identifier",
        "dataset",
    }
)
"""Fields that would tell of a patient. Nobody should log them; if somebody does, the value is kept back."""
KEPT_BACK: Final = "[kept back]"

_processors: Final[list[Processor]] = []
"""Always the same list: loggers keep it from their first line on, those of a forked process from its parent's."""

WAIT_S: Final = 0.1
"""How long a line waits for a reader that has fallen behind, before lines are dropped."""

log = structlog.get_logger()


class Level(StrEnum):
    """How much is logged."""

    DEBUG = "debug"
    """For developers."""
    INFO = "info"
    """The node did its work."""
    WARNING = "warning"
    """A peer was refused, an instance was held back."""
    ERROR = "error"
    """Someone must act."""


class Format(StrEnum):
    """What a line looks like."""

    AUTO = "auto"
    """``console`` when a terminal watches, else ``json``."""
    CONSOLE = "console"
    JSON = "json"


class LogSettings(Settings):
    """What is logged, and in which form; it goes to standard output."""

    level: Level = Level.INFO
    """The least important lines that are still written: debug, info, warning or error."""
    format: Format = Format.AUTO
    """console (for people), json (one object a line), or auto: console when a terminal watches."""


def configure(settings: LogSettings, *, stream: TextIO | None = None, **bound: object) -> None:
    """Set this process's logging up; ``bound`` fields stand in every line, beside ``pid``.

    Args:
        stream: a file, pipe or terminal with a descriptor of its own; standard output by default.
    """
    output = _Output(stream or sys.stdout)
    is_console = output.is_terminal if settings.format is Format.AUTO else settings.format is Format.CONSOLE
    _processors[:] = [
        _Frame({"pid": os.getpid()} | bound),
        _format_exception,
        *(_for_people(output) if is_console else [_as_json]),
    ]
    structlog.configure(
        processors=_processors,
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, settings.level.upper())),
        logger_factory=lambda *_: output,
        cache_logger_on_first_use=True,
    )
    _listen_to_libraries()
    _listen_to_crashes()


def _for_people(output: _Output) -> list[Processor]:
    """Plain tracebacks: structlog's pretty ones show local variables, and these hold patients."""
    return [
        _escape,
        structlog.dev.ConsoleRenderer(colors=output.is_terminal, exception_formatter=structlog.dev.plain_traceback),
    ]


def _escape(_logger: object, _level: str, fields: EventDict) -> EventDict:
    """What a peer sent must not steer the terminal."""
    return {
        key: value.encode("unicode_escape").decode()
        if isinstance(value, str) and not value.isprintable() and key != "exception"
        else value
        for key, value in fields.items()
    }


def _format_exception(logger: object, level: str, fields: EventDict) -> EventDict:
    """The traceback as text, where there is one."""
    return structlog.processors.format_exc_info(logger, level, fields) if "exc_info" in fields else fields


def _as_json(_logger: object, _level: str, fields: EventDict) -> str:
    """One line for a machine; structlog's own renderer makes a new encoder for each."""
    return _encode(fields)


_encode: Final = json.JSONEncoder(ensure_ascii=False, default=repr).encode


class _Frame:
    """What comes first in each line (instant, level, event), and what comes last (process)."""

    def __init__(self, bound: dict[str, object]) -> None:
        self._bound = bound
        self._second = -1, ""
        """One that was, since 1970, and its text."""

    def __call__(self, _logger: object, level: str, fields: EventDict) -> EventDict:
        if not PATIENT_KEYS.isdisjoint(fields):
            fields = {key: KEPT_BACK if key in PATIENT_KEYS else value for key, value in fields.items()}
        head = {"timestamp": self._now(), "level": level, "event": fields.pop("event", ""), **self._bound}
        return {**head, **fields, **head}  # no field takes the place of what stands in every line

    def _now(self) -> str:
        second, ns = divmod(time.time_ns(), 1_000_000_000)
        known, text = self._second
        if second != known:
            text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            self._second = second, text
        return f"{text}.{ns // 1_000_000:03}Z"


class _Output:
    """Writes lines to a descriptor, and drops them rather than wait for a reader that has gone.

    The descriptor stays as it is: a terminal or pipe shares its flags with other programs, so it is asked before each write whether
    it would block. That holds for up to PIPE_BUF bytes at a time (pipe(7)).
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._fileno = stream.fileno() if stream else os.open(os.devnull, os.O_WRONLY)
        self.is_terminal = os.isatty(self._fileno)
        self._lock = threading.Lock()
        self._poll = select.poll()
        self._poll.register(self._fileno, select.POLLOUT)
        self._dropped = 0
        self._is_torn = False

    def msg(self, line: str) -> None:
        """Write one line whole, or drop it."""
        data = line.encode(errors="backslashreplace") + b"\n"
        with self._lock:
            if self._is_torn:
                data = b"\n" + data
            if self._write(data) and self._dropped:
                dropped, self._dropped = self._dropped, 0
                self._write(f"{json.dumps({'event': 'log.dropped', 'level': 'error', 'lines': dropped})}\n".encode())

    debug = info = warning = error = critical = exception = msg

    def _write(self, data: bytes) -> bool:
        written = 0
        try:
            while written < len(data) and self._may_write():
                written += os.write(self._fileno, data[written : written + select.PIPE_BUF])
        except OSError:
            pass  # the reader has gone, or its disk is full: there is nowhere left to say so
        is_whole = written == len(data)
        self._is_torn = not is_whole and (self._is_torn or written > 0)
        self._dropped += not is_whole
        return is_whole

    def _may_write(self) -> bool:
        """Wait for a slow reader, but once only until it reads again."""
        # what else it may tell than that there is room, such as that the reader has gone, shows in the write
        return bool(self._poll.poll(0 if self._dropped else WAIT_S * 1000))


class _FromLibraries(logging.Handler):
    """Passes on what libraries log by the standard module; without pydicom's words, which quote values of data sets."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log ``record`` as one of our own lines."""
        said = "" if record.name.startswith("pydicom") else record.getMessage()
        write = log.error if record.levelno >= logging.ERROR else log.warning
        write("library.warned", library=record.name, where=f"{record.module}:{record.lineno}", reason=said)


def _listen_to_libraries() -> None:
    root = logging.getLogger()
    root.handlers = [_FromLibraries(logging.WARNING)]
    root.setLevel(logging.WARNING)
    warnings.showwarning = _on_warning


def _on_warning(
    message: Warning | str,  # noqa: ARG001 - it may quote a data set
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,  # noqa: ARG001
    line: str | None = None,  # noqa: ARG001
) -> None:
    log.debug("library.warned", library=category.__name__, where=f"{filename}:{lineno}")


def _listen_to_crashes() -> None:
    sys.excepthook = _on_crash
    threading.excepthook = _on_thread_crash
    sys.unraisablehook = _on_unraisable


def _on_crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        log.critical("process.died", exc_info=(kind, error, trace))


def _on_thread_crash(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        name = args.thread.name if args.thread else None
        log.error("thread.died", thread=name, exc_info=(args.exc_type, args.exc_value, args.exc_traceback))


def _on_unraisable(args: sys.UnraisableHookArgs) -> None:
    if args.exc_value is not None:
        where = (
            repr(args.object)
            if args.object is None
            else getattr(args.object, "__qualname__", type(args.object).__name__)
        )
        log.error("finalizer.failed", where=where, exc_info=(args.exc_type, args.exc_value, args.exc_traceback))
