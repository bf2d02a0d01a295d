"""A module of PyTorch's with the exported parameters gives the network's numbers, wherever PyTorch is installed."""

from __future__ import annotations

import runpy

import numpy as np
import pytest
from safetensors.numpy import load, save_file

import trainer as package
from tests.export.test_frozen import model_of
from tests.ops.layer_examples import EXAMPLES
from trainer.errors import UsageError
from trainer.experiment.model import load as load_model
from trainer.export.pytorch import GELU, LAYERS, OPS, STILL, to_pytorch
from trainer.export.saving import rows_of_run, write_torch
from trainer.nn import Dense, Network, OpLayer
from trainer.plugins import shared

CLOSE = 1e-6


def make(name, **options):
    return shared().get("layers", name).build(**options)


NETWORKS = {
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


def trained(network, dtype="float32"):
    """A model whose parameters, also those that a layer keeps, are no initial ones."""
    model = model_of(network, dtype)
    rng = np.random.default_rng(5)
    for name, value in model.parameters.items():
        value += (0.3 * rng.normal(size=value.shape)).astype(dtype)
        if "variance" in name:
            np.abs(value, out=value)
    return model


def rows_for(network, entries, dtype):
    rng = np.random.default_rng(3)
    shape = (6, *network.input_shape)
    return (rng.integers(0, entries, shape) if entries else rng.normal(size=shape)).astype(dtype)


def difference(model, rows, folder):
    """Of PyTorch's module and the model, by the text and the file that an export makes."""
    torch = pytest.importorskip(
        "torch", reason="PyTorch is not installed, and it is what an export for it is tried with"
    )
    state, _ = to_pytorch(model, "")
    save_file(state, folder / "m.safetensors")
    (folder / "m.py").write_text(to_pytorch(model, str(folder / "m.safetensors"))[1])
    module = runpy.run_path(str(folder / "m.py"))["model"]
    with torch.no_grad():
        found = module(torch.from_numpy(rows)).numpy()
    expected = model.outputs(rows)
    assert found.shape == expected.shape
    return np.abs(found - expected).max() / max(1.0, np.abs(expected).max())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_module_of_pytorch_gives_the_same_outputs(name, dtype, tmp_path):
    layers, shape, entries = NETWORKS[name]
    network = Network(layers, shape)
    assert difference(trained(network, dtype), rows_for(network, entries, dtype), tmp_path) < CLOSE


# What PyTorch does not have of a layer that it has.
PARTLY = {
    ("residual", 1): "layer 'cropping' has no equivalent among PyTorch's modules here",
    ("average_pool", 2): "layer 'average_pool' leaves the padding out of its means",
    ("embedding", 2): "layer 'embedding' masks an entry",
    ("multi_head_attention", 1): "layer 'multi_head_attention' has a size of its own",
    ("multi_head_attention", 3): "layer 'multi_head_attention' has a size of its own",
    ("transformer_block", 2): "layer 'transformer_block' turns by positions",
}
EXAMPLED = [(name, i) for name, examples in EXAMPLES.items() for i in range(len(examples)) if name in {*LAYERS, *STILL}]


@pytest.mark.parametrize(("name", "number"), EXAMPLED)
def test_every_layer_that_is_written_is_the_same(name, number, tmp_path):
    example = EXAMPLES[name][number]
    model = trained(Network([example.layer], example.shape, [name]))
    if (name, number) in PARTLY:
        with pytest.raises(UsageError, match=PARTLY[name, number]):
            to_pytorch(model, "")
        return
    assert difference(model, example.inputs(6, np.float32), tmp_path) < CLOSE


@pytest.mark.parametrize("name", [*OPS, "gelu"])
def test_every_activation_that_is_written_is_the_same(name, tmp_path):
    model = model_of(Network([OpLayer(shared().get("ops", name).target)], (9,), [name]))
    rows = np.random.default_rng(0).normal(size=(6, 9)).astype(np.float32) * 3
    assert difference(model, rows, tmp_path) < CLOSE
    assert len(GELU) == 2


def test_the_file_has_pytorchs_names_and_layouts():
    model = model_of(Network([make("conv2d", filters=4, kernel=(2, 3)), make("flatten"), Dense(3)], (5, 6, 2)))
    state, text = to_pytorch(model, "model.safetensors")
    assert {name: array.shape for name, array in state.items()} == {
        "layer0.weight": (4, 2, 2, 3), "layer0.bias": (4,), "layer2.weight": (3, 64), "layer2.bias": (3,),
    }  # fmt: skip
    assert "self.layer0 = nn.Conv2d(2, 4, [2, 3], stride=[1, 1], dilation=[1, 1], groups=1, bias=True)" in text
    assert 'model.load_state_dict(load_file("model.safetensors"))' in text
    assert np.array_equal(state["layer2.weight"], model.parameters["2.weights"].T)
    lstm = model_of(Network([make("lstm", units=2)], (3, 4)))
    state, _ = to_pytorch(lstm, "")
    assert {name: array.shape for name, array in state.items()} == {
        "layer0.weight_ih_l0": (8, 4), "layer0.weight_hh_l0": (8, 2), "layer0.bias_ih_l0": (8,),
        "layer0.bias_hh_l0": (8,),
    }  # fmt: skip


def test_a_run_is_exported_with_its_scaling_and_what_was_written_loads(tmp_path):
    config = {
        "dataset": {"name": "iris", "standardize": True}, "cost": "softmax_cross_entropy", "step_size": 0.1,
        "network": [{"dense": 8}, "relu", {"dropout": 0.1}, {"dense": 3}], "epochs": 1,
    }  # fmt: skip
    folder = package.train(config, out=tmp_path).folder
    model = load_model(folder)
    rows = rows_of_run(model, folder)
    written, text = write_torch(model, tmp_path / "model.safetensors", rows)
    assert "CLASS_NAMES = ['setosa', 'versicolor', 'virginica']" in text
    assert "x = ((x.double() - self.mean) / self.scale).to(torch.float32)" in text
    arrays = load((tmp_path / "model.safetensors").read_bytes())
    assert np.array_equal(arrays["mean"], model.scaling.mean)
    assert written.rows in (0, len(rows))
    assert not written.relative > CLOSE


def test_what_pytorch_does_not_have_is_refused_by_name():
    with pytest.raises(UsageError, match="layer 'masking' has no equivalent among PyTorch's modules here; those that"):
        to_pytorch(model_of(Network([make("masking"), make("lstm", units=2)], (3, 4))), "")
    with pytest.raises(
        UsageError, match=r"layer 'multi_head_attention' turns by positions \(rotary\), which PyTorch's"
    ):
        to_pytorch(model_of(Network([make("multi_head_attention", heads=1, rotary=True)], (3, 4))), "")


def test_steps_of_preprocess_are_refused(tmp_path):
    config = {
        "dataset": {"name": "iris", "preprocess": ["standard_scaler"]}, "network": [{"dense": 3}],
        "cost": "softmax_cross_entropy", "step_size": 0.1, "epochs": 1,
    }  # fmt: skip
    model = load_model(package.train(config, out=tmp_path).folder)
    with pytest.raises(UsageError, match="the steps of preprocess are no part of a module of PyTorch's"):
        to_pytorch(model, "")
