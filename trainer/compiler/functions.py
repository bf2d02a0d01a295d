"""What the compiler knows of NumPy's functions: one table, from which passes, executors and lowerings read.

A function that is not in it is none the worse: it is called as it is. What is said here of bits (`exact`, `reduces`) is
tested on every op that ships, and the machine tries it on random numbers before it trusts it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainer.engine.dispatch import TABLE
from trainer.engine.node import Operation

__all__ = ["COMPARISONS", "EXACT", "FUNCTIONS", "UNKNOWN", "Known", "known_ops"]


@dataclass(frozen=True)
class Known:
    """What is known of one function.

    Attributes:
        view: its result is a view of the first argument, where the layout allows it.
        keeps: it gives its argument's elements in their order, so that equal shape and dtype mean equal value.
        exact: IEEE arithmetic defines its result to the last bit, whoever computes it.
        compares: its result is true and false.
        reduces: it is this ufunc's `reduce`.
        averages: that, divided by how many numbers there are to a result: in float64, and rounded back.
        code: what the machine's chains call it, by its name in machine.h.
        lowering: the rule in `machine.lowering` that makes instructions of it.

    >>> FUNCTIONS[np.mean].reduces, FUNCTIONS[np.mean].averages
    (<ufunc 'add'>, True)
    """

    view: bool = False
    keeps: bool = False
    exact: bool = False
    compares: bool = False
    reduces: np.ufunc | None = None
    averages: bool = False
    code: str | None = None
    lowering: str | None = None


UNKNOWN = Known()


def _arithmetic(code: str) -> Known:
    return Known(exact=True, code=code)


def _comparison(code: str) -> Known:
    return Known(exact=True, compares=True, code=code)


FUNCTIONS: dict[Callable[..., Any], Known] = {
    np.negative: _arithmetic("NEGATIVE"),
    np.square: _arithmetic("SQUARE"),
    np.sqrt: _arithmetic("SQRT"),
    np.absolute: _arithmetic("ABSOLUTE"),
    np.add: _arithmetic("ADD"),
    np.subtract: _arithmetic("SUBTRACT"),
    np.multiply: _arithmetic("MULTIPLY"),
    np.divide: _arithmetic("DIVIDE"),
    np.maximum: _arithmetic("MAXIMUM"),
    np.minimum: _arithmetic("MINIMUM"),
    np.greater: _comparison("GREATER"),
    np.greater_equal: _comparison("GREATER_EQUAL"),
    np.less: _comparison("LESS"),
    np.less_equal: _comparison("LESS_EQUAL"),
    np.equal: _comparison("EQUAL"),
    np.not_equal: _comparison("NOT_EQUAL"),
    np.positive: Known(keeps=True),
    np.matmul: Known(lowering="matmul"),
    # Reductions.
    np.sum: Known(reduces=np.add, lowering="reduction"),
    np.prod: Known(reduces=np.multiply, lowering="reduction"),
    np.max: Known(reduces=np.maximum, lowering="reduction"),
    np.min: Known(reduces=np.minimum, lowering="reduction"),
    np.any: Known(reduces=np.logical_or),
    np.all: Known(reduces=np.logical_and),
    np.mean: Known(reduces=np.add, averages=True, lowering="reduction"),
    # Other shapes of the same elements.
    np.reshape: Known(view=True, keeps=True, lowering="reshape"),
    np.ravel: Known(view=True, keeps=True, lowering="reshape"),
    np.squeeze: Known(view=True, keeps=True),
    np.expand_dims: Known(view=True, keeps=True),
    np.broadcast_to: Known(view=True, keeps=True),
    np.transpose: Known(view=True),
    np.swapaxes: Known(view=True),
    np.moveaxis: Known(view=True),
    np.matrix_transpose: Known(view=True),
    np.flip: Known(view=True),
    np.atleast_1d: Known(view=True),
    np.atleast_2d: Known(view=True),
    np.atleast_3d: Known(view=True),
    # Some of the elements.
    operator.getitem: Known(view=True),
    np.diagonal: Known(view=True),
    np.real: Known(view=True),
    np.imag: Known(view=True),
    np.take: Known(lowering="take"),
    np.take_along_axis: Known(lowering="take_along_axis"),
    # Copies.
    np.astype: Known(keeps=True, lowering="astype"),
    np.copy: Known(keeps=True, lowering="astype"),
    np.concatenate: Known(lowering="concatenate"),
    np.stack: Known(lowering="stack"),
    np.full_like: Known(lowering="full_like"),
    np.pad: Known(lowering="pad"),
    np.where: Known(lowering="where"),
}

EXACT = frozenset(function for function, known in FUNCTIONS.items() if known.exact)
COMPARISONS = frozenset(function for function, known in FUNCTIONS.items() if known.compares)


def known_ops() -> Mapping[Operation, Known]:
    """What is known, by the op that stands for a function now: ops come when plugins are loaded."""
    return {TABLE[function]: known for function, known in FUNCTIONS.items() if function in TABLE}
