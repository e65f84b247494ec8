"""A whole node in this process, and destinations."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from integration.retrieve.retrieving import Destination, Destine, Node, Serve
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, evt
from structlog.testing import capture_logs

from dicomnode.config import Config
from dicomnode.files import Files
from dicomnode.index import Durability, Index
from dicomnode.limits import NodeTable
from dicomnode.node import application_entity
from dicomnode.prepare import FILES_NAME
from dicomnode.scp.presentation_contexts import ContextPolicy
from dicomnode.upper_layer import Acceptor


@pytest.fixture
def destination() -> Iterator[Destine]:
    """Starts Storage SCPs."""
    with_servers: list[Any] = []

    def start(
        answers: Mapping[int, int | str] | None = None,
        *,
        syntaxes: Sequence[str] = (ExplicitVRLittleEndian, ImplicitVRLittleEndian),
        sop_classes: Sequence[str] = (CTImageStorage,),
        maximum_associations: int = 10,
    ) -> Destination:
        ae = AE("DEST")
        ae.maximum_associations = maximum_associations
        for uid in sop_classes:
            ae.add_supported_context(uid, list(syntaxes))
        it = Destination(0, answers or {})

        def count(event: evt.Event) -> None:
            it.associations += 1

        server = ae.start_server(
            ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, it.store), (evt.EVT_ESTABLISHED, count)]
        )
        it.port = server.server_address[1]
        with_servers.append((it, server))
        return it

    yield start
    for it, server in with_servers:
        it.permits.release(1000)
        server.shutdown()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts a node with a configuration; one for each test."""
    ended = threading.Event()
    running: list[tuple[threading.Thread, Acceptor, Files, Index]] = []

    def start(destination: Destination | None = None, peer: Mapping[str, Any] | None = None, **settings: Any) -> Node:
        peers = {"ws": {"ae_title": "PEER", "host": "127.0.0.1", "port": 1}} | settings.pop("peers", {})
        if destination is not None:
            peers["dest"] = {"ae_title": "DEST", "host": "127.0.0.1", "port": destination.port} | dict(peer or {})
        config = Config.model_validate({"peers": peers, "retrieve": {"pending_interval_s": 0}} | settings)
        files = Files(tmp_path / "data" / FILES_NAME, "test", config.files, durable=False)
        index = Index(tmp_path / "data", config.index, durability=Durability.FAST)
        index.prepare()
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        acceptor = Acceptor(
            listener,
            ae=AE("DICOMNODE"),
            operations=application_entity(config, files, index, NodeTable.create(1).place(0)),
            policy=ContextPolicy(config.presentation_contexts),
            settings=config.upper_layer,
        )

        def accept() -> None:
            poll = select.poll()
            poll.register(acceptor)
            while not ended.is_set():
                if poll.poll(50):
                    acceptor.accept()

        thread = threading.Thread(target=accept)
        thread.start()
        running.append((thread, acceptor, files, index))
        return Node(listener.getsockname()[1], tmp_path / "data" / FILES_NAME)

    yield start
    ended.set()
    for thread, acceptor, files, index in running:
        thread.join()
        acceptor.abort(5)
        acceptor.stop()
        index.close()
        files.close()


@pytest.fixture
def log() -> Iterator[list[Any]]:
    """The log's lines."""
    with capture_logs() as lines:
        yield lines
