"""Reductions that leave nan out. They are those with a mask, `where` x is not nan; a nan's gradient is 0."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from trainer import Op, op
from trainer.engine.rules import Rule
from trainer_ops import cumulative, reductions
from trainer_ops._common import Array, Axis
from trainer_ops.cumulative import cumulating
from trainer_ops.reductions import extreme, mask_of, spread, started, summing


class _Rule:
    """The masked op's rule, with the elements that are nan left out besides. Its signature, which the engine reads,
    asks for what that rule asks for, and for x and the mask."""

    def __init__(self, masked: Rule) -> None:
        kinds = inspect.Parameter
        names = dict.fromkeys(("dy", "x", "where", *(n for n in masked.names if n not in _SHAPED)))
        self.masked, self.names = masked, tuple(names)
        self.__signature__ = inspect.Signature(
            [kinds(n, kinds.POSITIONAL_OR_KEYWORD) for n in names]
            + [kinds(n, kinds.KEYWORD_ONLY) for n in masked.keywords]
        )

    def __call__(self, *values: Any, **attributes: Any) -> Any:
        known = dict(zip(self.names, values, strict=True))
        x, where = known["x"], known["where"]
        known |= {"where": ~np.isnan(x) & mask_of(where), "x_shape": x.shape, "x_dtype": x.dtype}
        return self.masked.function(*(known[n] for n in self.masked.names), **attributes)


_SHAPED = ("x_shape", "x_dtype")


def _forward(function: Any, masked: Op) -> Any:
    """NumPy's `function` of the arrays and attributes of the masked op."""
    if "ddof" in masked.attributes:

        def forward(
            x: Array, where: Array | None = None, *, axis: Axis = None, keepdims: bool = False, dtype: Any = None,
            ddof: float = 0,
        ) -> Array:  # fmt: skip
            return function(x, axis, dtype, None, ddof, keepdims, where=mask_of(where))

        return forward
    if "dtype" not in masked.attributes:

        def extreme(
            x: Array, where: Array | None = None, *, axis: Axis = None, keepdims: bool = False, initial: Any = None
        ) -> Array:
            return function(x, axis=axis, keepdims=keepdims, where=mask_of(where), **started(initial))

        return extreme
    if "initial" not in masked.attributes:

        def mean(
            x: Array, where: Array | None = None, *, axis: Axis = None, keepdims: bool = False, dtype: Any = None
        ) -> Array:
            return function(x, axis, dtype, keepdims=keepdims, where=mask_of(where))

        return mean

    def total(
        x: Array, where: Array | None = None, *, axis: Axis = None, keepdims: bool = False, dtype: Any = None,
        initial: float | None = None,
    ) -> Array:  # fmt: skip
        return function(x, axis, dtype, keepdims=keepdims, where=mask_of(where), **started(initial))

    return total


def _reduction(function: Any, masked: Op, binder: Any) -> Op:
    forward = _forward(function, masked)
    forward.__doc__ = f"As `np.{function.__name__}`."
    made: Op = op(forward, name=function.__name__, implements=function, binder=binder)
    made.nondifferentiable("where")
    made.vjp("x")(_Rule(masked.rule("x")))
    made.samples(lambda rng: [*_samples(rng), *_masked(rng, masked)])
    return made


def _samples(rng: np.random.Generator) -> list[Any]:
    x = rng.normal(size=(3, 4))
    x[0, 1] = x[2, 0] = np.nan
    return [(x,), (x, {"axis": 0}), (x, {"axis": (0, 1), "keepdims": True})]


def _masked(rng: np.random.Generator, masked: Op) -> list[Any]:
    mask = np.array([[True, True, False, True], [True, False, True, True], [False, True, True, True]])
    return [(_samples(rng)[0][0], mask, {"initial": 0.25} if "initial" in masked.attributes else {})]


nansum = _reduction(np.nansum, reductions.sum_, summing())
nanmean = _reduction(np.nanmean, reductions.mean, summing())
nanprod = _reduction(np.nanprod, reductions.prod, summing())
nanmax = _reduction(np.nanmax, reductions.max_, extreme())
nanmin = _reduction(np.nanmin, reductions.min_, extreme())
nanvar = _reduction(np.nanvar, reductions.var, spread)
nanstd = _reduction(np.nanstd, reductions.std, spread)


def _running(function: Any, plain: Op, neutral: int) -> Op:
    def forward(x: Array, *, axis: int | None = None, dtype: Any = None) -> Array:
        return function(x, axis=axis, dtype=dtype)

    forward.__doc__ = f"As `np.{function.__name__}`: a nan counts as {neutral}."
    made = op(forward, name=function.__name__, implements=function, binder=cumulating(None))

    @made.vjp("x")
    def _(dy: Array, x: Array, *, axis: int | None) -> Array:
        nan = np.isnan(x)
        known = {"x": np.where(nan, neutral, x), "x_shape": x.shape, "x_dtype": x.dtype}
        rule = plain.rule("x")
        return np.where(nan, 0, rule.function(dy, axis=axis, **{n: known[n] for n in rule.names if n != "dy"}))

    made.samples(lambda rng: _samples(rng)[:2])
    return made


nancumsum = _running(np.nancumsum, cumulative.cumsum, 0)
nancumprod = _running(np.nancumprod, cumulative.cumprod, 1)


def _index(function: Any) -> Op:
    def forward(x: Array, *, axis: int | None = None, keepdims: bool = False) -> Array:
        return function(x, axis=axis, keepdims=keepdims)

    forward.__doc__ = f"As `np.{function.__name__}`; no derivative."
    made = op(forward, name=function.__name__, implements=function).nondifferentiable("x")
    made.samples(lambda rng: _samples(rng)[:2])
    return made


nanargmax, nanargmin = map(_index, (np.nanargmax, np.nanargmin))
