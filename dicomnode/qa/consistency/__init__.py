"""Rules on what attributes say of one another: only what is surely wrong, each with where PS3.3 says so.

None rejects or holds back. To add a rule: a check beside its kin (``geometry``, ``display``, ``frames``, ``frame_positions``,
``acquisition``) and a line here. Checks of attributes that are one for a whole series say what they read (`Reads`); those of rare
attributes are asked where an instance has any.
"""

from __future__ import annotations

from collections.abc import Callable, Sized
from typing import Final

from dicomnode.dicom import status
from dicomnode.dicom.instance import Severity
from dicomnode.dicom.tags import COLUMNS, NUMBER_OF_FRAMES, PER_FRAME_GROUPS, ROWS, SHARED_GROUPS, SOP_CLASS_UID
from dicomnode.qa.consistency import acquisition, display, frame_positions, frames, geometry, references
from dicomnode.qa.reads import Reads
from dicomnode.qa.rule import Check, Look, Rule, Subject
from dicomnode.qa.topics import GENERAL

SHOWN: Final = Reads(
    (
        *(SOP_CLASS_UID, ROWS, COLUMNS, NUMBER_OF_FRAMES, SHARED_GROUPS, PER_FRAME_GROUPS),
        *(geometry.IMAGE_ORIENTATION, geometry.SLICE_THICKNESS, *geometry.SPACINGS, display.RESCALE_INTERCEPT),
        *(display.LOSSY_IMAGE_COMPRESSION, display.LOSSY_RATIO, display.LOSSY_METHOD),
    ),
    shapes=(display.RESCALE_SLOPE,),
)
"""How the slices of a series lie and are shown."""

WINDOW: Final = Reads(
    (display.WINDOW_CENTER, display.WINDOW_WIDTH, display.VOI_LUT_FUNCTION, SHARED_GROUPS, PER_FRAME_GROUPS)
)
"""By itself: some scanners choose another one for each slice."""

_RARE: Final = frozenset(
    (frames.FRAME_INCREMENT_POINTER, acquisition.TEMPORAL_POSITIONS, acquisition.RADIOPHARMACEUTICALS)
)


def rare(subject: Subject) -> Sized:
    """Attributes that few instances have, and that rules look at which no others concern."""
    return _RARE & subject.dataset.elements.keys()


def _rule(
    name: str,
    severity: Severity,
    reference: str,
    check: Check,
    concerns: Callable[[str], bool] | None = None,
    *,
    reads: Reads | None = None,
    look: Look | None = None,
) -> Rule:
    code = status.DATASET_DOES_NOT_MATCH_SOP_CLASS
    return Rule(f"consistency.{name}", severity, code, reference, check, concerns, reads=reads, look=look)


_WARN, _INFO = Severity.WARN, Severity.INFO

CONSISTENCY: Final = (
    _rule("orientation", _WARN, "PS3.3 C.7.6.2.1.1", geometry.orientation_is_no_plane, reads=SHOWN),
    _rule("position", _WARN, "PS3.3 C.7.6.2", geometry.position_without_orientation),
    _rule("spacing", _WARN, "PS3.3 10.7.1.3", geometry.spacing_is_none, reads=SHOWN),
    _rule("thickness", _WARN, "PS3.3 C.7.6.2", geometry.thickness_below_zero, reads=SHOWN),
    _rule("window", _WARN, "PS3.3 C.11.2.1.2", display.window_is_none, reads=WINDOW),
    _rule("rescale", _WARN, "PS3.3 C.11.1", display.rescale_is_half, reads=SHOWN),
    _rule("frames", _WARN, "PS3.3 C.7.6.16", frames.frames_do_not_fit, reads=SHOWN),
    _rule("frame-pointer", _WARN, "PS3.3 C.7.6.6", frames.pointer_leads_nowhere, look=rare),
    _rule("frame-gaps", _WARN, "PS3.3 C.7.6.16.2.3", frame_positions.frames_missing, frame_positions.is_volume),
    _rule("lossy", _WARN, "PS3.3 C.7.6.1.1.5", display.compression_is_denied, reads=SHOWN),
    _rule("lossy-ratio", _INFO, "PS3.3 C.7.6.1.1.5", display.compression_is_not_described, reads=SHOWN),
    _rule("modality", _WARN, "PS3.3 C.7.3.1.1.1", acquisition.modality_of_another_class, reads=GENERAL),
    _rule("dates", _INFO, "PS3.3 C.7.2.1", acquisition.taken_before_the_study, reads=GENERAL),
    _rule("age", _WARN, "PS3.3 C.7.2.2", acquisition.age_differs, reads=GENERAL),
    _rule("temporal-position", _WARN, "PS3.3 C.8.3.1", acquisition.beyond_temporal_positions, look=rare),
    _rule("radiopharmaceutical", _WARN, "PS3.3 C.8.9.2", acquisition.given_after_the_series, look=rare),
    _rule("uids", _WARN, "PS3.5 9.1", references.one_uid_for_two),
    _rule("self-reference", _INFO, "PS3.3 C.12.4.1", references.refers_to_itself),
)
"""Severities as counted on real files (docs/qa.md)."""
