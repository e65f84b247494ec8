"""Messages in a stream of bytes: the Minimal Lower Layer Protocol (HL7 Version 2 Transport Specification: MLLP, Release 1).

A message stands between a start block, 0x0B, and an end block, 0x1C 0x0D. Neither byte may be in it, so nothing else has to be
understood.
"""

from __future__ import annotations

from typing import Final

from dicomnode.errors import FramingError

_START: Final = 0x0B
_END: Final = 0x1C
_BETWEEN: Final = b"\r\n \t\0"
"""What may stand between messages: the 0x0D of the end block, and what careless senders add."""


def framed(message: bytes) -> bytes:
    """The message as it is sent."""
    return b"\x0b" + message + b"\x1c\r"


class Framer:
    """Finds the messages in what comes, in pieces of any size.

    Args:
        limit_bytes: of one message.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._buffer = bytearray()
        self._searched = 0

    @property
    def is_within(self) -> bool:
        """Whether a message has begun that has not ended."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that ``data`` completes.

        Raises:
            FramingError: what comes is not MLLP, or longer than the limit; nothing after it can be told apart.
        """
        messages = []
        self._buffer += data
        while (message := self._next()) is not None:
            messages.append(message)
        return messages

    def _next(self) -> bytes | None:
        buffer = self._buffer
        if not self._searched:
            blank = len(buffer) - len(buffer.lstrip(_BETWEEN))
            del buffer[:blank]
            if not buffer:
                return None
            if buffer[0] != _START:
                raise FramingError("no MLLP: a message begins with 0x0B")
            self._searched = 1
        end = buffer.find(_END, self._searched)
        size = (end if end >= 0 else len(buffer)) - 1
        if size > self._limit_bytes:
            raise FramingError(f"message is longer than {self._limit_bytes} bytes")
        if buffer.find(_START, self._searched, end if end >= 0 else len(buffer)) >= 0:
            raise FramingError("no MLLP: a message begins before the last one has ended")
        if end < 0:
            self._searched = len(buffer)
            return None
        message = bytes(buffer[1:end])
        del buffer[: end + 1]
        self._searched = 0
        return message
