"""Sending to pynetdicom's own server: every instance gets exactly one outcome, whatever the peer does."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    MRImageStorage,
    generate_uid,
)
from pynetdicom import AE, AllStoragePresentationContexts, evt

from dicomnode.dicom.outgoing import MoveOriginator, OutgoingInstance
from dicomnode.dicom.peer import PeerSettings
from dicomnode.errors import BusyError, DatasetError, PeerError, TranscodingError
from dicomnode.scu.settings import ScuSettings
from dicomnode.scu.storage import Sent, StorageSCU, Transcode

SOON_S = 10.0


@dataclass
class Server:
    """A stock server, and what it saw."""

    answer: Callable[[evt.Event], int] = lambda _: 0
    port: int = 0
    associations: int = 0
    rejected: int = 0
    datasets: dict[str, bytes] = field(default_factory=dict)
    requests: list[Any] = field(default_factory=list)
    contexts: list[tuple[str, str]] = field(default_factory=list)
    """SOP Class and transfer syntax in which each instance came."""

    def reject(self, _: evt.Event) -> None:
        self.rejected += 1

    def accepted(self, _: evt.Event) -> None:
        self.associations += 1

    def store(self, event: evt.Event) -> int:
        status = self.answer(event)
        if event.assoc.is_established:
            self.requests.append(event.request)
            self.contexts.append((event.context.abstract_syntax, event.context.transfer_syntax))
            self.datasets[event.request.AffectedSOPInstanceUID] = event.request.DataSet.getvalue()
        return status


def wait_for(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + SOON_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.01)


Serve = Callable[..., Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server for (SOP Class, transfer syntaxes); it ends with the test."""
    running = []

    def start(
        contexts: Sequence[tuple[str, Sequence[str]]] = ((CTImageStorage, (ExplicitVRLittleEndian,)),),
        answer: Callable[[evt.Event], int] = lambda _: 0,
        maximum_associations: int = 10,
    ) -> Server:
        server = Server(answer)
        entity = AE("PEER")
        entity.maximum_associations = maximum_associations
        for sop_class, syntaxes in contexts:
            entity.add_supported_context(sop_class, list(syntaxes))
        listener = entity.start_server(
            ("127.0.0.1", 0),
            block=False,
            evt_handlers=[
                (evt.EVT_ACCEPTED, server.accepted),
                (evt.EVT_REJECTED, server.reject),
                (evt.EVT_C_STORE, server.store),
            ],
        )
        assert listener is not None
        running.append(listener)
        server.port = listener.socket.getsockname()[1]
        return server

    yield start
    for listener in running:
        listener.shutdown()


def scu(port: int, transcode: Transcode | None = None, **timeouts: float) -> StorageSCU:
    peer = PeerSettings(ae_title="PEER", host="127.0.0.1", port=port)
    settings = ScuSettings(**({"answer_timeout_s": SOON_S} | timeouts))
    return StorageSCU(peer, calling_ae_title="NODE", settings=settings, transcode=transcode)


def instance(
    dataset: bytes | Exception = b"\x08\x00\x60\x00CS\x02\x00CT",
    sop_class: str = CTImageStorage,
    syntax: str = ExplicitVRLittleEndian,
    uid: str = "",
) -> OutgoingInstance:
    def opened() -> memoryview:
        if isinstance(dataset, Exception):
            raise dataset
        return memoryview(dataset)

    return OutgoingInstance(sop_class, uid or generate_uid(), syntax, opened)


def statuses(sent: Sequence[Sent]) -> list[int | None]:
    return [one.status for one in sent]


def abort(event: evt.Event) -> int:
    event.assoc.abort()
    return 0


# -- what arrives ------------------------------------------------------------------------------------------------------


def test_instances_arrive_byte_for_byte_and_in_order(serve: Serve) -> None:
    server = serve()
    contents = [bytes(range(256)) * size for size in (1, 64, 4096, 40_000)]
    instances = [instance(content) for content in contents]
    sent = list(scu(server.port).send(instances))
    assert [(one.instance, one.status, one.reason) for one in sent] == [(one, 0, "") for one in instances]
    assert list(server.datasets.items()) == [
        (one.sop_instance_uid, content) for one, content in zip(instances, contents, strict=True)
    ]
    assert server.associations == 1


def test_peer_learns_who_asked_by_c_move(serve: Serve) -> None:
    server = serve()
    list(scu(server.port).send([instance()], originator=MoveOriginator("STATION", 4711)))
    [request] = server.requests
    assert (request.MoveOriginatorApplicationEntityTitle, request.MoveOriginatorMessageID) == ("STATION", 4711)


def test_nothing_to_send_needs_no_association(serve: Serve) -> None:
    server = serve()
    assert list(scu(server.port).send([])) == []
    assert server.associations == 0


def test_more_contexts_than_one_association_has(serve: Serve) -> None:
    classes = [str(context.abstract_syntax) for context in AllStoragePresentationContexts[:150]]
    assert len(classes) == 150
    server = serve([(uid, (ExplicitVRLittleEndian,)) for uid in classes])
    sent = list(scu(server.port).send([instance(sop_class=uid) for uid in classes]))
    assert statuses(sent) == [0] * 150
    assert [context[0] for context in server.contexts] == classes
    assert server.associations == 3


@pytest.mark.parametrize("status", [0xA700, 0xB000, 0xC123, 0x0122])
def test_status_is_told_as_it_is_and_the_rest_goes_on(serve: Serve, status: int) -> None:
    answers = iter([0, status, 0])
    server = serve(answer=lambda _: next(answers))
    sent = list(scu(server.port).send([instance(), instance(), instance()]))
    assert statuses(sent) == [0, status, 0]
    assert f"{status:#06x}" in sent[1].reason


# -- transfer syntaxes ---------------------------------------------------------------------------------------------------


def test_stored_syntax_goes_as_it_is_though_another_is_accepted_too(serve: Serve) -> None:
    server = serve([(CTImageStorage, (ExplicitVRLittleEndian, JPEG2000Lossless))])
    [sent] = scu(server.port).send([instance(syntax=JPEG2000Lossless)])
    assert sent.status == 0
    assert server.contexts == [(CTImageStorage, JPEG2000Lossless)]


def test_other_syntax_is_transcoded_to_what_the_peer_takes(serve: Serve) -> None:
    asked: list[tuple[bytes, str, list[str]]] = []

    def transcode(dataset: memoryview, syntax: str, wanted: Sequence[str]) -> tuple[str, memoryview]:
        asked.append((bytes(dataset), syntax, list(wanted)))
        return wanted[0], memoryview(b"plain pixels")

    server = serve([(CTImageStorage, (ImplicitVRLittleEndian,))])
    one = instance(b"compressed", syntax=JPEG2000Lossless)
    [sent] = scu(server.port, transcode).send([one])
    assert sent.status == 0
    assert asked == [(b"compressed", JPEG2000Lossless, [ImplicitVRLittleEndian])]
    assert server.contexts == [(CTImageStorage, ImplicitVRLittleEndian)]
    assert server.datasets == {one.sop_instance_uid: b"plain pixels"}


def test_without_transcoding_it_fails_and_the_rest_goes_on(serve: Serve) -> None:
    server = serve()
    sent = list(scu(server.port).send([instance(syntax=JPEG2000Lossless), instance()]))
    assert statuses(sent) == [None, 0]
    assert sent[0].reason == "peer does not take JPEG 2000 Image Compression (Lossless Only)"


# -- what fails ----------------------------------------------------------------------------------------------------------


def refuse_to_transcode(dataset: memoryview, syntax: str, wanted: Sequence[str]) -> tuple[str, memoryview]:
    raise TranscodingError("pixels are corrupt")


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (instance(DatasetError("cannot be read: Input/output error", 0)), "cannot be read: Input/output error"),
        (instance(b""), "data set is empty"),
        (instance(syntax=JPEG2000Lossless), "pixels are corrupt"),
        (instance(sop_class=MRImageStorage), f"peer does not take SOP Class {MRImageStorage}"),
        (instance(sop_class="CT Image Storage"), "peer does not take SOP Class CT Image Storage"),
        (instance(uid="1.2." + "3" * 70), "SOP Instance UID is missing, or is no UID"),
    ],
    ids=["unreadable", "empty", "not transcoded", "class refused", "class is no UID", "too long a UID"],
)
def test_instance_that_cannot_be_sent_stops_nothing(serve: Serve, bad: OutgoingInstance, reason: str) -> None:
    server = serve()
    sent = list(scu(server.port, refuse_to_transcode).send([instance(), bad, instance()]))
    assert statuses(sent) == [0, None, 0]
    assert reason in sent[1].reason
    assert server.associations == 1


def test_peer_that_takes_nothing_of_it(serve: Serve) -> None:
    server = serve([(MRImageStorage, (ExplicitVRLittleEndian,))])
    sent = list(scu(server.port).send([instance(), instance()]))
    assert statuses(sent) == [None, None]
    assert {one.reason for one in sent} == {f"peer does not take SOP Class {CTImageStorage}"}


def test_lost_association_is_made_again_for_what_is_left(serve: Serve) -> None:
    failures = iter([False, False, True])
    server = serve(answer=lambda event: abort(event) if next(failures, False) else 0)
    instances = [instance() for _ in range(6)]
    sent = list(scu(server.port).send(instances))
    assert [one.instance for one in sent] == instances
    assert statuses(sent) == [0] * 6
    assert list(server.datasets) == [one.sop_instance_uid for one in instances]
    assert server.associations == 2


def test_instances_that_the_peer_aborts_at_cost_only_themselves(serve: Serve) -> None:
    poison = {generate_uid() for _ in range(4)}
    server = serve(answer=lambda event: abort(event) if event.request.AffectedSOPInstanceUID in poison else 0)
    instances = [instance(), *(instance(uid=uid) for uid in sorted(poison)), instance(), instance()]
    sent = list(scu(server.port).send(instances))
    assert [one.instance for one in sent] == instances
    assert statuses(sent) == [0, None, None, None, None, 0, 0]
    assert "association lost" in sent[1].reason


def test_peer_that_aborts_always_is_given_up(serve: Serve) -> None:
    server = serve(answer=abort)
    sent = list(scu(server.port).send([instance() for _ in range(100)]))
    assert statuses(sent) == [None] * 100
    assert server.associations == 20


@pytest.fixture
def stuck() -> Iterator[tuple[int, threading.Event]]:
    """A peer that accepts associations and takes instances, but answers none; and what it waits for."""
    release = threading.Event()

    def wait(_: evt.Event) -> int:
        release.wait(60)
        return 0

    entity = AE("PEER")
    entity.add_supported_context(CTImageStorage, ExplicitVRLittleEndian)
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, wait)])
    assert server is not None
    yield server.socket.getsockname()[1], release
    release.set()
    server.shutdown()


def test_peer_that_answers_nothing_is_given_up(stuck: tuple[int, threading.Event]) -> None:
    began = time.monotonic()
    sent = list(scu(stuck[0], answer_timeout_s=0.5).send([instance() for _ in range(50)]))
    assert statuses(sent) == [None] * 50
    assert sent[0].reason == "association lost: no answer within 0.5 s"
    assert time.monotonic() - began < SOON_S


def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(PeerError, match="Connection refused"):
            next(scu(taken.getsockname()[1]).send([instance()]))


def test_busy_peer_is_asked_again(serve: Serve) -> None:
    """As one that has room for a single association, and has not let go of the one before yet."""
    server = serve(maximum_associations=1)
    outcomes = scu(server.port).send([instance(), instance()])
    assert next(outcomes).status == 0
    waiting: list[Sent] = []
    other = threading.Thread(target=lambda: waiting.extend(scu(server.port).send([instance()])))
    other.start()
    wait_for(lambda: server.rejected, "the peer to reject the other one")
    assert statuses(list(outcomes)) == [0]
    other.join(SOON_S)
    assert statuses(waiting) == [0]


def test_peer_that_stays_busy_is_an_error(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dicomnode.scu.storage._PAUSE_S", 0.01)
    server = serve(maximum_associations=1)
    outcomes = scu(server.port).send([instance(), instance()])
    assert next(outcomes).status == 0
    with pytest.raises(BusyError, match="association rejected by PEER"):
        next(scu(server.port).send([instance()]))


def test_peer_that_goes_away_midway(serve: Serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as relay:
        server = serve()
        thread = threading.Thread(target=_relay_one, args=(relay, server.port))
        thread.start()
        sent = list(scu(relay.getsockname()[1]).send([instance(bytes(100_000)) for _ in range(20)]))
        thread.join()
    answered = sum(one.status == 0 for one in sent)
    assert [one.status for one in sent] == [0] * answered + [None] * (20 - answered)
    assert len(server.datasets) - answered in (0, 1)  # the answer to the last one may have been on its way
    assert 0 < len(server.datasets) < 20
    assert "no connection to PEER" in sent[-1].reason


def _relay_one(relay: socket.socket, port: int) -> None:
    """Pass one connection on, cut it after a megabyte, and listen no more."""
    client, _ = relay.accept()
    relay.close()
    with client, socket.create_connection(("127.0.0.1", port)) as server:
        back = threading.Thread(target=_pass_on, args=(server, client, 1 << 40))
        back.start()
        _pass_on(client, server, 1_000_000)
        for end in (client, server):
            end.shutdown(socket.SHUT_RDWR)
        back.join()


def _pass_on(source: socket.socket, target: socket.socket, limit: int) -> None:
    try:
        while limit > 0 and (data := source.recv(16384)):
            target.sendall(data)
            limit -= len(data)
    except OSError:
        pass


# -- asked to stop -------------------------------------------------------------------------------------------------------


def test_stop_ends_the_outcomes_between_two_instances(serve: Serve) -> None:
    server = serve()
    sent: list[Sent] = []
    for one in scu(server.port).send([instance() for _ in range(5)], stop=lambda: len(sent) == 2):
        sent.append(one)  # noqa: PERF402 - `stop` looks at it
    assert statuses(sent) == [0, 0]
    assert len(server.datasets) == 2


def test_outcomes_that_nobody_wants_any_more_release_the_association(serve: Serve) -> None:
    server = serve()
    outcomes = scu(server.port).send([instance() for _ in range(5)])
    assert next(outcomes).status == 0
    outcomes.close()  # type: ignore[attr-defined]  # a generator's
    assert len(server.datasets) == 1
