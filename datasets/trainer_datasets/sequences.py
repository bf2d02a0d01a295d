"""Tasks on sequences, each drawn from a generator: what recurrent networks and transformers are tried on.

A sequence has shape (length, features), time first. Sequences of unequal length are padded at the end with steps whose
features are all 0, which no real step of theirs is, so that a mask can be told from the values.
"""

from __future__ import annotations

import numpy as np

from trainer.data import Dataset
from trainer.errors import DataError
from trainer_datasets._checks import check

__all__ = ["adding", "copying", "parity", "waves"]


def adding(*, rng: np.random.Generator, rows: int = 5000, length: int = 50, shortest: int | None = None) -> Dataset:
    """A number and a mark at each step; the target is the sum of the two numbers that are marked, one in each half.

    Inputs have shape (length, 2): a number uniform in [0, 1), and 1 where marked or −1 where not. Always to answer the
    mean, 1, has a mean squared error of 1/6.
    length: steps of the longest sequence. shortest: of the shortest, at least 2. Default: all have `length`.
    Source: S. Hochreiter & J. Schmidhuber, *Long short-term memory* (1997), section 5.4, with one mark in each half as
    in Q. Le, N. Jaitly & G. Hinton, *A simple way to initialize recurrent networks of rectified linear units* (2015).

    >>> adding(rng=np.random.default_rng(0))
    Dataset 'adding': 5000 rows, inputs (50, 2), regression
    """
    check("adding", rows=rows)
    lengths = _lengths("adding", rng, rows, length, shortest, least=2)
    numbers = rng.uniform(size=(rows, length))
    half = lengths // 2
    marked = np.stack([rng.integers(0, half), rng.integers(half, lengths)], axis=1)
    marks = np.full((rows, length), -1.0)
    np.put_along_axis(marks, marked, 1.0, axis=1)
    inputs = _padded(np.stack([numbers, marks], axis=2), lengths)
    targets = np.take_along_axis(numbers, marked, axis=1).sum(axis=1)
    return Dataset("adding", inputs, targets, "regression", description="The sum of two marked numbers of a sequence")


def parity(
    *,
    rng: np.random.Generator,
    rows: int = 2000,
    length: int = 16,
    shortest: int | None = None,
    every: bool = False,
) -> Dataset:
    """A sequence of −1 and +1: is the number of +1 even or odd?

    Inputs have shape (length, 1).
    length: steps of the longest sequence. shortest: of the shortest, at least 1. Default: all have `length`.
    every: whether there is a target at each step, the parity so far, shape (n, length), instead of one at the end.

    >>> parity(rng=np.random.default_rng(0))
    Dataset 'parity': 2000 rows, inputs (16, 1), classification of 2 classes
    """
    check("parity", rows=rows, classes=2)
    lengths = _lengths("parity", rng, rows, length, shortest, least=1)
    if every and shortest not in (None, length):
        raise DataError(
            f"parity: every step has a target, so all sequences have one length; leave shortest: {shortest} out"
        )
    bits = rng.integers(0, 2, size=(rows, length))
    so_far = bits.cumsum(axis=1) % 2
    targets = so_far if every else so_far[np.arange(rows), lengths - 1]
    inputs = _padded((2.0 * bits - 1)[..., None], lengths)
    return Dataset("parity", inputs, targets, "classification", ("even", "odd"), description="Even or odd, bit by bit")


def copying(
    *, rng: np.random.Generator, rows: int = 2000, symbols: int = 8, memorize: int = 5, delay: int = 10
) -> Dataset:
    """Symbols, a delay, a sign to begin, and then the same symbols are to be said: a class per position.

    Inputs have shape (delay + 2 memorize,), whole numbers for an embedding of symbols + 2: 0 is a blank, 1 to `symbols`
    are symbols, the last is the sign. Targets have the same shape: blanks, and at the last `memorize` positions the
    symbols. Without memory a network can do no better than a mean cross-entropy of
    memorize · ln(symbols) / (delay + 2 memorize).
    memorize: how many symbols there are to copy. delay: positions from the last of them to the sign, which counts.
    Source: S. Hochreiter & J. Schmidhuber (1997), as in M. Arjovsky, A. Shah & Y. Bengio, *Unitary evolution recurrent
    neural networks* (2016), section 5.1.

    >>> copying(rng=np.random.default_rng(0))
    Dataset 'copying': 2000 rows, inputs (20,), classification of 9 classes
    """
    check("copying", rows=rows)
    for option, value in {"symbols": symbols, "memorize": memorize, "delay": delay}.items():
        if value < 1:
            raise DataError(f"copying: {option} is a whole number of at least 1, not {value}")
    said = rng.integers(1, symbols + 1, size=(rows, memorize))
    inputs = np.zeros((rows, delay + 2 * memorize), dtype=np.int64)
    targets = np.zeros_like(inputs)
    inputs[:, :memorize] = targets[:, -memorize:] = said
    inputs[:, memorize + delay - 1] = symbols + 1
    names = ("blank", *(str(symbol) for symbol in range(1, symbols + 1)))
    what = f"Say {memorize} symbols again after {delay} positions"
    return Dataset("copying", inputs, targets, "classification", names, description=what)


def waves(
    *, rng: np.random.Generator, rows: int = 2000, length: int = 50, horizon: int = 1, noise: float = 0.05
) -> Dataset:
    """The sum of two sine waves of random period and phase; the targets are what follows: forecasting.

    Inputs have shape (length, 1), targets (horizon,). Periods are uniform from 10 to 40 steps, amplitudes from 0.5 to
    1.
    noise: standard deviation of what is added to inputs and targets, so no forecast has a mean squared error below its
    square.

    >>> waves(rng=np.random.default_rng(0), horizon=5).targets.shape
    (2000, 5)
    """
    check("waves", rows=rows, noise=noise)
    for option, value in {"length": length, "horizon": horizon}.items():
        if value < 1:
            raise DataError(f"waves: {option} is a whole number of at least 1, not {value}")
    period, phase, amplitude = (
        rng.uniform(low, high, size=(rows, 2, 1)) for low, high in ((10, 40), (0, 2 * np.pi), (0.5, 1))
    )
    t = np.arange(length + horizon)
    series = (amplitude * np.sin(2 * np.pi * t / period + phase)).sum(axis=1)
    series += noise * rng.normal(size=series.shape)
    what = f"The next {horizon} of a sum of two sine waves"
    return Dataset("waves", series[:, :length, None], series[:, length:], "regression", description=what)


def _lengths(
    name: str, rng: np.random.Generator, rows: int, length: int, shortest: int | None, least: int
) -> np.ndarray:
    """How many steps each sequence has, int64 (rows,)."""
    shortest = length if shortest is None else shortest
    if not least <= shortest <= length:
        raise DataError(f"{name}: a sequence has from {least} steps to length, {length}; shortest is {shortest}")
    return rng.integers(shortest, length + 1, size=rows)


def _padded(values: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """`values`, (rows, length, features), with 0 past the end of each sequence."""
    there = np.arange(values.shape[1]) < lengths[:, None]
    return np.where(there[..., None], values, 0.0)
