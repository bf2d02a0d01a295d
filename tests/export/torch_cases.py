"""The networks whose export PyTorch was asked about: its answers stand in tests/references/torch_export.json."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from tests.export.test_frozen import model_of
from tests.ops.layer_examples import EXAMPLES
from trainer.experiment.model import Model
from trainer.export.pytorch import LAYERS, OPS, STILL
from trainer.nn import Dense, Network, OpLayer
from trainer.plugins import shared
from trainer.types import Array

__all__ = ["CASES", "PARTLY", "Case", "digest_of", "module_of"]


class Case(NamedTuple):
    """A model with parameters of few digits, so that every computer has the same, and rows for it."""

    model: Model
    rows: Array


def make(name: str, **options: Any) -> Any:
    return shared().get("layers", name).build(**options)


NETWORKS: dict[str, tuple[list[Any], tuple[int, ...], int]] = {
    "dense": ([Dense(8), OpLayer(shared().get("ops", "tanh").target), Dense(3)], (5,), 0),
    "convolution": (
        [
            make("conv2d", filters=4, padding="same", stride=2), make("batch_norm"),
            OpLayer(shared().get("ops", "relu").target), make("max_pool"), make("flatten"), Dense(3),
        ], (9, 8, 2), 0,
    ),
    "lstm": ([make("lstm", units=5, sequences=True), make("lstm", units=4, bidirectional=True), Dense(2)], (6, 3), 0),
    "gru": ([make("gru", units=5, reverse=True, sequences=True), make("gru", units=4), Dense(2)], (6, 3), 0),
    "rnn": ([make("rnn", units=5, activation="relu", bidirectional=True, sequences=True), Dense(2)], (6, 3), 0),
    "transformer": (
        [
            make("embedding", entries=11, size=8), make("learned_positions"),
            make("transformer_block", heads=2, causal=True), make("transformer_block", heads=4, norm="after"),
            make("layer_norm"), Dense(11),
        ], (7,), 11,
    ),
    "attention": (
        [make("sinusoidal_positions"), make("multi_head_attention", heads=2), make("last_position")], (5, 4), 0,
    ),
    "residual": (
        [make("residual", layers=(Dense(5),)), make("residual", layers=(Dense(3),), shortcut=(Dense(3),))], (5,), 0,
    ),
    "parallel": ([make("parallel", paths=(Dense(3), make("repeat", times=2, layers=(Dense(4),))))], (5,), 0),
}  # fmt: skip


def trained(network: Network, dtype: str = "float32") -> Model:
    """A model whose parameters, also those that a layer keeps, are no initial ones."""
    model = model_of(network, dtype)
    rng = np.random.default_rng(5)
    for name, value in model.parameters.items():
        value[...] = np.round(value + 0.1 * rng.normal(size=value.shape), 3)
        if "variance" in name:
            np.abs(value, out=value)
    return model


def rows_for(network: Network, entries: int, dtype: str) -> Array:
    rng = np.random.default_rng(3)
    shape = (6, *network.input_shape)
    rows = rng.integers(0, entries, shape) if entries else rng.normal(size=shape).round(3)
    return np.asarray(rows, dtype)


# What PyTorch does not have of a layer that it has: the layer, the number of its example, and what is said.
PARTLY = {
    ("residual", 1): "layer 'cropping' has no equivalent among PyTorch's modules here",
    ("average_pool", 2): "layer 'average_pool' leaves the padding out of its means",
    ("embedding", 2): "layer 'embedding' masks an entry",
    ("multi_head_attention", 1): "layer 'multi_head_attention' has a size of its own",
    ("multi_head_attention", 3): "layer 'multi_head_attention' has a size of its own",
    ("transformer_block", 2): "layer 'transformer_block' turns by positions",
}


def _cases() -> dict[str, Case]:
    cases: dict[str, Case] = {}
    for name, (layers, shape, entries) in NETWORKS.items():
        for dtype in ("float32", "float64"):
            network = Network(layers, shape)
            cases[f"{name}, {dtype}"] = Case(trained(network, dtype), rows_for(network, entries, dtype))
    for name in sorted({*LAYERS, *STILL} & set(EXAMPLES)):
        for i, example in enumerate(EXAMPLES[name]):
            if (name, i) not in PARTLY:
                network = Network([example.layer], example.shape, [name])
                cases[f"{name}, example {i}"] = Case(trained(network), rows_for(network, example.entries, "float32"))
    for name in (*OPS, "gelu"):
        network = Network([OpLayer(shared().get("ops", name).target)], (9,), [name])
        cases[f"op {name}"] = Case(model_of(network), 3 * rows_for(network, 0, "float32"))
    return cases


CASES = _cases()


def module_of(text: str) -> str:
    """The class in the text of a module, without what names the file and the version."""
    return text[text.index("class Model(") : text.index("\n\n\nmodel = Model()")]


def digest_of(state: Mapping[str, Array]) -> str:
    """A digest of a state: names, types, shapes and bytes."""
    digest = hashlib.sha256()
    for name, array in state.items():
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]
