"""What a rule is, and what it looks at. Core rules stand in ``core.py``; whatever else makes rules makes them of this shape."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sized
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Final, NamedTuple, TypeVar, cast

from dicomnode.dicom import status
from dicomnode.dicom.amend import Change
from dicomnode.dicom.instance import Severity, StoreRequest
from dicomnode.dicom.knowledge import Knowledge
from dicomnode.dicom.scan import UNDEFINED, ScannedDataset
from dicomnode.dicom.value_representation import CHARACTERS, effective_vr
from dicomnode.qa.reads import Reads

MAX_VALUE_BYTES: Final = 1024
"""How much of a value a rule sees: a sender decides how long a value is, but not what judging it costs."""

_T = TypeVar("_T")


class Subject:
    """What rules look at; a value that several of them ask for is read once.

    Attributes:
        dataset: the scanned data set. Its own accessors read values whole: for elements that may be of any length use these here.
        request: the C-STORE request that brought it.
        today: where the node stands.
        known: what the node has of its patient, study and series; None where nobody looked: there is no index beside a file.
    """

    __slots__ = ("_head", "_numbers", "_shared", "_uids", "_values", "dataset", "known", "request", "today")

    def __init__(
        self, dataset: ScannedDataset, request: StoreRequest, today: date, known: Knowledge | None = None
    ) -> None:
        self.dataset = dataset
        self.request = request
        self.today = today
        self.known = known
        self._head = dataset.head
        self._values: dict[int, bytes | None] = {}
        self._uids: dict[int, str] = {}
        self._numbers: dict[int, int | None] = {}
        self._shared: dict[object, object] = {}

    def value(self, tag: int) -> bytes | None:
        """At most the first ``MAX_VALUE_BYTES`` of a value, as `ScannedDataset.value` has it; None when absent."""
        values = self._values
        if tag not in values:
            values[tag] = self._read(tag)
        return values[tag]

    def uid(self, tag: int) -> str:
        """A UID without padding, cut like a value, with bytes that are no ASCII as latin-1; empty when absent."""
        uid = self._uids.get(tag)
        if uid is None:
            uid = self._uids[tag] = (self.value(tag) or b"").strip(b" \0").decode("latin_1")
        return uid

    def integer(self, tag: int) -> int | None:
        """The first value of a number or Integer String; None when absent, no number, or longer than any list of them."""
        if tag in self._numbers:
            return self._numbers[tag]
        element = self.dataset.elements.get(tag)
        fits = element is not None and element[2] <= MAX_VALUE_BYTES
        number = self._numbers[tag] = self.dataset.integer(tag) if fits else None
        return number

    def day(self, tag: int) -> date | None:
        """The day that the first value of a DA names; None when it names none."""
        value = self.value(tag)
        return day(value.split(b"\\", 1)[0]) if value else None

    def once(self, key: object, compute: Callable[[Subject], _T]) -> _T:
        """What ``compute`` makes of this instance, computed for the first rule that asks, kept under ``key`` for the others.

        What raises is not kept: it is raised anew for each rule that asks, so that none takes half a result for a whole one.
        """
        if key not in self._shared:
            self._shared[key] = compute(self)
        return cast("_T", self._shared[key])

    def is_empty(self, tag: int) -> bool:
        """Whether the element is absent or says nothing."""
        element = self.dataset.elements.get(tag)
        return element is None or element[2] == 0 or (element[0] in CHARACTERS and not self.value(tag))

    def _read(self, tag: int) -> bytes | None:
        element = self.dataset.elements.get(tag)
        if element is None or element[2] == UNDEFINED:
            return None
        vr, offset, length = element
        end, head = offset + length, self._head
        if length > MAX_VALUE_BYTES:
            return bytes(self.dataset.data[offset : offset + MAX_VALUE_BYTES]).rstrip(b" \0")
        value = head[offset:end] if end <= len(head) else bytes(self.dataset.data[offset:end])
        return value.rstrip(b" \0") if vr in CHARACTERS or effective_vr(tag, vr) in CHARACTERS else value


@lru_cache(maxsize=4096)
def day(value: bytes) -> date | None:
    """The day that a DA value names (PS3.5 Table 6.2-1), in ACR-NEMA's form with dots too; None when it names none."""
    text = value.strip(b" \0")
    if len(text) == 10 and text[4:5] == text[7:8] == b".":  # noqa: PLR2004 - YYYY.MM.DD
        text = text.replace(b".", b"")
    if len(text) != 8 or not text.isdigit():  # noqa: PLR2004 - YYYYMMDD
        return None
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return None


class Hit(NamedTuple):
    """One fault: where, and what is wrong, without any value that tells of a patient.

    Attributes:
        path: the sequence items that lead to the element, as in `Finding`.
        reference: where the standard says so, if the rule's own does not tell exactly.
        change: what would mend it; made where the rule's severity is FIX.
    """

    tags: tuple[int, ...]
    comment: str
    path: str = ""
    reference: str = ""
    change: Change | None = None


Check = Callable[[Subject], Iterable[Hit]]
Look = Callable[[Subject], Sized]
"""One look at an instance that several rules share by `Subject.once`; what it gives is empty where none of them finds anything."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, compiled once and shared by all associations.

    Attributes:
        id: its name, in the log, in answers and in the configuration.
        severity: how it judges what it finds.
        status: the DIMSE failure that the sender is told where the rule rejects; what is kept is answered as such.
        reference: where the standard says so.
        check: finds the faults; must not raise, and when it does the instance is not lost.
        sop_classes: whether instances of a SOP Class (by its UID) are looked at; None for those of all.
        cap: at most so its findings count, whatever its severity; they tell what they would have been.
        otherwise: how a rule of severity FIX judges what it cannot mend.
        reads: what decides what it finds, if it is only this; None for a rule that is asked about each instance.
        look: what it goes by; None for a rule that looks for itself. It is asked only where the look gives something.
    """

    id: str
    severity: Severity
    status: int
    reference: str
    check: Check
    sop_classes: Callable[[str], bool] | None = None
    cap: Severity = Severity.REJECT
    otherwise: Severity = Severity.WARN
    reads: Reads | None = None
    look: Look | None = None

    def __post_init__(self) -> None:
        """Refuse a status that would tell a sender that what was rejected is kept.

        Raises:
            ValueError: ``status`` is Success or a Warning.
        """
        if status.is_success(self.status):
            raise ValueError(f"rule {self.id} would reject with {self.status:04X}, which is no failure")
