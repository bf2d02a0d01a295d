"""A module of PyTorch's with the exported parameters gives the network's numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load

import trainer as package
from tests.export.test_frozen import model_of
from tests.export.torch_cases import CASES, PARTLY, digest_of, make, module_of
from tests.ops.layer_examples import EXAMPLES
from trainer.errors import UsageError
from trainer.experiment.model import load as load_model
from trainer.export.pytorch import to_pytorch
from trainer.export.saving import rows_of_run, write_torch
from trainer.nn import Dense, Network

CLOSE = 1e-6


RECORDED = json.loads((Path(__file__).parents[1] / "references" / "torch_export.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", CASES)
def test_a_module_of_pytorch_gives_the_outputs_of_the_network(name):
    """PyTorch was asked by tests/references/record_torch_export.py; what it was given is what is written now."""
    model, rows = CASES[name]
    recorded = RECORDED[name]
    state, text = to_pytorch(model, "model.safetensors")
    assert module_of(text) == recorded["module"], "the text has changed: record it anew"
    assert digest_of(state) == recorded["state"], "the parameters have changed: record them anew"
    outputs, expected = model.outputs(rows), np.array(recorded["outputs"])
    assert np.abs(outputs - expected).max() <= CLOSE * max(1.0, np.abs(expected).max())


def test_every_recorded_module_is_compared():
    assert set(RECORDED) == set(CASES)


@pytest.mark.parametrize(("name", "number"), PARTLY)
def test_what_pytorch_does_not_have_of_a_layer_is_refused(name, number):
    example = EXAMPLES[name][number]
    with pytest.raises(UsageError, match=PARTLY[name, number]):
        to_pytorch(model_of(Network([example.layer], example.shape, [name])), "")


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
