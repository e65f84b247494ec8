"""A listener that speaks TLS: who gets in, who does not, and that a client which says nothing costs only itself."""

from __future__ import annotations

import os
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from certificates import Authority, Credentials
from factories import ct, series, write
from raw_peer import A_ASSOCIATE_AC, A_ASSOCIATE_RQ, A_RELEASE_RP, RawPeer, association_request, pdu
from running_node import RunningNode, dcmtk, free_port, wait_for

HANDSHAKE_S = 2


@dataclass(frozen=True)
class TlsNode:
    """A node with a plain listener, one that speaks TLS, and one that wants to see a certificate too."""

    node: RunningNode
    server_only: int
    mutual: int
    authority: Path
    client: Credentials
    stranger: Credentials

    def storescu(self, port: int, *files: Path, options: tuple[str | Path, ...]) -> int:
        """Send files with DCMTK; its exit code."""
        return dcmtk("storescu", *options, "-aec", "DICOMNODE", "127.0.0.1", str(port), *files).returncode

    def echoscu(self, port: int, *options: str | Path) -> int:
        """DCMTK's C-ECHO; its exit code."""
        return dcmtk("echoscu", *options, "-aec", "DICOMNODE", "127.0.0.1", str(port)).returncode

    def known(self) -> tuple[str | Path, ...]:
        """DCMTK's options for a client with a certificate that the node trusts."""
        return ("+tls", self.client.key, self.client.certificate, "+cf", self.authority)

    def anonymous(self) -> tuple[str | Path, ...]:
        """DCMTK's options for a client without a certificate."""
        return ("+tla", "+cf", self.authority)

    def unknown(self) -> tuple[str | Path, ...]:
        """DCMTK's options for a client with a certificate of somebody else."""
        return ("+tls", self.stranger.key, self.stranger.certificate, "+cf", self.authority)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsNode]:
    """One node for all of them."""
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority(folder, "hospital")
    server, client = authority.issue("node"), authority.issue("scanner")
    stranger = Authority(folder, "elsewhere").issue("stranger")
    shown = {"certificate": str(server.certificate), "private_key": str(server.key)}
    plain, server_only, mutual = free_port(), free_port(), free_port()
    with RunningNode(
        folder / "node",
        listeners=[
            {"host": "127.0.0.1", "port": plain},
            {"host": "127.0.0.1", "port": server_only, "tls": shown},
            {"host": "127.0.0.1", "port": mutual, "tls": shown | {"trusted": str(authority.certificate)}},
        ],
        upper_layer={"tls_handshake_timeout_s": HANDSHAKE_S},
    ) as node:
        node.port = plain
        yield TlsNode(node, server_only, mutual, authority.certificate, client, stranger)


def test_client_without_certificate_echoes_and_stores_where_none_is_asked_for(tls: TlsNode, tmp_path: Path) -> None:
    kept = len(tls.node.files())
    assert tls.echoscu(tls.server_only, *tls.anonymous()) == 0
    assert tls.storescu(tls.server_only, write(ct(), tmp_path / "a.dcm"), options=tls.anonymous()) == 0
    assert len(tls.node.files()) == kept + 1


def test_client_with_a_trusted_certificate_echoes_and_stores(tls: TlsNode, tmp_path: Path) -> None:
    kept = len(tls.node.files())
    assert tls.echoscu(tls.mutual, *tls.known()) == 0
    assert tls.storescu(tls.mutual, *series(tmp_path / "s", 5), options=tls.known()) == 0
    assert len(tls.node.files()) == kept + 5


def test_log_says_that_an_association_speaks_tls(tls: TlsNode) -> None:
    assert tls.echoscu(tls.mutual, *tls.known(), "-aet", "SECURE") == 0
    assert tls.node.echoscu("-aet", "CLEAR").returncode == 0
    assert [event["tls"] for event in tls.node.events("association.accepted", calling_ae_title="SECURE")] == [True]
    assert [event["tls"] for event in tls.node.events("association.accepted", calling_ae_title="CLEAR")] == [False]


def test_client_without_certificate_is_refused_where_one_is_asked_for(tls: TlsNode) -> None:
    before = len(tls.node.events("association.accepted"))
    assert tls.echoscu(tls.mutual, *tls.anonymous()) != 0
    assert len(tls.node.events("association.accepted")) == before


def test_client_with_a_certificate_of_another_authority_is_refused(tls: TlsNode) -> None:
    before = len(tls.node.events("association.accepted"))
    assert tls.echoscu(tls.mutual, *tls.unknown()) != 0
    assert len(tls.node.events("association.accepted")) == before
    wait_for(
        lambda: [e for e in tls.node.events("association.aborted") if "CERTIFICATE_VERIFY_FAILED" in e["reason"]],
        what="the log to say why",
    )


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_versions_in_use_are_spoken(tls: TlsNode, version: ssl.TLSVersion) -> None:
    with secured(tls, tls.server_only, version=version) as peer:
        assert peer.associate() == A_ASSOCIATE_AC
        assert peer.release() == A_RELEASE_RP


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_retired_version_is_refused(tls: TlsNode) -> None:
    context = client_context(tls)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection(("127.0.0.1", tls.server_only), 10) as plain,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        context.wrap_socket(plain)


def test_released_association_ends_with_a_close_notify(tls: TlsNode) -> None:
    with secured(tls, tls.server_only) as peer:
        assert peer.associate() == A_ASSOCIATE_AC
        assert peer.release() == A_RELEASE_RP
        assert peer.socket.recv(1) == b""  # raises when the end is not authentic: suppress_ragged_eofs is off


def test_silent_client_costs_only_itself(tls: TlsNode) -> None:
    started = time.monotonic()
    silent = [socket.create_connection(("127.0.0.1", port), 30) for port in (tls.server_only, tls.mutual) * 4]
    assert tls.echoscu(tls.mutual, *tls.known()) == 0
    assert tls.echoscu(tls.server_only, *tls.anonymous()) == 0
    assert time.monotonic() - started < HANDSHAKE_S
    for connection in silent:
        assert connection.recv(1) == b""
        connection.close()
    assert time.monotonic() - started < 2 * HANDSHAKE_S


def test_half_a_client_hello_ends_in_time(tls: TlsNode) -> None:
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", tls.server_only), 30) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00")
        assert ended(connection)
    assert time.monotonic() - started < 2 * HANDSHAKE_S


def test_silence_after_the_handshake_ends_in_time(tls: TlsNode, tmp_path: Path) -> None:
    listener = tls.node.settings["listeners"][1] | {"port": free_port()}
    with (
        RunningNode(tmp_path / "node", listeners=[listener], upper_layer={"association_request_timeout_s": 1}) as other,
        secured(tls, listener["port"]) as peer,
    ):
        assert peer.ended() == (0, b"")
        assert len(other.events("association.accepted")) == 0


def test_plain_client_on_the_tls_port_ends_quickly(tls: TlsNode) -> None:
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", tls.server_only), 30) as connection:
        connection.sendall(pdu(A_ASSOCIATE_RQ, association_request()))
        assert ended(connection)
    assert time.monotonic() - started < HANDSHAKE_S / 2


def test_tls_client_on_the_plain_port_ends_quickly(tls: TlsNode) -> None:
    started = time.monotonic()
    assert tls.echoscu(tls.node.port, *tls.anonymous()) != 0
    assert time.monotonic() - started < HANDSHAKE_S


def test_client_that_vanishes_in_the_middle_of_an_instance_leaves_nothing(tls: TlsNode) -> None:
    kept = len(tls.node.files())
    with secured(tls, tls.server_only) as peer:
        assert peer.associate() == A_ASSOCIATE_AC
        peer.begin_store(bytes(10_000_000))
    wait_for(lambda: tls.node.unfinished() == [], what="the partial file to go")
    assert len(tls.node.files()) == kept
    assert tls.echoscu(tls.server_only, *tls.anonymous()) == 0


def test_a_worker_carries_at_least_fifty_megabytes_a_second(tls: TlsNode, tmp_path: Path) -> None:
    files = series(tmp_path / "big", 20, rows=2048, columns=2048)
    size = sum(file.stat().st_size for file in files)
    before = processor_s(tls.node)
    assert tls.storescu(tls.server_only, *files, options=(*tls.anonymous(), "--max-send-pdu", "131072")) == 0
    assert size / (processor_s(tls.node) - before) > 50e6


def processor_s(node: RunningNode) -> float:
    """Processor time that the workers have used (proc_pid_stat(5): utime and stime); who else is busy does not count."""
    stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split() for pid in node.workers()]
    return sum(int(stat[11]) + int(stat[12]) for stat in stats) / os.sysconf("SC_CLK_TCK")


def client_context(tls: TlsNode) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(tls.authority))
    context.check_hostname = False
    return context


def secured(tls: TlsNode, port: int, *, version: ssl.TLSVersion | None = None) -> RawPeer:
    """A raw peer under TLS, which trusts the node."""
    context = client_context(tls)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    peer = RawPeer(port)
    peer.socket = context.wrap_socket(peer.socket, suppress_ragged_eofs=False)
    return peer


def ended(connection: socket.socket) -> bool:
    """Read until the other side has closed, in whichever way."""
    try:
        while connection.recv(4096):
            pass
    except ConnectionError:
        pass
    return True
