"""Core rules on how a data set is encoded: what the scan found wrong, sorted by what it costs (PS3.5 Section 7)."""

from __future__ import annotations

from collections.abc import Sequence

from pydicom.datadict import dictionary_has_tag

from dicomnode.dicom.scan import Fault, FaultKind
from dicomnode.qa.identification import INDEXING_UIDS
from dicomnode.qa.rule import Hit, Subject

_INDEXING = frozenset(INDEXING_UIDS)

_BROKEN = frozenset(
    {
        FaultKind.TRUNCATED,
        FaultKind.BAD_VR,
        FaultKind.BAD_ITEM,
        FaultKind.TOO_DEEP,
        FaultKind.INFLATE_FAILED,
        FaultKind.HEADER_TOO_LARGE,
    }
)
"""After these some of the data set may not be what its sender meant."""

_IRREGULAR = frozenset({FaultKind.OUT_OF_ORDER, FaultKind.DUPLICATE_ELEMENT, FaultKind.OTHER_ENCODING})
"""Read whole, but another reader may read it otherwise."""

_UNTIDY = frozenset({FaultKind.ODD_LENGTH, FaultKind.TRAILING_PADDING})
"""Nothing is in doubt."""

_ITEM_GROUP = 0xFFFE  # items and delimiters are in the dictionary, but are no elements (PS3.5 Section 7.5)


def unreadable(subject: Subject) -> Sequence[Hit]:
    """It could not be read as far as the four UIDs, strictly or leniently."""
    elements = subject.dataset.elements
    if elements.keys() >= _INDEXING:
        return ()
    if not elements:
        return (Hit((), "Data Set cannot be parsed: it has no elements"),)
    broken = _faults(subject, _BROKEN)
    return (Hit(_tags(broken), f"Data Set cannot be parsed: {broken[0].kind}"),) if broken else ()


def damaged(subject: Subject) -> Sequence[Hit]:
    """The encoding is broken somewhere, though what identifies the instance could be read."""
    if not subject.dataset.faults:
        return ()
    broken = [fault for fault in _faults(subject, _BROKEN) if not _is_cut_pixel_data(subject, fault)]
    return (Hit(_tags(broken), f"Data Set damaged: {broken[0].kind}"),) if broken else ()


def irregular(subject: Subject) -> Sequence[Hit]:
    """Elements are out of order, come twice, or are encoded otherwise than announced; it could be read whole."""
    return _encoding(subject, _IRREGULAR) if subject.dataset.faults else ()


def untidy(subject: Subject) -> Sequence[Hit]:
    """Lengths are odd, or padding follows the last element; nothing is in doubt."""
    return _encoding(subject, _UNTIDY) if subject.dataset.faults else ()


def _encoding(subject: Subject, kinds: frozenset[FaultKind]) -> Sequence[Hit]:
    faults = _faults(subject, kinds)
    return (Hit(_tags(faults), f"Data Set encoding: {faults[0].kind}"),) if faults else ()


def _faults(subject: Subject, kinds: frozenset[FaultKind]) -> list[Fault]:
    return [fault for fault in subject.dataset.faults if fault.kind in kinds]


def _is_cut_pixel_data(subject: Subject, fault: Fault) -> bool:
    """Whether it is native pixel data that ends too early, of which pixel.present tells more."""
    pixels = subject.dataset.pixel_data
    return (
        fault.kind is FaultKind.TRUNCATED
        and pixels is not None
        and pixels.fragments is None
        and fault.tag == pixels.tag
    )


def _tags(faults: list[Fault]) -> tuple[int, ...]:
    """The elements concerned. Where reading is out of step a tag may be four letters of a name: only known ones are told."""
    return tuple(dict.fromkeys(fault.tag for fault in faults if fault.tag is not None and _is_known(fault.tag)))


def _is_known(tag: int) -> bool:
    return dictionary_has_tag(tag) and tag >> 16 != _ITEM_GROUP
