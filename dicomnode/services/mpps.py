"""Performed Procedure Steps as their modalities tell them (PS3.4 Annex F): kept, with all that follows, before the answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from dicomnode.dicom.json_form import Json, hex_name
from dicomnode.dicom.json_text import attributes_of, encoded
from dicomnode.dicom.peer import Sender
from dicomnode.dicom.performed_step import PerformedStep
from dicomnode.dicom.procedure import new_uid
from dicomnode.errors import InvalidObjectError, TooLargeError
from dicomnode.index import Index
from dicomnode.index.mpps import Message, Recorded
from dicomnode.settings import Settings

_UID: Final = re.compile(r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))+")
_UID_LENGTH: Final = 64
_MEBIBYTE: Final = 1 << 20


class MissingAttributes(StrEnum):
    """What to do with a step that lacks what the standard asks for."""

    REFUSE = "refuse"
    ACCEPT = "accept"


class MppsSettings(Settings):
    """How the node takes what modalities tell of their procedure steps."""

    missing_attributes: MissingAttributes = MissingAttributes.REFUSE
    """Attributes of type 2 that are absent, in place of empty: refuse (0x0120) or accept, for devices that leave them out; then a
    step may also be discontinued without a series, and set attributes that it did not create. Type 1 is always asked for."""
    forward_to: tuple[str, ...] = ()
    """Names of the peers that get every N-CREATE and N-SET too, in their order, by way of the outbox."""
    maximum_mb: Annotated[int, Field(ge=1, le=64)] = 16
    """Size in MiB of the data set of one message; a larger one is refused (0x0213)."""


class PerformedProcedureSteps:
    """What a modality may do with its steps."""

    def __init__(self, index: Index, settings: MppsSettings) -> None:
        self._steps = index.performed_steps
        self._is_lenient = settings.missing_attributes is MissingAttributes.ACCEPT
        self._forward_to = settings.forward_to
        self._maximum_bytes = settings.maximum_mb * _MEBIBYTE

    def create(
        self, sop_instance_uid: str, dataset: bytes, transfer_syntax_uid: str, sender: Sender
    ) -> tuple[str, Recorded]:
        """Begin a step; its SOP Instance UID, which is a new one when none was given, and what it did.

        Raises:
            NormalizedError: it may not be.
            DatasetError: the data set cannot be read.
            IndexUnavailableError: it could not be written; nothing was.
        """
        message = self._message(sop_instance_uid or new_uid(), dataset, transfer_syntax_uid, sender)
        step = PerformedStep.created(message.attributes, is_lenient=self._is_lenient)
        return message.sop_instance_uid, self._steps.create(message, step)

    def change(self, sop_instance_uid: str, dataset: bytes, transfer_syntax_uid: str, sender: Sender) -> Recorded:
        """Change a step that is in progress, maybe end it.

        Raises:
            NormalizedError: it may not be, or there is none.
            DatasetError: the data set cannot be read.
            IndexUnavailableError: it could not be written; nothing was.
        """
        message = self._message(sop_instance_uid, dataset, transfer_syntax_uid, sender)
        return self._steps.change(message, lambda step: step.changed(message.attributes, is_lenient=self._is_lenient))

    def get(
        self, sop_instance_uid: str, attributes: Sequence[int], transfer_syntax_uid: str, *, only_set: str = ""
    ) -> tuple[bytes, tuple[int, ...]]:
        """The attributes of a step, encoded; and those asked for that it has not.

        Args:
            attributes: empty for all.
            only_set: the Specific Character Set that the peer is known to read; empty for any.

        Raises:
            UnknownObjectError: there is no such step.
            IndexUnavailableError: the index cannot be read.
        """
        recorded = self._steps.get(sop_instance_uid)
        has = recorded.step.attributes
        wanted = {hex_name(tag): tag for tag in attributes}
        unknown = tuple(tag for name, tag in wanted.items() if name not in has)
        chosen = {name: value for name, value in has.items() if not wanted or name in wanted}
        return (
            encoded(chosen, transfer_syntax_uid, preferred=recorded.character_set, only_set=only_set),
            unknown,
        )

    def _message(self, sop_instance_uid: str, dataset: bytes, transfer_syntax_uid: str, sender: Sender) -> Message:
        if len(sop_instance_uid) > _UID_LENGTH or not _UID.fullmatch(sop_instance_uid):
            raise InvalidObjectError("SOP Instance UID is none")
        if len(dataset) > self._maximum_bytes:
            raise TooLargeError("data set is too large")
        attributes, character_set = attributes_of(dataset, transfer_syntax_uid)
        return Message(
            sop_instance_uid,
            attributes,
            character_set,
            sender.calling_ae_title,
            sender.peer,
            [name for name in self._forward_to if name != sender.peer],
        )


def only(attributes: Sequence[int], dataset: bytes, transfer_syntax_uid: str) -> bytes:
    """Just these attributes of a data set that can be read, as responses name what is wrong (PS3.7 Section C.5.6)."""
    given, character_set = attributes_of(dataset, transfer_syntax_uid)
    names = {hex_name(tag) for tag in attributes}
    chosen: Json = {name: value for name, value in given.items() if name in names}
    return encoded(chosen, transfer_syntax_uid, preferred=character_set)
