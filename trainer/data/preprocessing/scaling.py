"""Standardisation: every feature gets mean 0 and standard deviation 1 over the training rows.

The numbers are those of scikit-learn's `StandardScaler`, to the last bit, without importing it. A model that was
trained on scaled inputs is worthless without the scaling, so it turns into named arrays that lie beside the parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from trainer.data.dataset import laid_flat, some_numbers
from trainer.data.packed import shape_of
from trainer.data.preprocessing import SCALING
from trainer.errors import DataError, ShapeError
from trainer.types import Array

__all__ = ["Scaling"]

TOGETHER = 2**17  # numbers that are looked at together
MEAN, SCALE = f"{SCALING}.mean", f"{SCALING}.scale"


@dataclass(frozen=True, eq=False, repr=False)
class Scaling:
    """(x − mean) / scale, feature by feature; mean and scale are float64 of one row's shape.

    >>> scaling = Scaling.fit(np.array([[1.0, 5.0], [3.0, 5.0]]))
    >>> scaling.apply(np.array([[1.0, 5.0], [4.0, 6.0]]))
    array([[-1.,  0.],
           [ 2.,  1.]])
    >>> scaling.inverse(scaling.apply(np.array([[4.0, 6.0]])))
    array([[4., 6.]])
    """

    mean: Array
    scale: Array

    def __repr__(self) -> str:
        return f"Scaling of inputs {self.mean.shape}"

    @classmethod
    def fit(cls, inputs: Array, without: Sequence[int] = (), rows: Array | None = None, divisor: int = 1) -> Scaling:
        """Mean and standard deviation (divisor n) of `inputs`, shape (n, ...), over the rows.

        rows: the indices of those that count; all by default.
        without: features (columns) that are left as they are, such as the index of a category.
        divisor: of the numbers, before anything is computed of them, see `Dataset`.

        A feature that is constant up to rounding is only centred: its scale is 1. Variance by the corrected two-pass
        algorithm, and the bound on its rounding error, from Chan, Golub & LeVeque, *Algorithms for computing the sample
        variance* (1983), in the order of operations of scikit-learn's `_incremental_mean_and_var`.
        Raises DataError when a feature's squares overflow.
        """
        flat, shape = laid_flat(inputs), shape_of(inputs)[1:]
        together = _together(math.prod(shape), max(2, TOGETHER))
        moments = [_moments(_Columns(flat, rows, some, divisor)) for some in together]
        mean, variance, constant = (np.concatenate([each[i] for each in moments]).reshape(shape) for i in range(3))
        if not np.isfinite(variance).all():
            column = int(np.isfinite(variance).argmin())
            place = [int(i) for i in np.unravel_index(column, shape)]
            numbers = _Columns(flat, rows, slice(column, column + 1), divisor).pieces()
            largest = max(np.abs(some).max() for some in numbers)
            raise DataError(
                f"feature {place} has numbers up to {largest:.3g}, whose squares overflow: leave "
                f"standardize out and write preprocess: [max_abs_scaler, standard_scaler], which divides them first",
                "standardize",
            )
        scale = np.where(constant, 1.0, np.sqrt(variance))
        mean[list(without)], scale[list(without)] = 0, 1
        return cls(mean, scale)

    def of(self, columns: slice) -> Scaling:
        """The scaling of some features of rows that are laid flat."""
        return Scaling(self.mean.reshape(-1)[columns], self.scale.reshape(-1)[columns])

    def apply(self, inputs: Array) -> Array:
        """Scaled `inputs`, shape (n, ...), computed in float64; float32 stays float32."""
        self._check(inputs)
        return np.asarray((inputs - self.mean) / self.scale, dtype=_float_type(inputs))

    def inverse(self, inputs: Array) -> Array:
        """What `apply` made `inputs` from, up to rounding."""
        self._check(inputs)
        return np.asarray(inputs * self.scale + self.mean, dtype=_float_type(inputs))

    def to_arrays(self) -> dict[str, Array]:
        """The scaling as named arrays for a safetensors file; the names cannot clash with a layer's parameters.

        >>> sorted(Scaling(np.zeros(2), np.ones(2)).to_arrays())
        ['scaling.mean', 'scaling.scale']
        """
        return {MEAN: np.ascontiguousarray(self.mean), SCALE: np.ascontiguousarray(self.scale)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Scaling | None:
        """The scaling among `arrays`, which may hold parameters too; None if there is none.

        Raises DataError when one of its two arrays is missing, or when they cannot be a scaling.
        """
        found = [name for name in (MEAN, SCALE) if name in arrays]
        if not found:
            return None
        if len(found) == 1:
            raise DataError(f"a scaling is two arrays, {MEAN!r} and {SCALE!r}; here is only {found[0]!r}")
        mean, scale = (np.asarray(arrays[name], dtype=np.float64) for name in (MEAN, SCALE))
        if mean.shape != scale.shape or not (
            np.isfinite(mean).all() and np.isfinite(scale).all() and (scale > 0).all()
        ):
            raise DataError(
                f"{MEAN!r}, shape {mean.shape}, and {SCALE!r}, shape {scale.shape}, must be finite, of one shape, and "
                f"every scale above 0"
            )
        return cls(mean, scale)

    def _check(self, inputs: Array) -> None:
        # Broadcasting would scale inputs of shape (n, 1) by every feature's numbers and return (n, features).
        if inputs.shape[1:] != self.mean.shape:
            raise ShapeError(
                f"the scaling was fitted on inputs of shape (n, {', '.join(map(str, self.mean.shape))}) and cannot be "
                f"used on shape {inputs.shape}"
            )


def _together(columns: int, most: int) -> Iterator[slice]:
    """Some columns at a time, never one alone of several: NumPy adds those of one column up in another order."""
    for start in range(0, columns, most):
        if start and start == columns - 1:
            return
        yield slice(start, start + most + (start + most == columns - 1))


class _Columns(NamedTuple):
    """Some columns of some rows of inputs laid flat, of numbers that are kept as `divisor` times what they are."""

    flat: Array
    rows: Array | None
    columns: slice
    divisor: int

    @property
    def n(self) -> int:
        """How many rows there are."""
        return len(self.flat) if self.rows is None else len(self.rows)

    def pieces(self) -> Iterator[Array]:
        """The numbers, some rows at a time; a column alone goes whole, for NumPy adds it up in pairs."""
        width = len(range(*self.columns.indices(shape_of(self.flat)[1])))
        together = max(1, TOGETHER // width) if width > 1 else self.n
        for start in range(0, self.n, together):
            some = slice(start, start + together)
            yield some_numbers(self.flat, self.divisor, some if self.rows is None else self.rows[some], self.columns)

    def totals(self, *of: Callable[[Array], Array]) -> list[Array]:
        """The sums over the rows of what each function makes of them, with the bits of NumPy's sum of all at once.

        It adds row to row, and so can begin with what there is so far.
        """
        sums: list[Array] = []
        for piece in self.pieces():
            made = [each(piece) for each in of]
            if sums:
                made = [np.concatenate([one[np.newaxis], rows]) for one, rows in zip(sums, made, strict=True)]
            sums = [np.asarray(np.add.reduce(rows, axis=0)) for rows in made]
        return sums


def _moments(columns: _Columns) -> tuple[Array, Array, Array]:
    """Mean and variance of each column, and whether it is constant up to rounding."""
    n, epsilon = float(columns.n), np.finfo(np.float64).eps
    with np.errstate(over="ignore", invalid="ignore"):
        mean = columns.totals(lambda x: x)[0] / n
        correction, squares = columns.totals(lambda x: x - mean, lambda x: np.square(x - mean))
        variance = (squares - correction**2 / n) / n
        return mean, variance, variance <= n * epsilon * variance + (n * mean * epsilon) ** 2


def _float_type(inputs: Array) -> np.dtype[np.floating]:
    return inputs.dtype if inputs.dtype.kind == "f" else np.dtype(np.float64)
