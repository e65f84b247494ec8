"""Instances on their way to one destination over several associations at once; results come as they happen."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import structlog

from dicomnode.dicom.outgoing import MoveOriginator, OutgoingInstance
from dicomnode.errors import PeerError
from dicomnode.scu.storage import Sent, StorageSCU

log = structlog.get_logger()

_TICK_S: Final = 0.05
"""Results are looked at this often; waking up for each would cost more than it tells."""
_RETRY_AFTER_S: Final = 1.0
"""Time for a destination to notice that associations which have ended are gone, and that it may take one more."""


def send(
    scu: StorageSCU,
    instances: Sequence[OutgoingInstance],
    originator: MoveOriginator,
    *,
    associations: int,
    stop: Callable[[], bool],
) -> Iterator[Sent | None]:
    """What becomes of each instance; None now and then, so that the caller can look at other things.

    Exactly one `Sent` comes for each instance, unless ``stop`` ends it: then none comes for those that were not begun. What was
    to go over associations that the destination did not take goes over one at the end.
    """
    count = max(1, min(associations, len(instances)))
    shares = [instances[start::count] for start in range(count)]
    while True:
        results: deque[Sent] = deque()
        senders = [_Sender(scu, share, originator, stop, results) for share in shares]
        for sender in senders:
            sender.start()
        for sender in senders:
            while sender.is_alive():
                sender.join(_TICK_S)
                yield from _taken(results)
                yield None
        yield from _taken(results)
        refused = [sender for sender in senders if sender.refusal]
        if stop() or not refused:
            return
        left = [instance for sender in refused for instance in sender.left]
        if len(senders) == 1:
            reason = refused[0].refusal
            yield from (Sent(instance, None, reason) for instance in left)
            return
        retry_at = time.monotonic() + _RETRY_AFTER_S
        while time.monotonic() < retry_at:
            time.sleep(_TICK_S)
            yield None
        shares = [left]


def _taken(results: deque[Sent]) -> Iterator[Sent]:
    while results:
        yield results.popleft()


class _Sender(threading.Thread):
    """Sends one share of the instances."""

    def __init__(
        self,
        scu: StorageSCU,
        instances: Sequence[OutgoingInstance],
        originator: MoveOriginator,
        stop: Callable[[], bool],
        results: deque[Sent],
    ) -> None:
        super().__init__(name="move", daemon=True)
        self._scu = scu
        self._originator = originator
        self._stop_asked = stop
        self._results = results
        self.left = instances
        """What has had no result."""
        self.refusal = ""
        """Why there was no association; empty when there was one."""

    def run(self) -> None:
        """Send them all; whatever happens, none stays without a result."""
        count = 0
        try:
            for sent in self._scu.send(self.left, originator=self._originator, stop=self._stop_asked):
                self._results.append(sent)
                count += 1
        except PeerError as error:
            self.refusal = str(error)
            self.left = self.left[count:]
        except Exception:  # a bug of ours costs what is left, and is told
            log.exception("retrieve.crashed")
            self._results.extend(Sent(instance, None, "internal error") for instance in self.left[count:])
