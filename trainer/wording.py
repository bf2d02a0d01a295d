"""The words of messages that more than one room needs: a hint, a list, a count, a time, a value in short.

A message says what came and what would be right, and it says so alike wherever it is made.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any

__all__ = [
    "count",
    "cut",
    "describe",
    "described",
    "did_you_mean",
    "duration",
    "either",
    "give_or_take",
    "in_yaml",
    "lacking",
    "listed",
    "nearest",
    "nearest_file",
    "number",
    "printable",
    "shape_of",
    "source_of",
    "typed",
    "visible",
]

_PLAIN = re.compile(r"[^\W\d_][\w ./%()+-]*(?<! )")
_WORDS_OF_YAML = ("y", "n", "yes", "no", "true", "false", "on", "off", "null")


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


def did_you_mean(name: object, names: Iterable[str], otherwise: str = "") -> str:
    """The hint at the nearest of the names that exist; `otherwise` where none is near.

    >>> did_you_mean("sofmax", ["relu", "softmax"], "there are: relu, softmax")
    "did you mean 'softmax'?"
    >>> did_you_mean("dense", ["relu", "softmax"], "there are: relu, softmax")
    'there are: relu, softmax'
    """
    guess = nearest(str(name), names)
    return f"did you mean '{guess}'?" if guess else otherwise


def count(number: int, noun: str, plural: str = "") -> str:
    """A number of things.

    >>> count(1, "row"), count(2000, "row"), count(0, "entry", "entries")
    ('1 row', '2,000 rows', '0 entries')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def number(value: float) -> str:
    """A metric in four significant digits that keep their zeros.

    >>> number(0.9721), number(12.0), number(8402.3), number(3.2e-7), number(float("nan"))
    ('0.9721', '12.00', '8402', '3.200e-07', 'nan')
    """
    return f"{value:#.4g}".removesuffix(".") if value else "0"


def visible(name: str) -> str:
    """The name of a class; of one that is a blank, a sign for it.

    >>> visible("a"), visible(" ")
    ('a', '␣')
    """
    return {" ": "␣", "\n": "⏎", "\\n": "⏎", "\t": "⇥"}.get(name, name)


def lacking(error: MemoryError) -> str:
    """How much memory there was not, as far as the error says it.

    >>> lacking(MemoryError("Unable to allocate 7.11 PiB for an array with shape (9,) and data type float64"))
    'there is not enough memory (7.11 PiB were asked for at once)'
    """
    found = re.search(r"allocate ([\d.]+ \w+)", str(error))
    return f"there is not enough memory{f' ({found[1]} were asked for at once)' if found else ''}"


def give_or_take(value: float, spread: float) -> str:
    """A number and how far it may be off, with two digits of that.

    >>> give_or_take(0.26064, 0.0581), give_or_take(1234.5, 67.8), give_or_take(0.5, 0.0), give_or_take(2e-7, 3e-8)
    ('0.261 ± 0.058', '1234 ± 68', '0.5000 ± 0', '2.000e-07 ± 3.0e-08')
    """
    if not 1e-4 <= spread < 1e6:
        return f"{number(value)} ± {spread:#.2g}" if spread else f"{number(value)} ± 0"
    decimals = max(1 - math.floor(math.log10(spread)), 0)
    return f"{value:.{decimals}f} ± {spread:.{decimals}f}"


def duration(seconds: float) -> str:
    """A time as a person says it.

    >>> duration(0.26), duration(8), duration(75), duration(4020), duration(100_000)
    ('0.3 s', '8 s', '1 min 15 s', '1 h 07 min', '1 d 03 h')
    """
    if seconds < 3:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours = minutes // 60
    return f"{hours} h {minutes % 60:02d} min" if hours < 24 else f"{hours // 24} d {hours % 24:02d} h"


def listed(words: Collection[str], most: int) -> str:
    """The words, or the first so many of them and how many more there are.

    >>> listed(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    shown = ", ".join(list(words)[:most])
    return shown + (f" and {len(words) - most} more" if len(words) > most else "")


def either(words: Iterable[str], last: str = "or") -> str:
    """Each of the words once, the last after an `or`.

    >>> either(["'a'", "'b'", "3"])
    "'a', 'b' or 3"
    """
    *others, final = dict.fromkeys(words)
    return f"{', '.join(others)} {last} {final}" if others else final


def in_yaml(name: str | int) -> str:
    """A name as it is written in a list or a mapping of YAML, in quotes where it would be read as something else.

    >>> [in_yaml(name) for name in ("age", "Köln 2", "No", "Unnamed: 0", "1e3", 3)]
    ['age', 'Köln 2', '"No"', '"Unnamed: 0"', '"1e3"', '3']
    """
    if isinstance(name, int) or (_PLAIN.fullmatch(name) and name.lower() not in _WORDS_OF_YAML):
        return str(name)
    return json.dumps(name, ensure_ascii=False)


def typed(word: object) -> str:
    """A path or a text as one types it behind a command, in quotes where a shell would read it as something else.

    >>> typed("runs/mlp"), typed("my runs/mlp")
    ('runs/mlp', "'my runs/mlp'")
    """
    import shlex

    return shlex.quote(str(word))


def cut(text: str, length: int) -> str:
    """
    >>> cut("a long story", 9)
    'a long...'
    """
    return text if len(text) <= length else text[: length - 3] + "..."


def printable(text: str, keep: str = "") -> str:
    r"""Text in which what a screen does not show, or a file cannot hold, is written out, but for the letters of `keep`.

    >>> printable("a\x1b[1m\tb"), printable("a\tb", keep="\t")
    ('a\\x1b[1m\\tb', 'a\tb')
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text)


def shape_of(shape: Sequence[int]) -> str:
    """
    >>> shape_of((28, 28, 1)), shape_of(())
    ('28 × 28 × 1', '1')
    """
    return " × ".join(map(str, shape)) or "1"


def describe(value: object) -> str:
    """A value in a few words: `float64 (3, 4)`, `list of 2`, `None`."""
    dtype, shape = getattr(value, "dtype", None), getattr(value, "shape", None)
    if dtype is not None and shape is not None:
        return f"{dtype} {shape}"
    if isinstance(value, list | tuple):
        return f"{type(value).__name__} of {len(value)}"
    plain = value is None or isinstance(value, bool | int | float | complex | str)
    return repr(value) if plain else type(value).__name__


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
