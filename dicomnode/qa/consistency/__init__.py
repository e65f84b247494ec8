"""Rules on what attributes say of one another: only what is surely wrong, each with where PS3.3 says so.

None rejects or holds back. To add a rule: a check beside its kin (``geometry``, ``display``, ``frames``, ``frame_positions``,
``acquisition``) and a line here; a check whose attributes are absent costs no more than to see that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from dicomnode.dicom import status
from dicomnode.dicom.instance import Severity
from dicomnode.qa.consistency import acquisition, display, frame_positions, frames, geometry, references
from dicomnode.qa.rule import Check, Rule


def _rule(
    name: str, severity: Severity, reference: str, check: Check, concerns: Callable[[str], bool] | None = None
) -> Rule:
    return Rule(f"consistency.{name}", severity, status.DATASET_DOES_NOT_MATCH_SOP_CLASS, reference, check, concerns)


_WARN, _INFO = Severity.WARN, Severity.INFO

CONSISTENCY: Final = (
    _rule("orientation", _WARN, "PS3.3 C.7.6.2.1.1", geometry.orientation_is_no_plane),
    _rule("position", _WARN, "PS3.3 C.7.6.2", geometry.position_without_orientation),
    _rule("spacing", _WARN, "PS3.3 10.7.1.3", geometry.spacing_is_none),
    _rule("thickness", _WARN, "PS3.3 C.7.6.2", geometry.thickness_below_zero),
    _rule("window", _WARN, "PS3.3 C.11.2.1.2", display.window_is_none),
    _rule("rescale", _WARN, "PS3.3 C.11.1", display.rescale_is_half),
    _rule("frames", _WARN, "PS3.3 C.7.6.16", frames.frames_do_not_fit),
    _rule("frame-pointer", _WARN, "PS3.3 C.7.6.6", frames.pointer_leads_nowhere),
    _rule("frame-gaps", _WARN, "PS3.3 C.7.6.16.2.3", frame_positions.frames_missing, frame_positions.is_volume),
    _rule("lossy", _WARN, "PS3.3 C.7.6.1.1.5", display.compression_is_denied),
    _rule("lossy-ratio", _INFO, "PS3.3 C.7.6.1.1.5", display.compression_is_not_described),
    _rule("modality", _WARN, "PS3.3 C.7.3.1.1.1", acquisition.modality_of_another_class),
    _rule("dates", _INFO, "PS3.3 C.7.2.1", acquisition.taken_before_the_study),
    _rule("age", _WARN, "PS3.3 C.7.2.2", acquisition.age_differs),
    _rule("temporal-position", _WARN, "PS3.3 C.8.3.1", acquisition.beyond_temporal_positions),
    _rule("radiopharmaceutical", _WARN, "PS3.3 C.8.9.2", acquisition.given_after_the_series),
    _rule("uids", _WARN, "PS3.5 9.1", references.one_uid_for_two),
    _rule("self-reference", _INFO, "PS3.3 C.12.4.1", references.refers_to_itself),
)
"""Severities as counted on real files (docs/qa.md)."""
