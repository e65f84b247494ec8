"""Messages to another system, or to a node, to try it: sent over MLLP one after the other, each with its answer."""

from __future__ import annotations

import re
import socket
import ssl
import time
from types import TracebackType
from typing import Final

from dicomnode.errors import FramingError, PeerError
from dicomnode.hl7.mllp import Framer, framed

_LARGEST_ANSWER_BYTES: Final = 1 << 20
_READ_BYTES: Final = 64 * 1024


class Client:
    """A connection to a system that takes messages; ``with`` closes it.

    Raises:
        PeerError: it cannot be reached.
    """

    def __init__(self, host: str, port: int, *, tls: ssl.SSLContext | None, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._framer = Framer(_LARGEST_ANSWER_BYTES)
        self._answers: list[bytes] = []
        try:
            self._socket: socket.socket = socket.create_connection((host, port), timeout=timeout_s)
            if tls is not None:
                self._socket = tls.wrap_socket(self._socket, server_hostname=host)
        except (OSError, ValueError) as error:  # a ValueError: it cannot be a host name
            why = (error.strerror if isinstance(error, OSError) else None) or error
            raise PeerError(f"cannot connect to {host}:{port}: {why}") from error

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def send(self, message: bytes) -> bytes:
        """The answer to a message.

        Raises:
            PeerError: there is none.
        """
        deadline = time.monotonic() + self._timeout_s
        try:
            self._socket.settimeout(self._timeout_s)
            self._socket.sendall(framed(message))
            while not self._answers:
                self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
                data = self._socket.recv(_READ_BYTES)
                if not data:
                    raise PeerError("connection closed without an answer")
                self._answers += self._framer.feed(data)
        except TimeoutError as error:
            raise PeerError(f"no answer within {self._timeout_s:g} s") from error
        except (OSError, FramingError) as error:
            raise PeerError(f"connection lost: {error}") from error
        return self._answers.pop(0)


def messages_in(data: bytes) -> list[bytes]:
    """The messages of a file: behind each other, each from its MSH on, with or without the bytes of MLLP between them.

    Lines may end as they do in files; in the messages they end as HL7 wants it.
    """
    text = re.sub(rb"\r\n|\n", b"\r", data.removeprefix(b"\xef\xbb\xbf"))
    text = re.sub(rb"\x1c\r?|\x0b", b"\r", text)
    starts = [match.start(1) for match in re.finditer(rb"(?:^|\r)[ \t]*(MSH)", text)]
    ends = [*starts, len(text)][1:]
    return [text[start:end].strip(b"\r \t\0") + b"\r" for start, end in zip(starts, ends, strict=True)]
