"""Classes: a network whose outputs are scores of them."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import column_or_1d, validate_data

from trainer.data.dataset import Dataset
from trainer.estimators.base import FLOATS, TrainerEstimator
from trainer.types import Array

__all__ = ["TrainerClassifier"]


def _has_probabilities(estimator: TrainerClassifier) -> bool:
    """Whether the cost gives outputs a meaning as probabilities; raises what says why not."""
    if hasattr(estimator, "parameters_") and not estimator.model.has_probabilities:
        raise AttributeError(
            f"the cost {estimator.cost!r} gives its outputs no meaning as probabilities; take predict(X), or the "
            f"scores themselves, model.outputs(X)"
        )
    return True


class TrainerClassifier(ClassifierMixin, TrainerEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """A network that tells classes apart; every key of a config is a parameter.

    Attributes:
        classes_: the labels, sorted, in the order of `predict_proba`.

    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> network = [{"dense": 16}, "tanh", {"dense": "outputs"}]
    >>> estimator = TrainerClassifier(network, step_size=0.01, epochs=30, standardize=True).fit(X, y)
    >>> estimator.predict(X[:1]), estimator.score(X, y) > 0.95
    (array([0]), True)
    """

    __doc__ += f"\n    {TrainerEstimator.__doc__ or ''}"
    _cost: ClassVar[str] = "softmax_cross_entropy"

    def fit(self, X: object, y: object, sample_weight: object = None) -> Self:
        """Train on these rows.

        Args:
            X: (n, features) of numbers, or a frame of pandas or polars.
            y: (n,) of labels.
            sample_weight: (n,), how much each row counts in the loss; a row of weight 0 is left out.

        Raises ValueError for what is no such thing, ConfigError for parameters that are no config, DivergedError.
        """
        X, labels = self._validated(X, y, reset=True)
        self.classes_ = np.unique(labels)
        return self._fit(self._dataset(X, labels, sample_weight), X.dtype)

    def partial_fit(self, X: object, y: object, classes: object = None, sample_weight: object = None) -> Self:
        """One epoch on these rows, from where training stands.

        Args:
            classes: all labels that there are; needed in the first call, when not all of them may be in `y`.

        See `fit`.
        """
        if classes is not None and len(np.unique(np.asarray(classes))) < 2:
            raise ValueError(f"classes are {classes!r}; telling apart needs two")
        first = not hasattr(self, "parameters_")
        if first and classes is None:
            raise ValueError("the first call of partial_fit needs classes, all labels that there are")
        X, labels = self._validated(X, y, reset=first)
        if first:
            self.classes_ = np.unique(np.asarray(classes))
        elif classes is not None and not np.array_equal(self.classes_, np.unique(np.asarray(classes))):
            raise ValueError(f"classes are {classes!r}, and were {self.classes_!r} in the first call of partial_fit")
        return self._partial_fit(self._dataset(X, labels, sample_weight, some=True), X.dtype)

    def predict(self, X: object) -> Array:
        """The label of each row, (n,)."""
        outputs = self._outputs(X)
        return np.asarray(self.classes_[self.model.classes(outputs)])

    @available_if(_has_probabilities)  # type: ignore[untyped-decorator]  # scikit-learn ships no types
    def predict_proba(self, X: object) -> Array:
        """The probability of each class, (n, classes), in the order of `classes_`."""
        outputs = self._outputs(X)
        return self.model.probabilities(outputs)

    @available_if(_has_probabilities)  # type: ignore[untyped-decorator]  # scikit-learn ships no types
    def predict_log_proba(self, X: object) -> Array:
        """The logarithm of `predict_proba`."""
        return np.asarray(np.log(self.predict_proba(X)))

    def _validated(self, X: Any, y: Any, *, reset: bool) -> tuple[Array, Array]:
        X, y = validate_data(self, X, y, reset=reset, dtype=FLOATS, ensure_all_finite=self._finite, multi_output=True)
        check_classification_targets(y)
        if type_of_target(y).startswith("multilabel"):
            raise ValueError("a row has one label here; for several of 0 and 1, train numbers under a cost of them")
        return X, column_or_1d(y, warn=True)

    def _dataset(self, X: Array, labels: Array, sample_weight: object, *, some: bool = False) -> Dataset:
        indices = np.searchsorted(self.classes_, labels).clip(max=len(self.classes_) - 1)
        if not np.array_equal(self.classes_[indices], labels):
            unknown = labels[self.classes_[indices] != labels][0]
            raise ValueError(f"label '{unknown}' is none of the classes {self.classes_!r}")
        rows = self._rows(X, indices, sample_weight)
        counting = np.unique(rows["targets"])
        if len(counting) < 2 and not some:
            only = self.classes_[counting[0]]
            raise ValueError(f"all rows that count have one class, '{only}'; telling apart needs two")
        names = tuple(map(str, self.classes_.tolist()))
        # Of a batch, and of rows that count, a class may have none.
        return Dataset("X", **rows, task="classification", class_names=names, some=some or sample_weight is not None)
