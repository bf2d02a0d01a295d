"""`start_from`: a run's parameters as the beginning of another."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.hints import advised
from trainer import train
from trainer.config import load
from trainer.errors import ConfigError
from trainer.experiment import build
from trainer.experiment.remarks import remarks
from trainer.runs.parameters import save_parameters

CONFIG = """
dataset: wine
network: [dense: 6, batch_norm, tanh, dense: 3]
cost: softmax_cross_entropy
step_size: 0.1
epochs: 2
start_from: saved.safetensors
"""


@pytest.fixture
def saved(tmp_path, monkeypatch):
    """A trained network's parameters, saved beside c.yaml."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "first.yaml").write_text(CONFIG.replace("start_from: saved.safetensors\n", ""))
    (tmp_path / "c.yaml").write_text(CONFIG)
    training = build(load("first.yaml"))
    for _ in training.records():
        pass
    save_parameters("saved.safetensors", training.parameters)
    return training.parameters


def test_every_parameter_and_moving_average_is_taken(saved):
    training = build(load("c.yaml"))
    for name, value in training.parameters.items():
        np.testing.assert_array_equal(value, saved[name])


def test_what_has_no_match_is_drawn_and_what_is_frozen_stays(saved):
    overrides = ["network=[dense: 6, batch_norm, tanh, dense: 5, tanh, dense: 3]", "freeze=[0.*]"]
    with pytest.raises(ConfigError) as caught:
        build(load("c.yaml", overrides))
    said = advised(
        caught.value,
        "; take the other layers alone, start_from: {path: saved.safetensors, parameters: ['0.*', '1.*']}",
    )
    assert str(caught.value) == (
        f"c.yaml:7:13: '3.bias' has shape (3,) there, and (5,) in this network{said}\n"
        "  7 | start_from: saved.safetensors\n                  ^~~~~~~~~~~~~~~~~"
    )
    overrides.append(told(caught.value))
    training = build(load("c.yaml", overrides))
    drawn = build(load("first.yaml", overrides[:1])).parameters
    np.testing.assert_array_equal(training.parameters["3.weights"], drawn["3.weights"])
    for _ in training.records():
        pass
    np.testing.assert_array_equal(training.parameters["0.weights"], saved["0.weights"])
    assert (training.parameters["1.mean"] != saved["1.mean"]).any()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("start_from=nowhere", "there is no"),
        (
            "network=[{residual: {layers: [dense: 13]}}, dense: {units: 3, bias: false}]",
            "no parameter there has the name",
        ),
        ("start_from=3", "start_from expects a mapping, found 3; for example start_from: runs/20260131-174502-mlp"),
        ("start_from={parameters: [0.*]}", "start_from needs 'path'; for example start_from: runs/20260131-174502-mlp"),
    ],
)
def test_what_cannot_be_begun_with(saved, override, message):
    with pytest.raises(ConfigError) as caught:
        build(load("c.yaml", [override]))
    assert message in str(caught.value)


def test_a_start_is_written_as_the_example_of_the_message(saved):
    with pytest.raises(ConfigError) as caught:
        load("c.yaml", ["start_from={parameters: [0.*]}"])
    said = advised(caught.value, "start_from needs 'path'; for example start_from: runs/20260131-174502-mlp")
    key, value = said.rpartition("for example ")[2].split(": ")
    assert build(load("c.yaml", [f"{key}={value.replace('runs/20260131-174502-mlp', 'saved.safetensors')}"])).initial


def test_a_file_of_another_program_is_taken_without_a_digest_and_a_run_folder_is_not(saved, tmp_path):
    (tmp_path / "saved.safetensors.sha256").unlink()
    training = build(load("c.yaml"))
    np.testing.assert_array_equal(training.parameters["0.weights"], saved["0.weights"])
    (tmp_path / "run").mkdir()
    (tmp_path / "saved.safetensors").rename(tmp_path / "run" / "parameters.safetensors")
    with pytest.raises(ConfigError) as caught:
        build(load("c.yaml", ["start_from=run"]))
    assert "run/parameters.safetensors cannot be loaded: there is no parameters.safetensors.sha256" in str(caught.value)


def rows_of(tmp_path, name, columns, classes):
    """Fifty rows that tell classes apart, as a config's data set."""
    rng = np.random.default_rng(1)
    means = {"height": 1.0, "width": -1.0, "depth": 0.0}
    rows = [
        ",".join(
            [*(f"{means[c] * (1 if i % 2 else -1) + rng.normal():.3f}" for c in columns), classes[i % len(classes)]]
        )
        for i in range(50)
    ]
    (tmp_path / name).write_text("\n".join([",".join([*columns, "animal"]), *rows]))
    return {
        "dataset": str(tmp_path / name),
        "network": [{"dense": 4}, "tanh", {"dense": 2}],
        "cost": "softmax_cross_entropy",
        "step_size": 0.1,
        "epochs": 3,
    }


@pytest.fixture
def cats_and_dogs(tmp_path):
    """A run on the columns height and width."""
    given = rows_of(tmp_path, "first.csv", ["height", "width"], ["cat", "dog"])
    return train(given, out=tmp_path / "runs").folder


MEANT = [
    (["width", "height"], ["cat", "dog"],
     "column 0 is 'height' there, and 'width' here; the others differ in their order alone"),
    (["height", "depth"], ["cat", "dog"], "column 1 is 'width' there, and 'depth' here"),
    (["height", "width"], ["ant", "cat"], "class 0 is 'cat' there, and 'ant' here"),
]  # fmt: skip


@pytest.mark.parametrize(("columns", "classes", "difference"), MEANT)
def test_parameters_of_other_columns_or_classes_are_refused_and_those_between_are_not(
    columns, classes, difference, cats_and_dogs, tmp_path
):
    given = rows_of(tmp_path, "second.csv", columns, classes)
    with pytest.raises(ConfigError) as caught:
        build(load({**given, "start_from": str(cats_and_dogs)}))
    assert f"{difference}; take the other layers alone, start_from: " in str(caught.value)
    training = build(load(given, [told(caught.value)]))
    layer = "2" if "column" in difference else "0"
    assert set(training.initial) == {f"{layer}.weights", f"{layer}.bias"}


DIFFERENT = [
    ("a first layer of another width", ["height", "width"], ["cat", "dog"], [3, 4, 2], {"4"}),
    ("a last layer of another width", ["height", "width"], ["cat", "dog", "owl"], [4, 4, 3], {"0", "2"}),
    ("columns in another order, and a wider last layer", ["width", "height"], ["cat", "dog", "owl"], [4, 4, 3], {"2"}),
    ("other columns and classes", ["height", "depth"], ["ant", "cat"], [4, 4, 2], {"2"}),
    ("more columns", ["height", "width", "depth"], ["cat", "dog"], [4, 4, 2], {"2", "4"}),
    ("a layer more", ["width", "height"], ["cat", "dog"], [4, 4, 2, 2], {"2", "4"}),
    ("nothing that fits", ["width", "height"], ["cat", "dog", "owl"], [4, 5, 3], set()),
]  # fmt: skip


@pytest.mark.parametrize(("columns", "classes", "widths", "taken"), [case[1:] for case in DIFFERENT],
                         ids=[case[0] for case in DIFFERENT])  # fmt: skip
def test_whatever_differs_the_layers_that_are_told_fit(columns, classes, widths, taken, tmp_path, monkeypatch):
    (tmp_path / "a folder: of mine").mkdir()
    monkeypatch.chdir(tmp_path)
    run = trained_deep(tmp_path)
    network = [layer for width in widths for layer in ({"dense": width}, "tanh")][:-1]
    given = {**rows_of(tmp_path, "second.csv", columns, classes), "network": network}
    with pytest.raises(ConfigError) as caught:
        build(load({**given, "start_from": str(run)}))
    if not taken:
        assert "take the other layers" not in str(caught.value)
        return
    assert {name.partition(".")[0] for name in build(load(given, [told(caught.value)])).initial} == taken


def trained_deep(tmp_path):
    """A run of three layers on the columns height and width, in a folder whose name YAML would not take as it is."""
    network = [{"dense": 4}, "tanh", {"dense": 4}, "tanh", {"dense": 2}]
    given = {**rows_of(tmp_path, "first.csv", ["height", "width"], ["cat", "dog"]), "network": network}
    return train(given, out=tmp_path / "a folder: of mine").folder


def told(error):
    """What a message says to write, as an argument."""
    (written,) = re.findall(r"start_from: (\{.+\})", str(error).splitlines()[0])
    return f"start_from={written}"


def test_the_same_columns_and_classes_in_another_file_are_taken(cats_and_dogs, tmp_path):
    given = rows_of(tmp_path, "second.csv", ["height", "width"], ["dog", "cat"])
    training = build(load({**given, "start_from": str(cats_and_dogs)}))
    assert len(training.initial) == 4


def test_what_stands_before_the_columns_are_mixed_is_of_columns_too(tmp_path):
    network = ["batch_norm", {"dense": 4}, "tanh", {"dense": 2}]
    given = {**rows_of(tmp_path, "first.csv", ["height", "width"], ["cat", "dog"]), "network": network}
    run = train(given, out=tmp_path / "runs").folder
    other = {**rows_of(tmp_path, "second.csv", ["width", "height"], ["cat", "dog"]), "network": network}
    for pattern in ("0.*", "1.weights", "0.mean"):
        with pytest.raises(ConfigError, match="column 0 is 'height' there"):
            build(load({**other, "start_from": {"path": str(run), "parameters": [pattern]}}))
    build(load({**other, "start_from": {"path": str(run), "parameters": ["3.*"]}}))


def test_the_numbers_of_categories_and_characters_are_compared_by_what_they_stand_for(tmp_path):
    network = [{"embedding": {"entries": 4, "size": 2}}, "flatten", {"dense": 2}]
    texts = [("Bonn", "Rome"), ("Bonn", "Oslo")]
    given = []
    for cities in texts:
        rows = [f"{cities[i % 2]},{'ab'[i % 3 > 0]}" for i in range(30)]
        (tmp_path / f"{cities[1]}.csv").write_text("\n".join(["city,y", *rows]))
        dataset = {"path": str(tmp_path / f"{cities[1]}.csv"), "categorical": ["city"], "encode": "index"}
        given.append({"dataset": dataset, "network": network, "cost": "softmax_cross_entropy", "step_size": 0.1})
    run = train({**given[0], "epochs": 1}, out=tmp_path / "runs").folder
    with pytest.raises(ConfigError, match="column 'city': category 1 is 'Rome' there, and 'Oslo' here"):
        build(load({**given[1], "start_from": str(run)}))
    network = [{"embedding": {"entries": 4, "size": 2}}, {"dense": 4}]
    for name, text in (("first.txt", "abcd" * 40), ("second.txt", "abce" * 40)):
        (tmp_path / name).write_text(text)
    poem = {"dataset": {"path": str(tmp_path / "first.txt"), "length": 8}, "network": network, "step_size": 0.1}
    poem |= {"cost": "softmax_cross_entropy", "epochs": 1}
    run = train(poem, out=tmp_path / "runs").folder
    other = {**poem, "dataset": {"path": str(tmp_path / "second.txt"), "length": 8}}
    for pattern in ("0.*", "1.*"):
        with pytest.raises(ConfigError, match="class 3 is 'd' there, and 'e' here"):
            build(load({**other, "start_from": {"path": str(run), "parameters": [pattern]}}))


def test_inputs_of_another_scale_are_a_remark(cats_and_dogs, tmp_path):
    given = rows_of(tmp_path, "second.csv", ["height", "width"], ["cat", "dog"])
    loaded = load({**given, "start_from": str(cats_and_dogs)}, ["dataset.standardize=true"])
    line = "start_from: the inputs of that run were as they are in the data, and here they are standardised"
    assert line in remarks(loaded, build(loaded))
