"""What is said of a run to people who are not to know where anything lies here.

What went wrong comes from anybody's code: it may have lines without end, a traceback, and the paths of this machine.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["in_a_line", "without_paths"]

LONGEST = 500  # characters of a reason
_TRACEBACK = "Traceback (most recent call last):"
# An absolute path has two parts at least: the slash of "and/or" and of a unit, m/s, is none, nor is an address.
_PATH = re.compile(r"(?<![\w/.:~-])(?:[A-Za-z]:\\(?:[^\s\\:*?\"'<>|]+\\)*|/(?:[^\s/:\"'<>|,;()]+/)+)(?=[^\s/])")


def without_paths(text: str, names: Mapping[str, str] | None = None) -> str:
    """A text in which files are called by their last names alone.

    names: what is called otherwise, by its path: an upload, as the config calls it.

    >>> without_paths("ValueError: /srv/runs/01J/x.npy and /srv/up/9f.csv: 3 m/s", {"/srv/up/9f.csv": "upload:01K"})
    'ValueError: x.npy and upload:01K: 3 m/s'
    """
    for path, name in (names or {}).items():
        text = text.replace(path, name)
    return _PATH.sub("", text)


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
