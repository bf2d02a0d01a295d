"""The same numbers as PyTorch: layers for sequences, with and without masks, 50 steps in float64, at each to 1e-9.

The curves were recorded by tests/references/record_torch_sequences.py, where a case's name says what PyTorch was told.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.made_up import EXECUTORS, data_of, op_layer
from trainer.nn import Dense, Network
from trainer.plugins import shared
from trainer.training import Step, Training
from trainer_ops.layers.attention import MultiHeadAttention, TransformerBlock
from trainer_ops.layers.masking import LastPosition, Masking, MaxOverPositions, MeanOverPositions
from trainer_ops.layers.positions import LearnedPositions, SinusoidalPositions
from trainer_ops.layers.recurrent import Gru, Lstm, Rnn

RECORDED = json.loads((Path(__file__).parents[1] / "references" / "torch_sequences.json").read_text(encoding="utf-8"))
DATA = RECORDED["data"]
END = [MeanOverPositions(), Dense(3)]


def recurrent(layer, name, **options):
    return {
        name: [layer(3, **options), Dense(3)],
        f"{name}, sequences": [layer(3, sequences=True, **options), *END],
        f"{name}, reverse": [layer(3, reverse=True, **options), Dense(3)],
        f"{name}, bidirectional, sequences": [layer(3, sequences=True, bidirectional=True, **options), *END],
        f"{name}, masked": [Masking(), layer(3, **options), Dense(3)],
        f"{name}, masked, bidirectional": [Masking(), layer(3, bidirectional=True, **options), Dense(3)],
        f"{name}, masked, two, sequences": [
            Masking(), layer(3, sequences=True, **options), layer(3, sequences=True, **options), *END,
        ],
    }  # fmt: skip


def blocks():
    for norm in ("before", "after"):
        for activation in ("gelu", "exact_gelu", "relu"):
            block = TransformerBlock(2, hidden=6, norm=norm, activation=activation)
            yield f"block, norm {norm}, {activation}", [block, *END]
            yield f"block, norm {norm}, {activation}, masked", [Masking(), block, *END]


def pooled():
    for name, layer in {"mean": MeanOverPositions(), "max": MaxOverPositions(), "last": LastPosition()}.items():
        inner = [Dense(5), op_layer("tanh"), layer, Dense(3)]
        yield f"{name} over positions", inner
        yield f"{name} over positions, masked", [Masking(), *inner]
    yield "learned positions", [LearnedPositions(), *inner]
    yield "sinusoidal positions", [SinusoidalPositions(base=100.0), *inner]


CASES = {
    **recurrent(Rnn, "rnn"),
    **recurrent(Gru, "gru"),
    **recurrent(Lstm, "lstm"),
    "rnn, relu": [Rnn(3, activation="relu"), Dense(3)],
    "rnn, relu, masked": [Masking(), Rnn(3, activation="relu"), Dense(3)],
    "attention": [MultiHeadAttention(2), *END],
    "attention, no bias": [MultiHeadAttention(2, bias=False), *END],
    "attention, causal": [MultiHeadAttention(2, causal=True), *END],
    "attention, masked": [Masking(), MultiHeadAttention(2), *END],
    "attention, masked, causal": [Masking(), MultiHeadAttention(2, causal=True), *END],
    **dict(blocks()),
    "block, causal, each position": [TransformerBlock(2, hidden=6, causal=True), Dense(3)],
    **dict(pooled()),
}


def losses(case, executor):
    """Train as the recorder does."""
    x = np.array(DATA["inputs"])
    if "masked" in case:
        x = x * (np.arange(4) < np.array(DATA["lengths"])[:, None])[..., None]
    y = np.array(DATA["position_classes" if "each position" in case else "classes"])
    network = Network(CASES[case], x.shape[1:])
    data = data_of(x, y, classes=("a", "b", "c"))
    training = Training(
        network, shared().get("costs", "softmax_cross_entropy").build(), data, 0.3, batch_size=8, epochs=10,
        dtype=np.float64, executor=executor,
    )  # fmt: skip
    parameters = {name: np.array(value) for name, value in RECORDED["cases"][case]["parameters"].items()}
    assert set(parameters) == {part.name for part in network.parts}
    training.resume(replace(training.state, theta=network.theta(parameters)))
    batches = [np.array(rows) for rows in DATA["batches"]]
    training.batches = lambda epoch: batches[5 * epoch : 5 * epoch + 5]
    return [record.loss for record in training.records() if isinstance(record, Step)]


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("case", CASES)
def test_a_layer_gives_the_losses_of_pytorch(case, executor):
    np.testing.assert_allclose(losses(case, executor), RECORDED["cases"][case]["losses"], rtol=1e-9, atol=0)


def test_every_recorded_curve_is_compared():
    assert set(RECORDED["cases"]) == set(CASES)
