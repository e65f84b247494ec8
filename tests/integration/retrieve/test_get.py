"""C-GET: instances come on the requester's own association, in the contexts in which it takes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from factories import ct
from integration.retrieve.retrieving import (
    GET,
    PENDING,
    Node,
    Responses,
    Serve,
    events,
    read,
    study_identifier,
)
from pydicom import Dataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLossless,
    JPEGLSLossless,
    MRImageStorage,
)
from pynetdicom import AE, build_role, evt
from pynetdicom.association import Association
from waiting import wait_for

SUCCESS, SOME_FAILED, ALL_FAILED, CANCEL = 0x0000, 0xB000, 0xA702, 0xFE00


@dataclass
class Getter:
    """Who gets: what came, and how it answers."""

    association: Association
    received: list[tuple[str, str, Dataset]] = field(default_factory=list)
    answer: Callable[[int], int] = lambda number: SUCCESS

    def store(self, event: evt.Event) -> int:
        self.received.append(
            (str(event.request.AffectedSOPInstanceUID), str(event.context.transfer_syntax), event.dataset)
        )
        return self.answer(len(self.received) - 1)

    def get(self, study: str, message_id: int = 1) -> Iterator[tuple[Dataset, Dataset | None]]:
        return self.association.send_c_get(study_identifier(study), GET, msg_id=message_id)


@contextmanager
def getter(
    node: Node,
    *,
    syntaxes: Sequence[str | tuple[str, ...]] = (ExplicitVRLittleEndian,),
    roles: bool = True,
    title: str = "PEER",
) -> Iterator[Getter]:
    """An association with a context for CT; without ``roles`` it says nothing of receiving, and receives nevertheless."""
    ae = AE(title)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 30
    ae.add_requested_context(GET, ExplicitVRLittleEndian)
    for syntax in syntaxes:
        ae.add_requested_context(CTImageStorage, [syntax] if isinstance(syntax, str) else list(syntax))
    it = Getter(None)  # type: ignore[arg-type]
    it.association = ae.associate(
        "127.0.0.1",
        node.port,
        ae_title="DICOMNODE",
        ext_neg=[build_role(CTImageStorage, scp_role=True)] if roles else [],
        evt_handlers=[(evt.EVT_C_STORE, it.store)],
    )
    assert it.association.is_established
    if not roles:
        for context in it.association.accepted_contexts:
            context._as_scp = True
    yield it
    if it.association.is_established:
        it.association.release()


def test_gets_everything(serve: Serve, log: list[Any]) -> None:
    node = serve()
    study, slices = node.fill(4)
    with getter(node) as it:
        answered = read(it.get(study), 4)
    assert answered.status == SUCCESS
    assert answered.counts == {"completed": 4, "failed": 0, "warning": 0}
    assert [uid for uid, *_ in it.received] == [one.SOPInstanceUID for one in slices]
    assert [one.PixelData for *_, one in it.received] == [one.PixelData for one in slices]
    [line] = events(log, "retrieve.completed")
    assert (line["kind"], line["completed"], line["destination"], line["status"]) == ("C-GET", 4, "ws", "0000")


def test_gets_twice_on_one_association(serve: Serve) -> None:
    node = serve()
    first, _ = node.fill(2)
    second, _ = node.fill(3)
    with getter(node) as it:
        assert read(it.get(first, 1), 2).status == SUCCESS
        assert read(it.get(second, 2), 3).status == SUCCESS
    assert len(it.received) == 5


@pytest.mark.parametrize(("lenient", "status", "count"), [(True, SUCCESS, 2), (False, ALL_FAILED, 0)])
def test_who_forgot_the_role_gets_everything_if_the_node_is_lenient(
    serve: Serve, lenient: bool, status: int, count: int
) -> None:
    node = serve(presentation_contexts={"lenient_get_roles": lenient})
    study, _ = node.fill(2)
    with getter(node, roles=False) as it:
        answered = read(it.get(study), 2)
    assert answered.status == status
    assert answered.counts["completed"] == len(it.received) == count


def test_statuses_of_the_getter_are_counted(serve: Serve) -> None:
    node = serve()
    study, slices = node.fill(4)
    with getter(node) as it:
        it.answer = lambda number: (SUCCESS, 0xA700, 0xB007, SUCCESS)[number]
        answered = read(it.get(study), 4)
    assert answered.status == SOME_FAILED
    assert answered.counts == {"completed": 2, "failed": 1, "warning": 1}
    assert answered.failed_uids == [slices[1].SOPInstanceUID]


def test_no_context_is_a_failure_of_that_instance(serve: Serve) -> None:
    node = serve()
    mr = ct(SOPClassUID=MRImageStorage, Modality="MR")
    study, _ = node.fill(2, mr)
    with getter(node) as it:
        answered = read(it.get(study), 3)
    assert answered.status == SOME_FAILED
    assert answered.failed_uids == [mr.SOPInstanceUID]


def test_instance_comes_in_a_syntax_that_was_accepted(serve: Serve) -> None:
    node = serve()
    study, slices = node.fill(1)
    with getter(node, syntaxes=[ImplicitVRLittleEndian]) as it:
        assert read(it.get(study), 1).status == SUCCESS
    [(_, syntax, dataset)] = it.received
    assert syntax == ImplicitVRLittleEndian
    assert dataset.PixelData == slices[0].PixelData


def test_cancel_between_sub_operations(serve: Serve) -> None:
    node = serve()
    study, _ = node.fill(5)
    with getter(node) as it:

        def answer(number: int) -> int:
            if number == 1:
                it.association.send_c_cancel(3, query_model=GET)
            return SUCCESS

        it.answer = answer
        answered = read(it.get(study, 3), 5)
    assert answered.status == CANCEL
    assert answered.counts == {"remaining": 3, "completed": 2, "failed": 0, "warning": 0}


def test_getter_that_aborts_ends_it(serve: Serve, log: list[Any]) -> None:
    node = serve()
    study, _ = node.fill(5)
    with getter(node) as it:

        def answer(number: int) -> int:
            if number == 1:
                it.association.abort()
            return SUCCESS

        it.answer = answer
        for status, _ in it.get(study):
            assert "Status" not in status or status.Status == PENDING
        wait_for(lambda: events(log, "retrieve.completed"))
    [line] = events(log, "retrieve.completed")
    assert (line["completed"], line["status"]) == (1, None)
    assert "requester" in line["reason"]
    wait_for(lambda: events(log, "association.aborted"))


def test_pending_comes_between_sub_operations_only_as_often_as_configured(serve: Serve) -> None:
    node = serve(retrieve={"pending_interval_s": 60})
    study, _ = node.fill(3)
    with getter(node) as it:
        answered: Responses = read(it.get(study), 3)
    assert answered.pending == []


def test_missing_file_fails_alone(serve: Serve) -> None:
    node = serve()
    study, slices = node.fill(3)
    node.file_of(slices[0]).unlink()
    with getter(node) as it:
        answered = read(it.get(study), 3)
    assert (answered.status, answered.failed_uids) == (SOME_FAILED, [slices[0].SOPInstanceUID])
    assert len(it.received) == 2


def test_compresses_for_a_peer_that_wants_it_and_takes_it(serve: Serve) -> None:
    node = serve(peers={"ws": {"ae_title": "PEER", "host": "127.0.0.1", "port": 1, "compress": "jpeg-ls"}})
    study, _ = node.fill(1)
    with getter(node, syntaxes=[ExplicitVRLittleEndian, JPEGLSLossless]) as it:
        assert read(it.get(study), 1).status == SUCCESS
    with getter(node) as other:
        assert read(other.get(study), 1).status == SUCCESS
    assert [syntax for _, syntax, _ in it.received] == [JPEGLSLossless]
    assert [syntax for _, syntax, _ in other.received] == [ExplicitVRLittleEndian]


def test_who_lists_a_compression_first_gets_what_there_is(serve: Serve) -> None:
    node = serve()
    study, _ = node.fill(1)
    with getter(node, syntaxes=[(JPEGLossless, ImplicitVRLittleEndian)]) as it:
        assert read(it.get(study), 1).status == SUCCESS
    assert [syntax for _, syntax, _ in it.received] == [ImplicitVRLittleEndian]
