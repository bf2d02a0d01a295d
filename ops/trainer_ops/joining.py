"""Arrays joined into one, and one split into several. A joint's rule splits; a split's rule joins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from trainer import Op, op
from trainer.engine.dispatch import bind
from trainer_ops._common import Array, draw


@op(implements=np.concatenate)
def concatenate(*arrays: Array, axis: int | None = 0) -> Array:
    """One after the other along an axis that they have, as `np.concatenate`; None flattens them first."""
    return np.concatenate(arrays, axis=axis)


@concatenate.vjp("arrays")
def _(dy: Array, arrays_shape: Any, wanted: Any, *, axis: int | None) -> list[Any]:
    lengths = [int(np.prod(s)) if axis is None else s[axis] for s in arrays_shape]
    ends = np.cumsum(lengths).tolist()
    before = (slice(None),) * (0 if axis is None else axis % dy.ndim)
    return [
        np.reshape(dy[(*before, slice(end - n, end))], shape) if want else None
        for shape, n, end, want in zip(arrays_shape, lengths, ends, wanted, strict=True)
    ]


@op(implements=np.stack)
def stack(*arrays: Array, axis: int = 0) -> Array:
    """Side by side along a new axis, as `np.stack`."""
    return np.stack(arrays, axis=axis)


@stack.vjp("arrays")
def _(dy: Array, wanted: Any, *, axis: int) -> list[Any]:
    before = (slice(None),) * (axis % dy.ndim)
    return [dy[(*before, i)] if want else None for i, want in enumerate(wanted)]


draw(concatenate, [(2, 3), (4, 3)], [(2, 3), (2, 1), (2, 2), {"axis": -1}], [(2, 3), (2,), {"axis": None}])
draw(stack, [(3,), (3,)], [(2, 3), (2, 3), {"axis": -1}], [(), (), ()])


def _stacking(function: Any, axis: int, view: Callable[[Array], Array], *cases: Any) -> Op:
    """The op of a NumPy function that gives each array some dimensions and then concatenates them."""

    def forward(*arrays: Array) -> Array:
        return function(arrays)

    forward.__doc__ = f"As `np.{function.__name__}`."
    made = op(forward, name=function.__name__, implements=function)

    @made.vjp("arrays")
    def _(dy: Array, arrays_shape: Any) -> list[Array]:
        seen = [view(np.empty(s)).shape for s in arrays_shape]
        along = min(axis, len(seen[0]) - 1)
        parts = np.split(dy, np.cumsum([s[along] for s in seen])[:-1].tolist(), axis=along)
        return [np.reshape(p, s) for p, s in zip(parts, arrays_shape, strict=True)]

    return draw(made, *cases)


vstack = _stacking(np.vstack, 0, np.atleast_2d, [(3,), (2, 3)], [(2, 2), (1, 2)])
hstack = _stacking(np.hstack, 1, np.atleast_1d, [(3,), (2,)], [(2, 2), (2, 1)])
dstack = _stacking(np.dstack, 2, np.atleast_3d, [(3,), (3,)], [(2, 2, 1), (2, 2)])
column_stack = _stacking(
    np.column_stack, 1, lambda a: a if a.ndim > 1 else np.reshape(a, (-1, 1)), [(3,), (3, 2)], [(3,), (3,)]
)


@op(implements=np.append)
def append(x: Array, values: Array, *, axis: int | None = None) -> Array:
    """The values behind the array's own, as `np.append`."""
    return np.append(x, values, axis=axis)


@append.vjp("x")
def _(dy: Array, x_shape: Any, *, axis: int | None) -> Array:
    n = int(np.prod(x_shape)) if axis is None else x_shape[axis]
    return np.reshape(dy[(slice(None),) * (0 if axis is None else axis % dy.ndim) + (slice(None, n),)], x_shape)


@append.vjp("values")
def _(dy: Array, x_shape: Any, values_shape: Any, *, axis: int | None) -> Array:
    n = int(np.prod(x_shape)) if axis is None else x_shape[axis]
    return np.reshape(dy[(slice(None),) * (0 if axis is None else axis % dy.ndim) + (slice(n, None),)], values_shape)


draw(append, [(2, 3), (4,)], [(2, 3), (2, 1), {"axis": 1}])


def _splitting(function: Any, axis: int | None, *cases: Any) -> Op:
    """The op of a NumPy function that cuts one array into several along `axis`, or along its attribute of that name."""
    if axis is None:

        def forward(x: Array, *, indices_or_sections: Any, axis: int = 0) -> Any:
            return tuple(function(x, indices_or_sections, axis))
    else:

        def forward(x: Array, *, indices_or_sections: Any) -> Any:  # type: ignore[misc]
            return tuple(function(x, indices_or_sections))

    forward.__doc__ = f"As `np.{function.__name__}`, as a tuple."
    made = op(forward, name=function.__name__)
    bind(function, made, container=list)
    if axis is None:
        made.defvjp(x=lambda dy, axis: np.concatenate(dy, axis=axis))
    else:
        made.defvjp(x=lambda dy, x_shape: np.concatenate(dy, axis=min(axis, len(x_shape) - 1)))
    return draw(made, *cases)


_TWO, _AT = {"indices_or_sections": 2}, {"indices_or_sections": [1, 3]}
split = _splitting(np.split, None, [(4, 3), _TWO], [(3, 4), _AT | {"axis": 1}])
array_split = _splitting(np.array_split, None, [(5, 3), _TWO], [(3, 5), _TWO | {"axis": -1}])
vsplit = _splitting(np.vsplit, 0, [(4, 3), _TWO], [(4, 3), _AT])
hsplit = _splitting(np.hsplit, 1, [(3, 4), _AT], [(4,), _TWO])
dsplit = _splitting(np.dsplit, 2, [(2, 2, 4), _AT])


@op(implements=getattr(np, "unstack", None))
def unstack(x: Array, *, axis: int = 0) -> tuple[Array, ...]:
    """One array per place along the axis, which they lack, as `np.unstack`."""
    return tuple(np.moveaxis(x, axis, 0))


unstack.defvjp(x=lambda dy, axis: np.stack(dy, axis=axis))
draw(unstack, [(3, 4)], [(2, 3, 4), {"axis": -1}])
