"""Reductions that leave nan out. They are those with a mask, `where` x is not nan; a nan's gradient is 0."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainer import Op, op
from trainer_ops import cumulative, reductions
from trainer_ops._common import Array, Axis


def _reduction(function: Any, masked: Op, *names: str) -> Op:
    """The op of NumPy's `function`, whose rule is the masked one's; `names` are the residuals that it takes besides."""
    if "ddof" in masked.attributes:

        def forward(x: Array, *, axis: Axis = None, keepdims: bool = False, ddof: float = 0) -> Array:
            return function(x, axis=axis, keepdims=keepdims, ddof=ddof)

        def rule(dy: Array, x: Array, y: Array, *, axis: Axis, keepdims: bool, ddof: float) -> Array:
            others = {"y": y} if "y" in names else {}
            return vjp(dy, x=x, where=~np.isnan(x), axis=axis, keepdims=keepdims, ddof=ddof, **others)
    else:

        def forward(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:  # type: ignore[misc]
            return function(x, axis=axis, keepdims=keepdims)

        def rule(dy: Array, x: Array, y: Array, *, axis: Axis, keepdims: bool) -> Array:  # type: ignore[misc]
            known = {"x": x, "y": y, "x_shape": x.shape, "x_dtype": x.dtype}
            return vjp(dy, where=~np.isnan(x), axis=axis, keepdims=keepdims, **{n: known[n] for n in names})

    vjp = masked.rule("x").function
    forward.__doc__ = f"As `np.{function.__name__}`."
    made = op(forward, name=function.__name__, implements=function).defvjp(x=rule)
    made.samples(_samples)
    return made


def _samples(rng: np.random.Generator) -> list[Any]:
    x = rng.normal(size=(3, 4))
    x[0, 1] = x[2, 0] = np.nan
    return [(x,), (x, {"axis": 0}), (x, {"axis": (0, 1), "keepdims": True})]


_SHAPED = ("x_shape", "x_dtype")
nansum = _reduction(np.nansum, reductions.sum_, *_SHAPED)
nanmean = _reduction(np.nanmean, reductions.mean, *_SHAPED)
nanprod = _reduction(np.nanprod, reductions.prod, "x")
nanmax = _reduction(np.nanmax, reductions.max_, "x", "y")
nanmin = _reduction(np.nanmin, reductions.min_, "x", "y")
nanvar = _reduction(np.nanvar, reductions.var, "x")
nanstd = _reduction(np.nanstd, reductions.std, "x", "y")


def _running(function: Any, plain: Op, neutral: int) -> Op:
    def forward(x: Array, *, axis: int | None = None) -> Array:
        return function(x, axis=axis)

    forward.__doc__ = f"As `np.{function.__name__}`: a nan counts as {neutral}."
    made = op(forward, name=function.__name__, implements=function)

    @made.vjp("x")
    def _(dy: Array, x: Array, *, axis: int | None) -> Array:
        nan = np.isnan(x)
        known = {"x": np.where(nan, neutral, x), "x_shape": x.shape, "x_dtype": x.dtype}
        rule = plain.rule("x")
        return np.where(nan, 0, rule.function(dy, axis=axis, **{n: known[n] for n in rule.names if n != "dy"}))

    @made.samples
    def _(rng: np.random.Generator) -> list[Any]:
        return [case for case in _samples(rng) if not isinstance(case[-1], dict) or case[-1]["axis"] == 0]

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
