"""The axes of a curve: vertically linear or logarithmic, its ends, its ticks. For pictures, pages and the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["HUGE", "Scale", "between", "epoch_ticks", "scale_for"]

_LOG_FROM = 20.0  # a ratio beyond which the low end of a linear axis shows nothing
HUGE = 1e290  # beyond this the margins would overflow; such a loss has diverged anyway


@dataclass(frozen=True)
class Scale:
    """An axis from `low` to `high` with `ticks` in between, all in the data's own units."""

    logarithmic: bool
    low: float
    high: float
    ticks: tuple[float, ...]

    def position(self, value: float) -> float:
        """Where a value lies: 0 at `low`, 1 at `high`.

        >>> Scale(True, 0.01, 1.0, ()).position(0.1)
        0.5
        """
        if self.logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def label(self, tick: float) -> str:
        """A tick as a short number; all ticks of an axis with an exponent when one of them needs it.

        >>> scale_for([0.02, 3.0]).label(0.05), scale_for([2e-9, 3e-4]).label(1e-7)
        ('0.05', '1e-7')
        """
        if self.logarithmic and self.ticks and not 1e-4 <= self.ticks[0] <= self.ticks[-1] < 1e6:
            digits, exponent = f"{tick:.0e}".split("e")
            return f"{digits}e{int(exponent)}"
        return f"{tick:.6g}".replace("e+", "e")


def scale_for(values: Iterable[float], ticks: int = 6) -> Scale:
    """The scale that shows these values well, with about `ticks` round numbers on it. Non-finite values do not count.

    Logarithmic when everything is positive and spans more than a decade or so.

    >>> scale_for([0.0, 0.4, 1.0], ticks=3).ticks
    (0.0, 0.5, 1.0)
    >>> scale_for([2.3, 0.04]).ticks
    (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
    """
    finite = [float(value) for value in values if abs(value) < HUGE]  # False for a NaN
    if not finite:
        return Scale(False, 0.0, 1.0, (0.0, 0.5, 1.0))
    low, high = min(finite), max(finite)
    if low > 0 and high / low > _LOG_FROM:
        return _logarithmic(low, high, ticks)
    return _linear(low, high, ticks)


def _linear(low: float, high: float, ticks: int) -> Scale:
    if 0 <= low < 0.5 * high:  # a loss is read against zero where zero is near
        low = 0.0
    if not high - low > 1e-9 * max(abs(low), abs(high)):  # one value, or as good as one
        around = 0.5 * max(abs(low), abs(high)) or 0.5
        low, high = low - around, high + around
    span = high - low
    bottom = low if low == 0 else low - 0.05 * span
    top = high + 0.05 * span
    return Scale(False, bottom, top, _round(bottom, top, span / ticks))


def _round(bottom: float, top: float, apart: float) -> tuple[float, ...]:
    """The multiples between two numbers of the least round number that is as large as `apart`."""
    power = 10.0 ** math.floor(math.log10(apart))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if apart <= power * factor)
    first, last = math.ceil(bottom / step), math.floor(top / step)
    return tuple(float(f"{i * step:.9g}") for i in range(first, last + 1))


def between(low: float, high: float, ticks: int) -> Scale:
    """The linear axis with just these ends.

    >>> between(-1.2, 3.1, 5).ticks
    (-1.0, 0.0, 1.0, 2.0, 3.0)
    """
    return Scale(False, low, high, _round(low, high, (high - low) / ticks))


def _logarithmic(low: float, high: float, ticks: int) -> Scale:
    bottom, top = math.log10(low), math.log10(high)
    margin = 0.05 * (top - bottom)
    bottom, top = bottom - margin, top + margin
    powers = range(math.floor(bottom), math.ceil(top) + 1)
    # From the densest choice of round numbers to the sparsest, until they fit.
    for factors in ((1, 2, 5), (1, 3), (1,)):
        found = [float(f"{f}e{power}") for power in powers for f in factors]
        found = [tick for tick in found if bottom <= math.log10(tick) <= top]
        if len(found) <= ticks:
            break
    else:
        every = math.ceil(len(found) / ticks)
        found = [tick for tick in found if round(math.log10(tick)) % every == 0]
    return Scale(True, 10.0**bottom, 10.0**top, tuple(found))


def epoch_ticks(first: int, last: int, most: int = 8) -> list[int]:
    """Round whole numbers, the first and the last epoch among them: those two are what one looks for.

    >>> epoch_ticks(1, 20)
    [1, 5, 10, 15, 20]
    """
    span = max(last - first, 1)
    step = next(f * 10**power for power in range(20) for f in (1, 2, 5) if span / (f * 10**power) <= most)
    inner = [tick for tick in range(-(-first // step) * step, last, step) if tick - first >= 0.5 * step]
    return sorted({first, *(tick for tick in inner if last - tick >= 0.5 * step), last})
