"""The real program, started as a sysadmin would start it, and the real peers that talk to it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from waiting import wait_for

DCMTK = Path("/usr/bin")
"""By absolute path: pynetdicom installs scripts of the same names into a virtual environment."""


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def dcmtk(tool: str, *arguments: str | Path, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Run one of DCMTK's tools; the answers it got stand in ``stderr`` with ``-v`` or ``-d``."""
    return subprocess.run(
        [DCMTK / tool, *arguments],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout_s,
        check=False,
        env=os.environ | {"TCP_NODELAY": "1"},
    )


class RunningNode:
    """One ``dicomnode serve`` with a data folder of its own, on a free port of the loopback interface."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.port = free_port()
        self.config = folder / "dicomnode.yaml"
        self.settings: dict[str, Any] = {
            "data": str(self.data),
            "listeners": [{"host": "127.0.0.1", "port": self.port}],
            "log": {"format": "json"},
        } | settings
        self._log_path = folder / "log.jsonl"
        self._process: subprocess.Popen[bytes] | None = None
        self._ready_before = 0

    def __enter__(self) -> RunningNode:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # -- life ---------------------------------------------------------------------------------------------------

    def start(self, *, wrapper: tuple[str, ...] = ()) -> None:
        """Start it and wait until it accepts associations; ``wrapper`` goes before the command (strace, say)."""
        self.launch(wrapper=wrapper)
        self.wait_until_ready()

    def launch(self, *, wrapper: tuple[str, ...] = ()) -> None:
        """Start it without waiting."""
        self.write_configuration()
        self._ready_before = len(self.events("node.ready"))
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [*wrapper, sys.executable, "-m", "dicomnode", "serve", self.config], stdout=log, stderr=log
            )

    def write_configuration(self) -> None:
        """Write what `launch` and the other commands read."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config.write_text(yaml.safe_dump(self.settings))

    def wait_until_ready(self, timeout_s: float = 60.0) -> None:
        """Return once the node says that it is ready; fail with its log when it ends instead."""

        def ready() -> bool:
            if self.process.poll() is not None:
                raise AssertionError(f"the node ended with {self.process.returncode}:\n{self._log_path.read_text()}")
            return len(self.events("node.ready")) > self._ready_before

        wait_for(ready, what="the node to be ready", timeout_s=timeout_s)

    def stop(self, timeout_s: float = 60.0) -> int:
        """SIGTERM, and the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout_s)

    def kill(self) -> None:
        """SIGKILL for the parent, and wait until its workers have gone as well."""
        workers = [pid for pid, _ in self._living()]
        self.process.kill()
        self.process.wait(30)
        wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), what="the workers to leave")

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The parent process."""
        assert self._process is not None
        return self._process

    def workers(self) -> list[int]:
        """Process ids of the association workers, as the log names them, that live now."""
        return [pid for pid, name in self._living() if name.startswith("association-")]

    def delivery_workers(self) -> list[int]:
        """Those of the delivery workers: one, and for a moment two in a reload."""
        return [pid for pid, name in self._living() if name == "delivery"]

    def _living(self) -> list[tuple[int, str]]:
        started = [(int(event["worker_pid"]), event["worker"]) for event in self.events("worker.started")]
        return [(pid, name) for pid, name in started if Path(f"/proc/{pid}").exists()]

    def descriptors(self) -> int:
        """How many descriptors the parent has open."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    # -- what it says and holds ----------------------------------------------------------------------------------

    def log(self) -> list[dict[str, Any]]:
        """Every complete line of the log; a line that is no JSON fails the test."""
        text = self._log_path.read_text() if self._log_path.exists() else ""
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def events(self, name: str, **fields: Any) -> list[dict[str, Any]]:
        """The log's lines of one event, with these fields."""
        return [
            line
            for line in self.log()
            if line["event"] == name and all(line.get(key) == value for key, value in fields.items())
        ]

    def files(self) -> list[Path]:
        """All Part 10 files that the node keeps."""
        return sorted((self.data / "files").rglob("*.dcm"))

    def unfinished(self) -> list[Path]:
        """What lies in the node's incoming folders."""
        return [path for path in (self.data / "incoming").rglob("*") if path.is_file() and path.suffix != ".lock"]

    def cli(self, *arguments: str | Path, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run another command of dicomnode beside the node."""
        return subprocess.run(
            [sys.executable, "-m", "dicomnode", *arguments],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            env=os.environ | {"DICOMNODE_CONFIG": str(self.config)},
        )

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        """What a command with ``--json`` prints: one object a line."""
        done = self.cli(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    # -- peers ---------------------------------------------------------------------------------------------------

    def echoscu(self, *options: str) -> subprocess.CompletedProcess[str]:
        """DCMTK's C-ECHO."""
        return dcmtk("echoscu", "-aec", "DICOMNODE", *options, "127.0.0.1", str(self.port))

    def storescu(self, *files: Path, options: tuple[str, ...] = ()) -> list[int]:
        """Send files with DCMTK's storescu; the status of each, in order."""
        done = dcmtk("storescu", "-d", "-nh", "-R", "-aec", "DICOMNODE", *options, "127.0.0.1", str(self.port), *files)
        return [int(code, 16) for code in re.findall(r"DIMSE Status\s*: (0x[0-9a-fA-F]{4})", done.stdout + done.stderr)]


def chunks(data: bytes, size: int) -> Iterator[bytes]:
    """``data`` in pieces of at most ``size`` bytes."""
    for start in range(0, len(data), size):
        yield data[start : start + size]
