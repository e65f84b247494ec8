"""What a row is found by, made from what it holds."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime


def location_key(location: str) -> int:
    """64 bits of a hash of the location: short, and for all that a node can hold as good as the location itself."""
    return int.from_bytes(hashlib.blake2b(location.encode(), digest_size=8).digest(), "big", signed=True)


def microseconds(instant: datetime) -> int:
    """Microseconds since 1970, UTC."""
    return round(instant.timestamp() * 1_000_000)


def instant(since_1970: int) -> datetime:
    """The instant that `microseconds` made the number from."""
    return datetime.fromtimestamp(since_1970 / 1_000_000, UTC)
