"""What all tests share: pynetdicom as a peer, with a race of its own mended."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from pynetdicom.association import Association


class _Checkpoint(threading.Event):
    """Where the thread of an association stops while another one sends and waits for the answer.

    Of pynetdicom's own, the thread may have passed and still count as paused: then it takes the answer that the other one waits for
    ("Received unexpected C-ECHO service message"), on a busy machine once in some hundred messages.
    """

    def __init__(self, association: Association) -> None:
        super().__init__()
        self._association = association
        self._passing = threading.Lock()
        self.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Pass, and be seen as running from that moment on."""
        while super().wait(timeout):
            with self._passing:
                if self.is_set():
                    self._association._is_paused = False
                    return True
        return False

    def clear(self) -> None:
        """Close it; whoever has not passed by now waits."""
        with self._passing:
            super().clear()


@pytest.fixture(scope="session", autouse=True)
def pynetdicom_keeps_its_answers() -> Iterator[None]:
    """No answer to a test's own pynetdicom client is taken by that client's other thread."""
    original = Association.__init__

    def make(self: Association, *arguments: Any, **options: Any) -> None:
        original(self, *arguments, **options)
        self._reactor_checkpoint = _Checkpoint(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Association, "__init__", make)
        yield
