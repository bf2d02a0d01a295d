"""Rows that choose are not those that judge."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import trainer
from trainer.errors import ConfigError
from trainer.runs import load, read_metrics

CONFIG: dict[str, Any] = {
    "dataset": {"name": "circles", "rows": 200, "validation_fraction": 0.25},
    "network": [{"dense": 4}, "tanh", {"dense": 2}],
    "cost": "softmax_cross_entropy",
    "step_size": 0.1,
    "epochs": 4,
}
WITHOUT = {**CONFIG, "dataset": {"name": "circles", "rows": 200}}


def test_the_test_rows_are_looked_at_once_at_the_end(tmp_path: Path) -> None:
    outcome = trainer.train({**CONFIG, "stop": {"best": True}}, out=tmp_path)
    assert outcome.folder is not None
    assert outcome.epoch is not None
    columns = [name for name in read_metrics(outcome.folder / "metrics.csv") if "_" in name]
    assert columns[:4] == ["train_loss", "train_accuracy", "validation_loss", "validation_accuracy"]
    assert not any(name.startswith("test") for name in columns)
    assert outcome.epoch.test == outcome.training.test() == load(outcome.folder).about["test"]
    assert outcome.warnings == ()


def test_without_such_rows_the_test_is_measured_after_every_epoch(tmp_path: Path) -> None:
    outcome = trainer.train(WITHOUT, out=tmp_path)
    assert outcome.folder is not None
    assert "test_loss" in read_metrics(outcome.folder / "metrics.csv")
    assert "test" not in json.loads((outcome.folder / "status.json").read_text())


PLATEAU = {"plateau": {"start": 0.1, "patience": 1}}
CHOOSING = [({"stop": {"best": True}}, "the epoch"), ({"stop": {"target": 0.0}}, "when training ends"),
            ({"step_size": PLATEAU}, "the step size")]  # fmt: skip


@pytest.mark.parametrize(("choosing", "what"), CHOOSING)
def test_who_chooses_watches_the_validation_rows_where_there_are_some(choosing: dict[str, Any], what: str) -> None:
    validated, tested = trainer.train({**CONFIG, **choosing}), trainer.train({**WITHOUT, **choosing})
    assert validated.warnings == ()
    assert [warning.partition(",")[0] for warning in tested.warnings] == [f"the test rows choose {what}"]
    assert validated.last is not None
    state = validated.training.state
    assert state.stopping.get("now", validated.last.validation["loss"]) == validated.last.validation["loss"]


def test_rows_that_were_asked_for_by_name_are_watched() -> None:
    outcome = trainer.train({**WITHOUT, "stop": {"best": True, "part": "train"}})
    assert outcome.warnings == ()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            CONFIG,
            "the test rows, which are looked at once, at the end, since there are rows for validation; write part",
        ),
        (WITHOUT, "the validation rows, and there are none; under dataset, write validation_fraction: 0.2, or write"),
    ],
)
def test_a_part_that_is_not_measured_cannot_be_watched(config: dict[str, Any], message: str) -> None:
    part = "test" if config is CONFIG else "validation"
    with pytest.raises(ConfigError, match=f"stop watches {message}"):
        trainer.train({**config, "stop": {"best": True, "part": part}})
