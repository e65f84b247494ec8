"""The physical limit as `sink.c` draws it, for machines without a C compiler: ``python -m bench.sink PORT FOLDER sync|nosync``."""

from __future__ import annotations

import os
import socket
import struct
import sys
import threading
from itertools import count
from pathlib import Path

from bench import wire


def main() -> None:
    """Serve until a signal ends the process."""
    port, folder, sync = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "sync"
    with socket.create_server(("127.0.0.1", port), backlog=128) as listener:
        for number in count():
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            arguments = (connection, folder / str(number), sync)
            threading.Thread(target=_serve, args=arguments, daemon=True).start()


def _serve(connection: socket.socket, prefix: Path, sync: bool) -> None:  # noqa: FBT001 - a thread's argument
    buffer = memoryview(bytearray(2 * wire.LARGEST_PDU))
    numbers = count()
    command, file = 0, -1
    with connection:
        while header := _exactly(connection, buffer, wire.PDU_HEADER_BYTES):
            pdu_type, length = struct.unpack(">BxL", header)
            body = _exactly(connection, buffer, length)
            if pdu_type == wire.ASSOCIATE_RQ:
                connection.sendall(wire.associate_ac(bytes(body)))
            elif pdu_type == wire.RELEASE_RQ:
                connection.sendall(wire.pdu(wire.RELEASE_RP, bytes(4)))
            elif body[5] & 1:
                command = wire.command_field(bytes(body))
                if command == wire.C_STORE_RQ:
                    file = os.open(f"{prefix}-{next(numbers)}.dcm", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
                else:
                    connection.sendall(wire.success_rsp(body[4], command))
            else:
                os.write(file, body[wire.PDV_HEADER_BYTES :])
                if body[5] & 2:
                    if sync:
                        os.fdatasync(file)
                    os.close(file)
                    connection.sendall(wire.success_rsp(body[4], command))


def _exactly(connection: socket.socket, buffer: memoryview, length: int) -> memoryview:
    received = 0
    while received < length:
        count_now = connection.recv_into(buffer[received:length])
        if not count_now:
            return buffer[:0]
        received += count_now
    return buffer[:length]


if __name__ == "__main__":
    main()
