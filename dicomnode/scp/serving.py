"""The loop of a worker that accepts associations: until its parent has it drain, then it waits until the last one has ended."""

from __future__ import annotations

import select
import time
from collections.abc import Sequence
from typing import Final

from dicomnode.supervisor import Stop, WorkerChannel
from dicomnode.supervisor.channel import HEARTBEAT_INTERVAL_S
from dicomnode.upper_layer import Acceptor

_ABORT_S: Final = 3.0
"""Time for aborted associations to say so to their peers."""
_SHORT_OF_DESCRIPTORS_S: Final = 0.1


def serve(channel: WorkerChannel, acceptors: Sequence[Acceptor]) -> None:
    """Serve until the parent has this worker leave."""
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    by_descriptor = {acceptor.fileno(): acceptor for acceptor in acceptors}
    for descriptor in by_descriptor:
        poll.register(descriptor, select.POLLIN)
    accepts = True
    while accepts or any(acceptor.associations for acceptor in acceptors):
        ready = poll.poll((HEARTBEAT_INTERVAL_S if accepts else _SHORT_OF_DESCRIPTORS_S) * 1000)
        channel.heartbeat()
        stop = channel.stop()
        if stop is Stop.ABORT:
            for acceptor in acceptors:
                acceptor.abort(_ABORT_S)
            return
        if stop is Stop.DRAIN and accepts:
            accepts = False
            for descriptor, acceptor in by_descriptor.items():
                poll.unregister(descriptor)
                acceptor.stop()
            poll.unregister(channel)
            continue
        for descriptor, _ in ready:
            if descriptor in by_descriptor and accepts and not by_descriptor[descriptor].accept():
                time.sleep(_SHORT_OF_DESCRIPTORS_S)  # nothing to take connections with: do not spin on those that wait
