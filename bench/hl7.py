"""``python -m bench.hl7``: HL7 orders per second against full durability, beside what the disk allows."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import click

_MESSAGE = (
    "MSH|^~\\&|RIS|HOSPITAL|DICOMNODE|RADIOLOGY|20260105101500||ORM^O01|{n}|P|2.5.1||||||UNICODE UTF-8\r"
    "PID|||P{n}^^^HOSPITAL||DOE^JANE||19700203|F\rPV1||O|ER|||||77^WELBY^MARCUS\r"
    "ORC|NW|P{n}|F{n}||SC||^^^20991231110000^^R\r"
    "OBR||P{n}|F{n}|CTH^CT Head^L||||||||||||||A{n}|R{n}|S{n}||||CT\rZDS|1.2.3.{n}^RIS^Application^DICOM\r"
)
_PAGE_BYTES = 4096
_START_TIMEOUT_S = 60.0


@click.command()
@click.option("--seconds", type=click.FloatRange(0.5), default=5.0, show_default=True, help="Of each measurement.")
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True)
@click.option(
    "--data-folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    show_default=True,
    help="The disk.",
)
@click.option("--json", "as_json", is_flag=True)
def main(*, seconds: float, rounds: int, data_folder: Path, as_json: bool) -> None:
    """Send new orders over one and several connections, each as soon as the last is answered AA."""
    figures: dict[str, list[float]] = {}
    data_folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=data_folder) as scratch, _node(Path(scratch)) as port:
        numbers = count(1)
        for _ in range(rounds):
            figures.setdefault("disk", []).append(_syncs_per_s(Path(scratch), seconds))
            for connections in (1, 4, 16):
                rate = _messages_per_s(port, connections, seconds, numbers)
                figures.setdefault(f"{connections}", []).append(rate)
    medians = {name: statistics.median(rates) for name, rates in figures.items()}
    if as_json:
        click.echo(json.dumps(medians))
        return
    disk = medians.pop("disk")
    click.echo(f"{'disk: writes of 4 KiB with fdatasync':40} {disk:8.0f} /s")
    for name, rate in medians.items():
        click.echo(f"{f'orders over {name} connections':40} {rate:8.0f} /s  {rate / disk:6.2f} of the disk's")


@contextmanager
def _node(folder: Path) -> Iterator[int]:
    """A node with full durability; the port of its feed."""
    port, dicom = _free_port(), _free_port()
    mapping = folder / "mapping.yaml"
    mapping.write_text("step: {ScheduledStationAETitle: {from: OBR-24, values: {CT: CT1}}}\n")
    config = folder / "node.yaml"
    settings = {
        "data": "data",
        "listeners": [{"host": "127.0.0.1", "port": dicom}],
        "hl7": {"listeners": [{"host": "127.0.0.1", "port": port}], "mapping": "mapping.yaml"},
        "log": {"level": "warning"},
        "files": {"free_space_floor_bytes": 0},
    }
    config.write_text(json.dumps(settings))  # YAML holds JSON
    node = subprocess.Popen([sys.executable, "-m", "dicomnode", "serve", config], stdout=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield port
    finally:
        node.send_signal(signal.SIGTERM)
        node.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _wait_for(port: int) -> None:
    """Until the feed answers; the listener is there before its worker is."""
    deadline = time.monotonic() + _START_TIMEOUT_S
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=_START_TIMEOUT_S) as connected:
                connected.sendall(b"\x0bhello\x1c\r")
                if connected.recv(_PAGE_BYTES):
                    return
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise SystemExit("the node did not start")
        time.sleep(0.1)


def _messages_per_s(port: int, connections: int, seconds: float, numbers: Iterator[int]) -> float:
    done = [0] * connections
    failed: list[bytes] = []
    ends_at = time.monotonic() + seconds

    def send(index: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as connected:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while time.monotonic() < ends_at and not failed:
                connected.sendall(b"\x0b" + _MESSAGE.format(n=next(numbers)).encode() + b"\x1c\r")
                answer = connected.recv(_PAGE_BYTES)
                if not re.search(rb"\rMSA\|AA\|", answer):
                    failed.append(answer)
                    return
                done[index] += 1

    threads = [threading.Thread(target=send, args=(index,)) for index in range(connections)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise SystemExit(f"not accepted: {failed[0]!r}")
    return sum(done) / (time.monotonic() - began)


def _syncs_per_s(folder: Path, seconds: float) -> float:
    """What one writer that makes each of its records durable gets out of this disk."""
    descriptor = os.open(folder / "probe", os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, 64 << 20)
        os.fsync(descriptor)
        page, written = os.urandom(_PAGE_BYTES), 0
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            os.pwrite(descriptor, page, written * _PAGE_BYTES % (64 << 20))
            os.fdatasync(descriptor)
            written += 1
        return written / (time.monotonic() - began)
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    main()
