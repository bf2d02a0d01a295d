"""Arrays put together from others: framed, filled in, taken out, chosen among, laid out as grids."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import numpy as np

from trainer import op
from trainer.errors import OpError
from trainer_ops._common import Array, draw
from trainer_ops.indexing import Mode, gathered_from, scatter_add
from trainer_ops.shaping import sum_to

# A frame. Its elements are copies of the inside's, except for the constant ones, which are nobody's. What NumPy
# computes of the inside is written down as its calls of NumPy, axis after axis; nothing is left to frame then.

Framing = Literal["constant", "edge", "reflect", "symmetric", "wrap"]
_STATISTICS: dict[str, Callable[..., Array]] = {
    "maximum": np.max, "mean": np.mean, "median": np.median, "minimum": np.min
}  # fmt: skip
_MODES: dict[str, tuple[str, ...]] = {
    "constant": ("constant_values",), "edge": (), "wrap": (), "reflect": ("reflect_type",),
    "symmetric": ("reflect_type",), "linear_ramp": ("end_values",),
    **dict.fromkeys(_STATISTICS, ("stat_length",)),
}  # fmt: skip


def _pad(array: Array, pad_width: Any, mode: Any = "constant", **others: Any) -> Any:
    if mode not in _MODES or set(others) - set(_MODES[mode]):
        modes = ", ".join(repr(m) + (f" (with {', '.join(names)})" if names else "") for m, names in _MODES.items())
        shown = repr(mode) if isinstance(mode, str) else "a function"
        raise OpError(
            f"np.pad on a Tensor has the modes {modes}; got mode={shown}"
            + "".join(f", {k}={v!r}" for k, v in others.items())
            + ". Write another frame as np.concatenate of its parts"
        )
    if others.get("reflect_type") == "even":
        del others["reflect_type"]
    if mode in get_args(Framing) and "reflect_type" not in others:
        return (array,), {"pad_width": pad_width, "mode": mode, **others}
    for axis, width in enumerate(widths(pad_width, np.ndim(array))):
        array = _computed(array, axis, width, mode, others)
    return (array,), {"pad_width": 0, "mode": "constant"}


def widths(pad_width: Any, ndim: int) -> list[list[int]]:
    """(before, after) of each axis, from any of the ways to say it."""
    if not isinstance(pad_width, dict):
        return [[int(a), int(b)] for a, b in np.broadcast_to(pad_width, (ndim, 2))]
    given = {axis % ndim: np.broadcast_to(width, 2).tolist() for axis, width in pad_width.items()}
    return [given.get(axis, [0, 0]) for axis in range(ndim)]


def _computed(x: Array, axis: int, width: Sequence[int], mode: str, others: Any) -> Array:
    """x with its frame along one axis, in a mode that computes it."""
    if width == [0, 0]:
        return x
    x = np.moveaxis(x, axis, 0)
    if mode in ("reflect", "symmetric"):
        before, after = width
        return np.moveaxis(_mirrored(x, before, after, 1 if mode == "reflect" else 0), 0, axis)
    sides = []
    for side, n in enumerate(width):
        if mode == "linear_ramp":
            end = np.broadcast_to(others.get("end_values", 0), (x.ndim, 2))[axis, side]
            ramp = np.linspace(np.broadcast_to(end, x.shape[1:]), x[-side], n, endpoint=False)
            sides.append(ramp if side == 0 else np.flip(ramp, 0))
        else:
            length = np.broadcast_to(others.get("stat_length"), (x.ndim, 2))[axis, side] or x.shape[0]
            part = x[:length] if side == 0 else x[max(x.shape[0] - length, 0) :]
            sides.append(np.broadcast_to(_STATISTICS[mode](part, axis=0), (n, *x.shape[1:])))
    return np.moveaxis(np.concatenate([sides[0], x, sides[1]]), 0, axis)


def _mirrored(x: Array, before: int, after: int, skipped: int) -> Array:
    """With a frame of 2·edge − mirror image along the first axis; what is longer than x mirrors the frame again.

    skipped: how many elements the edge counts for itself, 1 where it is no part of its image."""
    period = x.shape[0] - skipped
    if period == 0:  # a single element mirrors nothing but itself
        return np.concatenate([np.repeat(x, before, 0), x, np.repeat(x, after, 0)])
    while before or after:
        whole = (x.shape[0] - skipped) // period * period
        left, right = min(whole, before), min(whole, after)
        head = 2 * x[:1] - np.flip(x[skipped : skipped + left], 0)
        end = x.shape[0] - skipped
        tail = 2 * x[-1:] - np.flip(x[end - right : end], 0)
        x, before, after = np.concatenate([head, x, tail]), before - left, after - right
    return x


@op(implements=np.pad, binder=_pad)
def pad(x: Array, *, pad_width: Any, mode: Framing = "constant", constant_values: Any = 0) -> Array:
    """With a frame of so many elements around it, as `np.pad`."""
    if mode == "constant":
        return np.pad(x, pad_width, mode=mode, constant_values=constant_values)
    return np.pad(x, pad_width, mode=mode)


@pad.vjp("x")
def _(dy: Array, x_shape: Any, *, pad_width: Any, mode: Framing) -> Array:
    if mode != "constant":
        return gathered_from(dy, x_shape, lambda numbers: np.pad(numbers, pad_width, mode=mode))
    inside = zip(widths(pad_width, len(x_shape)), x_shape, strict=True)
    return dy[tuple(slice(before, before + n) for (before, _), n in inside)]


draw(
    pad, [(3, 4), {"pad_width": 1}], [(3, 4), {"pad_width": ((1, 0), (0, 2)), "constant_values": 3.0}],
    [(5,), {"pad_width": 2, "mode": "edge"}], [(3, 4), {"pad_width": (2, 1), "mode": "reflect"}],
    [(3, 2), {"pad_width": 2, "mode": "symmetric"}], [(3,), {"pad_width": 4, "mode": "wrap"}],
)  # fmt: skip

# Filled, inserted, deleted.


@op(implements=np.full_like)
def full_like(x: Array, value: Array, *, dtype: Any = None) -> Array:
    """An array of x's shape and dtype full of `value`, which broadcasts, as `np.full_like`; x has derivative 0."""
    return np.full_like(x, value, dtype=dtype)


full_like.zero("x").defvjp(value=lambda dy, value_shape, value_dtype: sum_to(dy, shape=value_shape).astype(value_dtype))
draw(full_like, [(3, 4), ()], [(3, 4), (4,)])


@op(implements=np.delete)
def delete(x: Array, *, obj: Any, axis: int | None = None) -> Array:
    """Without the slices numbered `obj` along an axis, as `np.delete`."""
    return np.delete(x, obj, axis)


delete.defvjp(
    x=lambda dy, x_shape, obj, axis: gathered_from(dy, x_shape, lambda numbers: np.delete(numbers, obj, axis))
)
draw(delete, [(5,), {"obj": [1, 3]}], [(3, 4), {"obj": 1, "axis": 1}], [(3, 4), {"obj": slice(0, 2)}])


def _insert(arr: Array, obj: Any, values: Array, axis: int | None = None) -> Any:
    return (arr, values), {"obj": obj, "axis": axis}


@op(implements=np.insert, binder=_insert)
def insert(x: Array, values: Array, *, obj: Any, axis: int | None = None) -> Array:
    """With `values` before the slices numbered `obj` along an axis, as `np.insert`."""
    return np.insert(x, obj, values, axis)


def _inserted(x_shape: Any, values_shape: Any, obj: Any, axis: int | None) -> Array:
    """Where each element of the result comes from: x's elements are numbered from 0, the values' behind them."""
    n = int(np.prod(x_shape))
    own = np.arange(n).reshape(x_shape)
    return np.insert(own, obj, n + np.arange(int(np.prod(values_shape))).reshape(values_shape), axis)


@insert.vjp("x")
def _(dy: Array, x_shape: Any, values_shape: Any, *, obj: Any, axis: int | None) -> Array:
    n, m = int(np.prod(x_shape)), int(np.prod(values_shape))
    both = scatter_add(dy, _inserted(x_shape, values_shape, obj, axis), shape=(n + m,))
    return np.reshape(both[:n], x_shape)


@insert.vjp("values")
def _(dy: Array, x_shape: Any, values_shape: Any, *, obj: Any, axis: int | None) -> Array:
    n, m = int(np.prod(x_shape)), int(np.prod(values_shape))
    both = scatter_add(dy, _inserted(x_shape, values_shape, obj, axis), shape=(n + m,))
    return np.reshape(both[n:], values_shape)


draw(
    insert, [(4,), (), {"obj": 1}], [(3, 4), (3,), {"obj": 2, "axis": 1}], [(3, 4), (2, 4), {"obj": [0, 3], "axis": 0}]
)


# Chosen element by element among several arrays.


@op(implements=np.choose, binder=lambda a, choices, out=None, mode="raise": ((a, *choices), {"mode": mode}))
def choose(*arrays: Array, mode: Mode = "raise") -> Array:
    """Per element the one of arrays[1:] that the integer in arrays[0] numbers; all broadcast. As `np.choose`."""
    return np.choose(arrays[0], arrays[1:], mode=mode)


@choose.vjp("arrays")
def _(dy: Array, arrays: Any, wanted: Any, *, mode: Mode) -> list[Any]:
    n = len(arrays) - 1
    numbers = arrays[0] % n if mode == "wrap" else np.clip(arrays[0], 0, n - 1)
    parts = [np.where(numbers == k, dy, 0) for k in range(n)]
    return [None] + [
        sum_to(p, shape=np.shape(a)) if w else None for p, a, w in zip(parts, arrays[1:], wanted[1:], strict=True)
    ]


def _select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    return (*condlist, *choicelist, default), {}


@op(implements=np.select, binder=_select)
def select(*arrays: Array) -> Array:
    """Conditions c1…cn, choices x1…xn and a default: per element the choice of the first condition that holds, as
    `np.select`. A choice that is hidden contributes exactly 0."""
    n = len(arrays) // 2
    return np.select(list(map(np.asarray, arrays[:n])), list(arrays[n:-1]), arrays[-1])


@select.vjp("arrays")
def _(dy: Array, arrays: Any, wanted: Any) -> list[Any]:
    n = len(arrays) // 2
    results: list[Any] = [None] * n
    for condition, choice, want in zip(arrays[:n], arrays[n:-1], wanted[n:-1], strict=True):
        results.append(sum_to(np.where(condition, dy, 0), shape=np.shape(choice)) if want else None)
        dy = np.where(condition, 0, dy)
    return [*results, sum_to(dy, shape=np.shape(arrays[-1])) if wanted[-1] else None]


_NUMBERS = np.array([[0, 1, 1], [1, 0, 0]])
draw(choose, [_NUMBERS, (2, 3), (3,)], [_NUMBERS + 1, (2, 3), (), {"mode": "wrap"}])
draw(select, [_NUMBERS == 0, _NUMBERS[0] == 1, (2, 3), (3,), ()], [_NUMBERS == 1, (2, 3), 0.5])

# Grids.


def _grid(*xi: Array, copy: bool = True, sparse: bool = False, indexing: Literal["xy", "ij"] = "xy") -> Any:
    return xi, {"sparse": sparse, "indexing": indexing}


@op(implements=np.meshgrid, binder=_grid)
def meshgrid(*arrays: Array, sparse: bool = False, indexing: Literal["xy", "ij"] = "xy") -> tuple[Array, ...]:
    """Coordinate arrays of a grid from coordinate vectors, as `np.meshgrid`."""
    return tuple(np.meshgrid(*arrays, sparse=sparse, indexing=indexing))


@meshgrid.vjp("arrays")
def _(dy: Any, arrays_shape: Any, *, indexing: Literal["xy", "ij"]) -> list[Array]:
    n = len(arrays_shape)
    places = [1, 0, *range(2, n)] if indexing == "xy" and n > 1 else list(range(n))
    return [
        np.reshape(np.sum(d, axis=tuple(a for a in range(n) if a != place)), shape)
        for d, shape, place in zip(dy, arrays_shape, places, strict=True)
    ]


draw(meshgrid, [(3,), (4,)], [(2,), (3,), (4,), {"indexing": "ij"}], [(3,), (4,), {"sparse": True}])

# Sums per number.


@op(implements=np.bincount)
def bincount(x: Array, weights: Array | None = None, *, minlength: int = 0) -> Array:
    """How often each number occurs in the integers x, or the sum of its weights, as `np.bincount`."""
    return np.bincount(x, weights, minlength)


bincount.nondifferentiable("x").defvjp(weights=lambda dy, x, weights_dtype: dy[x].astype(weights_dtype))
draw(bincount, [np.array([0, 2, 2, 1]), (4,)], [np.array([0, 2, 2, 1])], [np.array([1, 1]), (2,), {"minlength": 5}])

# Nested lists of blocks: the last axis is joined innermost, as `np.block` does it.


def _block(arrays: Any) -> Any:
    flat: list[Any] = []

    def template(item: Any) -> Any:
        if isinstance(item, list):
            return [template(i) for i in item]
        flat.append(item)
        return len(flat) - 1

    nested = template(arrays)
    return tuple(flat), {"layout": nested}


def _filled(layout: Any, arrays: Any) -> Any:
    return [_filled(i, arrays) for i in layout] if isinstance(layout, list) else arrays[layout]


@op(implements=np.block, binder=_block)
def block(*arrays: Array, layout: Any) -> Array:
    """Blocks joined as nested lists say, as `np.block`; `layout` has their numbers in the lists' places."""
    return np.block(_filled(layout, arrays))


@block.vjp("arrays")
def _(dy: Array, arrays_shape: Any, *, layout: Any) -> list[Array]:
    # Where each element comes from: the blocks' elements are numbered through.
    ends = np.cumsum([0, *(int(np.prod(s)) for s in arrays_shape)]).tolist()
    numbers = [np.arange(a, b).reshape(s) for a, b, s in zip(ends, ends[1:], arrays_shape, strict=False)]
    flat = scatter_add(dy, np.block(_filled(layout, numbers)), shape=(ends[-1],))
    return [np.reshape(flat[a:b], s) for a, b, s in zip(ends, ends[1:], arrays_shape, strict=False)]


draw(block, [(2, 2), (2, 1), (1, 2), (1, 1), {"layout": [[0, 1], [2, 3]]}], [(2,), (3,), {"layout": [0, 1]}])
