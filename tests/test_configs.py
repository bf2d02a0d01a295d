"""Every config in configs/ trains, and reaches what it is there to show."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer.config import load
from trainer.experiment import build, layer_table
from trainer.training import Epoch
from trainer.training.threads import pinned

CONFIGS = sorted((Path(__file__).parent.parent / "configs").glob("*.yaml"))

# The metric on the test rows that each config reaches, with its seed as written; a loss is no larger.
REACHES = {
    "mlp": ("accuracy", 0.97),
    "adamw": ("accuracy", 0.97),
    "linear_regression": ("r2", 0.95),
    "logistic_regression": ("accuracy", 0.95),
    "moons": ("accuracy", 0.99),
    "spirals": ("accuracy", 0.98),
    "diabetes": ("r2", 0.45),
    "wine": ("accuracy", 0.94),
    "convolution": ("accuracy", 0.98),
    "batch_norm": ("accuracy", 0.975),
    "residual": ("accuracy", 0.98),
    "embedding": ("r2", 0.92),
    "autoencoder": ("r2", 0.45),
    "several_outputs": ("loss", 0.35),
    "lstm": ("r2", 0.99),
    "characters": ("accuracy", 0.79),
    "snake": ("accuracy", 0.98),
}


def test_every_config_has_a_figure():
    assert {p.stem for p in CONFIGS} == set(REACHES)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_it_trains_to_its_figure(path):
    with pinned(1):
        training = build(load(path))
        epochs = [r for r in training.records() if isinstance(r, Epoch)]
    metric, figure = REACHES[path.stem]
    reached = (training.best.epoch if training.best else epochs[-1]).test[metric]
    assert reached <= figure if metric == "loss" else reached >= figure
    assert epochs[-1].train["loss"] < epochs[0].train["loss"]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_its_table_agrees_with_the_network(path):
    training = build(load(path))
    rows = layer_table(training)
    assert [r.name for r in rows] == list(training.network.names)
    assert sum(r.parameters for r in rows) == training.network.size
    assert rows[-1].output_shape == training.network.output_shape
    for row in rows:
        if row.name == "dense":
            # h = x W + b: 2·m·n·k for the product and m·k for the sum; backward at least the product for the weights.
            assert row.forward > 2 * training.batch_size * row.output_shape[0]
            assert row.backward >= row.forward - training.batch_size * row.output_shape[0]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_it_explains_itself_and_warns_of_nothing(path):
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert len(load(path).plugins.problems) == 0


def test_the_same_seed_gives_the_same_bytes_and_another_does_not():
    path = CONFIGS[[p.stem for p in CONFIGS].index("moons")]

    def theta(*overrides):
        with pinned(1):
            training = build(load(path, ["epochs=2", *overrides]))
            for _ in training.records():
                pass
        return training.theta.tobytes()

    assert theta() == theta()
    assert theta() != theta("seed=1")
