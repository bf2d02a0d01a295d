"""Where windows lie: sizes, padding and places that convolution and pooling share.

Spatial sizes are known when an op is called and never depend on values, so all of this is integer arithmetic, done
once per set of shapes and attributes and remembered.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import product
from typing import NamedTuple

from trainer.errors import ShapeError

__all__ = ["Geometry", "Padding", "Place", "Sizes", "geometry", "geometry_of_transposed", "pairs", "per_axis"]

Sizes = int | tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]
Padding = int | str | tuple[int, ...] | Pairs
Place = tuple[slice, ...]


class Geometry(NamedTuple):
    """Windows of one size, placed on a padded spatial grid.

    Attributes:
        shape: the grid, before padding.
        window, stride, dilation: per axis.
        padding: (before, after) per axis.
        padded: the grid, after padding.
        out: how many windows there are along each axis.
    """

    shape: tuple[int, ...]
    window: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: Pairs
    padded: tuple[int, ...]
    out: tuple[int, ...]

    @property
    def taps(self) -> tuple[Place, ...]:
        """Per element of a window, in row-major order, where the padded grid holds that element of all windows."""
        return _taps(self)

    @property
    def inside(self) -> Place:
        """Where the padded grid holds the unpadded one."""
        return tuple(slice(before, before + n) for (before, _), n in zip(self.padding, self.shape, strict=True))

    @property
    def pads(self) -> bool:
        """Whether there is any padding."""
        return any(a or b for a, b in self.padding)

    @property
    def overlapping(self) -> bool:
        """Whether two windows may share an element."""
        return any(d * (k - 1) >= s for k, s, d in zip(self.window, self.stride, self.dilation, strict=True))


@lru_cache(maxsize=256)
def _taps(g: Geometry) -> tuple[Place, ...]:
    axes = [
        [slice(i * d, i * d + (n - 1) * s + 1, s) for i in range(k)]
        for k, s, d, n in zip(g.window, g.stride, g.dilation, g.out, strict=True)
    ]
    return tuple(product(*axes))


def per_axis(name: str, value: Sizes | Sequence[int], rank: int, least: int = 1) -> tuple[int, ...]:
    """`value` as one integer per spatial axis, each at least `least`.

    >>> per_axis("stride", 2, 3)
    (2, 2, 2)
    """
    sizes = (value,) * rank if isinstance(value, int) else tuple(value)
    if len(sizes) != rank:
        wanted = "write one" if rank == 1 else f"write one, or {rank}"
        raise ShapeError(
            f"{name}={value} gives {_count(len(sizes), 'number')} for {_count(rank, 'spatial axis', 'spatial axes')}; "
            f"{wanted}"
        )
    if min(sizes, default=least) < least:
        raise ShapeError(f"{name}={value} must be at least {least}")
    return sizes


def _count(n: int, one: str, many: str = "") -> str:
    return f"{n} {one if n == 1 else many or one + 's'}"


def pairs(
    padding: Padding | Sequence[int | Sequence[int]],
    shape: Sequence[int],
    reach: Sequence[int],
    stride: Sequence[int],
) -> Pairs:
    """`padding` as (before, after) per axis. `reach` is a window's extent with its dilation.

    'valid' pads nothing. 'same' pads so that there are ⌈n / stride⌉ windows, as evenly as possible, the odd one after.
    """
    if isinstance(padding, str):
        if padding == "valid":
            return ((0, 0),) * len(shape)
        if padding != "same":
            raise ShapeError(f"padding={padding!r} is not known; write 'same', 'valid', a number, or one per axis")
        totals = [max((-(-n // s) - 1) * s + r - n, 0) for n, r, s in zip(shape, reach, stride, strict=True)]
        return tuple((t // 2, t - t // 2) for t in totals)
    each = (padding,) * len(shape) if isinstance(padding, int) else tuple(padding)
    if len(each) != len(shape):
        raise ShapeError(
            f"padding={padding} gives {_count(len(each), 'entry', 'entries')} for "
            f"{_count(len(shape), 'spatial axis', 'spatial axes')}; write one number, one per axis, or a pair (before, "
            f"after) per axis"
        )
    found = tuple((p, p) if isinstance(p, int) else (p[0], p[1]) for p in each)
    if min((n for pair in found for n in pair), default=0) < 0:
        raise ShapeError(f"padding={padding} must not be negative")
    return found


def geometry(
    shape: Sequence[int], window: Sequence[int], stride: Sizes, padding: Padding, dilation: Sizes = 1
) -> Geometry:
    """The geometry of windows on a grid of `shape`.

    >>> geometry((28, 28), (3, 3), stride=2, padding="same").out
    (14, 14)
    """
    return _geometry(tuple(shape), tuple(window), _frozen(stride), _frozen(padding), _frozen(dilation))


def _frozen(value: object) -> object:
    """Lists as tuples, which can be remembered by."""
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value


@lru_cache(maxsize=256)
def _geometry(
    shape: tuple[int, ...], window: tuple[int, ...], stride: Sizes, padding: Padding, dilation: Sizes
) -> Geometry:
    stride, dilation = per_axis("stride", stride, len(shape)), per_axis("dilation", dilation, len(shape))
    if min(window, default=1) < 1:
        raise ShapeError(f"a window of {window} holds no element: it must be at least 1 along each axis")
    reach = [d * (k - 1) + 1 for k, d in zip(window, dilation, strict=True)]
    padding = pairs(padding, shape, reach, stride)
    padded = tuple(n + a + b for n, (a, b) in zip(shape, padding, strict=True))
    if any(n < r for n, r in zip(padded, reach, strict=True)):
        larger = f" (with dilation {dilation}: {tuple(reach)})" if max(dilation) > 1 else ""
        grown = f", {padded} with its padding" if padded != shape else ""
        first = len(shape) == 2 and shape[0] in (1, 3) and padded[1] >= reach[1]  # as images of other libraries
        hint = "; the channels are the last axis: if they are the first, put `- permute: [1, 2, 0]` before it"
        text = f"a window of {window}{larger} does not fit into a grid of {shape}{grown}"
        raise ShapeError(text + (hint if first else ""))
    out = tuple((n - r) // s + 1 for n, r, s in zip(padded, reach, stride, strict=True))
    return Geometry(shape, window, stride, dilation, padding, padded, out)


def geometry_of_transposed(
    out: Sequence[int], window: Sequence[int], stride: Sizes, padding: Padding, output_padding: Sizes, dilation: Sizes
) -> Geometry:
    """The geometry of the convolution that a transposed convolution of a grid `out` transposes.

    Several grids lead to the same number of windows; `output_padding` chooses how much larger than the smallest.

    >>> geometry_of_transposed((14, 14), (3, 3), 2, 1, 1, 1).shape
    (28, 28)
    """
    rank = len(out)
    stride, dilation = per_axis("stride", stride, rank), per_axis("dilation", dilation, rank)
    extra = per_axis("output_padding", output_padding, rank, least=0)
    if any(e >= s for e, s in zip(extra, stride, strict=True)):
        raise ShapeError(f"output_padding={output_padding} must be smaller than the stride, {stride}")
    if padding == "same":
        if any(extra):
            raise ShapeError(
                "padding='same' gives an output of stride times the input's size: leave out output_padding"
            )
        shape = tuple(n * s for n, s in zip(out, stride, strict=True))
        return geometry(shape, window, stride, padding, dilation)
    reach = [d * (k - 1) + 1 for k, d in zip(window, dilation, strict=True)]
    edges = pairs(padding, out, reach, stride)
    shape = tuple(
        (n - 1) * s + r - a - b + e for n, s, r, (a, b), e in zip(out, stride, reach, edges, extra, strict=True)
    )
    if min(shape) < 1:
        raise ShapeError(f"padding={padding} leaves nothing of the output: its grid would be {shape}")
    return geometry(shape, window, stride, edges, dilation)
