"""Several costs as one: a network of several outputs, each held against targets of its own.

A network gives one array and a data set has one, so what belongs together lies side by side in columns: predictions
(m, P) and targets (m, Q). Class numbers lie there as whole numbers in floats, exact up to 2²⁴ in float32.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np

from trainer.errors import DataError, ShapeError, UsageError
from trainer.limits import Checked, Limits, Nested
from trainer.types import Array, ArrayLike

__all__ = ["Part", "Several"]


@dataclass(frozen=True)
class Part(Checked):
    """One cost of several, and the columns that it takes.

    Args:
        cost: of (predictions, targets), one value per example.
        outputs: how many columns of the predictions are its own.
        targets: how many columns of the targets are its own.
        weight: the factor of its values in the sum.
        kind: what the cost takes for targets. "classes" turns its columns into integers: one column into class
            numbers (m,) for predictions (m, outputs); T columns into (m, T) for predictions (m, T, outputs/T).
            "binary", "signs" and "values" leave the columns as they are. In a config it follows from the cost.
        metrics: of its columns alone; a table calls that of the second part `accuracy_1`.
    """

    cost: Annotated[Callable[[ArrayLike, ArrayLike], ArrayLike], Nested("cost", says={"kind": "targets"})]
    outputs: Annotated[int, Limits(ge=1)]
    targets: Annotated[int, Limits(ge=1)] = 1
    weight: Annotated[float, Limits(ge=0)] = 1.0
    kind: Literal["classes", "binary", "signs", "values"] = "values"
    metrics: Annotated[tuple[Callable[[ArrayLike, ArrayLike], Any], ...], Nested("metrics")] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kind == "classes" and self.outputs % self.targets:
            raise UsageError(
                f"Part: {self.outputs} outputs cannot be shared among {self.targets} columns of class numbers; "
                "give each position as many outputs as there are classes"
            )

    def shaped(self, predictions: ArrayLike, targets: ArrayLike) -> tuple[ArrayLike, ArrayLike]:
        """Its columns as its cost takes them."""
        if self.kind != "classes":
            return predictions, targets
        classes = np.astype(targets, np.int64)
        if self.targets == 1:
            return predictions, classes[:, 0]
        shape = (predictions.shape[0], self.targets, self.outputs // self.targets)
        return np.reshape(predictions, shape), classes


@dataclass(frozen=True)
class Several:
    """The weighted sum of costs, each of its own columns: the first part has the first columns, and so on.

        cost:
          several:
            - {cost: mean_squared_error, outputs: 1}
            - {cost: softmax_cross_entropy, outputs: 3, weight: 0.5}

    >>> def squares(predictions, targets):
    ...     return np.mean((predictions - targets) ** 2, axis=1)
    >>> def misses(predictions, targets):
    ...     return np.where(np.argmax(predictions, axis=1) == targets, 0.0, 1.0)
    >>> cost = Several((Part(squares, 1), Part(misses, 2, weight=10.0, kind="classes")))
    >>> cost(np.array([[1.0, 0.2, 0.1]]), np.array([[3.0, 1.0]]))  # (1 - 3)² + 10
    array([14.])
    """

    parts: Annotated[tuple[Part, ...], Nested("cost", of=Part)]

    def __post_init__(self) -> None:
        if not self.parts:
            raise UsageError("Several has no parts; give at least one Part")

    @property
    def outputs(self) -> int:
        """How many columns the predictions have."""
        return sum(part.outputs for part in self.parts)

    @property
    def targets(self) -> int:
        """How many columns the targets have."""
        return sum(part.targets for part in self.parts)

    def split(self, predictions: ArrayLike, targets: ArrayLike) -> list[tuple[ArrayLike, ArrayLike]]:
        """The predictions and targets of each part, as its cost or a metric takes them.

        Raises ShapeError where the columns are not as many as the parts'.
        """
        p, t = np.shape(predictions), np.shape(targets)
        if len(p) != 2 or len(t) != 2 or p[0] != t[0] or (p[1], t[1]) != (self.outputs, self.targets):
            raise ShapeError(
                f"the costs take predictions (m, {' + '.join(str(part.outputs) for part in self.parts)}) and targets "
                f"(m, {' + '.join(str(part.targets) for part in self.parts)}), the columns of each side by side: "
                f"predictions are {p} and targets {t}"
            )
        pairs, column, place = [], 0, 0
        for part in self.parts:
            mine = predictions[:, column : column + part.outputs], targets[:, place : place + part.targets]
            pairs.append(part.shaped(*mine))
            column, place = column + part.outputs, place + part.targets
        return pairs

    def check(self, targets: Array) -> None:
        """Raise DataError where a column holds what its part's cost does not take."""
        place = 0
        for number, part in enumerate(self.parts):
            own, first = targets[:, place : place + part.targets], place
            place += part.targets
            wanted, right = _wanted(part, own)
            if not right.all():
                row, column = np.argwhere(~right)[0]
                raise DataError(
                    f"part {number} takes {wanted}, and column {first + column} of the targets has {own[row, column]:g}"
                )

    def __call__(self, predictions: ArrayLike, targets: ArrayLike) -> ArrayLike:
        """One value per example, (m,)."""
        total: ArrayLike = None
        for part, pair in zip(self.parts, self.split(predictions, targets), strict=True):
            value = part.cost(*pair)
            value = value if part.weight == 1 else part.weight * value
            total = value if total is None else total + value
        return total


def _wanted(part: Part, own: Array) -> tuple[str, Array]:
    """What a part's cost takes, in words, and which of its targets are that."""
    if part.kind == "classes":
        classes = part.outputs // part.targets
        least = -np.inf if part.targets > 1 else 0  # of several positions, a negative number leaves one out
        return f"class numbers from 0 to {classes - 1}", (own == np.floor(own)) & (own >= least) & (own < classes)
    if part.kind == "binary":
        return "0 and 1", (own == 0) | (own == 1)
    if part.kind == "signs":
        return "-1 and +1", np.abs(own) == 1
    return "numbers", np.isfinite(own)
