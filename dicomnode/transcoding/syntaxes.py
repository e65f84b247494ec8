"""Between which transfer syntaxes a data set can be brought (PS3.5 Section 10, Annex A)."""

from __future__ import annotations

from typing import Final

from dicomnode.dicom.transfer_syntax import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)

JPEG: Final = (
    "1.2.840.10008.1.2.4.50",  # baseline, process 1
    "1.2.840.10008.1.2.4.51",  # extended, processes 2 and 4
    "1.2.840.10008.1.2.4.57",  # lossless, process 14
    "1.2.840.10008.1.2.4.70",  # lossless, process 14, first-order prediction
)
JPEG_LS_LOSSLESS: Final = "1.2.840.10008.1.2.4.80"
JPEG_LS: Final = (JPEG_LS_LOSSLESS, "1.2.840.10008.1.2.4.81")
JPEG_2000_LOSSLESS: Final = "1.2.840.10008.1.2.4.90"
HTJ2K_LOSSLESS: Final = "1.2.840.10008.1.2.4.201"
JPEG_2000: Final = (
    JPEG_2000_LOSSLESS,
    "1.2.840.10008.1.2.4.91",
    HTJ2K_LOSSLESS,
    "1.2.840.10008.1.2.4.202",  # lossless, by resolution
    "1.2.840.10008.1.2.4.203",
)
RLE_LOSSLESS: Final = "1.2.840.10008.1.2.5"

UNCOMPRESSED: Final = frozenset(
    {
        IMPLICIT_VR_LITTLE_ENDIAN,
        EXPLICIT_VR_LITTLE_ENDIAN,
        EXPLICIT_VR_BIG_ENDIAN,
        DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    }
)
DECODED: Final = frozenset({*JPEG, *JPEG_LS, *JPEG_2000, RLE_LOSSLESS})
ENCODED: Final = frozenset({JPEG_LS_LOSSLESS, JPEG_2000_LOSSLESS, HTJ2K_LOSSLESS, RLE_LOSSLESS})
"""All of them without loss: a node may not change what a diagnosis rests on."""
