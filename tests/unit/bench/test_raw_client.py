"""The raw client and the sinks understand each other, and bytes arrive as they were made."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from pydicom.uid import CTImageStorage

from bench import instances, wire
from bench.instances import Form, identities
from bench.raw_client import Address, Association, Load, PeerRefusedError, Sender
from bench.servers import Durability, Running, Sink, compiler, free_port, running


class PythonSink(Sink):
    """The sink as it is without a compiler."""

    def command(self, folder: Path, port: int, durability: Durability) -> Sequence[str]:
        (folder / "storage").mkdir()
        return [sys.executable, "-m", "bench.sink", str(port), str(folder / "storage"), "sync"]


@pytest.fixture(params=["C", "Python"])
def sink(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    if request.param == "C" and not compiler():
        pytest.skip("no C compiler")
    kind = Sink() if request.param == "C" else PythonSink()
    with running(kind, tmp_path / "sink", Durability.FULL) as it:
        yield it


def files(sink: Running) -> list[bytes]:
    return [path.read_bytes() for path in (sink.folder / "storage").iterdir()]


@pytest.mark.parametrize("template", [instances.ct(), instances.tiny()], ids=["CT", "tiny"])
def test_data_set_arrives_byte_for_byte(sink: Running, template: instances.Template) -> None:
    identity = next(identities(1))
    with Association(sink.address, [template.sop_class_uid]) as association:
        request = wire.store_rq(template, wire.context_id(0), association.acceptance.max_pdu_length)
        status = association.ask(request.fill_in(identity))

    whole = bytes(Form(template.part10()).fill_in(identity))
    assert status == wire.SUCCESS
    assert [whole.endswith(data) and len(data) == template.size_bytes for data in files(sink)] == [True]


def test_senders_count_each_answer(sink: Running) -> None:
    load = Load((instances.tiny(),), duration_s=60, at_most=20, warm_up=3, instances_per_series=5)
    senders = [Sender(sink.address, load) for _ in range(3)]
    try:
        for sender in senders:
            sender.wait_until_ready()
        for sender in senders:
            sender.go()
        sent = [sender.sent() for sender in senders]
    finally:
        for sender in senders:
            sender.leave()

    assert [one.statuses for one in sent] == [{wire.SUCCESS: 23}] * 3
    assert [len(one.latencies_s) for one in sent] == [20] * 3
    assert sink.stored() == 69


def test_sender_says_why_it_could_not_begin() -> None:
    load = Load((instances.tiny(),), duration_s=1, at_most=1, warm_up=1, instances_per_series=1)
    sender = Sender(Address(free_port(), "NOBODY"), load)
    try:
        with pytest.raises(PeerRefusedError, match="ConnectionRefusedError"):
            sender.wait_until_ready()
    finally:
        sender.leave()


def test_every_proposed_context_is_accepted(sink: Running) -> None:
    with Association(sink.address, [wire.VERIFICATION, CTImageStorage]) as association:
        assert association.acceptance.accepted_context_ids == {1, 3}
        assert association.ask(wire.echo_rq(1)) == wire.SUCCESS


def test_context_that_was_not_accepted_is_refused(sink: Running) -> None:
    with Association(sink.address, [wire.VERIFICATION]) as association, pytest.raises(PeerRefusedError):
        association.require(3)
