"""The rules that every node begins with; their severities are what was counted on real scanner files (docs/qa.md).

To add a rule: a check beside its kin (``identification``, ``encoding``, ``content``, ``pixels``) and a line here.
"""

from __future__ import annotations

from typing import Final

from dicomnode.dicom import status
from dicomnode.dicom.instance import Severity
from dicomnode.dicom.sop_class import is_image_storage, is_private
from dicomnode.dicom.tags import PATIENT_ID, SOP_INSTANCE_UID, STUDY_INSTANCE_UID
from dicomnode.qa import content, encoding, identification, pixels
from dicomnode.qa.identification import doubtful_uids
from dicomnode.qa.rule import Rule
from dicomnode.qa.topics import GENERAL, PIXELS
from dicomnode.qa.values.looking import flawed_values

_INFO, _WARN, _QUARANTINE, _REJECT = Severity.INFO, Severity.WARN, Severity.QUARANTINE, Severity.REJECT
_MISMATCH = status.DATASET_DOES_NOT_MATCH_SOP_CLASS
_CANNOT_PARSE, _INVALID = status.CANNOT_PARSE, status.INVALID_SOP_INSTANCE

UIDS: Final = "core.uids"

CORE: Final = (
    Rule("core.parse", _REJECT, _CANNOT_PARSE, "PS3.5 7.1", encoding.unreadable),
    Rule(UIDS, _REJECT, status.MISSING_UID, "PS3.3 C.12.1", identification.without_uids, look=doubtful_uids),
    Rule("core.affected-class", _REJECT, _MISMATCH, "PS3.4 B.2.3", identification.other_sop_class, reads=GENERAL),
    Rule("core.affected-instance", _QUARANTINE, _MISMATCH, "PS3.4 B.2.3", identification.other_sop_instance),
    Rule("core.uid-syntax", _QUARANTINE, _INVALID, "PS3.5 9.1", identification.no_uids, look=doubtful_uids),
    Rule("core.uid-strict", _WARN, _INVALID, "PS3.5 9.1", identification.loose_uids, look=doubtful_uids),
    Rule("core.damaged", _QUARANTINE, _CANNOT_PARSE, "PS3.5 7.1", encoding.damaged),
    Rule("core.encoding", _WARN, _CANNOT_PARSE, "PS3.5 7.1", encoding.irregular),
    Rule("core.untidy", _INFO, _CANNOT_PARSE, "PS3.5 7.1", encoding.untidy),
    Rule("core.sop-class", _WARN, _MISMATCH, "PS3.4 B.5", content.unlisted_sop_class, content.is_unlisted),
    Rule("core.private-class", _INFO, _MISMATCH, "PS3.4 B.5", content.private_sop_class, is_private),
    Rule("core.charset", _WARN, _MISMATCH, "PS3.3 C.12.1.1.2", content.text_without_character_set, look=flawed_values),
    Rule("patient.id", _QUARANTINE, _MISMATCH, "PS3.3 C.7.1.1", identification.without_patient_id, reads=GENERAL),
    Rule("patient.name", _WARN, _MISMATCH, "PS3.3 C.7.1.1", identification.without_patient_name, reads=GENERAL),
    Rule("patient.sex", _WARN, _MISMATCH, "PS3.3 C.7.1.1", content.unknown_sex, reads=GENERAL),
    Rule("series.modality", _WARN, _MISMATCH, "PS3.3 C.7.3.1", identification.without_modality, reads=GENERAL),
    Rule("dates.real", _WARN, _MISMATCH, "PS3.5 6.2", content.no_dates, reads=GENERAL),
    Rule("dates.future", _WARN, _MISMATCH, "PS3.3 C.7.2.1", content.dates_out_of_range, reads=GENERAL),
    Rule("dates.birth", _WARN, _MISMATCH, "PS3.3 C.7.1.1", content.birth_after_study, reads=GENERAL),
    Rule("dates.order", _WARN, _MISMATCH, "PS3.3 C.7.3.1", content.series_before_study, reads=GENERAL),
    Rule("pixel.present", _QUARANTINE, _MISMATCH, "PS3.5 8.1.1", pixels.pixels_missing),
    Rule("pixel.size", _QUARANTINE, _MISMATCH, "PS3.5 8.1.1", pixels.pixels_do_not_fit, reads=PIXELS),
    Rule("pixel.form", _QUARANTINE, _MISMATCH, "PS3.5 A.4", pixels.form_differs_from_transfer_syntax, reads=PIXELS),
    Rule("pixel.attributes", _QUARANTINE, _MISMATCH, "PS3.3 C.7.6.3", pixels.image_pixel_incomplete, reads=PIXELS),
    Rule("pixel.bits", _QUARANTINE, _MISMATCH, "PS3.5 8.1.1", pixels.bits_contradict, reads=PIXELS),
    Rule("pixel.high-bit", _WARN, _MISMATCH, "PS3.5 8.1.1", pixels.high_bit_is_not_the_last, reads=PIXELS),
    Rule(
        "pixel.absent", _WARN, _MISMATCH, "PS3.3 C.7.6.3", pixels.image_without_pixels, is_image_storage, reads=PIXELS
    ),
)

OTHER_PATIENT: Final = "index.study-patient"
OTHER_CONTENT: Final = "core.duplicate"
FOUND_BY_THE_INDEX: Final = {
    OTHER_PATIENT: ((PATIENT_ID, STUDY_INSTANCE_UID), "Study is already under another patient", "PS3.3 A.1.2"),
    OTHER_CONTENT: ((SOP_INSTANCE_UID,), "SOP Instance UID is here with other content", "PS3.5 9"),
}
"""Rules that no look at one instance can decide, and that quarantine: tags, comment, reference."""

ENGINE_FAULT: Final = "core.engine"
BREAKER: Final = "core.breaker"
FOUND_BY_THE_NODE: Final = {
    ENGINE_FAULT: "A rule failed on it; qa.on_engine_error says what becomes of such instances",
    BREAKER: "It would have been refused, but so much of its device is that it was held instead (qa.breaker)",
}
"""Findings on how an instance was judged; no rules, so nothing overrides them."""
