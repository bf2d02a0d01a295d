"""The same elements in another shape or order. All are linear, so a rule is the transposed rearrangement."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from trainer import op
from trainer.engine.verify import unbroadcast
from trainer.errors import ShapeError
from trainer_ops._common import Array, Axis, axes_of, converted, draw, shapes, with_axes
from trainer_ops.indexing import gathered_from

# New shape, same order.


@op(implements=np.reshape)
def reshape(x: Array, *, shape: int | tuple[int, ...], order: Literal["C", "F", "A"] = "C") -> Array:
    """The elements in a new shape, as `np.reshape`."""
    return np.reshape(x, shape, order=order)


reshape.defvjp(x=lambda dy, x_shape, order: np.reshape(dy, x_shape, order=order))
draw(
    reshape,
    [(3, 4), {"shape": (2, 6)}],
    [(3, 4), {"shape": -1}],
    [(), {"shape": (1, 1)}],
    [(3, 4), {"shape": (2, 6), "order": "F"}],
)


@op(implements=np.ravel)
def ravel(x: Array, *, order: Literal["C", "F", "A"] = "C") -> Array:
    """All elements in one axis, as `np.ravel`."""
    return np.ravel(x, order=order)


ravel.defvjp(x=lambda dy, x_shape, order: np.reshape(dy, x_shape, order=order))
draw(ravel, *shapes((3, 4), ()), [(3, 4), {"order": "F"}])


@op
def flatten(x: Array) -> Array:
    """Every axis but the first in one: (n, ...) → (n, k). What stands between convolutions and dense layers.

    >>> flatten(np.zeros((5, 2, 3))).shape
    (5, 6)
    """
    with_axes("flatten", 1, x)
    return np.reshape(x, (x.shape[0], int(np.prod(x.shape[1:]))))


@op(implements=np.expand_dims)
def expand_dims(x: Array, *, axis: int | tuple[int, ...]) -> Array:
    """New axes of length 1 at these places of the result, as `np.expand_dims`."""
    return np.expand_dims(x, axis)


@op(implements=np.squeeze)
def squeeze(x: Array, *, axis: Axis = None) -> Array:
    """Without its axes of length 1, or without these, as `np.squeeze`."""
    return np.squeeze(x, axis=axis)


for _op in (flatten, expand_dims, squeeze):
    _op.defvjp(x=lambda dy, x_shape: np.reshape(dy, x_shape))
draw(flatten, *shapes((3, 2, 4), (3, 4), (3,)))
draw(expand_dims, [(3, 4), {"axis": 1}], [(3,), {"axis": (0, -1)}])
draw(squeeze, *shapes((3, 1, 4, 1)), [(3, 1, 4, 1), {"axis": 1}])

# New order of the axes.


@op(implements=np.transpose)
def transpose(x: Array, *, axes: tuple[int, ...] | None = None) -> Array:
    """The axes in another order, reversed by default, as `np.transpose`."""
    return np.transpose(x, axes)


@transpose.vjp("x")
def _(dy: Array, *, axes: tuple[int, ...] | None) -> Array:
    return np.transpose(dy, None if axes is None else tuple(np.argsort(axes_of(axes, len(axes)))))


@op(implements=np.swapaxes)
def swapaxes(x: Array, *, axis1: int, axis2: int) -> Array:
    """Two axes exchanged, as `np.swapaxes`."""
    return np.swapaxes(x, axis1, axis2)


@op(implements=np.moveaxis)
def moveaxis(x: Array, *, source: int | tuple[int, ...], destination: int | tuple[int, ...]) -> Array:
    """Axes moved to other places, as `np.moveaxis`."""
    return np.moveaxis(x, source, destination)


@op(implements=np.rollaxis)
def rollaxis(x: Array, *, axis: int, start: int = 0) -> Array:
    """An axis moved to before another, as `np.rollaxis`."""
    return np.rollaxis(x, axis, start)


@op(implements=np.matrix_transpose)
def matrix_transpose(x: Array) -> Array:
    """The last two axes exchanged, as `np.matrix_transpose`."""
    return np.matrix_transpose(x)


swapaxes.defvjp(x=lambda dy, axis1, axis2: np.swapaxes(dy, axis1, axis2))
moveaxis.defvjp(x=lambda dy, source, destination: np.moveaxis(dy, destination, source))
matrix_transpose.defvjp(x=lambda dy: np.swapaxes(dy, -1, -2))


@rollaxis.vjp("x")
def _(dy: Array, *, axis: int, start: int) -> Array:
    places = list(range(dy.ndim))
    axis, start = axis % dy.ndim, start + dy.ndim if start < 0 else start
    places.remove(axis)
    places.insert(start - 1 if axis < start else start, axis)
    return np.transpose(dy, tuple(np.argsort(places)))


draw(transpose, *shapes((3, 4), (2, 3, 4), ()), [(2, 3, 4), {"axes": (2, 0, 1)}], [(2, 3, 4), {"axes": (-1, 0, 1)}])
draw(swapaxes, [(2, 3, 4), {"axis1": 0, "axis2": -1}])
draw(moveaxis, [(2, 3, 4), {"source": 0, "destination": -1}], [(2, 3, 4), {"source": (0, 1), "destination": (2, 0)}])
draw(rollaxis, *([(2, 3, 4), {"axis": a, "start": s}] for a, s in ((2, 0), (0, 3), (1, -1), (2, 1))))
draw(matrix_transpose, *shapes((3, 4), (2, 3, 4)))

# Repetition: what was copied is summed.


@op(implements=np.broadcast_to)
def broadcast_to(x: Array, *, shape: int | tuple[int, ...]) -> Array:
    """Repeated along new axes and those of length 1, without copies, as `np.broadcast_to`."""
    return np.broadcast_to(x, shape)


@op
def sum_to(x: Array, *, shape: tuple[int, ...]) -> Array:
    """Summed down to `shape`, which broadcasts to x's: the transpose of `broadcast_to`.

    >>> sum_to(np.ones((4, 3, 2)), shape=(3, 1)).tolist()
    [[8.0], [8.0], [8.0]]
    """
    if len(shape) > np.ndim(x):
        raise ShapeError(f"sum_to sums x down to a shape that broadcasts to its own: x is {np.shape(x)}, shape={shape}")
    return unbroadcast(x, shape)


broadcast_to.defvjp(x=lambda dy, x_shape: sum_to(dy, shape=x_shape))
sum_to.defvjp(x=lambda dy, x_shape: np.broadcast_to(dy, x_shape))
draw(broadcast_to, [(3, 1), {"shape": (2, 3, 4)}], [(), {"shape": (3,)}])
draw(sum_to, [(2, 3, 4), {"shape": (3, 1)}], [(3,), {"shape": ()}])


@op(implements=np.broadcast_arrays)
def broadcast_arrays(*arrays: Array) -> tuple[Array, ...]:
    """All arrays in the shape that they broadcast to, as `np.broadcast_arrays`."""
    return tuple(map(np.asarray, np.broadcast_arrays(*arrays)))


@broadcast_arrays.vjp("arrays")
def _(dy: Any, arrays_shape: Any) -> list[Array]:
    return [sum_to(d, shape=s) for d, s in zip(dy, arrays_shape, strict=True)]


draw(broadcast_arrays, [(3, 1), (4,)])


@op(implements=np.repeat)
def repeat(x: Array, *, repeats: Any, axis: int | None = None) -> Array:
    """Each element several times in a row, as `np.repeat`; `repeats` is one number or one per place along the axis."""
    return np.repeat(x, repeats, axis=axis)


@repeat.vjp("x")
def _(dy: Array, x_shape: Any, *, repeats: Any, axis: int | None) -> Array:
    return gathered_from(dy, x_shape, lambda x: np.repeat(x, repeats, axis=axis))


@op(implements=np.tile)
def tile(x: Array, *, reps: int | tuple[int, ...]) -> Array:
    """The whole array several times along each axis, as `np.tile`."""
    return np.tile(x, reps)


@tile.vjp("x")
def _(dy: Array, x_shape: Any, *, reps: Any) -> Array:
    reps = (reps,) if isinstance(reps, int | np.integer) else tuple(reps)
    shape = (1,) * (len(reps) - len(x_shape)) + x_shape
    reps = (1,) * (len(shape) - len(reps)) + reps
    split = tuple(n for pair in zip(reps, shape, strict=True) for n in pair)  # (copies, length) of each axis
    return np.reshape(np.sum(np.reshape(dy, split), axis=tuple(range(0, 2 * len(shape), 2))), x_shape)


@op(implements=np.resize)
def resize(x: Array, *, new_shape: int | tuple[int, ...]) -> Array:
    """The elements, over and over, in a shape of any size, as `np.resize`."""
    return np.resize(x, new_shape)


resize.defvjp(x=lambda dy, x_shape, new_shape: gathered_from(dy, x_shape, lambda x: np.resize(x, new_shape)))
draw(repeat, [(3, 4), {"repeats": 2}], [(3, 4), {"repeats": 3, "axis": 1}], [(3, 2), {"repeats": [2, 0, 1], "axis": 0}])
draw(tile, [(3,), {"reps": 2}], [(2, 3), {"reps": (2, 1, 3)}], [(2, 3, 1), {"reps": (2,)}])
draw(resize, [(3, 4), {"new_shape": (5, 5)}], [(3, 4), {"new_shape": 7}])


# New order along an axis.


@op(implements=np.flip)
def flip(x: Array, *, axis: Axis = None) -> Array:
    """Backwards along the axes, as `np.flip`."""
    return np.flip(x, axis)


@op(implements=np.fliplr)
def fliplr(x: Array) -> Array:
    """Backwards along the second axis, as `np.fliplr`."""
    return np.fliplr(x)


@op(implements=np.flipud)
def flipud(x: Array) -> Array:
    """Backwards along the first axis, as `np.flipud`."""
    return np.flipud(x)


@op(implements=np.rot90)
def rot90(x: Array, *, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Array:
    """Turned by k right angles in the plane of two axes, as `np.rot90`."""
    return np.rot90(x, k, axes)


@op(implements=np.roll)
def roll(x: Array, *, shift: int | tuple[int, ...], axis: Axis = None) -> Array:
    """Shifted along the axes, what leaves at one end entering at the other, as `np.roll`."""
    return np.roll(x, shift, axis)


flip.defvjp(x=lambda dy, axis: np.flip(dy, axis))
fliplr.defvjp(x=lambda dy: np.flip(dy, 1))
flipud.defvjp(x=lambda dy: np.flip(dy, 0))
rot90.defvjp(x=lambda dy, k, axes: np.rot90(dy, -k, axes))
roll.defvjp(
    x=lambda dy, shift, axis: np.roll(dy, tuple(-s for s in shift) if isinstance(shift, tuple) else -shift, axis)
)
draw(flip, *shapes((3, 4)), [(3, 4), {"axis": 1}], [(2, 3, 4), {"axis": (0, 2)}])
for _op in (fliplr, flipud):
    draw(_op, *shapes((3, 4)))
draw(rot90, *shapes((3, 4)), [(2, 3, 4), {"k": 3, "axes": (1, 2)}])
draw(roll, [(5,), {"shift": 2}], [(3, 4), {"shift": 5}], [(3, 4), {"shift": (1, -1), "axis": (0, 1)}])

# More dimensions.


def _at_least(function: Any) -> Any:
    def forward(*arrays: Array) -> Any:
        return function(*arrays)

    forward.__doc__ = f"With leading axes of length 1 as needed, as `np.{function.__name__}`."
    made = op(forward, name=function.__name__, implements=function)

    @made.vjp("arrays")
    def _(dy: Any, arrays_shape: Any) -> list[Array]:
        cotangents = dy if len(arrays_shape) > 1 else (dy,)
        return [np.reshape(d, s) for d, s in zip(cotangents, arrays_shape, strict=True)]

    return draw(made, [()], [(3,)], [(2, 3)], [(3,), (2, 3)])


AT_LEAST = tuple(map(_at_least, (np.atleast_1d, np.atleast_2d, np.atleast_3d)))

# The same elements, converted.


@op(implements=np.astype)
def astype(x: Array, *, dtype: Any, copy: bool = True) -> Array:
    """Converted to another dtype, as `np.astype`. The gradient is converted back; integers and bools pass none."""
    return x.astype(dtype, copy=copy)


astype.defvjp(x=lambda dy, x_dtype: converted(dy, x_dtype))


@op(implements=np.copy)
def copy(x: Array, *, order: Literal["K", "C", "F", "A"] = "K", subok: bool = False) -> Array:
    """A copy, as `np.copy`."""
    return np.array(x, order=order, subok=subok, copy=True)


copy.defvjp(x=lambda dy: dy)
draw(astype, [(3, 4), {"dtype": np.float64}], [(3, 4), {"dtype": np.int64}])
draw(copy, *shapes((3, 4), ()))
