"""Arrays as points of a real vector space.

Every comparison in the checker is one of real matrices: a complex element counts as two coordinates, its real and its
imaginary part. Cotangents are the dual space. The engine's convention is the plain transpose, dL = Re(Σ g·dz) =
Re g · da − Im g · db for z = a + ib, so that a cotangent's second coordinate is minus its imaginary part.
With this, one Jacobian serves real, holomorphic and any other functions of complex numbers: both of Wirtinger's
derivatives are in it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainer.types import ArrayLike

__all__ = ["ArrayLike", "Space"]


class Space:
    """The real coordinates of some arrays; arrays of integers and bools have none.

    >>> space = Space([np.zeros(2), np.zeros(1, complex)])
    >>> space.size
    4
    >>> space.flatten([np.array([1.0, 2.0]), np.array([3.0 + 4.0j])])
    array([1., 2., 3., 4.])
    >>> space.flatten_dual([np.array([1.0, 2.0]), np.array([3.0 + 4.0j])])
    array([ 1.,  2.,  3., -4.])
    """

    def __init__(self, arrays: Sequence[ArrayLike]) -> None:
        self.shapes = [np.shape(a) for a in arrays]
        self.dtypes = [np.result_type(a) for a in arrays]
        self._starts: list[int] = []
        size = 0
        for shape, dtype in zip(self.shapes, self.dtypes, strict=True):
            self._starts.append(size)
            size += int(np.prod(shape)) * {"f": 1, "c": 2}.get(dtype.kind, 0)
        self.size = size

    def flatten(self, arrays: Sequence[ArrayLike]) -> ArrayLike:
        """The coordinates of values, as one vector of float64."""
        return self._flat(arrays, 1)

    def flatten_dual(self, arrays: Sequence[ArrayLike]) -> ArrayLike:
        """The coordinates of cotangents, as one vector of float64."""
        return self._flat(arrays, -1)

    def _flat(self, arrays: Sequence[ArrayLike], sign: int) -> ArrayLike:
        parts: list[ArrayLike] = [np.empty(0)]
        for a, dtype in zip(arrays, self.dtypes, strict=True):
            if dtype.kind in "fc":
                flat = np.ravel(a)
                parts.append(flat.real)
                if dtype.kind == "c":
                    parts.append(sign * flat.imag)
        return np.concatenate(parts).astype(np.float64, copy=False)

    def values(self, vector: ArrayLike) -> list[ArrayLike]:
        """Arrays of these shapes and dtypes from their coordinates."""
        return self._arrays(vector, 1)

    def cotangents(self, vector: ArrayLike) -> list[ArrayLike]:
        """Cotangents of these shapes and dtypes from their coordinates."""
        return self._arrays(vector, -1)

    def _arrays(self, vector: ArrayLike, sign: int) -> list[ArrayLike]:
        arrays = []
        for start, shape, dtype in zip(self._starts, self.shapes, self.dtypes, strict=True):
            count = int(np.prod(shape))
            if dtype.kind not in "fc":
                arrays.append(np.zeros(shape, dtype))
                continue
            flat = vector[start : start + count].astype(dtype)
            if dtype.kind == "c":
                flat.imag = sign * vector[start + count : start + 2 * count]
            arrays.append(flat.reshape(shape))
        return arrays

    def unit(self, coordinate: int) -> ArrayLike:
        """The vector that is 1 at one coordinate and 0 elsewhere."""
        vector = np.zeros(self.size)
        vector[coordinate] = 1
        return vector

    def locate(self, coordinate: int) -> tuple[int, tuple[int, ...], bool]:
        """Which array a coordinate belongs to, which element, and whether it is an imaginary part."""
        array = max(i for i, start in enumerate(self._starts) if start <= coordinate and self._counts(i))
        element = coordinate - self._starts[array]
        count = int(np.prod(self.shapes[array]))
        index = np.unravel_index(element % count, self.shapes[array]) if self.shapes[array] else ()
        return array, tuple(int(i) for i in index), element >= count

    def _counts(self, i: int) -> bool:
        return self.dtypes[i].kind in "fc" and bool(np.prod(self.shapes[i]))

    def largest(self, arrays: Sequence[ArrayLike]) -> float:
        """The largest finite magnitude among the coordinates."""
        flat = np.abs(self.flatten(arrays))
        flat = flat[np.isfinite(flat)]
        return float(flat.max()) if flat.size else 0.0
