"""From the bytes of a message to those of its answer: AA only once what it asks for is committed and on the disk.

A message that was done before (the same control ID, sender and content) is answered as the first time. One that was not done is
tried anew when it comes again: what was wrong may have been put right since.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, tzinfo
from itertools import count
from typing import Final

import structlog

from dicomnode.errors import DicomNodeError, IndexUnavailableError, MessageError, MessageRefusedError
from dicomnode.hl7.acknowledgment import Acknowledgment, Code, encoded
from dicomnode.hl7.mapping import FieldMapping
from dicomnode.hl7.message import Header, Message, read_header, read_message
from dicomnode.hl7.orders import ORDERS, order, steps_of
from dicomnode.hl7.patients import patient_changes
from dicomnode.hl7.settings import Hl7Settings
from dicomnode.index import ArrivedMessage, Index, Origin, Retention, Transaction, change_patient

log = structlog.get_logger()

_REQUIRED_FIELD_MISSING: Final = 101
_UNSUPPORTED_MESSAGE: Final = 200
_APPLICATION_ERROR: Final = 207
_LONGEST_CONTROL_ID: Final = 199
"""HL7 2.7 Section 2.14.9.10; earlier versions have 20."""
_SHOWN: Final = 64
"""Characters of what a sender says that a log line repeats."""

Work = Callable[[Transaction], None]


class Feed:
    """Answers messages; one for all connections of a process."""

    def __init__(self, index: Index, mapping: FieldMapping, settings: Hl7Settings, zone: tzinfo) -> None:
        self._index = index
        self._mapping = mapping
        self._settings = settings
        self._zone = zone
        self._retention = Retention(settings.messages_kept, settings.messages_kept_days)
        self._numbers = count(1)
        self._started = f"{time.time_ns() // 1000:x}"

    def answer(self, data: bytes, address: str) -> bytes:
        """What the message is answered with; never raises."""
        began = time.monotonic()
        now = datetime.now(self._zone)
        header: Header | None = None
        try:
            header = read_header(data)
            arrived = self._arrived(data, header, address, now)
            accepted = self._encoded(Acknowledgment(Code.ACCEPT), header, now)
            answer = self._index.messages.take(arrived, self._work(data, header, arrived), accepted, self._retention)
        except IndexUnavailableError as error:
            acknowledgment = Acknowledgment(Code.ERROR, f"cannot be stored now: {error}", _APPLICATION_ERROR)
        except MessageError as error:
            code = Code.REJECT if isinstance(error, MessageRefusedError) or header is None else Code.ERROR
            acknowledgment = Acknowledgment(code, str(error), error.code, error.location)
        except DicomNodeError as error:
            acknowledgment = Acknowledgment(Code.ERROR, str(error), _APPLICATION_ERROR)
        except Exception:  # a bug of ours is told, and costs this message only
            log.exception("hl7.message_crashed", control_id=header.control_id[:_SHOWN] if header else "")
            acknowledgment = Acknowledgment(Code.ERROR, "internal error", _APPLICATION_ERROR)
        else:
            _log(Acknowledgment(Code.ACCEPT), header, address, began, is_repeated=answer is not accepted)
            return answer
        answer = self._encoded(acknowledgment, header, now)
        self._note(data, header, address, now, acknowledgment, answer)
        _log(acknowledgment, header, address, began)
        return answer

    def _work(self, data: bytes, header: Header, arrived: ArrivedMessage) -> Work:
        """What the message asks for, once it has been read; what is wrong with it shows here, before anything is written.

        Raises:
            MessageError: it cannot be done.
        """
        self._check(header)
        message = read_message(data, header, self._settings.character_set)
        origin = Origin(arrived.sender, arrived.address, header.control_id, arrived.at)
        if header.kind == "ADT":
            return self._patient_work(message, origin)
        if (header.kind, header.event) in ORDERS:
            return self._order_work(message, origin)
        raise MessageRefusedError(
            f"messages of type {header.type[:16].replace(chr(94), ' ')} are not supported",
            code=_UNSUPPORTED_MESSAGE,
            location="MSH^1^9",
        )

    def _patient_work(self, message: Message, origin: Origin) -> Work:
        changes = patient_changes(message, self._mapping, self._settings.local_issuers)

        def work(transaction: Transaction) -> None:
            for change in changes:
                change_patient(transaction, change, origin)

        return work

    def _order_work(self, message: Message, origin: Origin) -> Work:
        steps = steps_of(message, self._mapping, self._settings.local_issuers)

        def work(transaction: Transaction) -> None:
            for step in steps:
                order(transaction, step, by=origin.by, reason=f"HL7 {origin.control_id}")

        return work

    def _check(self, header: Header) -> None:
        settings = self._settings
        for field, value, allowed in (
            (3, header.sending_application, settings.sending_applications),
            (4, header.sending_facility, settings.sending_facilities),
            (5, header.receiving_application, settings.receiving_applications),
            (6, header.receiving_facility, settings.receiving_facilities),
        ):
            if allowed is not None and value not in allowed:
                who = "sender is not known" if field in (3, 4) else "message is not for this node"
                raise MessageRefusedError(
                    f"{who}: MSH-{field} is {value[:32]!a}", code=_APPLICATION_ERROR, location=f"MSH^1^{field}"
                )
        if not header.control_id or len(header.control_id) > _LONGEST_CONTROL_ID:
            raise MessageError(
                "MSH-10 (control ID) is missing or too long", code=_REQUIRED_FIELD_MISSING, location="MSH^1^10"
            )

    def _arrived(self, data: bytes, header: Header, address: str, now: datetime) -> ArrivedMessage:
        # MSH differs when a message is sent again: it says when that was
        _, _, rest = data.replace(b"\r\n", b"\r").replace(b"\n", b"\r").partition(b"\r")
        return ArrivedMessage(
            at=now,
            sender=f"{header.sending_application}|{header.sending_facility}",
            address=address,
            control_id=header.control_id,
            type=header.type[:_SHOWN],
            digest=hashlib.blake2b(header.type.encode() + b"\r" + rest, digest_size=16).digest(),
            content=data if self._settings.contents_kept else None,
        )

    def _encoded(self, acknowledgment: Acknowledgment, header: Header | None, now: datetime) -> bytes:
        return encoded(acknowledgment, header, f"{self._started}{next(self._numbers):x}", now)

    def _note(
        self, data: bytes, header: Header | None, address: str, now: datetime, answer: Acknowledgment, sent: bytes
    ) -> None:
        """Record what was not done. Nobody was promised anything, so a failure is only logged."""
        if header is None:
            message = ArrivedMessage(now, "", address, "", "", b"", data if self._settings.contents_kept else None)
        else:
            message = self._arrived(data, header, address, now)
            message = replace(message, control_id=message.control_id[:_LONGEST_CONTROL_ID])
        try:
            self._index.messages.note(message, answer.code, answer.reason, sent, self._retention)
        except IndexUnavailableError as error:
            log.error("hl7.message_not_recorded", reason=str(error))


def _log(
    answer: Acknowledgment, header: Header | None, address: str, began: float, *, is_repeated: bool = False
) -> None:
    """One line a message; nothing in it tells of a patient."""
    fields: dict[str, object] = {
        "type": header.type[:_SHOWN] if header else "",
        "control_id": header.control_id[:_SHOWN] if header else "",
        "sender": f"{header.sending_application}|{header.sending_facility}"[:_SHOWN] if header else "",
        "address": address,
        "duration_ms": round((time.monotonic() - began) * 1000, 2),
    }
    if answer.code is Code.ACCEPT:
        log.info("hl7.message_repeated" if is_repeated else "hl7.message_accepted", **fields)
        return
    event = "hl7.message_rejected" if answer.code is Code.REJECT else "hl7.message_failed"
    log.warning(event, code=str(answer.code), reason=answer.reason, **fields)
