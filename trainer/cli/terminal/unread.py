"""Output that nobody reads any more: `trainer run mlp.yaml | head -3`, or that goes to a full disk.

A pipe whose reader is gone breaks at the next line, and a full disk refuses it. The run's work is its folder, and the
lines are there to look on: so the rest of them go nowhere, the run goes on to its end, and says `finished`, with exit
code 0.
"""

from __future__ import annotations

import codecs
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

from trainer.cli.terminal.abilities import is_terminal
from trainer.cli.terminal.text import folded, spelt

__all__ = ["drop_output", "going_on_unread", "prepare_streams", "say_error"]


@contextmanager
def going_on_unread() -> Iterator[None]:
    """Inside the block, text for a standard output or error that takes none is dropped. Decorates as well."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast(TextIO, _Tolerant(stream)) for stream in before)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stdout, sys.stderr = before


def prepare_streams() -> None:
    """Standard output and error that take every text.

    A character that the encoding lacks is spelt, or shown by its number, and a terminal's lines are folded by words. A
    stream that is closed (`>&-`) is nothing.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  open as long as the process
        elif hasattr(stream, "reconfigure"):
            encoding = codecs.lookup(stream.encoding).name
            # click takes ASCII for a mistake, and would write UTF-8; of latin-1, text that is spelt has ASCII's bytes
            stream.reconfigure(encoding="latin-1" if encoding == "ascii" else None, errors="backslashreplace")
            if encoding != "utf-8" or is_terminal(stream):
                setattr(sys, name, _Shown(stream, encoding))


def say_error(text: str) -> None:
    """An error in a line of standard error, if that takes it: what it is about is the exit code as well."""
    stream = _Tolerant(sys.stderr)
    stream.write(f"error: {text}\n")
    stream.flush()


def drop_output() -> None:
    """What standard output still holds goes nowhere, since it could not be written."""
    _Tolerant(sys.stdout).flush()


class _Shown:
    """A stream of few characters, or of a terminal's width: each text as it can show it."""

    def __init__(self, stream: TextIO, characters: str) -> None:
        self._stream = stream
        self.characters = characters

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        shown = spelt(text, self.characters)
        if "\x1b" not in shown and is_terminal(self._stream):  # what is coloured has been laid out
            shown = folded(shown, shutil.get_terminal_size().columns)
        self._stream.write(shown)
        return len(text)


class _Tolerant:
    """A stream that turns to the null device when the system takes no more: a pipe that breaks, a full disk."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError:
            self._drop()
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            self._drop()

    def _drop(self) -> None:
        """What the stream still holds, and all that comes, goes to the null device: also what Python flushes last."""
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self._stream.fileno())
        os.close(null)
