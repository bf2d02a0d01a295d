"""A data format from outside: one file registers it, and everything that reads data files knows it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trainer
from tests.hints import advised
from trainer.config import json_schema, load
from trainer.data import load as load_dataset
from trainer.data.readers.registry import Formats
from trainer.errors import ConfigError, DataError, PluginError
from trainer.experiment.builder import load_data
from trainer.experiment.evaluating import evaluate
from trainer.experiment.predicting import write_predictions
from trainer.plugins import Plugins

TOY = '''
"""Whole numbers between stars: 1*2*0 is a row whose last number is its class."""

import numpy as np

from trainer import hookimpl
from trainer.data import Dataset


def read_stars(path, *, star: str = "*", most: int = 100):
    """The rows of a file of stars.

    star: what stands between two numbers.
    most: how many rows are read.
    """
    rows = np.array([line.split(star) for line in path.read_text().split()][:most], dtype=float)
    return Dataset(path.name, rows[:, :-1], rows[:, -1].astype(int), "classification", ("no", "yes"))


@hookimpl
def register_readers(register):
    register(read_stars, name="stars", endings=(".stars", ".csv.stars"), example="sky.stars")
'''
CONFIG = "plugins: [toy.py]\ndataset: %s\nnetwork: [dense: 2]\ncost: softmax_cross_entropy\nstep_size: 0.1\n"


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    tmp_path.joinpath("toy.py").write_text(TOY)
    tmp_path.joinpath("dawn.stars").write_text("9*1*1\n2*2*0\n")
    tmp_path.joinpath("sky.stars").write_text("1*2*0\n3*4*1\n5*6*1\n7*8*0\n" * 3)

    def write(dataset: str) -> Path:
        path = tmp_path / "a.yaml"
        path.write_text(CONFIG % dataset)
        return path

    return write


@pytest.mark.parametrize("dataset", ["sky.stars", "{path: sky.stars}", "{path: sky.stars, star: '*'}"])
def test_a_config_reads_a_format_of_a_plugins(write: Any, dataset: str) -> None:
    assert load_data(load(write(dataset))).rows == 12
    assert load_data(load(write(dataset), ["dataset.most=8"])).rows == 8


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ("{path: sky.stars, most: many}", "dataset.most expects a whole number, found the text 'many'"),
        ("{path: sky.stars, stride: 2}", "'stride' is an option of text, such as poems.txt, and 'sky.stars' has none"),
        ("{path: skies.stars}", "there is no file 'skies.stars' in"),
        ("{path: a.xyz}", ".ipc, .jsonl, .ndjson, .arff, .stars or .csv.stars, or is a folder"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_it_is_said_as_of_our_own(write: Any, dataset: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        load(write(dataset))


def test_an_editor_knows_it(write: Any) -> None:
    schema = json_schema(Plugins(["toy.py"]))
    (_, path, mapping) = schema["$defs"]["datasets"]["anyOf"]
    assert re.search(path["pattern"], "sky.stars")
    assert mapping["properties"]["most"]["description"] == "how many rows are read."
    assert "read_stars" not in json.dumps(schema)


def test_the_longest_ending_decides_and_two_readers_of_one_are_told(write: Any, tmp_path: Path) -> None:
    (tmp_path / "night.csv.stars").write_text("1*0\n")
    other = TOY.replace('name="stars"', 'name="other"').replace(', ".csv.stars"', ",")
    tmp_path.joinpath("other.py").write_text(other)
    formats = Formats(Plugins(["toy.py", "other.py"]))
    assert formats.find(tmp_path / "night.csv.stars").component.name == "stars"
    with pytest.raises(DataError) as caught:
        formats.find(tmp_path / "sky.stars")
    advised(
        caught.value, "'sky.stars' would be read by plugin 'toy.py' and by plugin 'other.py': leave one of the two out"
    )
    for left, name in (("toy.py", "stars"), ("other.py", "other")):
        assert Formats(Plugins([left])).find(tmp_path / "sky.stars").component.name == name


def test_a_folder_is_read_by_who_says_that_it_is_its_own(write: Any, tmp_path: Path) -> None:
    own = TOY.replace('endings=(".stars", ".csv.stars")', 'folder=lambda path: (path / "sky").exists()')
    tmp_path.joinpath("toy.py").write_text(own)
    formats = Formats(Plugins(["toy.py"]))
    for name, reader in (("sky", "stars"), ("inputs.npy", "mapped"), ("cat", "images")):
        tmp_path.joinpath(f"in_{name}", name).mkdir(parents=True)
        assert formats.find(tmp_path / f"in_{name}").component.name == reader


def test_a_reader_that_does_not_say_what_it_reads_is_refused(write: Any, tmp_path: Path) -> None:
    tmp_path.joinpath("toy.py").write_text(TOY.replace('endings=(".stars", ".csv.stars"), ', ""))
    with pytest.raises(PluginError, match="does not say what it reads; say endings="):
        Plugins(["toy.py"])


def test_python_reads_what_is_installed(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x,y\n1,2\n3,4\n")
    assert load_dataset(path).rows == 2


def test_what_a_plugin_reads_is_predicted_measured_and_a_part_of_its_own(write: Any, tmp_path: Path) -> None:
    run = trainer.run(write("{path: sky.stars, star: '*', test_path: dawn.stars}"), ["epochs=1"], out=tmp_path / "runs")
    assert run.status == "finished"
    model = trainer.load(run.path)
    write_predictions(model, tmp_path / "dawn.stars", tmp_path / "out.csv", print)
    rows = tmp_path.joinpath("out.csv").read_text().splitlines()[1:]
    inputs = np.array([[9.0, 1.0], [2.0, 2.0]])
    assert [row.split(",")[0] for row in rows] == [str(name) for name in model.predict(inputs)]
    found = evaluate(model, run.path, tmp_path / "dawn.stars")
    right = np.mean(model.predict(inputs) == np.array(["yes", "no"]))
    assert (found.rows, found.numbers["accuracy"]) == (2, right)
    assert run.config["dataset"]["star"] == "*"


def test_rows_of_a_plugins_that_do_not_fit_the_model_are_refused(write: Any, tmp_path: Path) -> None:
    model = trainer.load(trainer.run(write("sky.stars"), ["epochs=1"], out=tmp_path / "runs").path)
    tmp_path.joinpath("wide.stars").write_text("1*2*3*0\n")
    with pytest.raises(DataError, match=r"wide\.stars has inputs of shape \(1, 3\), and the model takes \(rows, 2\)"):
        write_predictions(model, tmp_path / "wide.stars", tmp_path / "out.csv", print)
    assert not (tmp_path / "out.csv").exists()
