"""Who receives: the node, its rivals, and the bare sinks that show what the machine can do at all.

Each server is one small class that says how it is configured, started and asked what it holds. To add a rival, write one and
name it in `RIVALS`. Rivals run as their packages install them; what is changed, and why, stands in their class.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

from bench.raw_client import Address, PeerRefusedError, echo

READY_WITHIN_S = 60.0
STOPPED_WITHIN_S = 30.0

PROJECT = Path(__file__).parent.parent
BENCH = Path(__file__).parent


class Durability(StrEnum):
    """What must have happened before Success is answered; the words of the node's own setting."""

    FULL = "full"
    FAST = "fast"


class Server(Protocol):
    """One kind of server, not yet running."""

    @property
    def name(self) -> str:
        """Short and unique: a key in results."""

    @property
    def ae_title(self) -> str:
        """What it must be called by."""

    @property
    def associations_at_most(self) -> int:
        """With more it cannot be compared."""

    def version(self) -> str | None:
        """Its version; None when it is not installed."""

    def command(self, folder: Path, port: int, durability: Durability) -> Sequence[str]:
        """How to start it in the foreground; writes what it needs into ``folder``, where it also keeps its data."""

    def stored(self, folder: Path) -> int:
        """How many instances it holds, by its own account where it keeps one; it is running."""


MANY = 10_000
DATA_FOLDER = "data"

DESTINATION_AE_TITLE = "RECEIVER"
"""The Move Destination that every archive knows; who wants to be it listens on `move_destination_port`."""


@cache
def move_destination_port() -> int:
    """The port of the Move Destination, the same for the whole run."""
    return free_port()


@dataclass(frozen=True, slots=True)
class Node:
    """dicomnode, with its default configuration but for the number of workers."""

    workers: int = 2
    ae_title: str = "DICOMNODE"
    associations_at_most: int = MANY

    @property
    def name(self) -> str:
        return "dicomnode" if self.workers == 2 else f"dicomnode, {self.workers} worker"

    def version(self) -> str | None:
        done = subprocess.run(
            [sys.executable, "-m", "dicomnode", "--version"], capture_output=True, text=True, check=False, cwd=PROJECT
        )
        return done.stdout.strip().rpartition(" ")[2] if done.returncode == 0 else None

    def command(self, folder: Path, port: int, durability: Durability) -> Sequence[str]:
        settings = {
            "ae_titles": [self.ae_title],
            "data": str(folder / DATA_FOLDER),
            "durability": durability.value,
            "listeners": [{"host": "127.0.0.1", "port": port}],
            "processes": {"workers": self.workers},
            "peers": {
                "receiver": {"ae_title": DESTINATION_AE_TITLE, "host": "127.0.0.1", "port": move_destination_port()}
            },
        }
        config = folder / "dicomnode.yaml"
        config.write_text(json.dumps(settings))  # YAML holds JSON
        return [sys.executable, "-m", "dicomnode", "serve", str(config)]

    def stored(self, folder: Path) -> int:
        command = [sys.executable, "-m", "dicomnode", "studies", "--json"]
        environment = os.environ | {"DICOMNODE_CONFIG": str(folder / "dicomnode.yaml")}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, cwd=PROJECT)
        return sum(json.loads(line)["instances"] for line in done.stdout.splitlines())


@dataclass(frozen=True, slots=True)
class Orthanc:
    """Orthanc as it comes; where nothing is synced, it is told not to sync either."""

    name: str = "Orthanc"
    ae_title: str = "ORTHANC"
    associations_at_most: int = MANY

    def version(self) -> str | None:
        return _version("Orthanc", r"Orthanc (\S+)")

    def command(self, folder: Path, port: int, durability: Durability) -> Sequence[str]:
        config = folder / "orthanc.json"
        settings = {
            "StorageDirectory": str(folder / "storage"),
            "IndexDirectory": str(folder / "storage"),
            "HttpPort": free_port(),
            "DicomPort": port,
            "DicomAet": self.ae_title,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "SyncStorageArea": durability is Durability.FULL,
            "DicomAlwaysAllowFind": True,
            "DicomAlwaysAllowMove": True,
            "DicomAlwaysAllowGet": True,
            "DicomModalities": {"receiver": [DESTINATION_AE_TITLE, "127.0.0.1", move_destination_port()]},
        }
        config.write_text(json.dumps(settings))
        return ["Orthanc", str(config)]

    def stored(self, folder: Path) -> int:
        port = json.loads((folder / "orthanc.json").read_text())["HttpPort"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/statistics") as answer:
            statistics = json.load(answer)
        return int(statistics["CountInstances"])


@dataclass(frozen=True, slots=True)
class Dcmqrscp:
    """DCMTK's archive: it loses acknowledged instances when several associations store into it, so it gets one."""

    name: str = "dcmqrscp"
    ae_title: str = "DCMQRSCP"
    associations_at_most: int = 1

    def version(self) -> str | None:
        return _version("/usr/bin/dcmqrscp", r"dcmqrscp v(\S+)")

    def command(self, folder: Path, port: int, durability: Durability) -> Sequence[str]:  # noqa: ARG002 - it never syncs
        storage = folder / "storage"
        storage.mkdir()
        config = folder / "dcmqrscp.cfg"
        config.write_text(
            f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 250\n"
            f"HostTable BEGIN\nreceiver = ({DESTINATION_AE_TITLE}, 127.0.0.1, {move_destination_port()})\nHostTable END\n"
            "VendorTable BEGIN\nVendorTable END\n"
            f"AETable BEGIN\n{self.ae_title} {storage} RW (500, 1024mb) ANY\nAETable END\n"
        )
        return ["/usr/bin/dcmqrscp", "--config", str(config)]

    def stored(self, folder: Path) -> int:
        return _files(folder / "storage") - 1  # index.dat


@dataclass(frozen=True, slots=True)
class Storescp:
    """DCMTK's plain receiver: no index, no checks; a process for each association."""

    name: str = "storescp"
    ae_title: str = "STORESCP"
    associations_at_most: int = MANY

    def version(self) -> str | None:
        return _version("/usr/bin/storescp", r"storescp v(\S+)")

    def command(self, folder: Path, port: int, durability: Durability) -> Sequence[str]:  # noqa: ARG002 - it never syncs
        storage = folder / "storage"
        storage.mkdir()
        return ["/usr/bin/storescp", "--fork", "-aet", self.ae_title, "-od", str(storage), str(port)]

    def stored(self, folder: Path) -> int:
        return _files(folder / "storage")


@dataclass(frozen=True, slots=True)
class Qrscp:
    """The archive among pynetdicom's applications; it needs SQLAlchemy."""

    name: str = "qrscp"
    ae_title: str = "QRSCP"
    associations_at_most: int = MANY

    def version(self) -> str | None:
        return version("pynetdicom") if importlib.util.find_spec("sqlalchemy") else None

    def command(self, folder: Path, port: int, durability: Durability) -> Sequence[str]:  # noqa: ARG002 - it never syncs
        config = folder / "qrscp.ini"
        config.write_text(
            f"[DEFAULT]\nae_title: {self.ae_title}\nport: {port}\nmax_pdu: 16382\nacse_timeout: 30\ndimse_timeout: 30\n"
            f"network_timeout: 30\nbind_address: 127.0.0.1\ninstance_location: {folder / 'storage'}\n"
            f"database_location: {folder / 'instances.sqlite'}\nlog_identifier: False\n"
        )
        return [sys.executable, "-m", "pynetdicom", "qrscp", "--quiet", "--config", str(config)]

    def stored(self, folder: Path) -> int:
        return _files(folder / "storage")


@dataclass(frozen=True, slots=True)
class StockPynetdicom:
    """What pynetdicom's manual teaches; no index, no checks."""

    name: str = "pynetdicom"
    ae_title: str = "STOCK"
    associations_at_most: int = MANY

    def version(self) -> str | None:
        return version("pynetdicom")

    def command(self, folder: Path, port: int, durability: Durability) -> Sequence[str]:  # noqa: ARG002 - it never syncs
        storage = folder / "storage"
        storage.mkdir()
        return [sys.executable, "-m", "bench.stock_pynetdicom", str(port), str(storage)]

    def stored(self, folder: Path) -> int:
        return _files(folder / "storage")


@dataclass(frozen=True, slots=True)
class Sink:
    """The physical limit: socket to file, with fdatasync where the durability is full."""

    name: str = "sink"
    ae_title: str = "SINK"
    associations_at_most: int = MANY

    def version(self) -> str | None:
        return "C" if compiler() else "Python"

    def command(self, folder: Path, port: int, durability: Durability) -> Sequence[str]:
        storage = folder / "storage"
        storage.mkdir()
        arguments = [str(port), str(storage), "sync" if durability is Durability.FULL else "nosync"]
        if not (cc := compiler()):
            return [sys.executable, "-m", "bench.sink", *arguments]
        program = folder / "sink"
        subprocess.run([cc, "-O2", "-o", str(program), str(BENCH / "sink.c")], check=True)
        return [str(program), *arguments]

    def stored(self, folder: Path) -> int:
        return _files(folder / "storage")


NODE, ONE_WORKER, SINK = Node(), Node(workers=1), Sink()
RIVALS: tuple[Server, ...] = (Orthanc(), Dcmqrscp(), Storescp(), StockPynetdicom(), Qrscp())


# -- running --------------------------------------------------------------------------------------------------------------


class DidNotStartError(Exception):
    """A server ended, or did not answer a C-ECHO in time."""


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers."""

    server: Server
    pid: int
    address: Address
    folder: Path

    def stored(self) -> int:
        """How many instances it holds."""
        return self.server.stored(self.folder)


@contextmanager
def running(server: Server, folder: Path, durability: Durability, *, nagle: bool = False) -> Iterator[Running]:
    """``server`` with its data in ``folder``, which is made and removed again.

    Args:
        nagle: leave Nagle's algorithm on in DCMTK's programs, as they do by themselves.

    Raises:
        DidNotStartError: it did not.
    """
    folder.mkdir(parents=True)
    port = free_port()
    log = folder / "server.log"
    try:
        command = server.command(folder, port, durability)
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                cwd=PROJECT,
                env=dcmtk_environment(nagle=nagle),
            )
        try:
            address = Address(port, server.ae_title)
            _wait_until_ready(process, address, log)
            yield Running(server, process.pid, address, folder)
        finally:
            _stop(process)
    finally:
        _empty(folder)


def dcmtk_environment(*, nagle: bool) -> dict[str, str]:
    """The environment for DCMTK's programs; only this variable turns Nagle's algorithm off in them."""
    environment = {name: value for name, value in os.environ.items() if name != "TCP_NODELAY"}
    return environment if nagle else environment | {"TCP_NODELAY": "1"}


def _wait_until_ready(process: subprocess.Popen[bytes], address: Address, log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            echo(address)
        except (PeerRefusedError, OSError):
            time.sleep(0.02)
        else:
            return
    ended = process.poll()
    why = "did not answer" if ended is None else f"ended with {ended}"
    last_words = log.read_text(errors="replace").strip().rpartition("\n")[2]
    raise DidNotStartError(f"{why}: {last_words[-200:]}")


def _empty(folder: Path) -> None:
    """Give the space of all files back, and let their names stay until the whole run is over.

    ext4 does not give away an inode that was deleted in the last minutes, and looks at each of them again for each new file:
    what one server's data had been would slow down all that come after it.
    """
    for file in folder.rglob("*"):
        if file.is_file() and not file.is_symlink():
            os.truncate(file, 0)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOPPED_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def compiler() -> str | None:
    """The C compiler, where there is one."""
    return shutil.which("cc")


def _version(program: str, pattern: str) -> str | None:
    if not shutil.which(program):
        return None
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    found = re.search(pattern, done.stdout + done.stderr)
    return found.group(1) if found else None


def _files(folder: Path) -> int:
    return sum(1 for path in folder.rglob("*") if path.is_file())
