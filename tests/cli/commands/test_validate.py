"""`trainer validate`: what a config declares, without training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

Trainer = Callable[..., Any]


def test_validate_shows_data_layers_and_work(trainer: Trainer, folder: Path) -> None:
    done = trainer("validate", "small.yaml", "network=[dense: 4, tanh, dense: 1]")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("small.yaml is valid.\n\n")
    for line in (
        "data      linear: 80 rows to train, 20 to test (random), regression",
        "cost      mean_squared_error",
        "optimizer sgd, step size 0.1",
        "training  3 epochs of 3 steps, 9 in all; float32, seed 0",
        "Scalar operations per step of 32 rows:",
    ):
        assert line in done.out.splitlines()
    rows = [line.split() for line in done.out.splitlines()[-6:]]
    assert rows[0] == ["layer", "output", "parameters", "forward", "backward"]
    assert rows[1] == ["input", "1"]
    assert rows[2][:4] == ["0", "dense", "4", "8"]
    assert rows[3][:4] == ["1", "tanh", "4", "0"]
    assert rows[4][:4] == ["2", "dense", "1", "5"]
    assert rows[5][:2] == ["total", "13"]
    forward = [int(row[4].replace(",", "")) for row in rows[2:5]]
    assert int(rows[5][2].replace(",", "")) == sum(forward)
    assert not (folder / "runs").exists()


def test_validate_refuses_a_bad_config_with_2(trainer: Trainer, folder: Path) -> None:
    done = trainer("validate", "small.yaml", "network=[dens: 4]")
    assert done.code == 2
    assert "did you mean 'dense'?" in done.err
    assert done.out == ""
