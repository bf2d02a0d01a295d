"""What is varied: a key with the values that it takes, or with a range that they are drawn from.

    step_size=0.01,0.1          two values
    seed=0..4                   every whole number from 0 to 4
    network.0.dense=32..128:32  32, 64, 96 and 128
    step_size=1e-4..1e-1:log    drawn, each decade as likely as the others

A value is kept as it is written on the command line, so that a trial is the run that `key=value` makes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainer.config.document import scalar
from trainer.errors import UsageError

__all__ = ["Range", "Values", "axis_of", "axis_of_text", "pieces", "written"]

_RANGE = re.compile(r"\s*([^\s.]\S*?)\.\.(\S+?)(?::(\S+))?\s*")
_OF_A_RANGE = ("low", "high", "step", "log")
MOST = 100_000  # values of a key
DIGITS = 4  # of a number that is drawn: more would tell no two trials apart, and none could be typed again


@dataclass(frozen=True)
class Values:
    """The values that a key takes, each as it is written on the command line."""

    key: str
    texts: tuple[str, ...]

    @property
    def listed(self) -> tuple[str, ...]:
        """All of them."""
        return self.texts

    @property
    def ends(self) -> tuple[str, ...]:
        """Those that have to be right for every other to be."""
        return self.texts

    def at(self, share: float) -> str:
        """The value at a share of the way from the first to the last, below 1."""
        return self.texts[int(share * len(self.texts))]


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included, in steps or any; with `log` each decade is as likely as another."""

    key: str
    low: float
    high: float
    step: float | None = None
    log: bool = False

    @property
    def whole(self) -> bool:
        """Whether its numbers are whole."""
        return all(isinstance(each, int) for each in (self.low, self.high, self.step or 1))

    @property
    def steps(self) -> float | None:
        """From one number to the next; None where every number between two is one of them."""
        return self.step if self.step is not None or self.log or not self.whole else 1

    @property
    def listed(self) -> tuple[str, ...]:
        """All of them; none where there is no end of them."""
        return tuple(map(self._text, range(self._count)))

    @property
    def _count(self) -> int:
        """How many it has; 0 where there is no end of them."""
        return 0 if self.steps is None else int((self.high - self.low) / self.steps * (1 + 1e-12)) + 1

    def _text(self, i: int) -> str:
        assert self.steps is not None
        return written(_rounded(self.low + i * self.steps, self.whole))

    @property
    def ends(self) -> tuple[str, ...]:
        """Those that have to be right for every other to be."""
        return written(self.low), written(self.high)

    def at(self, share: float) -> str:
        """The number at a share of the way from low to high, below 1."""
        if self._count:
            return self._text(int(share * self._count))
        if self.log:
            value = math.exp(math.log(self.low) + share * (math.log(self.high) - math.log(self.low)))
        else:
            value = self.low + share * (self.high - self.low)
        if self.whole:
            return str(min(max(round(value), int(self.low)), int(self.high)))
        return self.near(value)

    def near(self, value: float) -> str:
        """A number in few digits, between the ends."""
        return written(min(max(float(f"{value:.{DIGITS}g}"), self.low), self.high))


def axis_of_text(key: str, text: str) -> Values | Range | None:
    """What an argument `key=text` varies; None where it gives one value. Raises UsageError for a range that is none.

    >>> axis_of_text("step_size", "0.01,0.1")
    Values(key='step_size', texts=('0.01', '0.1'))
    >>> axis_of_text("seed", "0..2").listed
    ('0', '1', '2')
    >>> axis_of_text("metrics", "[accuracy, f1]") is None
    True
    """
    texts = pieces(text)
    if len(texts) > 1:
        return _values(key, [each for one in texts for each in _spread(key, one)])
    found = _RANGE.fullmatch(text)
    return None if found is None else _range(key, *found.groups())


def axis_of(key: str, given: object) -> Values | Range:
    """What a value in `parameters` varies: a list, the text of an argument, {low, high, step, log}, or one value.

    Raises UsageError for what is none of them.
    """
    if isinstance(given, Values | Range):
        return given
    if isinstance(given, str):
        return axis_of_text(key, given) or Values(key, (given,))
    if isinstance(given, Mapping) and {"low", "high"} <= {*given} <= {*_OF_A_RANGE}:
        return _checked(Range(key, given["low"], given["high"], given.get("step"), given.get("log", False)))
    if isinstance(given, Mapping) and {*given} & {*_OF_A_RANGE, "min", "max", "values"}:
        raise UsageError(
            f"{key}: a range is {{low: 0.001, high: 0.1}}, with log: true or a step; found {', '.join(map(str, given))}"
        )
    if hasattr(given, "tolist"):  # an array of NumPy's
        given = given.tolist()
    several = [*given] if isinstance(given, list | tuple | range) else [given]
    return _values(key, [written(each) for each in several])


def pieces(text: str) -> list[str]:
    """A text at its commas, but those within brackets and quotes.

    >>> pieces("0.1,[1, 2],'a,b'"), pieces(","), pieces("{huber: {delta: 1}}")
    (['0.1', '[1, 2]', "'a,b'"], [','], ['{huber: {delta: 1}}'])
    """
    found, depth, quote, start = [], 0, "", 0
    for place, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in "[{":
            depth += 1
        elif letter in "]}":
            depth -= 1
        elif letter == "," and depth == 0:
            found.append(text[start:place])
            start = place + 1
    found.append(text[start:])
    return [each.strip() for each in found] if all(each.strip() for each in found) else [text]


def written(value: object) -> str:
    """A value as an argument of the command line has it.

    >>> written(0.1), written(True), written([{"dense": 3}, "relu"]), written("0.1"), written(1e-5)
    ('0.1', 'true', '[{dense: 3}, relu]', "'0.1'", '1.0e-05')
    """
    import yaml

    item = getattr(value, "item", None)  # a number of NumPy's
    value = item() if item is not None else value
    if type(value) is int:  # of which a range may have many, and YAML takes its time
        return str(value)
    try:
        text: str = yaml.safe_dump(value, default_flow_style=True, width=math.inf, allow_unicode=True, sort_keys=False)
    except yaml.YAMLError:
        raise UsageError(f"a value is what YAML can write, and a {type(value).__name__} is not: {value!r}") from None
    return text.removesuffix("\n").removesuffix("\n...")


def _spread(key: str, text: str) -> Sequence[str]:
    """One of several texts, or the numbers of the range that it is."""
    found = _RANGE.fullmatch(text)
    if found is None:
        return [text]
    inner = _range(key, *found.groups())
    return inner.listed or [text]


def _values(key: str, texts: Sequence[str]) -> Values:
    if not texts:
        raise UsageError(f"{key} has no value; write one or more, such as [1, 2]")
    return Values(key, tuple(dict.fromkeys(texts)))


def _range(key: str, low: str, high: str, how: str | None) -> Range:
    log = how == "log"
    step: Any = None if log or how is None else scalar(how)
    first: Any = scalar(low)
    last: Any = scalar(high)
    return _checked(Range(key, first, last, step, log))


def _checked(given: Range) -> Range:
    told = f"{given.low}..{given.high}"
    numbers: list[Any] = [given.low, given.high, *([] if given.step is None else [given.step])]
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
            right = "a range is low..high, low..high:step or low..high:log, in numbers"
            raise UsageError(f"{given.key}={told}: '{number}' is no number; {right}")
    if not given.low < given.high:
        raise UsageError(f"{given.key}={told}: a range goes from a number to a larger one")
    if given.step is not None and not given.step > 0:
        raise UsageError(f"{given.key}={told}: a step is above 0, found {given.step}")
    if given.log and given.step is not None:
        raise UsageError(f"{given.key}={told}: a range has a step, or is drawn with log: leave one out")
    if given.log and not given.low > 0:
        raise UsageError(f"{given.key}={told}:log begins above 0, such as 1e-4..1e-1:log")
    if given.steps is not None and (given.high - given.low) / given.steps >= MOST:
        raise UsageError(
            f"{given.key}={told} has more than {MOST:,} values; give a step, or low..high:log to draw from"
        )
    return given


def _rounded(value: float, whole: bool) -> float:
    return int(value) if whole else float(f"{value:.12g}")
