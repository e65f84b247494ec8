"""Rules on Photometric Interpretation: against the samples of a pixel and the compression (PS3.3 C.7.6.3.1.2, PS3.5 8.2)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from dicomnode.dicom.tags import BITS_ALLOCATED, PHOTOMETRIC_INTERPRETATION, PIXEL_DATA, SAMPLES_PER_PIXEL
from dicomnode.qa.compression import MANY_FRAMES_A_FRAGMENT
from dicomnode.qa.rule import Hit, Subject

_SAMPLES: Final = {
    **dict.fromkeys((b"MONOCHROME1", b"MONOCHROME2", b"PALETTE COLOR"), 1),
    **dict.fromkeys((b"RGB", b"HSV", b"YBR_FULL", b"YBR_FULL_422", b"YBR_ICT", b"YBR_RCT", b"XYB"), 3),
    **dict.fromkeys((b"YBR_PARTIAL_420", b"YBR_PARTIAL_422"), 3),
    **dict.fromkeys((b"ARGB", b"CMYK"), 4),
}
"""Samples per Pixel; of other terms nothing is known."""

_JPEG: Final = "1.2.840.10008.1.2.4."
_JPEG_2000: Final = frozenset(
    _JPEG + number for number in ("90", "91", "92", "93", "94", "95", "201", "202", "203", "204", "205")
)
_JPEG_2000_REVERSIBLE: Final = frozenset(_JPEG + number for number in ("90", "92", "201", "202"))
_VIDEO: Final = MANY_FRAMES_A_FRAGMENT - _JPEG_2000
_JPEG_XL: Final = frozenset(_JPEG + number for number in ("110", "111", "112"))
_BASELINE: Final = f"{_JPEG}50"
ALWAYS_LOSSY: Final = _VIDEO | {_BASELINE, *(_JPEG + number for number in ("51", "52", "53", "54", "55", "56"))}
"""Transfer syntaxes that lose something of every image: JPEG with a DCT, and video."""
_MAYBE_LOSSY: Final = ALWAYS_LOSSY | {_JPEG + number for number in ("81", "91", "93", "112", "203")}
_EIGHT_BITS: Final = (_VIDEO | {_BASELINE}) - {f"{_JPEG}108"}  # HEVC Main 10 has ten

_ONLY_IN: Final = {
    b"YBR_ICT": _JPEG_2000 - _JPEG_2000_REVERSIBLE,
    b"YBR_RCT": _JPEG_2000,
    b"YBR_PARTIAL_420": _VIDEO,
    b"XYB": _JPEG_XL,
}
"""Transfer syntaxes outside of which a term has no meaning."""


def samples_contradict(subject: Subject) -> Iterable[Hit]:
    """Photometric Interpretation asks for another number of samples than Samples per Pixel says."""
    needed = _SAMPLES.get(subject.value(PHOTOMETRIC_INTERPRETATION) or b"")
    if needed is None:
        return ()
    samples = subject.integer(SAMPLES_PER_PIXEL)
    if not samples or samples == needed:
        return ()
    return (Hit((SAMPLES_PER_PIXEL, PHOTOMETRIC_INTERPRETATION), f"PhotometricInterpretation takes {needed} samples"),)


def compression_contradicts(subject: Subject) -> Iterable[Hit]:
    """The transfer syntax cannot carry such pixels: their Photometric Interpretation, their bits, or floating point."""
    pixels = subject.dataset.pixel_data
    if pixels is None:
        return ()
    syntax = subject.dataset.transfer_syntax
    if pixels.tag != PIXEL_DATA:
        return (Hit((pixels.tag,), "floating point pixels in a compressed syntax"),) if syntax.encapsulated else ()
    if not syntax.name:
        return ()
    photometric = (subject.value(PHOTOMETRIC_INTERPRETATION) or b"").strip()
    if _is_foreign(photometric, syntax.uid):
        return (Hit((PHOTOMETRIC_INTERPRETATION,), "PhotometricInterpretation is not of this transfer syntax"),)
    if syntax.uid in _EIGHT_BITS and (subject.integer(BITS_ALLOCATED) or 8) != 8:  # noqa: PLR2004
        return (Hit((BITS_ALLOCATED,), "BitsAllocated is not 8, as the transfer syntax has it"),)
    return ()


@lru_cache(maxsize=256)
def _is_foreign(photometric: bytes, transfer_syntax_uid: str) -> bool:
    only_in = _ONLY_IN.get(photometric)
    if only_in is not None:
        return transfer_syntax_uid not in only_in
    return photometric == b"PALETTE COLOR" and transfer_syntax_uid in _MAYBE_LOSSY
