"""What can go wrong, as a tree.

    TrainerError              anything a person can mend; the command prints it without a traceback
    ├── UsageError            a wrong argument or command line
    ├── ConfigError           the config file or an override; carries every problem found, with its place
    ├── DataError             a data set or a data file
    ├── PluginError           a plugin that is missing, fails to import, or claims a taken name
    ├── DoneError             a run that is there already, whole, and was not to be repeated
    ├── StorageError          a file that the system does not let us write (also an OSError)
    ├── ShapeError            arrays whose shapes do not fit (also a ValueError)
    ├── DivergedError         a loss that stopped being a number
    └── OpError               an op or the tape
        ├── RuleError         a vector-Jacobian product that is declared or computed wrongly
        ├── NotDifferentiableError   a gradient that does not exist, or that no rule was written for
        └── DetachError       an operation that would drop a Tensor from the tape (also a TypeError)

Anything else that escapes is a bug in this project and keeps its traceback.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

__all__ = [
    "ConfigError",
    "DataError",
    "DetachError",
    "DivergedError",
    "DoneError",
    "Hint",
    "NotDifferentiableError",
    "OpError",
    "PluginError",
    "Problem",
    "RuleError",
    "ShapeError",
    "StorageError",
    "TrainerError",
    "UsageError",
    "advised",
]


class Hint(NamedTuple):
    """A way out: what to set to what, as the library spells it, and what that brings."""

    setting: str
    value: object
    why: str

    def __str__(self) -> str:
        return f"{self.setting}={self.value!r}"


def advised(message: str, hints: Sequence[Hint], spelt: Callable[[Hint], str] = str) -> str:
    """A message with its ways out, each spelt as whoever reads it writes settings."""
    ways = [f"{hint.why} ({spelt(hint)})" for hint in hints]
    return f"{message}. Try {', or '.join(ways)}." if ways else message


class TrainerError(Exception):
    """Base of every error that a user of the library can mend. `exit_code` is what the command returns.

    hints: ways out as data, for whoever prints the error spells settings in a way of its own; see `told`.
    """

    exit_code = 1

    def __init__(self, *args: object, hints: Sequence[Hint] = ()) -> None:
        super().__init__(*args)
        self.hints = tuple(hints)

    def told(self, spelt: Callable[[Hint], str] = str) -> str:
        """The message and what to try.

        >>> UsageError("there is too little memory", hints=[Hint("batch_size", 8, "a smaller batch")]).told()
        'there is too little memory. Try a smaller batch (batch_size=8).'
        """
        return advised(super().__str__(), self.hints, spelt)

    def __str__(self) -> str:
        return self.told()


class UsageError(TrainerError):
    """An argument that cannot be used."""

    exit_code = 2


class Problem(NamedTuple):
    """One thing that is wrong with a config, as data.

    Attributes:
        message: what, and what would be right.
        source: the file, or "command line".
        line, column: where, from 1; None of the config as a whole, and the line of an override.
        excerpt: the line with a caret under the place; empty of the config as a whole.
    """

    message: str
    source: str
    line: int | None
    column: int | None
    excerpt: str


class ConfigError(TrainerError):
    """A config that cannot be used.

    problems: everything that is wrong with it, as data; empty where there is no config to point at.
    """

    exit_code = 2

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class DataError(TrainerError):
    """A data set or a data file that cannot be used.

    option: what the data set was told that is to blame, as a path of keys and indices, ("class_weights", "yes"); a
        config's error then points there. Empty where no option is.
    """

    exit_code = 2

    def __init__(self, message: str, *option: str | int, hints: Sequence[Hint] = ()) -> None:
        super().__init__(message, hints=hints)
        self.option = option


class EntryError(DataError):
    """A number by which a layer looks something up, and of which it has no entry.

    what: the message without the place in the batch, for whoever knows the row.
    """

    def __init__(self, what: str, place: str, hint: str = "") -> None:
        super().__init__(f"{what} ({place} of the batch){hint}")
        self.what = what + hint


class PluginError(TrainerError):
    """A plugin that cannot be used."""

    exit_code = 2


class DoneError(TrainerError):
    """The same run, whole, from the same config, data, code and seed.

    Attributes:
        path: its folder.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(f"already done: {os.fspath(path)}, of the same config, data, code and seed")
        self.path = os.fspath(path)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path,)


class StorageError(TrainerError, OSError):
    """A file that could not be written: a full disk, a read-only one, a folder that is gone.

    Attributes:
        path: which file.
    """

    def __init__(self, path: str | os.PathLike[str], error: OSError) -> None:
        super().__init__(f"{os.fspath(path)} cannot be written: {error.strerror or error}")
        self.path = os.fspath(path)
        self.error = error

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self.error)


class ShapeError(TrainerError, ValueError):
    """Arrays whose shapes do not fit together."""

    exit_code = 2


class DivergedError(TrainerError):
    """Training produced a loss that is not a finite number.

    finding: what a look at every value of the step brought to light.
    causes: what a look at the training did, a line each; whoever trains for somebody sets them.
    """

    exit_code = 3
    causes: tuple[str, ...] = ()

    def __init__(self, message: str, hints: Sequence[Hint] = (), finding: str | None = None) -> None:
        super().__init__(message, hints=hints)
        self.finding = finding

    def told(self, spelt: Callable[[Hint], str] = str) -> str:
        found = f"\nThe step again, with every value looked at:\n{self.finding}" if self.finding else ""
        return super().told(spelt) + "".join(f"\nWhat may be wrong: {cause}." for cause in self.causes) + found


class OpError(TrainerError):
    """Base of the errors of ops and the tape."""


class RuleError(OpError):
    """A vector-Jacobian product that is declared wrongly or returned something wrong."""


class NotDifferentiableError(OpError):
    """A gradient was asked for that does not exist or that nobody has written a rule for."""


class DetachError(OpError, TypeError):
    """An operation that would silently drop a Tensor from the tape."""
