"""As requestor: pynetdicom's calls work as over its own association, and every wait for a peer ends."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from factories import ct
from integration.upper_layer.stock_peer import COMMITMENT, FIND, GET, MOVE, MPPS
from pydicom import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE, build_context, build_role, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    Verification,
)

from dicomnode.errors import PeerError
from dicomnode.upper_layer import UpperLayerSettings
from dicomnode.upper_layer.associating import associate
from dicomnode.upper_layer.operations import NormalizedAnswer, NormalizedRequest
from dicomnode.upper_layer.requestor import Deadlines, RequestedAssociation

PATIENT = Deadlines(10, 10, 10)
HASTY = Deadlines(0.5, 0.5, 0.5)
SOON_S = 5.0
"""Much longer than HASTY asks for, much shorter than the defaults."""

Peer = Callable[..., int]


def call(
    port: int, *abstract_syntaxes: str, deadlines: Deadlines = PATIENT, host: str = "127.0.0.1", **options: Any
) -> RequestedAssociation:
    return associate(
        AE("NODE"),
        (host, port),
        called_ae_title="PEER",
        contexts=[build_context(uid, ExplicitVRLittleEndian) for uid in abstract_syntaxes or (Verification,)],
        settings=UpperLayerSettings(),
        deadlines=deadlines,
        **options,
    )


def identifier(**keys: str) -> Dataset:
    dataset = Dataset()
    for keyword, value in ({"QueryRetrieveLevel": "STUDY"} | keys).items():
        setattr(dataset, keyword, value)
    return dataset


@pytest.fixture
def stock() -> Iterator[Peer]:
    """Starts pynetdicom's own server with these event handlers; its port."""
    servers = []

    def start(evt_handlers: Any = (), **options: Any) -> int:
        ae = AE("PEER")
        for name, value in options.items():
            setattr(ae, name, value)
        for uid in (Verification, CTImageStorage, FIND, MOVE, GET, MPPS, COMMITMENT):
            ae.add_supported_context(uid, ExplicitVRLittleEndian, scu_role=True, scp_role=True)
        servers.append(ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=list(evt_handlers)))
        return int(servers[-1].socket.getsockname()[1])

    yield start
    for server in servers:
        server.shutdown()


# -- services ------------------------------------------------------------------------------------------------------------


def test_echo_then_release(stock: Peer) -> None:
    released = threading.Event()
    association = call(stock([(evt.EVT_RELEASED, lambda _: released.set())]))
    assert [association.send_c_echo().Status for _ in range(3)] == [0, 0, 0]
    association.release()
    assert (association.is_released, association.is_established) == (True, False)
    assert released.wait(SOON_S)


def test_no_thread_is_left_or_used(stock: Peer) -> None:
    port = stock()
    before = {thread for thread in threading.enumerate() if type(thread) is not threading.Thread}
    association = call(port)
    assert association.send_c_echo().Status == 0
    assert association not in threading.enumerate()
    assert association.dul not in threading.enumerate()
    assert association not in before
    association.release()


def test_instance_arrives_byte_for_byte(stock: Peer) -> None:
    stored: list[bytes] = []

    def keep(event: evt.Event) -> int:
        stored.append(event.request.DataSet.getvalue())
        return 0

    association = call(stock([(evt.EVT_C_STORE, keep)]), CTImageStorage)
    instance = ct(rows=512, columns=512)
    assert association.send_c_store(instance).Status == 0
    association.release()
    assert stored[0].endswith(instance.PixelData)


def test_find_yields_each_match(stock: Peer) -> None:
    def answer(_: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        for number in range(300):
            yield 0xFF00, identifier(PatientID=str(number))
        yield 0x0000, None

    association = call(stock([(evt.EVT_C_FIND, answer)]), FIND)
    matches = [match for status, match in association.send_c_find(identifier(), FIND) if status.Status == 0xFF00]
    association.release()
    assert [match.PatientID for match in matches if match] == [str(number) for number in range(300)]


def test_find_can_be_cancelled(stock: Peer) -> None:
    never = threading.Event()

    def answer(event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        yield 0xFF00, identifier(PatientID="1")
        for _ in range(3000):  # pynetdicom reads nothing while it has something to send
            if event.is_cancelled:
                yield 0xFE00, None
                return
            never.wait(0.01)
        yield 0x0000, None

    association = call(stock([(evt.EVT_C_FIND, answer)]), FIND)
    responses = association.send_c_find(identifier(), FIND)
    next(responses)
    association.send_c_cancel(1, query_model=FIND)
    assert [status.Status for status, _ in responses][-1] == 0xFE00
    association.release()


def test_get_brings_instances_over_the_same_association(stock: Peer) -> None:
    sent = [ct() for _ in range(3)]
    came: list[str] = []

    def give(_: evt.Event) -> Iterator[Any]:
        yield len(sent)
        for instance in sent:
            yield 0xFF00, instance

    def take(event: evt.Event) -> int:
        came.append(event.dataset.SOPInstanceUID)
        return 0

    association = call(
        stock([(evt.EVT_C_GET, give)]),
        GET,
        CTImageStorage,
        extended_negotiation=[build_role(CTImageStorage, scp_role=True)],
        evt_handlers=[(evt.EVT_C_STORE, take)],
    )
    *_, (final, _) = association.send_c_get(identifier(StudyInstanceUID="1.2"), GET)
    association.release()
    assert (final.Status, final.NumberOfCompletedSuboperations) == (0, 3)
    assert came == [instance.SOPInstanceUID for instance in sent]


def test_performed_procedure_step_is_created_and_set(stock: Peer) -> None:
    handlers = [
        (evt.EVT_N_CREATE, lambda e: (0, e.attribute_list)),
        (evt.EVT_N_SET, lambda e: (0, e.modification_list)),
    ]
    association = call(stock(handlers), MPPS)
    step = Dataset()
    step.PerformedProcedureStepStatus = "IN PROGRESS"
    uid = generate_uid()
    assert association.send_n_create(step, MPPS, uid)[0].Status == 0
    assert association.send_n_set(step, MPPS, uid)[0].Status == 0
    association.release()


def test_report_of_commitment_that_comes_before_the_answer_is_served(stock: Peer) -> None:
    reported: list[int] = []

    def act(event: evt.Event) -> tuple[int, None]:
        uid = event.request.RequestedSOPInstanceUID
        event.assoc.send_n_event_report(identifier(), 1, COMMITMENT, uid)
        return 0, None

    def report(request: NormalizedRequest) -> NormalizedAnswer:
        reported.append(request.type_id or 0)
        return NormalizedAnswer(0)

    association = call(stock([(evt.EVT_N_ACTION, act)]), COMMITMENT, reports=report)
    assert association.send_n_action(identifier(), 1, COMMITMENT, "1.2.840.10008.1.20.1.1")[0].Status == 0
    assert reported == [1]
    association.release()


def test_proposed_contexts_stay_as_they_are(stock: Peer) -> None:
    port = stock()
    shared = [
        build_context(Verification, ExplicitVRLittleEndian),
        build_context(CTImageStorage, ExplicitVRLittleEndian),
    ]
    for _ in range(2):
        association = associate(
            AE("NODE"),
            ("127.0.0.1", port),
            called_ae_title="PEER",
            contexts=shared,
            settings=UpperLayerSettings(),
            deadlines=PATIENT,
            extended_negotiation=[build_role(CTImageStorage, scp_role=True, scu_role=True)],
        )
        assert [context.context_id for context in association.accepted_contexts] == [1, 3]
        association.release()
    assert [(context.context_id, context.scp_role) for context in shared] == [(None, None), (None, None)]


def test_peer_of_our_own_kind(listen: Any) -> None:
    association = call(listen().port, CTImageStorage, Verification)
    assert (association.send_c_echo().Status, association.send_c_store(ct()).Status) == (0, 0)
    association.release()


def test_peer_that_speaks_tls(tls_contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    theirs, ours = tls_contexts
    ae = AE("PEER")
    ae.add_supported_context(Verification, ExplicitVRLittleEndian)
    server = ae.start_server(("127.0.0.1", 0), block=False, ssl_context=theirs)
    port = server.socket.getsockname()[1]
    try:
        association = call(port, host="localhost", tls=ours)
        assert association.send_c_echo().Status == 0
        association.release()
        with pytest.raises(PeerError, match=r"no TLS with PEER at 127\.0\.0\.1"):  # its certificate is for localhost
            call(port, tls=ours)
    finally:
        server.shutdown()


def test_silence_instead_of_a_tls_handshake_is_given_up_in_time(
    tls_contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    heard: list[bytes] = []
    started = time.monotonic()
    with (
        raw_peer(lambda connected: heard.append(until_closed(connected))) as port,
        pytest.raises(PeerError, match="no TLS"),
    ):
        call(port, deadlines=HASTY, tls=tls_contexts[1])
    assert time.monotonic() - started < SOON_S


# -- refusals --------------------------------------------------------------------------------------------------------------


def test_rejection_says_why(stock: Peer) -> None:
    with pytest.raises(PeerError, match=r"association rejected by PEER at .*Called AE title not recognised"):
        call(stock(require_called_aet=True, ae_title="OTHER"))


def test_no_accepted_context_is_an_error(stock: Peer) -> None:
    with pytest.raises(PeerError, match="no presentation context accepted"):
        call(stock(), "1.2.3.4")


def test_closed_port_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(PeerError, match=r"no connection to PEER at .*refused"):
        call(port)


def test_unknown_host_is_an_error() -> None:
    with pytest.raises(PeerError, match="no address for host"):
        associate(
            AE("NODE"),
            ("no-such-host.invalid", 104),
            called_ae_title="PEER",
            contexts=[build_context(Verification)],
            settings=UpperLayerSettings(),
            deadlines=HASTY,
        )


def test_what_is_no_host_name_is_an_error() -> None:
    with pytest.raises(PeerError, match=r"no address for host pacs\.\.example: that is no host name"):
        associate(
            AE("NODE"),
            ("pacs..example", 104),
            called_ae_title="PEER",
            contexts=[build_context(Verification)],
            settings=UpperLayerSettings(),
            deadlines=HASTY,
        )


# -- peers that say nothing, or nonsense --------------------------------------------------------------------------------------


@contextlib.contextmanager
def raw_peer(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A listener whose one connection ``serve`` speaks to; it must have ended with the test."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        connected, _ = listener.accept()
        connected.settimeout(20)
        with connected, contextlib.suppress(ConnectionError):
            serve(connected)

    thread = threading.Thread(target=run)
    thread.start()
    yield int(listener.getsockname()[1])
    thread.join(20)
    listener.close()
    assert not thread.is_alive()


def until_closed(connected: socket.socket) -> bytes:
    came = b""
    while part := connected.recv(65536):
        came += part
    return came


def accept_association(connected: socket.socket, *, with_unknown: bytes = b"") -> None:
    """An A-ASSOCIATE-AC for context 1 in Explicit VR Little Endian."""
    connected.recv(65536)

    def item(kind: int, value: bytes) -> bytes:
        return struct.pack(">BxH", kind, len(value)) + value

    body = struct.pack(">Hxx16s16s32x", 1, b"PEER".ljust(16), b"NODE".ljust(16))
    body += item(0x10, b"1.2.840.10008.3.1.1.1")
    body += item(0x21, b"\x01\0\0\0" + item(0x40, ExplicitVRLittleEndian.encode()))
    body += item(0x50, item(0x51, struct.pack(">I", 16384)) + item(0x52, b"1.2.3") + with_unknown)
    body += with_unknown
    connected.sendall(struct.pack(">BxI", 2, len(body)) + body)


def test_items_of_unknown_types_in_an_answer_are_skipped() -> None:
    def serve(connected: socket.socket) -> None:
        accept_association(connected, with_unknown=b"\xe0\0\0\3???")
        connected.recv(65536)
        connected.sendall(b"\6\0\0\0\0\4\0\0\0\0")
        until_closed(connected)

    with raw_peer(serve) as port:
        association = call(port)
        association.release()
    assert association.is_released


def test_silent_peer_is_given_up_in_time() -> None:
    heard: list[bytes] = []
    started = time.monotonic()
    with (
        raw_peer(lambda connected: heard.append(until_closed(connected))) as port,
        pytest.raises(PeerError, match=r"not answered within 0\.5 s"),
    ):
        call(port, deadlines=HASTY)
    assert time.monotonic() - started < SOON_S
    assert heard[0][-10:-6] == b"\x07\0\0\0"  # told so by an A-ABORT


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x02\0\0\0\x10\0half an answer",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x02\0\xff\xff\xff\xff",
        b"\x02\0\0\0\0\x04abcd",
        b"\x07\0\0\0\0\x04\0\0\2\0",
        b"\x05\0\0\0\0\x04\0\0\0\0",
    ],
    ids=["closed", "half", "http", "4 GB", "short", "abort", "release"],
)
def test_nonsense_for_an_answer_is_an_error_in_time(answer: bytes) -> None:
    def serve(connected: socket.socket) -> None:
        connected.recv(65536)
        connected.sendall(answer)
        connected.shutdown(socket.SHUT_WR)
        until_closed(connected)

    started = time.monotonic()
    with raw_peer(serve) as port, pytest.raises(PeerError):
        call(port, deadlines=HASTY)
    assert time.monotonic() - started < SOON_S


def test_request_that_is_not_answered_ends_the_association_in_time() -> None:
    heard: list[bytes] = []

    def serve(connected: socket.socket) -> None:
        accept_association(connected)
        heard.append(until_closed(connected))

    started = time.monotonic()
    with raw_peer(serve) as port:
        association = call(port, deadlines=HASTY)
        assert "Status" not in association.send_c_echo()
        assert (association.is_established, association.is_aborted) == (False, True)
    assert time.monotonic() - started < SOON_S
    assert heard[0][-10:-6] == b"\x07\0\0\0"


def test_a_byte_at_a_time_does_not_hold_an_answer_open() -> None:
    def serve(connected: socket.socket) -> None:
        accept_association(connected)
        connected.recv(65536)
        for byte in b"\x04\0\0\0\1\0" + bytes(256):
            connected.sendall(bytes([byte]))
            time.sleep(0.05)  # the attack itself

    started = time.monotonic()
    with raw_peer(serve) as port:
        assert "Status" not in call(port, deadlines=HASTY).send_c_echo()
        assert time.monotonic() - started < SOON_S


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x04\0\xff\xff\xff\xff",
        b"\x04\0\0\0\0\x06\xff\xff\xff\xff\x01\x03",
        b"\x04\0\0\0\0\x08\0\0\0\x04\x01\x03ab",
    ],
    ids=["closed", "4 GB", "lying PDV", "garbage command"],
)
def test_nonsense_for_a_response_ends_the_association(answer: bytes) -> None:
    def serve(connected: socket.socket) -> None:
        accept_association(connected)
        connected.recv(65536)
        connected.sendall(answer)
        connected.shutdown(socket.SHUT_WR)
        until_closed(connected)

    with raw_peer(serve) as port:
        association = call(port)
        assert "Status" not in association.send_c_echo()
        assert (association.is_established, association.is_aborted) == (False, True)


def test_peer_that_releases_meanwhile_gets_its_answer() -> None:
    heard: list[bytes] = []

    def serve(connected: socket.socket) -> None:
        accept_association(connected)
        connected.recv(65536)
        connected.sendall(b"\x05\0\0\0\0\x04\0\0\0\0")
        heard.append(until_closed(connected))

    with raw_peer(serve) as port:
        association = call(port)
        assert "Status" not in association.send_c_echo()
        assert (association.is_released, association.is_aborted) == (True, False)
    assert heard == [b"\x06\0\0\0\0\x04\0\0\0\0"]


def test_peer_that_vanished_is_no_crash(stock: Peer) -> None:
    def serve(connected: socket.socket) -> None:
        accept_association(connected)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with raw_peer(serve) as port:
        association = call(port, CTImageStorage)
    assert "Status" not in association.send_c_store(ct(rows=512, columns=512))
    assert association.is_aborted
    association.release()
    association.abort()
