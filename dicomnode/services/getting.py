"""Instances on their way to the one who asked for them, on his own association (C-GET)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from dicomnode.dicom.outgoing import OutgoingInstance
from dicomnode.dicom.transfer_syntax import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from dicomnode.errors import DicomNodeError
from dicomnode.scu.storage import Sent
from dicomnode.scu.storage_link import Transcode
from dicomnode.upper_layer.operations import Exchange

_MESSAGE_IDS: Final = 65535
_FIRST: Final = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)
"""What an instance is rather brought to than to anything compressed."""


def send(
    instances: Sequence[OutgoingInstance],
    exchange: Exchange,
    transcode: Transcode | None,
    stop: Callable[[], bool],
) -> Iterator[Sent]:
    """What becomes of each instance; asks ``stop`` before each one."""
    accepted: dict[str, list[str]] = {}
    for sop_class_uid, transfer_syntax_uid in exchange.storage_contexts():
        accepted.setdefault(sop_class_uid, []).append(transfer_syntax_uid)
    for syntaxes in accepted.values():
        syntaxes.sort(key=lambda uid: _FIRST.index(uid) if uid in _FIRST else len(_FIRST))
    for number, instance in enumerate(instances):
        if stop():
            return
        syntaxes = accepted.get(instance.sop_class_uid, [])
        if not syntaxes:
            yield Sent(instance, None, "no presentation context accepted for its SOP Class")
            continue
        try:
            answer = exchange.store(_fitted(instance, syntaxes, transcode), number % _MESSAGE_IDS + 1)
        except DicomNodeError as error:
            yield Sent(instance, None, str(error))
            continue
        if answer is None:
            yield Sent(instance, None, "no presentation context accepted for its transfer syntax")
        else:
            yield Sent(instance, answer.status, answer.comment)


def _fitted(instance: OutgoingInstance, syntaxes: Sequence[str], transcode: Transcode | None) -> OutgoingInstance:
    """The instance as it is, or in one of these transfer syntaxes when it can be brought to one.

    Raises:
        DicomNodeError: it cannot be read, or not be transcoded.
    """
    if transcode is None:
        return instance
    if instance.preferred_syntax_uid in syntaxes:
        with contextlib.suppress(DicomNodeError):  # then as if there were no preference
            return _transcoded(instance, (instance.preferred_syntax_uid,), transcode)
    if instance.transfer_syntax_uid in syntaxes:
        return instance
    return _transcoded(instance, syntaxes, transcode)


def _transcoded(instance: OutgoingInstance, wanted: Sequence[str], transcode: Transcode) -> OutgoingInstance:
    syntax, dataset = transcode(instance.dataset(), instance.transfer_syntax_uid, wanted)
    return OutgoingInstance(instance.sop_class_uid, instance.sop_instance_uid, syntax, lambda: dataset)
