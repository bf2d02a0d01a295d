"""A function of rows, on one block of them after another: called at first, and run as a program once that pays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import thread_time
from typing import Any

import numpy as np

from trainer.compiler.compiled import Compiled
from trainer.compiler.executors import Backend
from trainer.types import Array

__all__ = ["Blocks"]

# What a record costs, about: who has called a function for so long would have done well to record it at first.
RECORDING_SECONDS = 0.01
# Bytes of θ: a program copies it, and where it is larger, products are what takes time, which are NumPy's anyhow.
LARGEST = 1 << 22
CHECKS = 2  # results of a program that are held against the function's, and the last of them timed


@dataclass
class _Block:
    """What is known of blocks of one shape: seconds spent on calls, and results of the program that were right."""

    seconds: float = 0.0
    checked: int = 0
    program: bool | None = None  # whether the program is taken; None as long as that is open


class Blocks:
    """f(named, *rows) for many rows, with the bits of f on each block of them.

    A program has the function's bits, so it does not matter whether and when it takes over: it does where it is
    quicker (large products take no longer from Python). A function that cannot be recorded, or whose program gives
    anything else (a plugin's layer may do in evaluation what it does not do in training), is called.

    Args:
        f: of arrays by name and of arrays of rows; gives an array with a row, or a number, for each.
        backend: runs its programs; without one f is called.

    >>> twice = Blocks(lambda named, x: named["w"] * x, None)
    >>> twice({"w": np.array([2.0])}, [np.arange(6.0).reshape(6, 1)], 4).ravel()
    array([ 0.,  2.,  4.,  6.,  8., 10.])
    """

    def __init__(self, f: Callable[..., Any], backend: Backend | None) -> None:
        self.f = f
        self._compiled = None if backend is None or backend.missing() else Compiled(f, backend)
        self._known: dict[tuple[object, ...], _Block] = {}

    def __call__(self, named: Mapping[str, Array], rows: Sequence[Array], size: int) -> Array:
        """f on `size` rows at a time."""
        pieces = [slice(i, i + size) for i in range(0, len(rows[0]), size)]
        results = [self._of(named, [array[piece] for array in rows]) for piece in pieces]
        return np.concatenate(results) if len(results) != 1 else results[0]

    def _of(self, named: Mapping[str, Array], rows: Sequence[Array]) -> Array:
        if self._compiled is None:
            called: Array = self.f(named, *rows)
            return called
        block = self._known.setdefault(tuple((array.shape, array.dtype) for array in rows), _Block())
        if block.program:
            result: Array = self._compiled(named, *rows)
            return result
        result, seconds = _timed(self.f, named, rows)
        block.seconds += seconds
        if block.program is None and block.seconds > RECORDING_SECONDS:
            self._try(block, result, seconds, named, rows)
        return result

    def _try(
        self, block: _Block, result: Array, seconds: float, named: Mapping[str, Array], rows: Sequence[Array]
    ) -> None:
        """Take the program where it gave these results, too, and is the quicker one; the call where there is none."""
        if self._compiled is None or sum(array.nbytes for array in named.values()) > LARGEST:
            block.program = False
            return
        try:
            own, took = _timed(self._compiled, named, rows)
        except Exception:  # whatever stands in the way of a record: the call itself went well just now
            block.program = False
            return
        alike = type(own) is type(result) and (own.shape, own.dtype) == (result.shape, result.dtype)
        if not alike or own.tobytes() != result.tobytes():
            block.program = False
            return
        block.checked += 1
        if block.checked == CHECKS:  # the first took the record along
            block.program = took < seconds


def _timed(f: Callable[..., Array], named: Mapping[str, Array], rows: Sequence[Array]) -> tuple[Array, float]:
    began = thread_time()  # of the processor: a busy machine does not decide
    return f(named, *rows), thread_time() - began
