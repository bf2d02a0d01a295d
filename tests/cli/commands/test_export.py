"""`trainer export`: what others get is compared at once, and what differs is not written."""

from __future__ import annotations

import json

import numpy as np
import onnx
import onnxruntime
import pytest

import trainer as package
from tests.hints import advised

COMMON = {"step_size": 0.05, "epochs": 1}
TABLE = {
    "dataset": {
        "path": "rows.csv", "categorical": ["city"], "missing": "allow",
        "preprocess": ["simple_imputer", "power_transformer", {"pca": 4}],
    },
    "network": [{"dense": 4}, "tanh", "batch_norm", {"dense": 2}], "cost": "softmax_cross_entropy", **COMMON,
}  # fmt: skip
IRIS = {
    "dataset": {"name": "iris", "standardize": True}, "network": [{"dense": 3}], "cost": "softmax_cross_entropy",
    **COMMON,
}  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sold = ("no", "yes")
    lines = [f"{20 + i % 37 if i % 9 else ''},{'ABC'[i % 3]},{i % 7}.5,{sold[i % 2]}\n" for i in range(60)]
    (tmp_path / "rows.csv").write_text("age,city,height,sold\n" + "".join(lines))
    return tmp_path


def run_onnx(path, rows):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, {"inputs": rows}), strict=True))


def test_the_graph_has_all_that_is_done_to_a_row_and_probabilities(folder, trainer):
    outcome = package.train(TABLE, out="runs")
    done = trainer("export", "last", "--onnx", "model.onnx")
    first, second = done.out.splitlines()
    assert first == f"model.onnx: opset 20, onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}"
    assert second.startswith("largest difference on 60 rows: ")
    model = package.load(outcome.folder)
    rows = np.array([[30, 0, 1, 0, 3.5], [np.nan, 1, 0, 0, 1.5]], np.float32)
    found = run_onnx("model.onnx", rows)
    np.testing.assert_allclose(found["outputs"], model.outputs(rows), atol=1e-5)
    np.testing.assert_allclose(found["probabilities"], model.predict_proba(rows), atol=1e-6)
    about = {entry.key: entry.value for entry in onnx.load("model.onnx").metadata_props}
    assert json.loads(about["class_names"]) == ["no", "yes"]
    assert json.loads(about["feature_names"]) == ["age", "city=A", "city=B", "city=C", "height"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_two_classes_of_one_output_have_two_probabilities(folder, trainer, dtype):
    config = {"dataset": "moons", "network": [{"dense": 1}], "cost": "sigmoid_cross_entropy", **COMMON}
    model = package.load(package.train({**config, "compute": {"dtype": dtype}}, out="runs").folder)
    assert trainer("export", "last", "--onnx", "model.onnx").code == 0
    rows = np.array([[0.5, 1.0], [2.0, -1.0], [0.0, 0.0]], dtype)
    np.testing.assert_allclose(run_onnx("model.onnx", rows)["probabilities"], model.predict_proba(rows), atol=1e-6)


def test_rows_to_compare_on_can_be_given(folder, trainer):
    outcome = package.train(TABLE, out="runs")
    (folder / "rows.csv").rename("elsewhere.csv")
    done = trainer("export", "last", "--onnx", "model.onnx")
    assert done.code == 2
    assert "rows.csv" in done.err
    assert not (folder / "model.onnx").exists()
    assert "on 60 rows" in trainer("export", "last", "--onnx", "model.onnx", "--rows", "elsewhere.csv").out
    file = str(outcome.folder / "parameters.safetensors")
    done = trainer("export", file, "--onnx", "other.onnx")
    assert done.err == "error: parameters alone have no rows to compare an export on; give some: --rows DATA\n"
    assert trainer("export", file, "--onnx", "other.onnx", "--rows", "elsewhere.csv").code == 0


def test_rows_are_given_where_the_data_set_is_another_by_now(folder, trainer):
    package.train(TABLE, out="runs")
    before = folder / "rows.csv"
    before.rename("before.csv")
    lines = (folder / "before.csv").read_text().splitlines()
    before.write_text("\n".join(["weight," + lines[0], *(f"{i}.5,{line}" for i, line in enumerate(lines[1:]))]) + "\n")
    done = trainer("export", "last", "--python", "model.py")
    advised(done.err, "has inputs of shape (6,) now; give rows with --rows")
    assert not (folder / "model.py").exists()
    assert trainer("export", "last", "--python", "model.py", "--rows", "before.csv").code == 0


def test_a_step_that_onnx_cannot_say_is_refused_by_name(folder, trainer):
    package.train({**IRIS, "dataset": {"name": "iris", "preprocess": ["quantile_transformer"]}}, out="runs")
    done = trainer("export", "last", "--onnx", "model.onnx")
    assert done.err.startswith("error: the step quantile_transformer of preprocess cannot be exported; those that")
    assert not (folder / "model.onnx").exists()


def test_what_differs_is_not_written(folder, trainer, monkeypatch):
    package.train(IRIS, out="runs")
    monkeypatch.setattr("trainer.export.onnx.largest_difference", lambda *arguments: 0.5)
    done = trainer("export", "last", "--onnx", "model.onnx")
    assert done.err.startswith("error: model.onnx is not written: its outputs differ from the model's by 0.5 where ")
    assert not (folder / "model.onnx").exists()


def test_a_file_of_python_is_written_and_said_to_be_the_same(folder, trainer):
    package.train(IRIS, out="runs")
    first, second = trainer("export", "last", "--python", "frozen.py").out.splitlines()
    assert first.startswith("frozen.py: bytes ")
    assert second == "largest difference on 150 rows: 0 (0 of the largest output, or of 1)"
    done = trainer("export", "last", "--python", "my-model.py")
    assert done.err == (
        "error: a file of Python is imported by its name, such as model.py, and my-model.py is no such name\n"
    )
    assert not (folder / "my-model.py").exists()


@pytest.mark.parametrize(
    ("option", "name", "what"),
    [
        ("--onnx", "m.pdf", "an ONNX graph ends in .onnx"),
        ("--safetensors", "m.npz", "a safetensors file ends in .safetensors"),
    ],
)
def test_a_file_under_the_name_of_another_format_is_refused(option, name, what, folder, trainer):
    package.train(IRIS, out="runs")
    assert trainer("export", "last", option, name).err == f"error: {what}, and {name} does not\n"
    assert not (folder / name).exists()


def test_it_has_to_be_said_as_what(folder, trainer):
    package.train(IRIS, out="runs")
    assert trainer("export", "last").err.startswith(
        "error: say as what: --onnx FILE, --python FILE or --safetensors FILE"
    )


def test_parameters_for_pytorch_come_with_the_module_that_loads_them(folder, trainer):
    package.train(IRIS, out="runs")
    quiet = trainer("export", "last", "--safetensors", "model.safetensors")
    done = trainer("export", "last", "--safetensors", "model.safetensors", "--for", "torch")
    assert (done.code, quiet.err, quiet.out) == (0, "", done.err)
    assert "        self.layer0 = nn.Linear(4, 3)\n" in done.out
    assert done.out.endswith('model.load_state_dict(load_file("model.safetensors"))\nmodel.train(False)\n')
    first, second = done.err.splitlines()
    assert first.startswith("model.safetensors: arrays 4, bytes ")
    assert second.startswith(("largest difference on 150 rows: ", "not compared: PyTorch is not installed here"))
    assert (folder / "model.safetensors").exists()
