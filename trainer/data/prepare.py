"""From a data set to the arrays that the loop reads: encoded, split, scaled, cast.

Training only gathers rows from what is made here, so the arrays are C-contiguous, of the network's dtype, and no view
of the data set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from trainer.data.dataset import Array, Dataset, Task
from trainer.data.scaling import Scaling
from trainer.data.split import split
from trainer.errors import DataError

__all__ = ["Prepared", "TargetKind", "prepare"]

TargetKind = Literal["classes", "binary", "signs", "values"]

WANTED = {
    "classes": "class indices",
    "binary": "two classes, as 0 and 1",
    "signs": "two classes, as -1 and +1",
    "values": "numbers",
}


@dataclass(frozen=True, eq=False, repr=False)
class Prepared:
    """A data set ready for training.

    train_inputs, test_inputs: shape (rows, *input_shape), of the dtype asked for; no rows in the test arrays when
        `test_fraction` is 0.
    train_targets, test_targets: encoded as the cost wants them, see `prepare`.
    train_rows, test_rows: where these rows are in the data set.
    scaling: what was fitted on the training rows and applied to all, or None.
    """

    name: str
    task: Task
    class_names: tuple[str, ...]
    train_inputs: Array
    train_targets: Array
    test_inputs: Array
    test_targets: Array
    train_rows: Array
    test_rows: Array
    scaling: Scaling | None = None

    def __repr__(self) -> str:
        return (
            f"Prepared {self.name!r}: {len(self.train_rows)} rows to train, {len(self.test_rows)} to test, "
            f"inputs {self.input_shape}, {self.train_inputs.dtype}"
        )

    @property
    def rows(self) -> int:
        """Training and test rows together."""
        return len(self.train_rows) + len(self.test_rows)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one row's inputs."""
        return self.train_inputs.shape[1:]


def prepare(
    dataset: Dataset,
    *,
    targets: TargetKind,
    test_fraction: float = 0.2,
    standardize: bool = False,
    one_hot: bool = False,
    stratify: bool | None = None,
    dtype: npt.DTypeLike = np.float32,
    seed: int = 0,
) -> Prepared:
    """Split, scaled and encoded arrays; a function of its arguments alone.

    targets: how the cost wants them.
        "classes"  class indices, int64 (n,)
        "binary"   0 and 1 for the first and second of two classes, `dtype` (n, 1)
        "signs"    −1 and +1 for the first and second of two classes, `dtype` (n, 1)
        "values"   the numbers of a regression, `dtype` (n, k); with `one_hot` also of a classification, k classes
    test_fraction, stratify, seed: see `trainer.data.split`.
    standardize: fit a Scaling on the training rows, apply it to all rows.
    dtype: float32 or float64.

    Raises DataError for targets of another kind than the cost's, for a split that cannot be, and for numbers too large
    for `dtype`.

    >>> data = Dataset("sign", np.array([[-2], [-1], [1], [2]]), np.array([0, 0, 1, 1]), "classification", ("-", "+"))
    >>> prepare(data, targets="signs", test_fraction=0).train_targets.tolist()
    [[-1.0], [-1.0], [1.0], [1.0]]
    """
    encoded = _encode(dataset, targets, one_hot)
    train, test = split(dataset, test_fraction=test_fraction, stratify=stratify, seed=seed)
    train_inputs, test_inputs = dataset.inputs[train], dataset.inputs[test]
    scaling = Scaling.fit(train_inputs) if standardize else None
    if scaling is not None:
        train_inputs, test_inputs = scaling.apply(train_inputs), scaling.apply(test_inputs)

    def cast(values: Array, what: str) -> Array:
        return _cast(values, np.dtype(dtype), f"{what} of data set {dataset.name!r}")

    return Prepared(
        name=dataset.name,
        task=dataset.task,
        class_names=dataset.class_names,
        train_inputs=cast(train_inputs, "inputs"),
        train_targets=cast(encoded[train], "targets"),
        test_inputs=cast(test_inputs, "inputs"),
        test_targets=cast(encoded[test], "targets"),
        train_rows=train,
        test_rows=test,
        scaling=scaling,
    )


def _encode(dataset: Dataset, kind: TargetKind, one_hot: bool) -> Array:
    """All rows' targets as `kind` says: int64 for "classes", else float64."""
    if kind not in WANTED:
        raise DataError(f"a kind of targets is one of {', '.join(map(repr, WANTED))}, not {kind!r}")
    if dataset.task == "regression":
        _check_regression_fits(dataset, kind, one_hot)
        return dataset.targets.reshape(dataset.rows, -1)
    _check_classification_fits(dataset, kind, one_hot)
    if kind == "classes":
        return dataset.targets
    if kind == "values":
        return np.eye(len(dataset.class_names))[dataset.targets]
    values = dataset.targets[:, None].astype(np.float64)
    return values if kind == "binary" else 2 * values - 1


def _check_regression_fits(dataset: Dataset, kind: TargetKind, one_hot: bool) -> None:
    if one_hot:
        raise DataError(
            f"one_hot turns classes into numbers, and data set {dataset.name!r} is a regression, whose targets are "
            f"numbers already: leave one_hot out"
        )
    if kind != "values":
        raise DataError(
            f"data set {dataset.name!r} is a regression, its targets are numbers, and the cost wants {WANTED[kind]}: "
            f"use a cost for numbers, such as mean_squared_error; if the numbers of a data file stand for classes, say "
            f"task: classification under dataset"
        )


def _check_classification_fits(dataset: Dataset, kind: TargetKind, one_hot: bool) -> None:
    classes = len(dataset.class_names)
    if kind == "values" and not one_hot:
        raise DataError(
            f"data set {dataset.name!r} is a classification of {classes} classes, and the cost wants numbers: use "
            f"cost: softmax_cross_entropy, or one_hot: true under dataset"
        )
    if kind != "values" and one_hot:
        raise DataError(
            f"with one_hot: true the targets of data set {dataset.name!r} are {classes} numbers per row, and the cost "
            f"wants {WANTED[kind]}: leave one_hot out"
        )
    if kind in ("binary", "signs") and classes != 2:
        raise DataError(
            f"data set {dataset.name!r} has {classes} classes, and the cost wants {WANTED[kind]}: use "
            f"cost: softmax_cross_entropy"
        )


def _cast(values: Array, dtype: np.dtype[np.generic], what: str) -> Array:
    """`values` C-contiguous; floats as `dtype`, refused where that makes them infinite."""
    if values.dtype.kind != "f":
        return np.ascontiguousarray(values)
    with np.errstate(over="ignore"):
        cast = np.ascontiguousarray(values, dtype=dtype)
    if not np.isfinite(cast).all():
        largest = values.flat[np.abs(values).argmax()]
        raise DataError(
            f"{what}: {largest:.6g} is too large for {dtype}; use compute.dtype: float64, standardize: true for "
            f"inputs, or smaller units"
        )
    return cast
