"""An instance on its way out: what is said of it before its data set is opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OutgoingInstance:
    """An instance that is to be sent by a C-STORE.

    Attributes:
        transfer_syntax_uid: that ``dataset`` is encoded in.
        dataset: opens the data set when its turn comes, mostly a mapped file; called once for each attempt, and may raise a
            DicomNodeError that says why there is none.
        preferred_syntax_uid: what it is transcoded to where the peer takes that and it can be done; empty for no preference.
    """

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    dataset: Callable[[], memoryview]
    preferred_syntax_uid: str = ""


@dataclass(frozen=True, slots=True)
class MoveOriginator:
    """Who asked for a C-STORE by a C-MOVE: (0000,1030) and (0000,1031) of the request (PS3.7 Section 9.3.1.1)."""

    ae_title: str
    message_id: int
