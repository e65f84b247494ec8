"""A peer that speaks the DICOM Upper Layer byte by byte (PS3.8 Section 9.3), so that it may also speak it wrongly."""

from __future__ import annotations

import io
import socket
import struct
from collections.abc import Sequence
from typing import Self

from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

A_ASSOCIATE_RQ, A_ASSOCIATE_AC, A_ASSOCIATE_RJ, P_DATA_TF, A_RELEASE_RQ, A_RELEASE_RP, A_ABORT = range(1, 8)

COMMAND, LAST = 0x01, 0x02
"""Bits of a PDV's message control header (PS3.8 Annex E.2)."""

VERIFICATION = "1.2.840.10008.1.1"


def pdu(kind: int, body: bytes, *, length: int | None = None) -> bytes:
    """A PDU; ``length`` may lie."""
    return struct.pack(">BBI", kind, 0, len(body) if length is None else length) + body


def pdv(context: int, header: int, fragment: bytes, *, length: int | None = None) -> bytes:
    """A Presentation Data Value item; ``length`` may lie."""
    return struct.pack(">IBB", len(fragment) + 2 if length is None else length, context, header) + fragment


_USUAL_CONTEXTS = ((CTImageStorage, (ExplicitVRLittleEndian,)), (VERIFICATION, (ExplicitVRLittleEndian,)))


def association_request(
    contexts: Sequence[tuple[str, Sequence[str]]] = _USUAL_CONTEXTS,
    *,
    calling: str = "RAW",
    called: str = "DICOMNODE",
) -> bytes:
    """The body of an A-ASSOCIATE-RQ; context ids are 1, 3, 5 ..."""
    items = [_item(0x10, b"1.2.840.10008.3.1.1.1")]
    for number, (abstract, transfers) in enumerate(contexts):
        syntaxes = _item(0x30, abstract.encode()) + b"".join(_item(0x40, uid.encode()) for uid in transfers)
        items.append(_item(0x20, struct.pack(">BBBB", 2 * number + 1, 0, 0, 0) + syntaxes))
    user = _item(0x51, struct.pack(">I", 16384)) + _item(0x52, b"1.2.826.0.1.3680043.9.9999.2")
    items.append(_item(0x50, user))
    titles = called.ljust(16).encode() + calling.ljust(16).encode()
    return struct.pack(">HH", 1, 0) + titles + bytes(32) + b"".join(items)


def _item(kind: int, body: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(body)) + body


def command(**elements: object) -> bytes:
    """A command set (PS3.7 Section 6.3) with its group length."""
    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = True, True
    write_dataset(buffer, dataset)
    body = buffer.getvalue()
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


def store_command(sop_instance_uid: str, *, sop_class_uid: str = CTImageStorage, message_id: int = 1) -> bytes:
    """A C-STORE-RQ (PS3.7 Table 9.3-1); the UIDs go out as they are."""
    even = sop_instance_uid if len(sop_instance_uid) % 2 == 0 else sop_instance_uid + "\0"
    even_class = sop_class_uid if len(sop_class_uid) % 2 == 0 else sop_class_uid + "\0"
    body = b"".join(
        struct.pack("<HHI", 0, element, len(value)) + value
        for element, value in (
            (0x0002, even_class.encode()),
            (0x0100, struct.pack("<H", 0x0001)),
            (0x0110, struct.pack("<H", message_id)),
            (0x0700, struct.pack("<H", 0)),
            (0x0800, struct.pack("<H", 0x0001)),
            (0x1000, even.encode("latin-1")),
        )
    )
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


def echo_command(message_id: int = 1) -> bytes:
    """A C-ECHO-RQ (PS3.7 Table 9.3-12)."""
    return command(
        AffectedSOPClassUID=VERIFICATION, CommandField=0x0030, MessageID=message_id, CommandDataSetType=0x0101
    )


class RawPeer:
    """One TCP connection to the node."""

    def __init__(self, port: int, *, timeout_s: float = 30.0, host: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection((host, port), timeout=timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send as it is."""
        self.socket.sendall(data)

    def receive(self) -> tuple[int, bytes]:
        """The next PDU: its type and body; (0, b"") when the node closed the connection."""
        try:
            header = self._exactly(6)
            if not header:
                return 0, b""
            kind, _, length = struct.unpack(">BBI", header)
            return kind, self._exactly(length)
        except ConnectionError:
            return 0, b""

    def associate(self, **request: object) -> int:
        """Ask for an association; the type of the PDU that answers."""
        self.send(pdu(A_ASSOCIATE_RQ, association_request(**request)))  # type: ignore[arg-type]
        return self.receive()[0]

    def store(
        self,
        sop_instance_uid: str,
        dataset: bytes,
        *,
        sop_class_uid: str = CTImageStorage,
        message_id: int = 1,
        context: int = 1,
    ) -> int:
        """C-STORE, in PDUs of 16 KiB; the status, or -1 when the node ended the association."""
        self.send(
            pdu(
                P_DATA_TF,
                pdv(
                    context,
                    COMMAND | LAST,
                    store_command(sop_instance_uid, sop_class_uid=sop_class_uid, message_id=message_id),
                ),
            )
        )
        step = 16000
        for start in range(0, max(len(dataset), 1), step):
            last = LAST if start + step >= len(dataset) else 0
            self.send(pdu(P_DATA_TF, pdv(context, last, dataset[start : start + step])))
        return self.status()

    def begin_store(self, dataset: bytes) -> None:
        """C-STORE without an end: the fragments of ``dataset``, in PDUs of 16 KiB, none of which is the last."""
        self.send(pdu(P_DATA_TF, pdv(1, COMMAND | LAST, store_command("1.2.3"))))
        step = 16000
        for start in range(0, len(dataset), step):
            self.send(pdu(P_DATA_TF, pdv(1, 0, dataset[start : start + step])))

    def status(self) -> int:
        """The Status (0000,0900) of the next response; -1 when the association ended instead."""
        kind, body = self.receive()
        if kind != P_DATA_TF:
            return -1
        at = 6  # after the head of the PDV
        while struct.unpack_from("<HH", body, at) != (0, 0x0900):  # element by element: a value may look like a tag
            at += 8 + int(struct.unpack_from("<I", body, at + 4)[0])
        return int(struct.unpack_from("<H", body, at + 8)[0])

    def ended(self) -> tuple[int, bytes]:
        """Read until the node has closed the connection; the last PDU that came before: its type and body."""
        last = (0, b"")
        while (got := self.receive())[0]:
            last = got
        return last

    def release(self) -> int:
        """Release the association; the type of the PDU that answers."""
        self.send(pdu(A_RELEASE_RQ, bytes(4)))
        return self.receive()[0]

    def _exactly(self, size: int) -> bytes:
        parts = io.BytesIO()
        while parts.tell() < size:
            part = self.socket.recv(size - parts.tell())
            if not part:
                return b""
            parts.write(part)
        return parts.getvalue()


def dataset_bytes(dataset: Dataset) -> bytes:
    """``dataset`` in Explicit VR Little Endian, without file meta information."""
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = False, True
    write_dataset(buffer, Dataset({tag: element for tag, element in dataset.items() if tag.group > 2}))
    return buffer.getvalue()
