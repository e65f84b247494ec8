"""Everything that can go wrong, as one tree; what a caller needs to know stands in attributes.

DicomNodeError
├── ConfigurationError        the YAML file, an environment variable or a command-line value is wrong; nothing was started
├── DataFolderError           the data folder cannot be used: in use by another node, wrong owner, network file system, newer index
├── DatasetError              a data set cannot be read: what, and at which byte
├── TranscodingError          a data set cannot be brought into another transfer syntax
├── AmendError                a data set cannot be changed as asked
├── IdentifierError           what a query or retrieve request asks for does not match its SOP Class (0xA900)
├── StorageError              what came in could not be made durable; transient, so the sender may retry (0xA700)
│   ├── OutOfSpaceError       the free-space floor is reached
│   └── IndexUnavailableError the index cannot be read or written now
├── TooManyMatchesError       a query matches more than one may (0xA700)
├── WorklistError             an entry of the worklist lacks what a scanner needs, or a value is none of its VR
├── UnknownStepError          no such entry in the worklist
├── NormalizedError           a normalized request cannot be done; nothing of it was (PS3.7 Section 10.1)
│   ├── MissingAttributesError  attributes are missing (0x0120)
│   ├── MissingValuesError    attributes are empty that need a value (0x0121)
│   ├── InvalidValuesError    attributes have a value that they may not have (0x0106)
│   ├── InvalidObjectError    the SOP Instance UID is none (0x0117)
│   ├── DuplicateObjectError  the SOP Instance is there already (0x0111)
│   ├── UnknownObjectError    there is no such SOP Instance (0x0112)
│   ├── FinalStateError       the performed procedure step is final (0x0110)
│   └── TooLargeError         its data set is larger than it may be (0x0213)
├── UnknownInstanceError      no such instance, study or quarantine entry
├── UnknownEntryError         no such entry in the outbox, or none that this can be done with
├── UndeliverableError        what the node owes cannot be delivered, however often it is tried
├── DeliveryError             what the node owes could not be delivered now
├── NotReleasableError        what is in quarantine cannot be released as it is
├── FramingError              bytes that are no MLLP: their connection is over
├── MessageError              an HL7 message cannot be done as it is (AE)
│   └── MessageRefusedError   it is not for this node, or of a kind that it does not serve (AR)
├── NotSentError              an instance cannot be sent to this peer, but others can
└── PeerError                 a peer could not be reached, or refused us
    ├── BusyError             it rejects us for now, and says that we may try again
    └── NoContextError        it lets us in, but takes none of the presentation contexts that we propose

A message starts with what is wrong: only its first 64 characters reach a peer (PS3.7 Annex C, Error Comment).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class DicomNodeError(Exception):
    """What dicomnode raises; its text is fit for a person and holds no patient data."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a configuration.

    Attributes:
        key: the path of the key, e.g. ``peers.ct1.port``.
        text: what is wrong with it.
        line: its line in the file, from 1; None when it does not come from the file.
    """

    key: str
    text: str
    line: int | None = None


class ConfigurationError(DicomNodeError):
    """The configuration is wrong; ``source`` names the file (or variable) and ``problems`` every fault in it."""

    def __init__(self, source: Path | str, problems: list[Problem]) -> None:
        self.source = source
        self.problems = problems
        super().__init__("\n".join(self._lines()))

    def _lines(self) -> list[str]:
        return [
            f"{self.source}{f':{problem.line}' if problem.line else ''}: {f'{problem.key}: ' if problem.key else ''}{problem.text}"
            for problem in self.problems
        ]


class DataFolderError(DicomNodeError):
    """The data folder cannot be used; the message says why and what to do."""


class DatasetError(DicomNodeError):
    """A data set cannot be read; ``offset`` is the byte, from the start of the data set, where reading stopped."""

    def __init__(self, message: str, offset: int) -> None:
        self.offset = offset
        super().__init__(message)


class IdentifierError(DicomNodeError):
    """The Identifier of a C-FIND, C-MOVE or C-GET request does not match its SOP Class; ``offending_elements`` says where."""

    def __init__(self, message: str, offending_elements: tuple[int, ...] = ()) -> None:
        self.offending_elements = offending_elements
        super().__init__(message)


class TranscodingError(DicomNodeError):
    """A data set cannot be brought into another transfer syntax: no way there, a missing package, or corrupt pixels."""


class AmendError(DicomNodeError):
    """A data set cannot be changed as asked: a value cannot be written in it, or it cannot be read well enough."""


class NotReleasableError(DicomNodeError):
    """An instance in quarantine cannot be released as it is."""


class StorageError(DicomNodeError):
    """What came in could not be made durable now; nothing of it is kept, and the sender may try again."""


class OutOfSpaceError(StorageError):
    """The file system that holds the data folder has less room than the free-space floor."""


class IndexUnavailableError(StorageError):
    """The index cannot be read or written now: locked, corrupted, or its disk is full.

    ``rolled_back`` tells whether what was to be written is certainly not there: only then may its file be taken away.
    """

    def __init__(self, message: str, *, rolled_back: bool = False) -> None:
        self.rolled_back = rolled_back
        super().__init__(message)


class TooManyMatchesError(DicomNodeError):
    """A query matches more than ``query.maximum_matches``."""


class WorklistError(DicomNodeError):
    """An entry of the worklist cannot be taken: ``problems`` says all that is wrong with it, without its values."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("; ".join(problems))


class UnknownStepError(DicomNodeError):
    """No such entry in the worklist."""


class NormalizedError(DicomNodeError):
    """A normalized request cannot be done, and nothing of it was; ``attributes`` are the tags that it is about."""

    def __init__(self, message: str, attributes: tuple[int, ...] = ()) -> None:
        self.attributes = attributes
        super().__init__(message)


class MissingAttributesError(NormalizedError):
    """Attributes are missing."""


class MissingValuesError(NormalizedError):
    """Attributes are empty that need a value."""


class InvalidValuesError(NormalizedError):
    """Attributes have a value that they may not have."""


class InvalidObjectError(NormalizedError):
    """The SOP Instance UID is none."""


class DuplicateObjectError(NormalizedError):
    """The SOP Instance is there already."""


class UnknownObjectError(NormalizedError):
    """There is no such SOP Instance."""


class FinalStateError(NormalizedError):
    """The performed procedure step is final."""


class TooLargeError(NormalizedError):
    """The data set is larger than it may be."""


class CommitmentError(NormalizedError):
    """A request for storage commitment, or a report on one, lacks what it needs, or says what cannot be."""


class UnknownInstanceError(DicomNodeError):
    """What was asked for is not here."""


class FramingError(DicomNodeError):
    """What comes over a connection is not MLLP, or a message is too long: nothing after it can be told apart."""


class MessageError(DicomNodeError):
    """An HL7 message cannot be done as it is; nothing of it was done.

    Attributes:
        code: ERR-3, of HL7 Table 0357.
        location: ERR-2, such as ``PID^1^3``; empty when it is no single place.
    """

    def __init__(self, message: str, *, code: int, location: str = "") -> None:
        self.code = code
        self.location = location
        super().__init__(message)


class MessageRefusedError(MessageError):
    """An HL7 message is not for this node, or of a kind that it does not serve."""


class UnknownEntryError(DicomNodeError):
    """No such entry in the outbox, or none that this can be done with now."""


class DeliveryError(DicomNodeError):
    """What the node owes could not be delivered now, though its destination can be reached: it is tried again."""


class UndeliverableError(DicomNodeError):
    """What the node owes cannot be delivered, however often it is tried: a person has to look."""


class NotSentError(DicomNodeError):
    """An instance cannot be sent to this peer: it cannot be read, or the peer does not take it; others can."""


class PeerError(DicomNodeError):
    """A peer could not be reached, or refused us; the message says at which step."""


class BusyError(PeerError):
    """A peer rejects an association for now (rejected-transient, PS3.8 Table 9-21)."""


class NoContextError(PeerError):
    """A peer lets us in, but takes none of the presentation contexts that we propose."""
