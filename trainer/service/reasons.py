"""What is said of a run to people who are not to know where anything lies here.

What went wrong comes from anybody's code: it may have lines without end, a traceback, and the paths of this machine.
"""

from __future__ import annotations

from collections.abc import Mapping

from trainer.config.served import without_paths

__all__ = ["in_a_line"]

LONGEST = 500  # characters of a reason
_TRACEBACK = "Traceback (most recent call last):"


def in_a_line(text: str, names: Mapping[str, str] | None = None) -> str:
    r"""A reason: its first line, and of a traceback the last, which says what it came to.

    >>> in_a_line("layer 1: Traceback (most recent call last):\n  File '/usr/a.py', line 1\nKeyError: 'w'\n")
    "layer 1: KeyError: 'w'"
    """
    before, found, rest = text.strip().partition(_TRACEBACK)
    if found:
        text = before.partition("\n")[0] + rest.rpartition("\n")[2]
    text = without_paths(text.strip().partition("\n")[0].rstrip(), names)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
