"""Rows for validation and the test in files or folders of their own: read by name, and nothing is fitted to them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.hints import advised
from trainer import train
from trainer.config import load
from trainer.data.given import parts_in
from trainer.errors import ConfigError
from trainer.experiment import build

PARTS = ("train", "val", "test")


def table(rows, seed, columns=("height", "width"), cities=("Oslo", "Rome"), classes=("cat", "dog")):
    """Rows whose numbers tell the part: those of seed s lie around s."""
    rng = np.random.default_rng(seed)
    lines = [",".join([*columns, "city", "animal"])]
    for i in range(rows):
        cells = {"height": seed + rng.normal(), "width": -seed + rng.normal()}
        numbers = [f"{cells[name]:.4f}" for name in columns]
        lines.append(",".join([*numbers, cities[i % len(cities)], classes[i % len(classes)]]))
    return "\n".join(lines) + "\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """train.csv, val.csv and test.csv; in the last two columns, categories or classes come in another order."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.csv").write_text(table(40, 1))
    (tmp_path / "val.csv").write_text(table(10, 2, columns=("width", "height")))
    (tmp_path / "test.csv").write_text(table(12, 3, cities=("Rome",), classes=("dog", "cat")))
    return tmp_path


def config(dataset, *network):
    return {
        "dataset": dataset,
        "network": [*network, {"dense": 2}],
        "cost": "softmax_cross_entropy",
        "step_size": 0.1,
        "epochs": 2,
    }


THREE = {"path": "train.csv", "validation_path": "val.csv", "test_path": "test.csv", "categorical": ["city"]}


def test_each_file_is_its_part_and_columns_categories_and_classes_go_by_name(folder):
    data = build(load(config(THREE))).data
    assert (len(data.train), len(data.validation), len(data.test)) == (40, 10, 12)
    for rows, centre in ((data.train, 1), (data.validation, 2), (data.test, 3)):
        np.testing.assert_allclose(rows.inputs[:, :2].mean(axis=0), [centre, -centre], atol=0.8)
    assert data.feature_names == ("height", "width", "city=Oslo", "city=Rome")
    assert data.test.inputs[:, 2:].tolist() == [[0, 1]] * 12
    assert data.test.targets.tolist() == [1, 0] * 6
    assert data.validation.targets.tolist() == [0, 1] * 5


@pytest.mark.parametrize("scaled", [{"standardize": True}, {"preprocess": ["standard_scaler"]}])
def test_what_is_fitted_is_fitted_to_the_training_file(scaled, folder):
    data = build(load(config({**THREE, **scaled}))).data
    np.testing.assert_allclose(data.train.inputs.mean(axis=0), 0, atol=1e-6)
    assert abs(data.test.inputs[:, 0].mean()) > 1


def test_a_folder_of_the_three_is_the_three(folder):
    for name in ("train.csv", "val.csv", "test.csv"):
        (folder / "animals").mkdir(exist_ok=True)
        (folder / name).rename(folder / "animals" / name)
    data = build(load(config({"path": "animals", "categorical": ["city"]}))).data
    assert (len(data.train), len(data.validation), len(data.test)) == (40, 10, 12)


@pytest.mark.parametrize(
    ("dataset", "sizes"),
    [
        ({"test_path": "test.csv"}, (40, 0, 12)),
        ({"validation_path": "val.csv"}, (40, 10, 0)),
        ({"test_path": "test.csv", "validation_fraction": 0.25}, (30, 10, 12)),
        ({"validation_path": "val.csv", "test_fraction": 0.25}, (30, 10, 10)),
        ({"validation_path": "val.csv", "folds": 4}, (30, 10, 10)),
        ({"validation_path": "val.csv", "folds": 4, "split": "ordered", "fold": 1}, (16, 10, 8)),
    ],
)
def test_a_part_without_a_file_is_drawn_from_the_training_file_or_is_none(dataset, sizes, folder):
    data = build(load(config({"path": "train.csv", "categorical": ["city"], **dataset}))).data
    assert tuple(map(len, (data.train, data.validation, data.test))) == sizes
    assert set(data.train.indices) | set(data.validation.indices) | set(data.test.indices) <= set(range(62))
    assert not set(data.train.indices) & {*data.validation.indices, *data.test.indices}


REFUSED = [
    ({"test_path": "no.csv"}, "there is no file 'no.csv'"),
    ({"test_path": "test.csv", "test_fraction": 0.2}, "test_fraction and test.csv both say which rows are for test"),
    ({"test_path": "test.csv", "folds": 3}, "folds and test.csv both say which rows are for test: leave one out"),
    ({"validation_path": "val.csv", "validation_fraction": 0.2}, "validation_fraction and val.csv both say"),
]


@pytest.mark.parametrize(("dataset", "message"), REFUSED)
def test_what_is_said_twice_or_is_not_there_is_refused(dataset, message, folder):
    with pytest.raises(ConfigError) as caught:
        build(load(config({"path": "train.csv", "categorical": ["city"], **dataset})))
    assert message in str(caught.value).replace(f"{folder}/", "")


def test_which_rows_are_for_what_is_said_once(folder):
    dataset = {"path": "train.csv", "categorical": ["city"], "test_path": "test.csv", "test_fraction": 0.2}
    with pytest.raises(ConfigError) as caught:
        build(load(config(dataset)))
    advised(
        str(caught.value).replace(f"{folder}/", ""),
        "test_fraction and test.csv both say which rows are for test: leave one out",
    )
    for key in ("test_path", "test_fraction"):
        assert len(build(load(config({k: v for k, v in dataset.items() if k != key}))).data.test)


STRANGE = [
    (table(3, 3, classes=("cat", "ant")), "test.csv:3: column 'animal': 'ant' is a class that the model does not know"),
    (table(3, 3, cities=("Oslo", "Bonn")), "test.csv:3: column 'city': 'Bonn' is a category that no training row had"),
    (table(3, 3, columns=("height",)), "test.csv has no column 'width', which the model takes"),
    (table(3, 3).replace("3.", "x."), "test.csv:3: column 'height': 'x."),
    (table(3, 3).replace("animal", "beast"), "test.csv has no column 'animal' to measure by"),
]


@pytest.mark.parametrize(("text", "message"), STRANGE)
def test_a_row_that_is_not_as_those_of_training_are_is_refused_there(text, message, folder):
    (folder / "test.csv").write_text(text)
    with pytest.raises(ConfigError) as caught:
        build(load(config(THREE)))
    assert message in str(caught.value)
    assert "test_path: test.csv" in str(caught.value)


def test_a_column_that_only_the_test_has_is_said(folder):
    lines = (folder / "test.csv").read_text().splitlines()
    (folder / "test.csv").write_text("\n".join([lines[0] + ",id", *(f"{line},7" for line in lines[1:])]))
    assert build(load(config(THREE))).data.remarks == (
        "test.csv: columns that the model does not take are ignored: 'id'",
    )


def test_the_test_is_touched_once_and_a_run_is_itself_again_from_its_folder(folder):
    dataset = {**THREE, "standardize": True}
    first = train({**config(dataset), "stop": {"patience": 5}}, out="runs")
    columns = (first.folder / "metrics.csv").read_text().splitlines()[0]
    assert "validation_loss" in columns
    assert "test" not in columns
    assert set(first.tested) == {"loss", "accuracy"}
    again = train(first.folder / "resolved.yaml")
    assert again.epoch.numbers == first.epoch.numbers
    assert again.tested == first.tested


def test_arrays_go_together_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name, rows, columns in (("a.npz", 30, ["u", "v"]), ("b.npz", 8, ["v", "u"])):
        x = np.stack([rng.normal(size=rows), 100 + rng.normal(size=rows)], axis=1)
        x = x if columns == ["u", "v"] else x[:, ::-1]
        np.savez(name, inputs=x, targets=np.arange(rows) % 2, feature_names=columns)
    data = build(load(config({"path": "a.npz", "test_path": "b.npz"}))).data
    assert (len(data.train), len(data.test)) == (30, 8)
    np.testing.assert_allclose(data.test.inputs.mean(axis=0), [0, 100], atol=1)


def test_numbers_to_predict_and_autoencoders_have_parts_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, rows in (("a.csv", 20), ("b.csv", 5)):
        (tmp_path / name).write_text("x,y\n" + "".join(f"{i},{2 * i}\n" for i in range(rows)))
    given = {**config({"path": "a.csv", "test_path": "b.csv"}), "network": [{"dense": 1}], "cost": "mean_squared_error"}
    data = build(load(given)).data
    assert data.test.targets.tolist() == [[2.0 * i] for i in range(5)]
    data = build(load(given, ["dataset.reconstruct=true"])).data
    np.testing.assert_array_equal(data.test.targets, data.test.inputs)


def test_a_second_text_is_read_in_the_characters_of_the_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("abcd" * 30)
    (tmp_path / "b.txt").write_text("dcdb" * 10)
    dataset = {"path": "a.txt", "test_path": "b.txt", "length": 4}
    given = {**config(dataset), "network": [{"embedding": {"entries": 4, "size": 2}}, {"dense": 4}]}
    assert build(load(given)).data.test.inputs[0].tolist() == [3, 2, 3, 1]
    (tmp_path / "b.txt").write_text("dcxb" * 10)
    with pytest.raises(ConfigError, match="the character 'x' is not among the 4 of the text that is trained on"):
        build(load(given))


@pytest.mark.parametrize("parts", [PARTS, ("train", "validation"), ("training", "test")])
def test_a_folder_of_folders_of_images_is_read_by_its_parts(parts, tmp_path, monkeypatch):
    Image = pytest.importorskip("PIL.Image", reason="Pillow is an extra")
    monkeypatch.chdir(tmp_path)
    for k, part in enumerate(parts):
        for name in ("cat", "dog"):
            folder = tmp_path / "photos" / part / name
            folder.mkdir(parents=True)
            for i in range(3 if k else 5):
                Image.fromarray(np.full((4, 4), 10 * k + i, np.uint8)).save(folder / f"{i}.png")
    data = build(load(config("photos/", "flatten"))).data
    sizes = {
        "train": 10,
        "validation": 6 if {*parts} & {"val", "validation"} else 0,
        "test": 6 if "test" in parts else 0,
    }
    assert {part: len(getattr(data, part)) for part in sizes} == sizes
    assert data.class_names == ("cat", "dog")


def test_classes_that_are_called_as_parts_are_classes(tmp_path):
    for name in ("train", "test"):  # a railway's and an examination's pictures
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_text("")
    assert parts_in(tmp_path) == {}
    (tmp_path / "bus").mkdir()
    assert parts_in(tmp_path) == {}
    assert parts_in(tmp_path / "train" / "1.png") == {}
