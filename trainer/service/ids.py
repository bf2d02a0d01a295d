"""Names of runs, tokens and uploads, and the time as it is written.

An id is 26 letters and digits of Crockford's base 32: milliseconds, then randomness. Later ones are larger, nobody can
guess one, and none means anything to a file system.
"""

from __future__ import annotations

import re
import secrets
import time
from datetime import UTC, datetime

__all__ = ["ID", "is_id", "new_id", "now", "today"]

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")
_last = 0


def new_id() -> str:
    """An id that is larger than every one that this process has made before.

    >>> first, second = new_id(), new_id()
    >>> is_id(first), first < second
    (True, True)
    """
    global _last
    moment = max((time.time_ns() // 1_000_000 << 80) | secrets.randbits(79), _last + 1)
    _last = moment
    return "".join(_DIGITS[moment >> shift & 31] for shift in range(125, -1, -5))


def is_id(text: str) -> bool:
    """Whether a text can be an id."""
    return ID.fullmatch(text) is not None


def now() -> str:
    """The time, UTC, with milliseconds: `2026-01-31T17:45:02.123+00:00`."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def today() -> str:
    """The day, UTC: `2026-01-31`."""
    return now()[:10]
