"""Numbers: a network whose outputs are what is expected of them."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import validate_data

from trainer.data.dataset import Dataset
from trainer.estimators.base import FLOATS, TrainerEstimator
from trainer.types import Array

__all__ = ["TrainerRegressor"]


class TrainerRegressor(RegressorMixin, TrainerEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """A network that predicts numbers, one or several per row; every key of a config is a parameter.

    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True)
    >>> estimator = TrainerRegressor([{"dense": 8}, "tanh", {"dense": "outputs"}], step_size=0.1, epochs=40)
    >>> estimator.fit(X, y).predict(X[:3]).shape
    (3,)
    """

    __doc__ += f"\n    {TrainerEstimator.__doc__ or ''}"
    _cost: ClassVar[str] = "mean_squared_error"

    def fit(self, X: object, y: object, sample_weight: object = None) -> Self:
        """Train on these rows.

        Args:
            X: (n, features) of numbers, or a frame of pandas or polars.
            y: (n,) or (n, k) of numbers.
            sample_weight: (n,), how much each row counts in the loss; a row of weight 0 is left out.

        Raises ValueError for what is no such thing, ConfigError for parameters that are no config, DivergedError.
        """
        return self._fit(*self._dataset(X, y, sample_weight, reset=True))

    def partial_fit(self, X: object, y: object, sample_weight: object = None) -> Self:
        """One epoch on these rows, from where training stands; see `fit`."""
        return self._partial_fit(*self._dataset(X, y, sample_weight, reset=not hasattr(self, "parameters_")))

    def predict(self, X: object) -> Array:
        """What is expected of each row, (n,) or (n, k)."""
        outputs = self._outputs(X)
        return self.model.decided(outputs)

    def _dataset(self, X: Any, y: Any, sample_weight: Any, *, reset: bool) -> tuple[Dataset, np.dtype[Any]]:
        X, y = validate_data(
            self, X, y, reset=reset, dtype=FLOATS, ensure_all_finite=self._finite, multi_output=True, y_numeric=True
        )
        return Dataset("X", **self._rows(X, y, sample_weight), task="regression"), X.dtype

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
