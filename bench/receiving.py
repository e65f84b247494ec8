"""The other end of a retrieval: takes instances, throws them away, answers Success.

``python -m bench.receiving PORT`` is a Move Destination.
"""

from __future__ import annotations

import socket
import struct
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from bench import wire

_DISCARD = socket.MSG_TRUNC | socket.MSG_WAITALL
"""Has TCP throw the bytes away instead of copying them (tcp(7))."""
_COMMAND, _LAST = 1, 2  # bits of a PDV's message control header (PS3.8 Section E.2)


@dataclass(slots=True)
class Received:
    """What has come."""

    instances: int = 0
    size_bytes: int = 0


class Receiver:
    """Reads messages from a socket; C-STORE requests are answered at once, others are handed out."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = memoryview(bytearray(4 * wire.LARGEST_PDU))
        self._pdu = self._buffer[:0]
        """What is not read yet of a P-DATA-TF."""
        self.received = Received()

    def next_message(self) -> bytes | None:
        """The command set of the next message that is no C-STORE request, once it is whole; None when the association ends."""
        command = b""
        for context, control, size, value in self._fragments():
            is_last = bool(control & _LAST)
            if control & _COMMAND:
                command += bytes(value)
            else:
                self.received.size_bytes += size
            if not is_last or (control & _COMMAND and wire.has_dataset(command)):
                continue
            if wire.element(command, 0x0100) != wire.C_STORE_RQ:
                return command
            self.received.instances += 1
            message_id = wire.element(command, 0x0110)
            self._connection.sendall(wire.success_rsp(context, wire.C_STORE_RQ, message_id))
            command = b""
        return None

    def _fragments(self) -> Iterator[tuple[int, int, int, memoryview]]:
        """Each presentation data value until the association ends: context, message control header, length, bytes.

        A fragment of a data set that fills its PDU has no bytes: the system throws them away, so that what is measured is the
        sender.
        """
        while True:
            while self._pdu:
                size, context, control = struct.unpack_from(">LBB", self._pdu)
                value, self._pdu = self._pdu[wire.PDV_HEADER_BYTES : 4 + size], self._pdu[4 + size :]
                yield context, control, size - 2, value
            header = self._exactly(wire.PDU_HEADER_BYTES)
            if not header:
                return
            pdu_type, length = struct.unpack(">BxL", header)
            if pdu_type == wire.P_DATA:
                size, context, control = struct.unpack(">LBB", self._exactly(wire.PDV_HEADER_BYTES))
                if control & _COMMAND or size + 4 < length:
                    self._pdu = self._exactly(length, wire.PDV_HEADER_BYTES)
                else:
                    self._drop(size - 2)
                    yield context, control, size - 2, self._buffer[:0]
                continue
            body = self._exactly(length)
            if pdu_type == wire.ASSOCIATE_RQ:
                self._connection.sendall(wire.associate_ac(bytes(body)))
                continue
            if pdu_type == wire.RELEASE_RQ:
                self._connection.sendall(wire.pdu(wire.RELEASE_RP, bytes(4)))
            return

    def _drop(self, length: int) -> None:
        while length:
            count = self._connection.recv_into(self._buffer, min(length, len(self._buffer)), _DISCARD)
            if not count:
                return
            length -= count

    def _exactly(self, length: int, received: int = 0) -> memoryview:
        """``length`` bytes, the first of which are in the buffer already."""
        while received < length:
            count = self._connection.recv_into(self._buffer[received:length], 0, socket.MSG_WAITALL)
            if not count:
                return self._buffer[:0]
            received += count
        return self._buffer[:length]


def main() -> None:
    """Serve until a signal ends the process."""
    with socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128) as listener:
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=_serve, args=(connection,), daemon=True).start()


def _serve(connection: socket.socket) -> None:
    with connection:
        receiver = Receiver(connection)
        while receiver.next_message() is not None:
            pass


if __name__ == "__main__":
    main()
