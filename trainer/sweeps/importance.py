"""How much each key mattered: by how much a random forest, which has learnt from some trials what a number comes to,
errs more on the others when the values of that key are shuffled among them (permutation importance; Breiman, 2001).

A forest takes numbers of any scale, texts, and keys that act together. Shares are of the sum over the keys; r² says how
much of the differences the forest foretells at all, and so how far the shares are to be trusted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainer.types import Array

__all__ = ["LEAST", "Importance", "importance"]

LEAST = 8  # configs
PARTS = 5  # of which each is foretold by what was learnt from the others


@dataclass(frozen=True)
class Importance:
    """What share each key has, the largest first, and how much of the differences the forest foretells.

    r2: 1 is all of it; what is 0 or below is none, and there are no shares then.
    """

    shares: Mapping[str, float]
    r2: float


def importance(settings: Mapping[str, Sequence[Any]], reached: Sequence[float]) -> Importance | None:
    """The importance of each key, by its values in the configs and what each config reached; None for too few.

    >>> values = [0.1 * i for i in range(16)]
    >>> found = importance({"step_size": values, "batch_size": [8, 16] * 8}, [v * v for v in values])
    >>> list(found.shares)[0], found.r2 > 0.5
    ('step_size', True)
    """
    y = np.asarray(reached, dtype=float)
    there = np.isfinite(y)
    varied = {key: values for key, values in settings.items() if len({repr(value) for value in values}) > 1}
    if there.sum() < LEAST or len(varied) < 2 or np.ptp(y[there]) == 0:
        return None
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.inspection import permutation_importance
    from sklearn.model_selection import KFold

    x = np.column_stack([_numbers(values) for values in varied.values()])[there]
    y = y[there]
    lost, errors = np.zeros(len(varied)), 0.0
    for learnt, foretold in KFold(PARTS, shuffle=True, random_state=0).split(x):
        forest = RandomForestRegressor(100, random_state=0).fit(x[learnt], y[learnt])
        errors += float(((forest.predict(x[foretold]) - y[foretold]) ** 2).sum())
        found = permutation_importance(
            forest, x[foretold], y[foretold], scoring="neg_mean_squared_error", n_repeats=20, random_state=0
        )
        lost += found.importances_mean * len(foretold)
    lost = np.maximum(lost, 0.0)
    r2 = 1 - errors / float(((y - y.mean()) ** 2).sum())
    if r2 <= 0 or not lost.sum():
        return Importance({}, r2)
    order = np.argsort(-lost, kind="stable")
    keys = list(varied)
    return Importance({keys[i]: float(lost[i] / lost.sum()) for i in order}, r2)


def _numbers(values: Sequence[Any]) -> Array:
    """Numbers as they are, anything else by its place among the texts."""
    if all(isinstance(value, int | float) for value in values):
        return np.asarray(values, dtype=float)
    texts = [repr(value) for value in values]
    places = {text: i for i, text in enumerate(sorted(set(texts)))}
    return np.asarray([places[text] for text in texts], dtype=float)
