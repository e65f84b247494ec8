"""Rules on an image's data beyond the core: encapsulation, colors, overlays, look-up tables, waveforms, too many bytes.

To add a rule: a check beside its kin (``compression``, ``photometric``, ``planes``) and a line here.
"""

from __future__ import annotations

from typing import Final

from dicomnode.dicom import status
from dicomnode.dicom.instance import Severity
from dicomnode.qa import compression, photometric, pixels, planes
from dicomnode.qa.rule import Rule
from dicomnode.qa.topics import PIXELS, TABLES

_MISMATCH = status.DATASET_DOES_NOT_MATCH_SOP_CLASS
_WARN, _QUARANTINE = Severity.WARN, Severity.QUARANTINE

IMAGES: Final = (
    Rule("pixel.trailing", _WARN, _MISMATCH, "PS3.5 8.1.1", pixels.pixels_too_long, reads=PIXELS),
    Rule("pixel.fragments", _QUARANTINE, _MISMATCH, "PS3.5 A.4", compression.fragments_do_not_fit),
    Rule("pixel.offset-table", _WARN, _MISMATCH, "PS3.5 A.4", compression.offset_tables_wrong),
    Rule("pixel.photometric", _WARN, _MISMATCH, "PS3.3 C.7.6.3.1.2", photometric.samples_contradict, reads=PIXELS),
    Rule("pixel.compression", _WARN, _MISMATCH, "PS3.5 8.2", photometric.compression_contradicts, reads=PIXELS),
    Rule("pixel.overlay", _WARN, _MISMATCH, "PS3.3 C.9.2", planes.overlays_too_short, reads=PIXELS),
    Rule("pixel.lut", _WARN, _MISMATCH, "PS3.3 C.7.6.3.1.5", planes.look_up_tables_wrong, reads=TABLES),
    Rule("waveform.size", _QUARANTINE, _MISMATCH, "PS3.3 C.10.9", planes.waveforms_too_short, reads=TABLES),
)
"""The rules on images; severities as counted on real files (docs/qa.md)."""
