"""``dicomnode echo`` against real peers on the loopback interface."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pynetdicom import AE, evt
from pynetdicom.sop_class import CTImageStorage, Verification

from dicomnode.cli import commands

REFUSED = 0x0122
"""SOP Class not supported (PS3.7 Section C.5.6)."""


def serve(sop_class: str, status: int = 0x0000) -> Iterator[int]:
    entity = AE("PEER")
    entity.add_supported_context(sop_class)
    entity.require_called_aet = True
    entity.require_calling_aet = ["DICOMNODE", "TEST"]
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_ECHO, lambda _: status)])
    assert server is not None
    yield server.socket.getsockname()[1]
    server.shutdown()


@pytest.fixture
def port() -> Iterator[int]:
    """A peer named PEER that answers C-ECHO with Success."""
    yield from serve(Verification)


def echo(tmp_path: Path, *arguments: str, config: str = "") -> Result:
    path = tmp_path / "node.yaml"
    path.write_text(config)
    return CliRunner().invoke(commands, ["echo", "--config", str(path), "--timeout", "5", *arguments])


def test_peer_by_its_address(tmp_path: Path, port: int) -> None:
    done = echo(tmp_path, f"PEER@127.0.0.1:{port}")
    assert done.exit_code == 0
    assert "0x0000" in done.stdout


def test_peer_by_its_name(tmp_path: Path, port: int) -> None:
    peers = f"peers: {{archive: {{ae_title: PEER, host: localhost, port: {port}}}}}"
    done = echo(tmp_path, "archive", "--json", config=peers)
    assert done.exit_code == 0
    answer = json.loads(done.stdout)
    assert (answer["peer"], answer["status"]) == ("archive", 0)
    assert answer["duration_ms"] > 0


def test_calls_by_the_nodes_own_title_or_another(tmp_path: Path, port: int) -> None:
    assert echo(tmp_path, f"PEER@127.0.0.1:{port}", "--calling", "TEST").exit_code == 0
    done = echo(tmp_path, f"PEER@127.0.0.1:{port}", config="ae_titles: [STRANGER]")
    assert done.exit_code == 1
    assert "Calling AE title not recognised" in done.stderr


def test_peer_with_another_title(tmp_path: Path, port: int) -> None:
    done = echo(tmp_path, f"NOBODY@127.0.0.1:{port}")
    assert done.exit_code == 1
    assert "Called AE title not recognised" in done.stderr
    assert done.stdout == ""


def test_peer_that_answers_a_failure(tmp_path: Path) -> None:
    for port in serve(Verification, REFUSED):
        done = echo(tmp_path, f"PEER@127.0.0.1:{port}", "--json")
        assert done.exit_code == 1
        assert json.loads(done.stdout)["status"] == REFUSED


def test_peer_without_verification(tmp_path: Path) -> None:
    for port in serve(CTImageStorage):
        done = echo(tmp_path, f"PEER@127.0.0.1:{port}")
        assert done.exit_code == 1
        assert "Verification not accepted" in done.stderr


def test_nobody_listens(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but not listening
        done = echo(tmp_path, f"PEER@127.0.0.1:{taken.getsockname()[1]}")
    assert done.exit_code == 1
    assert "Connection refused" in done.stderr


def test_peer_that_stays_silent(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        done = echo(tmp_path, f"PEER@127.0.0.1:{silent.getsockname()[1]}", "--timeout", "0.5")
    assert done.exit_code == 1
    assert "not answered within 0.5 s" in done.stderr


def test_peer_whose_host_has_no_address(tmp_path: Path) -> None:
    done = echo(tmp_path, "PEER@nowhere.invalid:104")
    assert done.exit_code == 1
    assert "no address for host nowhere.invalid" in done.stderr


def test_peer_that_may_be_anywhere_cannot_be_called(tmp_path: Path) -> None:
    done = echo(tmp_path, "ct1", config="peers: {ct1: {ae_title: CT1}}")
    assert done.exit_code == 1
    assert "no host is configured" in done.stderr


@pytest.mark.parametrize(
    ("peer", "words"),
    [
        ("ct2", "did you mean ct1?"),
        ("PEER@127.0.0.1", "no AET@HOST:PORT"),
        ("PEER@127.0.0.1:0", "port: expected at least 1"),
        ("TITLE_MUCH_TOO_LONG@127.0.0.1:104", "at most 16 characters"),
    ],
)
def test_wrong_usage_is_told_from_a_peer_that_is_away(tmp_path: Path, peer: str, words: str) -> None:
    done = echo(tmp_path, peer, config="peers: {ct1: {ae_title: CT1}}")
    assert done.exit_code == 2
    assert words in done.stderr


def test_address_without_a_port_is_no_address(tmp_path: Path) -> None:
    done = echo(tmp_path, "PEER@localhost")
    assert done.exit_code == 2
    assert "PEER@localhost is no AET@HOST:PORT: no port is named" in " ".join(done.stderr.split())
