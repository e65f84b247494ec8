"""Numbers in character strings, read once for the many instances that share them."""

from __future__ import annotations

import math
from functools import lru_cache


@lru_cache(maxsize=4096)
def decimals(value: bytes | None) -> tuple[float, ...] | None:
    """The numbers of a DS or IS (PS3.5 Table 6.2-1); None when there are none, or one of them is no number."""
    if not value:
        return None
    try:
        numbers = tuple(float(part) for part in value.split(b"\\"))
    except ValueError:
        return None
    return numbers if all(map(math.isfinite, numbers)) else None
