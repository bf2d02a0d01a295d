"""Precision and its kin are about one of two classes: which one is said, or seen by its number, or asked for."""

from __future__ import annotations

import re

import numpy as np
import pytest

from trainer import train
from trainer.config import load
from trainer.errors import ConfigError
from trainer.experiment import build

NUMBERS = {"f1": "f1", "recall": "recall", "precision": "precision", "average_precision": "average_precision"}


def config(tmp_path, names, **dataset):
    """Forty rows, of which every fourth is of the first class, and none shows in the inputs."""
    rng = np.random.default_rng(0)
    rows = [f"{a / 1e3:.6f},{b / 1e3:.6f},{names[i % 4 > 0]}" for i, (a, b) in enumerate(rng.normal(size=(40, 2)))]
    (tmp_path / "rows.csv").write_text("\n".join(["a,b,label", *rows]))
    return {
        "dataset": {"path": str(tmp_path / "rows.csv"), **dataset},
        "network": [{"dense": 2}],
        "cost": "softmax_cross_entropy",
        "step_size": 0.1,
        "epochs": 1,
        "metrics": list(NUMBERS),
    }


def titles(given):
    return list(build(load(given)).metrics)


@pytest.mark.parametrize("names", [("fraud", "ok"), ("abnormal", "normal"), ("attack", "normal"), ("died", "survived")])
def test_two_names_do_not_say_which_is_positive_and_each_way_out_that_the_refusal_names_is_one(names, tmp_path):
    given = config(tmp_path, names)
    with pytest.raises(ConfigError) as caught:
        titles(given)
    first, second = names
    assert (
        f"f1 of two classes is about one of them, and '{first}' and '{second}' do not say which: write positive: "
        f"{first} or positive: {second} below dataset, or f1: macro for the mean of both"
    ) in str(caught.value)
    for name in re.findall(r"positive: (\w+)", str(caught.value)):
        assert titles(config(tmp_path, names, positive=name)) == [f"{metric}_{name}" for metric in NUMBERS]
    assert titles({**given, "metrics": [{"f1": "macro"}]}) == ["f1_macro"]


@pytest.mark.parametrize("metric", NUMBERS)
def test_each_metric_of_one_class_asks(metric, tmp_path):
    with pytest.raises(ConfigError, match=f"{metric} of two classes is about one of them"):
        titles({**config(tmp_path, ("fraud", "ok")), "metrics": [metric]})


@pytest.mark.parametrize("cost", ["softmax_cross_entropy", "sigmoid_cross_entropy", "hinge"])
def test_no_fraud_that_is_found_is_no_recall_of_fraud(cost, tmp_path):
    """All rows are taken for the large class, whose own recall is 1."""
    given = {**config(tmp_path, ("fraud", "ok")), "cost": cost, "metrics": ["recall"], "epochs": 30}
    given["network"] = [{"dense": 2 if cost.startswith("softmax") else 1}]
    for positive, recall in (("fraud", 0.0), ("ok", 1.0)):
        outcome = train({**given, "dataset": {**given["dataset"], "positive": positive}})
        assert outcome.epoch.test[f"recall_{positive}"] == recall
        assert outcome.training.data.class_names[1] == positive


@pytest.mark.parametrize(
    ("names", "suffix"), [(("0", "1"), ""), (("-1", "1"), ""), (("no", "yes"), "_yes"), (("False", "True"), "_True")]
)
def test_names_that_say_it_are_not_asked(names, suffix, tmp_path):
    given = config(tmp_path, names, task="classification")
    assert titles(given) == [f"{metric}{suffix}" for metric in NUMBERS]


@pytest.mark.parametrize(("names", "positive"), [(("0", "1"), 0), (("False", "True"), False), (("no", "yes"), "no")])
def test_the_other_class_can_be_positive_as_yaml_writes_it(names, positive, tmp_path):
    training = build(load(config(tmp_path, names, task="classification", positive=positive)))
    assert training.data.class_names == (names[1], names[0])
    assert list(training.metrics) == [f"{metric}_{names[0]}" for metric in NUMBERS]
    assert np.mean(training.data.train.targets) == 0.25


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ({"positive": "frad"}, "has no class 'frad'; its classes are 'fraud' and 'ok'"),
        ({"positive": "ok", "target": "a", "ignore": "label"}, "is a regression, without any"),
    ],
)
def test_what_is_no_class_of_two_is_refused(dataset, message, tmp_path):
    with pytest.raises(ConfigError) as caught:
        titles(
            {
                **config(tmp_path, ("fraud", "ok")),
                "dataset": {**config(tmp_path, ("fraud", "ok"), **dataset)["dataset"]},
            }
        )
    assert message in str(caught.value)


def test_a_resolved_config_gives_the_same_columns_and_numbers(tmp_path):
    first = train(config(tmp_path, ("fraud", "ok"), positive="fraud"), out=tmp_path / "runs")
    again = train(first.folder / "resolved.yaml")
    assert again.epoch.numbers == first.epoch.numbers
