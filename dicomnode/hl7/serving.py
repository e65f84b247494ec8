"""The loop of the worker that takes HL7 messages: accepts until its parent has it drain, then waits for what is being answered."""

from __future__ import annotations

import select
from collections.abc import Sequence
from typing import Final

from dicomnode.hl7.listener import Connections, Listener
from dicomnode.supervisor import Stop, WorkerChannel
from dicomnode.supervisor.channel import HEARTBEAT_INTERVAL_S

_ABORT_S: Final = 3.0
_DRAINED_TICK_S: Final = 0.1


def serve(channel: WorkerChannel, listeners: Sequence[Listener], connections: Connections) -> None:
    """Serve until the parent has this worker leave.

    A connection ends when the message that is being answered has its answer: senders keep theirs open for days, and a message
    without an answer is sent again.
    """
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    by_descriptor = {listener.fileno(): listener for listener in listeners}
    for descriptor in by_descriptor:
        poll.register(descriptor, select.POLLIN)
    accepts = True
    while accepts or len(connections):
        ready = poll.poll((HEARTBEAT_INTERVAL_S if accepts else _DRAINED_TICK_S) * 1000)
        channel.heartbeat()
        stop = channel.stop()
        if stop is Stop.ABORT:
            connections.abort(_ABORT_S)
            return
        if stop is Stop.DRAIN and accepts:
            accepts = False
            poll.unregister(channel)
            for descriptor, listener in by_descriptor.items():
                poll.unregister(descriptor)
                listener.stop()
            connections.drain()
            continue
        for descriptor, _ in ready:
            if accepts and descriptor in by_descriptor:
                by_descriptor[descriptor].accept()
