"""What a stream can show: a line that is drawn again, colour, more than ASCII."""

from __future__ import annotations

import os
import sys
from typing import TextIO

__all__ = ["is_terminal", "is_unicode", "may_colour"]


def is_terminal(stream: TextIO | None = None) -> bool:
    """Whether a person watches, on something that can redraw a line."""
    stream = stream or sys.stdout
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def may_colour(stream: TextIO | None = None) -> bool:
    """Whether to use colour: on a terminal, unless NO_COLOR says otherwise (https://no-color.org)."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR")


def is_unicode(stream: TextIO | None = None) -> bool:
    """Whether to use more than ASCII: on a terminal whose encoding has it."""
    stream = stream or sys.stdout
    return is_terminal(stream) and (stream.encoding or "").lower().replace("-", "").startswith("utf")
