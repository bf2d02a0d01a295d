"""What can go wrong, as a tree.

    TrainerError              anything a person can mend; the command prints it without a traceback
    ├── UsageError            a wrong argument or command line
    ├── ConfigError           the config file or an override; carries every problem found, with its place
    ├── DataError             a data set or a data file
    ├── PluginError           a plugin that is missing, fails to import, or claims a taken name
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
from collections.abc import Iterable
from typing import Any

__all__ = [
    "ConfigError",
    "DataError",
    "DetachError",
    "DivergedError",
    "NotDifferentiableError",
    "OpError",
    "PluginError",
    "RuleError",
    "ShapeError",
    "StorageError",
    "TrainerError",
    "UsageError",
    "described",
    "nearest",
    "nearest_file",
    "source_of",
]


class TrainerError(Exception):
    """Base of every error that a user of the library can mend. `exit_code` is what the command returns."""

    exit_code = 1


class UsageError(TrainerError):
    """An argument that cannot be used."""

    exit_code = 2


class ConfigError(TrainerError):
    """A config that cannot be used."""

    exit_code = 2


class DataError(TrainerError):
    """A data set or a data file that cannot be used.

    option: what the data set was told that is to blame, as a path of keys and indices, ("class_weights", "yes"); a
        config's error then points there. Empty where no option is.
    """

    exit_code = 2

    def __init__(self, message: str, *option: str | int) -> None:
        super().__init__(message)
        self.option = option


class PluginError(TrainerError):
    """A plugin that cannot be used."""

    exit_code = 2


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
    """Training produced a loss that is not a finite number."""

    exit_code = 3


class OpError(TrainerError):
    """Base of the errors of ops and the tape."""


class RuleError(OpError):
    """A vector-Jacobian product that is declared wrongly or returned something wrong."""


class NotDifferentiableError(OpError):
    """A gradient was asked for that does not exist or that nobody has written a rule for."""


class DetachError(OpError, TypeError):
    """An operation that would silently drop a Tensor from the tape."""


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The name in `names` that `name` was probably meant to be, or None.

    >>> nearest("sofmax", ["relu", "softmax", "tanh"])
    'softmax'
    """
    from difflib import get_close_matches

    matches = get_close_matches(name, list(names), n=1, cutoff=0.6)
    return matches[0] if matches else None


def nearest_file(name: str, names: Iterable[str]) -> str | None:
    """The file in `names` that `name` was probably meant to be, or None: a common suffix makes no two files alike.

    >>> nearest_file("swich.py", ["tor.py", "swish.py"]), nearest_file("nothere.py", ["tor.py"])
    ('swish.py', None)
    """
    by_stem: dict[str, str] = {}
    suffix = os.path.splitext(name)[1]
    for known in names:
        stem, end = os.path.splitext(known)
        if stem not in by_stem or end == suffix:
            by_stem[stem] = known
    guess = nearest(os.path.splitext(name)[0], by_stem)
    return None if guess is None else by_stem[guess]


def described(error: BaseException, file: str | None = None) -> str:
    """An exception of a plugin's in a line, `ValueError: message (swish.py, line 3)`.

    The line is the innermost in the plugin's `file`; where that has none, the innermost of all.
    """
    import traceback

    text = f"{type(error).__name__}: {error}"
    if isinstance(error, SyntaxError):  # its message names file and line already
        return text
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    own = [frame for frame in frames if frame.filename == file]
    frame = (own or frames)[-1]
    return f"{text} ({os.path.basename(frame.filename)}, line {frame.lineno})"


def source_of(obj: Any) -> str | None:
    """The file that a class, a function or an object's class is written in; None where that cannot be told."""
    import inspect

    function = inspect.unwrap(getattr(obj, "func", obj))  # of a partial, and of what stands around a function
    written = getattr(function, "forward", getattr(function, "func", function))  # of an op
    try:
        return inspect.getfile(written if inspect.isclass(written) or inspect.isroutine(written) else type(written))
    except (TypeError, OSError):  # a function of C, or a class of an interactive session
        return None
