"""What a message about a config that does not fit says to change by hand is changed, and fits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest

from tests.hints import Advice
from trainer.config import load
from trainer.errors import ConfigError
from trainer.experiment import build

IRIS = {"dataset": "iris", "network": [{"dense": 3}], "cost": "softmax_cross_entropy", "step_size": 0.1}
ADDING = {"dataset": {"name": "adding", "rows": 50, "length": 10}, "cost": "mean_squared_error", "step_size": 0.1}
LINE = {
    "dataset": {"name": "linear", "rows": 40}, "network": [{"dense": 1}], "cost": "mean_squared_error",
    "step_size": 0.1,
}  # fmt: skip
CITIES = {"frame": {"city": [0, 1, 2, 3] * 10, "y": [0.5 * i for i in range(40)]}, "target": "y"}
EMBEDDED = [{"embedding": {"entries": 4, "size": 2}}, "flatten", {"dense": 1}]
LABELS = {
    "dataset": {"name": "multilabel_classification", "rows": 40}, "network": [{"dense": 5}],
    "cost": "sigmoid_cross_entropy", "step_size": 0.1,
}  # fmt: skip
SHARDED = {**IRIS, "batch_size": 16, "compute": {"shards": 20}}


def of(config: Mapping[str, Any], *network: Any, **changes: Any) -> Callable[[], object]:
    """Builds a config with other keys."""
    layers = {"network": [*network]} if network else {}
    return partial(lambda given: build(load(given)), {**config, **layers, **changes})


ADVICE = [
    Advice(
        of(IRIS, {"residual": [{"dense": 5}]}, {"dense": 3}),
        "let them give the same shape, or put a `shortcut:` of layers that gives theirs",
        (
            of(IRIS, {"residual": [{"dense": 4}]}, {"dense": 3}),
            of(IRIS, {"residual": {"layers": [{"dense": 5}], "shortcut": [{"dense": 5}]}}, {"dense": 3}),
        ),
    ),
    Advice(
        of(ADDING, "masking", {"conv1d": 4}, {"lstm": 4}, {"dense": 1}),
        "put it before `masking`, or reduce the positions first, as lstm and mean_over_positions do",
        (of(ADDING, {"conv1d": 4}, "masking", {"lstm": 4}, {"dense": 1}),),
    ),
    Advice(
        of(ADDING, "masking", "flatten", {"dense": 1}),
        "or reduce the positions first, as lstm and mean_over_positions do",
        (
            of(ADDING, "masking", {"lstm": 4}, "flatten", {"dense": 1}),
            of(ADDING, "masking", "mean_over_positions", "flatten", {"dense": 1}),
        ),
    ),
    Advice(
        of(IRIS, {"dense": {"units": 3, "initial": {"zeros": 2}}}),
        "initial values 'zeros' have no options; write 'zeros' alone",
        (of(IRIS, {"dense": {"units": 3, "initial": "zeros"}}),),
    ),
    Advice(
        of(IRIS, metrics=["top_k_accuracy"]),
        "top_k_accuracy of k=5 among 3 classes is always 1; choose a k below 3",
        (of(IRIS, metrics=[{"top_k_accuracy": 2}]),),
    ),
    Advice(
        of(LINE, *EMBEDDED, dataset={**CITIES, "standardize": True}),
        "numbers of categories must not be scaled: leave standardize out",
        (of(LINE, *EMBEDDED, dataset=CITIES),),
    ),
    Advice(
        of(LINE, dataset={**LINE["dataset"], "one_hot": True}),
        "is a regression, whose targets are numbers already: leave one_hot out",
        (of(LINE),),
    ),
    Advice(
        of(IRIS, dataset={"name": "iris", "one_hot": True}),
        "of data set 'iris' are 3 numbers per row, and the cost wants class indices: leave one_hot out",
        (of(IRIS),),
    ),
    Advice(
        of(IRIS, dataset={"name": "iris", "test_fraction": 0.99}),
        "leave 2 rows to train 3 classes, and every class needs one; use a smaller test_fraction",
        (of(IRIS, dataset={"name": "iris", "test_fraction": 0.9}),),
    ),
    Advice(
        of(IRIS, metrics=["accuracy", "accuracy"]),
        "'accuracy' is there twice; leave one out",
        (of(IRIS, metrics=["accuracy"]),),
    ),
    Advice(
        of(LABELS, metrics=["accuracy"]),
        "has several targets of 0 and 1, under this cost labels: write binary_accuracy, of all labels, or exact_match",
        (of(LABELS, metrics=["binary_accuracy"]), of(LABELS, metrics=["exact_match"])),
    ),
    Advice(
        of(IRIS, compute={"executor": "cuda"}),
        "there is no executor 'cuda'; take auto, eager, native or numpy",
        tuple(of(IRIS, compute={"executor": name}) for name in ("auto", "eager", "native", "numpy")),
    ),
    Advice(
        of(SHARDED),
        "cut it into at most 16, or use larger batches",
        (of(SHARDED, compute={"shards": 16}), of(SHARDED, batch_size=20)),
    ),
]  # fmt: skip


@pytest.mark.parametrize("advice", ADVICE, ids=[each.said[:60] for each in ADVICE])
def test_what_a_message_says_to_change_fits(advice: Advice) -> None:
    advice.followed(ConfigError)
