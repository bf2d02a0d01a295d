from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from trainer.config import Choice, Config, document, load
from trainer.errors import ConfigError
from trainer.experiment import built
from trainer.plugins import Plugins

HERE = Path(__file__).parent
GOOD = """\
# A comment.
dataset: {name: moons, rows: 100, test_fraction: 0.25}
network:
  - dense: 8
  - swish: {beta: 2}
  - relu
  - conv2d: {channels: 2, kernel: [3, 5]}
cost: softmax_cross_entropy
step_size: 1e-3
"""
PLAIN = "dataset: moons\nnetwork: [{dense: 2}]\ncost: softmax_cross_entropy\nstep_size: 0.1\n"


@pytest.fixture
def read(tmp_path):
    """The loaded config for a text."""

    def read(text: str = GOOD, *overrides: str):
        path = tmp_path / "good.yaml"
        path.write_text(text)
        return load(path, overrides, Plugins([str(HERE / "stand_ins.py")], entry_points=False))

    return read


def names(choices: list[Choice]) -> list[str]:
    return [choice.name for choice in choices]


def test_a_config_becomes_components_with_their_options(read):
    config = read().config
    assert isinstance(config, Config)
    assert names(config.network) == ["dense", "swish", "relu", "conv2d"]
    assert [choice.component.kind for choice in config.network] == ["layers", "ops", "ops", "layers"]
    assert built(config.network[0]).units == 8
    assert built(config.network[1]).attributes == {"beta": 2}
    assert built(config.network[3]).kernel == (3, 5)  # a tuple, as the annotation says
    assert config.dataset.options == {"rows": 100}
    assert config.dataset.component.name == config.dataset.name
    assert config.dataset.test_fraction == 0.25
    assert config.step_size == 0.001


def test_what_is_left_out_has_its_default(read):
    config = read().config
    assert (config.name, config.seed, config.plugins, config.batch_size, config.epochs) == (None, 0, [], 32, 20)
    assert (config.compute.dtype, config.compute.threads) == ("float32", "auto")
    assert config.optimizer.name == "sgd"
    assert config.metrics is None
    assert (config.dataset.standardize, config.dataset.one_hot, config.dataset.stratify) == (False, False, None)


@pytest.mark.parametrize(
    "spelling", ["dense: 8", "{dense: {units: 8}}", "dense:\n      units: 8", "dense: {units: 8, bias: true}"]
)
def test_the_spellings_of_a_choice_mean_the_same(spelling, read):
    config = read(f"dataset: iris\nnetwork:\n  - {spelling}\ncost: huber\nstep_size: 1\n").config
    assert built(config.network[0]).units == 8


@pytest.mark.parametrize(
    ("spelling", "options"),
    [
        ("moons", {}),
        ("{name: moons, rows: 5}", {"rows": 5}),
        ("{moons: 5}", {"rows": 5}),
        ("{moons: {rows: 5}}", {"rows": 5}),
    ],
)
def test_the_spellings_of_a_data_set_mean_the_same(spelling, options, read):
    dataset = read(f"dataset: {spelling}\nnetwork: [relu]\ncost: huber\nstep_size: 1\n").config.dataset
    assert (dataset.name, dataset.options) == ("moons", options)


def test_a_schedule_a_whole_batch_and_metrics(read):
    text = GOOD.replace("1e-3", "{cosine: {steps: 10}}") + "batch_size: all\nmetrics: [accuracy]\n"
    config = read(text).config
    assert built(config.step_size).steps == 10
    assert config.batch_size == "all"
    assert names(config.metrics) == ["accuracy"]


def test_a_file_is_found_beside_the_config(read, tmp_path):
    tmp_path.joinpath("flowers.csv").write_text("a,b\n1,2\n")
    for spelling in ("flowers.csv", "{path: flowers.csv}", "{path: flowers.csv, target: b, task: regression}"):
        dataset = read(f"dataset: {spelling}\nnetwork: [relu]\ncost: huber\nstep_size: 1\n").config.dataset
        assert dataset.path == str(tmp_path / "flowers.csv")
    assert dataset.options == {"target": "b", "task": "regression"}


def test_a_file_of_an_override_is_found_in_the_current_folder(read, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    elsewhere.joinpath("flowers.csv").write_text("a,b\n1,2\n")
    monkeypatch.chdir(elsewhere)
    dataset = read("dataset: iris\nnetwork: [relu]\ncost: huber\nstep_size: 1\n", "dataset=flowers.csv").config.dataset
    assert dataset.path == str(elsewhere / "flowers.csv")


def test_a_plugin_is_found_beside_the_config(read, tmp_path):
    tmp_path.joinpath("mine.py").write_text(
        "from trainer import hookimpl, op\n"
        "cube = op(lambda x: x**3, name='cube')\n"
        "@hookimpl\n"
        "def register_ops(register): register(cube)\n"
    )
    loaded = read("dataset: iris\nplugins: [mine.py]\nnetwork: [cube]\ncost: huber\nstep_size: 1\n")
    assert loaded.config.network[0].component.plugin == "mine.py"
    assert loaded.resolved()["plugins"] == [str(tmp_path / "mine.py")]


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("step_size=0.01", lambda config: config.step_size == 0.01),
        ("step_size=1e-2", lambda config: config.step_size == 0.01),
        ("network.0.dense=64", lambda config: config.network[0].options == {"units": 64}),
        ("network.0.dense.bias=false", lambda config: config.network[0].options == {"units": 8, "bias": False}),
        ("network.1.swish.beta=3", lambda config: config.network[1].options == {"beta": 3}),
        ("network.2=swish", lambda config: names(config.network) == ["dense", "swish", "swish", "conv2d"]),
        ("network.0=relu", lambda config: names(config.network) == ["relu", "swish", "relu", "conv2d"]),
        ("network.2.swish.beta=3", lambda config: config.network[2].options == {"beta": 3}),
        ("network.1.dense=5", lambda config: config.network[1].options == {"units": 5}),
        ("network.4=relu", lambda config: len(config.network) == 5),
        ("network=[dense: 2, relu]", lambda config: names(config.network) == ["dense", "relu"]),
        ("dataset.name=iris", lambda config: config.dataset.name == "iris"),
        ("dataset.noise=0.5", lambda config: config.dataset.options == {"rows": 100, "noise": 0.5}),
        ("dataset=moons", lambda config: config.dataset.options == {}),
        ("optimizer.sgd.momentum=0.9", lambda config: config.optimizer.options == {"momentum": 0.9}),
        ("optimizer.adam.beta1=0.5", lambda config: config.optimizer.name == "adam"),
        ("cost.huber=2", lambda config: config.cost.options == {"delta": 2}),
        ("step_size.cosine.steps=5", lambda config: config.step_size.options == {"steps": 5}),
        ("compute.dtype=float64", lambda config: config.compute.dtype == "float64"),
        ("metrics=[]", lambda config: config.metrics == []),
        ("name=a b=c", lambda config: config.name == "a b=c"),
    ],
)
def test_an_override_reaches_into_the_config(override, value, read):
    text = GOOD.replace("rows: 100, ", "") if override.startswith("dataset.name") else GOOD
    assert value(read(text, override).config)


def test_of_two_overrides_the_last_counts(read):
    assert read(GOOD, "epochs=3", "epochs=4").config.epochs == 4


def test_the_config_as_given_is_kept(read):
    loaded = read(GOOD, "epochs=3")
    assert loaded.text == GOOD
    assert loaded.overrides == ("epochs=3",)
    assert loaded.path.name == "good.yaml"


@pytest.mark.parametrize(
    "overrides",
    [(), ("step_size.cosine.steps=5", "name=me", "metrics=[accuracy]", "compute.threads=2", "optimizer=adam")],
)
def test_the_resolved_config_loads_again_to_the_same(overrides, read):
    first = read(GOOD, *overrides).resolved()
    again = read(yaml.safe_dump(first, sort_keys=False)).resolved()
    assert again == first
    assert first["network"][:3] == [
        {"dense": {"units": 8, "bias": True, "initial": "glorot"}},
        {"swish": {"beta": 2.0}},
        "relu",
    ]
    assert first["dataset"] == {
        "name": "moons",
        "test_fraction": 0.25,
        "validation_fraction": 0.0,
        "standardize": False,
        "standardize_targets": False,
        "one_hot": False,
        "reconstruct": False,
        "rows": 100,
        "noise": 0.1,
    }


def test_a_late_error_points_into_the_file(read):
    loaded = read()
    error = loaded.error(("network", 1), "swish does not fit here")
    assert isinstance(error, ConfigError)
    assert str(error) == (f"{loaded.path}:5:5: swish does not fit here\n  5 |   - swish: {{beta: 2}}\n          ^~~~~")
    assert loaded.place("network", 1) == str(error).replace(": swish does not fit here", "")
    assert loaded.place("dataset", "rows") == (
        f"{loaded.path}:2:30\n"
        "  2 | dataset: {name: moons, rows: 100, test_fraction: 0.25}\n"
        "                                   ^~~"
    )


def test_a_late_error_about_an_override_points_at_the_argument(read):
    loaded = read(GOOD, "network.0.dense=64")
    assert str(loaded.error(("network", 0), "too wide")) == (
        "command line: too wide\n  network.0.dense=64\n            ^~~~~"
    )


def test_a_late_error_about_a_default_names_the_file(read):
    loaded = read()
    assert str(loaded.error(("optimizer",), "no")) == f"{loaded.path}: no"
    assert loaded.place("optimizer") == str(loaded.path)


def test_byte_order_marks_and_windows_line_ends_are_fine(read, tmp_path):
    tmp_path.joinpath("bom.yaml").write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert load(tmp_path / "bom.yaml", (), read().plugins).config.epochs == 20


def test_aliases_within_reason_are_fine(read):
    loaded = read(
        "dataset: iris\nnetwork:\n  - &d\n    dense: 8\n  - *d\ncost: huber\nstep_size: 1\n", "network.0.dense=4"
    )
    assert [layer.options["units"] for layer in loaded.config.network] == [4, 8]


def test_importing_the_package_does_not_import_pydantic():
    program = "import sys, trainer.config; print(sorted({'pydantic', 'yaml', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_an_override_into_a_list_of_mappings_keeps_what_is_there(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(
        "dataset: iris\nnetwork:\n  - parallel: [[dense: 3], [relu]]\n  - residual: [relu]\n  - dense: 3\n"
        "cost: softmax_cross_entropy\nstep_size: 0.1\npenalty: [{l1: 0.1, parameters: '2.*'}]\n",
        encoding="utf-8",
    )
    overrides = ["penalty.0.l2=0.5", "network.0.parallel.join_by=concat", "network.1.residual.shortcut=[tanh]"]
    config = load(path, [*overrides, "network.0.parallel.paths.0.0.dense=5"]).config
    assert config.penalty[0].model_dump() == {"l1": 0.1, "l2": 0.5, "parameters": "2.*"}
    assert [len(path) for path in config.network[0].options["paths"]] == [1, 1]
    assert config.network[0].options["paths"][0][0].options["units"] == 5
    assert config.network[1].options["shortcut"][0].name == "tanh"


def test_everything_that_a_config_can_say_is_in_its_resolved_form(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(
        """
name: all
seed: 3
plugins: []
dataset: {name: iris, folds: 4, fold: 1, preprocess: [standard_scaler, {pca: 3}], class_weights: balanced}
networks: {tower: [dense: 4, tanh]}
network: [{residual: {layers: [dense: 3], shortcut: [relu]}}, tower, {repeat: {times: 2, layers: [dense: 4]}}, dense: 3]
cost: {softmax_cross_entropy: {smoothing: 0.1}}
optimizer: {adam: {beta1: 0.8}}
start_from: {path: runs/one, parameters: ["0.*"]}
freeze: [0.*]
tie: {2.0.0.weights: 2.1.0.weights}
penalty: {l2: 0.1}
clip: {norm: 1.0}
accumulate: 2
average: 0.9
batch_size: 7
step_size: {plateau: {start: 0.1}}
epochs: 3
stop: {patience: 2, watched: accuracy}
metrics: [accuracy, {f1: macro}]
compute: {dtype: float64, executor: eager, threads: 1}
""",
        encoding="utf-8",
    )
    loaded = load(path)
    first = loaded.resolved()
    assert set(first) == set(type(loaded.config).model_fields) - {"callbacks", "plugins", "seeds", "sweep"}
    again = tmp_path / "again.yaml"
    again.write_text(yaml.safe_dump(first, sort_keys=False), encoding="utf-8")
    assert load(again).resolved() == first


def test_an_override_behind_the_last_entry_appends_one_with_its_options():
    line = {"dataset": "iris", "network": [{"dense": 3}], "cost": "softmax_cross_entropy", "step_size": 0.1}
    loaded = load({**line, "metrics": ["accuracy"]}, ["metrics.1.f1.average=micro", "network.1.dense.units=3"])
    resolved = loaded.resolved()
    assert resolved["metrics"][1] == {"f1": {"average": "micro"}}
    assert resolved["network"][1]["dense"]["units"] == 3


def test_a_text_that_is_read_again_is_not_scanned_again_and_means_the_same(monkeypatch):
    document._read.clear()
    first = load("a.yaml", ["seed=1"], text=PLAIN)
    scanned: list[str] = []
    parse = yaml.parse
    monkeypatch.setattr(yaml, "parse", lambda text, Loader: scanned.append(text) or parse(text, Loader=Loader))
    for seed in range(100):
        again = load("b.yaml", [f"seed={seed}"], text=PLAIN)
        assert again.config == first.config.model_copy(update={"seed": seed})
        assert len(document._read) <= document.REMEMBERED
    assert PLAIN not in scanned
    for name in ("a.yaml", "b.yaml"):
        with pytest.raises(ConfigError, match=f"^{name}:4:1: .*step_sise"):
            load(name, text=PLAIN.replace("step_size", "step_sise"))
