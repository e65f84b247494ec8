"""Tags that many parts ask for: what identifies an instance (PS3.3 C.12.1, C.7.2.1, C.7.3.1), what describes frames (C.7.6.16)."""

from __future__ import annotations

from typing import Final

SOP_CLASS_UID: Final = 0x00080016
SOP_INSTANCE_UID: Final = 0x00080018
STUDY_INSTANCE_UID: Final = 0x0020000D
SERIES_INSTANCE_UID: Final = 0x0020000E
SHARED_GROUPS: Final = 0x52009229
PER_FRAME_GROUPS: Final = 0x52009230
