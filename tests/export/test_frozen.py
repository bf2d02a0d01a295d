"""The file of Python gives the bits of the model, without this package, for every layer, activation and config."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import trainer as package
from tests.export.test_onnx import activations
from tests.ops.layer_examples import EXAMPLES
from trainer import op
from trainer.config import load as load_config
from trainer.data.spec import InputSpec, TargetSpec
from trainer.errors import UsageError
from trainer.experiment.model import Model, load
from trainer.export.frozen import to_python
from trainer.export.saving import rows_of_run, write_python
from trainer.nn import Network, OpLayer
from trainer.plugins import shared

ROOT = Path(__file__).parents[2]
CONFIGS = ("lstm", "convolution", "embedding", "batch_norm", "autoencoder", "several_outputs")
RNG = np.random.default_rng(0)


def model_of(network: Network, dtype: str = "float32") -> Model:
    """A model of numbers around a network that nobody trained."""
    named = {**network.named(network.initial(0, dtype)), **network.layer_state(0, dtype)}
    spec, line = InputSpec(network.input_shape), {"dataset": "linear", "network": [{"dense": 1}], "step_size": 1.0}
    loaded = load_config({**line, "cost": "mean_squared_error"})
    return Model("m", network, named, spec, TargetSpec("regression"), None, None, None, {}, np.dtype(dtype), loaded, {})


def ran(model, folder):
    file = folder / "m.py"
    file.write_text(to_python(model, "m"), encoding="utf-8")
    return runpy.run_path(str(file))


LAYERS = [(name, i) for name, examples in EXAMPLES.items() for i in range(len(examples))]


@pytest.mark.parametrize("even", [True, False], ids=["float32", "in double"])
@pytest.mark.parametrize(("name", "number"), LAYERS)
def test_every_layer_has_the_bits_of_the_model(name, number, even, tmp_path, monkeypatch):
    monkeypatch.setattr("trainer.experiment.model.same_in_every_place", lambda dtype: even)
    example = EXAMPLES[name][number]
    model = model_of(Network([example.layer], example.shape, [name]))
    rows = example.inputs(21, np.float32)
    assert np.array_equal(ran(model, tmp_path)["outputs"](rows), model.outputs(rows), equal_nan=True)


@pytest.mark.parametrize("name", sorted(activations()))
def test_every_activation_has_nearly_the_bits_of_the_model(name, tmp_path):
    model = model_of(Network([OpLayer(shared().get("ops", name).target)], (6,), [name]))
    rows = RNG.uniform(0.1, 0.9, (5, 6)).astype(np.float32)
    found = ran(model, tmp_path)["outputs"](rows)
    np.testing.assert_allclose(found, model.outputs(rows), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_predicts_in_a_process_without_this_package(name, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    folder = package.train(f"configs/{name}.yaml", ["epochs=1", "checkpoint=false"], out=tmp_path).folder
    model = load(folder)
    rows = rows_of_run(model, folder)[:40]
    written = write_python(model, tmp_path / "frozen.py", rows)
    assert written.difference == 0
    np.save(tmp_path / "rows.npy", rows)
    script = (
        "import sys\n"
        "for name in ('trainer', 'scipy', 'sklearn', 'trainer_ops'):\n    sys.modules[name] = None\n"
        "import json, numpy as np, frozen\n"
        "rows = np.load('rows.npy')\n"
        "said = frozen.predict(rows)\n"
        "chances = frozen.predict_proba(rows).tolist() if hasattr(frozen, 'predict_proba') else None\n"
        "print(json.dumps([said.tolist(), chances, frozen.CLASS_NAMES, frozen.FEATURE_NAMES]))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=True,
        env={"OPENBLAS_NUM_THREADS": "1", "PATH": ""},
    )  # fmt: skip
    said, chances, classes, features = json.loads(result.stdout)
    assert said == model.predict(rows).tolist()
    assert (chances is None) == (not model.has_probabilities)
    if chances is not None:
        np.testing.assert_allclose(chances, model.predict_proba(rows), rtol=1e-6)
    assert (classes, features) == (list(model.class_names), list(model.feature_names))


KINDS = {
    "steps": {
        "dataset": {"name": "wine", "preprocess": [
            {"power_transformer": {"columns": [0, 2]}}, {"k_bins_discretizer": {"columns": [1], "n_bins": 3}},
            "standard_scaler", {"pca": 5}, "normalizer", {"polynomial_features": 2}, {"rbf_sampler": 4},
        ]},
        "network": [{"dense": 3}], "cost": "softmax_cross_entropy",
    },
    "double": {
        "dataset": {"name": "wine", "standardize": True}, "network": [{"dense": 3}, "gelu"],
        "cost": "softmax_cross_entropy", "compute": {"dtype": "float64"},
    },
    "one output": {"dataset": "moons", "network": [{"dense": 1}], "cost": "sigmoid_cross_entropy"},
    "signs": {"dataset": "moons", "network": [{"dense": 1}], "cost": "hinge"},
    "counts": {"dataset": "linear", "network": [{"dense": 1}], "cost": "poisson"},
    "means": {"dataset": "linear", "network": [{"dense": 2}], "cost": "gaussian"},
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_what_it_says_is_what_the_model_says(kind, tmp_path):
    folder = package.train({"step_size": 0.01, "epochs": 1, **KINDS[kind]}, out=tmp_path).folder
    model = load(folder)
    rows = rows_of_run(model, folder)
    written = write_python(model, tmp_path / "frozen.py", rows)
    assert written.relative < 1e-6
    frozen = runpy.run_path(str(tmp_path / "frozen.py"))
    said = model.predict(rows)
    if model.class_names:
        assert frozen["predict"](rows).tolist() == said.tolist()
    else:
        np.testing.assert_allclose(frozen["predict"](rows), said, rtol=1e-6)
    assert ("predict_proba" in frozen) == model.has_probabilities
    if model.has_probabilities:
        np.testing.assert_allclose(frozen["predict_proba"](rows), model.predict_proba(rows), rtol=1e-5)
    assert frozen["outputs"](rows[:0]).shape == (0, *model.network.output_shape)
    with pytest.raises(ValueError, match="a row has the shape"):
        frozen["outputs"](rows[:, :-1])


@op
def opaque(x):
    """What leaves NumPy."""
    return np.array([[float(v) for v in row] for row in np.asarray(x)], x.dtype)


def test_what_numpy_does_not_have_is_named_with_its_layer():
    with pytest.raises(UsageError) as caught:
        to_python(model_of(Network([OpLayer(opaque)], (3,), ["opaque"])), "m")
    assert str(caught.value) == (
        f"'opaque' of {__name__} is no call of NumPy's, and the file has NumPy alone; layer '0 opaque' calls it"
    )


def test_there_is_nothing_in_it_that_runs_text(tmp_path):
    text = to_python(model_of(Network([shared().get("layers", "dense").build(units=2)], (3,), ["dense"])), "m")
    assert "eval" not in text
    assert "pickle" not in text.replace("allow_pickle", "")
    assert 'h1 = x @ P["0.weights"]\n    h1 = h1 + P["0.bias"]' in text


def test_a_name_that_cannot_be_imported_is_refused(tmp_path):
    model = model_of(Network([shared().get("layers", "dense").build(units=2)], (3,), ["dense"]))
    for name in ("my-model.py", "model.txt"):
        with pytest.raises(UsageError, match="is imported by its name"):
            write_python(model, tmp_path / name, np.zeros((2, 3)))
    assert list(tmp_path.iterdir()) == []
