"""Standardised targets: what training reads has mean 0 and deviation 1 over the training rows, column by column."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from trainer.data.dataset import Dataset
from trainer.data.preprocessing.scaling import Scaling
from trainer.errors import DataError
from trainer.types import Array

if TYPE_CHECKING:
    from trainer.data.prepared import Prepared

__all__ = ["coarse", "fit_targets", "with_targets"]

STEPS = 1000  # numbers that a type has within a deviation of the targets, below which a remark says so


def _refuse(dataset: Dataset, targets: Array | None) -> None:
    """Raise DataError where the targets are no numbers of a regression, or no copy of them is made."""
    leave = "leave standardize_targets out"
    if targets is None:
        what = f"with reconstruct the targets are the inputs: {leave}, and write standardize: true for both"
    elif dataset.task == "classification":
        what = f"the targets of data set {dataset.name!r} are classes, which have no scale: {leave}"
    elif dataset.mapped:
        what = f"data set {dataset.name!r} is read from disk while it trains, so its targets stay as they are: {leave}"
    else:
        return
    raise DataError(what, "standardize_targets")


def fit_targets(dataset: Dataset, targets: Array | None, train: Array) -> Scaling:
    """Mean and deviation of targets (n, k) over the rows `train`; a column that is constant there is only centred.

    targets: None where they are the inputs.

    Raises DataError where they are no numbers of their own, and where squares overflow.

    >>> y = np.array([[1.0, 7.0], [3.0, 7.0], [99.0, 8.0]])
    >>> fit_targets(Dataset("y", y, y, "regression"), y, np.array([0, 1])).scale.tolist()
    [1.0, 1.0]
    """
    _refuse(dataset, targets)
    assert targets is not None
    try:
        return Scaling.fit(targets, rows=train)
    except DataError:
        largest = np.abs(targets[train]).max()
        raise DataError(
            f"targets go up to {largest:.3g}, and their squares overflow: they cannot be standardised; give them in "
            f"larger units",
            "standardize_targets",
        ) from None


def with_targets(
    unscaled: Prepared, targets: Array | None, scaling: Scaling | None, dtype: np.dtype[np.generic]
) -> Prepared:
    """The same with standardised targets, which are computed from those of all rows that were not cast yet."""
    if scaling is None or targets is None:
        return unscaled
    told = coarse(scaling, dtype)
    remarks = unscaled.remarks if told is None else (*unscaled.remarks, f"{told}: write dtype: float64 below compute")
    train, validation, test = (
        replace(rows, targets=np.ascontiguousarray(scaling.apply(targets[rows.indices]), dtype))
        for rows in (unscaled.train, unscaled.validation, unscaled.test)
    )
    return replace(
        unscaled, train=train, validation=validation, test=test, remarks=remarks, target_scaling=scaling,
        unscaled=unscaled,
    )  # fmt: skip


def coarse(scaling: Scaling, dtype: np.dtype[np.generic]) -> str | None:
    """That numbers of this type tell the targets hardly apart; None where they do.

    >>> coarse(Scaling(np.array([1.7e9]), np.array([50.0])), np.dtype(np.float32))
    'target 0 has mean 1.7e+09 and deviation 50, and float32 tells numbers of that size apart by 128'
    >>> coarse(Scaling(np.array([1.7e9]), np.array([50.0])), np.dtype(np.float64))
    """
    apart = np.abs(np.spacing(scaling.mean.astype(dtype))).astype(np.float64)
    for i in np.flatnonzero(apart * STEPS > scaling.scale).tolist():
        return (
            f"target {i} has mean {scaling.mean[i]:.4g} and deviation {scaling.scale[i]:.4g}, and {dtype} tells "
            f"numbers of that size apart by {apart[i]:.4g}"
        )
    return None
