"""A resolved config is the same run again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import trainer
from tests.hints import advised
from trainer.errors import UsageError
from trainer.runs import read_metrics

CONFIG = """
dataset: wine
network: [dense: 3]
cost: softmax_cross_entropy
metrics: [METRIC]
stop: {best: true, watched: roc_auc, part: train}
step_size: 0.01
epochs: 2
"""

LINE = {
    "dataset": {"name": "linear", "rows": 50},
    "network": [{"dense": 1}],
    "cost": "mean_squared_error",
    "step_size": 0.1,
    "epochs": 1,
}


@pytest.mark.parametrize("metric", ["roc_auc", "roc_auc: macro", "{roc_auc: {average: macro}}"])
def test_the_columns_are_the_same_however_a_default_is_spelt(metric: str, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(CONFIG.replace("METRIC", metric))
    first = trainer.train(path, out=tmp_path)
    assert first.folder is not None
    again = trainer.train(first.folder / "resolved.yaml", out=tmp_path)
    assert again.folder is not None
    columns = read_metrics(first.folder / "metrics.csv"), read_metrics(again.folder / "metrics.csv")
    assert "test_roc_auc" in columns[0]
    for name in columns[0]:
        if name not in ("seconds", "rows_per_second"):
            assert columns[0][name].tolist() == columns[1][name].tolist()
    assert list(columns[0]) == list(columns[1])


@pytest.mark.parametrize("named", ["", "config.yaml", "resolved.yaml"])
def test_a_run_and_each_of_its_configs_is_the_same_run_again(named: str, tmp_path: Path) -> None:
    path = tmp_path / "wines.yaml"
    path.write_text(CONFIG.replace("METRIC", "accuracy").replace("roc_auc", "loss"))
    first = trainer.run(path, ["step_size=0.3", "network.0.dense.bias=false", "name=strong wines"], out=tmp_path / "a")
    (tmp_path / "b").mkdir()
    path.unlink()
    again = trainer.run(first.path / named, out=tmp_path / "b")
    assert again.config == first.config
    assert again.parameters["0.weights"].tobytes() == first.parameters["0.weights"].tobytes()
    assert trainer.run(first.path / named, out=tmp_path / "a").path == first.path
    assert trainer.run(first.path / named, ["epochs=1"], out=tmp_path / "b").config == {**first.config, "epochs": 1}


def test_what_a_run_was_given_is_a_config_of_its_own_once_it_stands_elsewhere(tmp_path: Path) -> None:
    run = trainer.run({**LINE}, ["step_size=0.3"], out=tmp_path)
    given = run.path / "config.yaml"
    (tmp_path / "config.yaml").write_text(given.read_text())
    assert trainer.run(tmp_path / "config.yaml", out=tmp_path).config["step_size"] == 0.1
    given.write_text(given.read_text().replace("0.1", "0.2"))
    with pytest.raises(UsageError) as caught:
        trainer.run(given, out=tmp_path)
    assert str(caught.value) == (
        f"{given} was changed since its run was given it; copy it out of the run's folder to train what it says now, "
        f"or name {run.path} to train what the run trained"
    )
    advised(
        caught.value,
        f"copy it out of the run's folder to train what it says now, or name {run.path} to train what the run trained",
    )
    shutil.copy(given, tmp_path / "mine.yaml")
    assert trainer.run(tmp_path / "mine.yaml", out=tmp_path).config["step_size"] == 0.2
    assert trainer.run(run.path, out=tmp_path).config["step_size"] == 0.3
