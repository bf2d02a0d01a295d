"""`trainer predict` and `trainer evaluate` on a text, whose windows are cut as those of training were."""

from __future__ import annotations

import csv

import pytest

import trainer as package


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("text")
    (root / "a.txt").write_text("abcd\n" * 60)
    config = {
        "dataset": {"path": str(root / "a.txt"), "length": 4},
        "network": [{"embedding": {"entries": 5, "size": 8}}, {"dense": 5}],
        "cost": "softmax_cross_entropy", "step_size": 0.5, "epochs": 40, "batch_size": 8,
    }  # fmt: skip
    return str(package.train(config, out=root / "run").folder)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_follows_each_character_is_predicted(run, folder, trainer):
    (folder / "b.txt").write_text("cdabab\nab")
    assert trainer("predict", run, "b.txt", "-o", "out.csv").code == 0
    with open("out.csv") as file:
        rows = [*csv.reader(file)]
    assert rows == [[f"prediction_{i}" for i in range(4)], ["d", "\\n", "b", "c"], ["b", "c", "a", "b"]]


def test_a_text_is_measured_by_what_follows_in_it(run, folder, trainer):
    (folder / "b.txt").write_text("abcd\n" * 9)
    done = trainer("evaluate", run, "b.txt")
    assert done.code == 0
    assert "rows of b.txt" in done.out


@pytest.mark.parametrize("command", ["predict", "evaluate"])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("abxd\n", "b.txt: the character 'x' is not among the 5 of the text that is trained on"),
        ("", "b.txt is empty; a data set needs at least one row"),
    ],
)
def test_a_text_that_is_none_of_the_models_is_refused(command, text, message, run, folder, trainer):
    (folder / "b.txt").write_text(text)
    done = trainer(command, run, "b.txt")
    assert (done.code, done.out) == (2, "")
    assert done.err == f"error: {message}\n"


def test_a_model_of_a_table_takes_no_text(folder, trainer):
    (folder / "t.csv").write_text("a,b\n" + "".join(f"{i},{2 * i}\n" for i in range(20)))
    config = {"dataset": "t.csv", "network": [{"dense": 1}], "cost": "mean_squared_error", "epochs": 1}
    run = package.train({**config, "step_size": 0.001}, out=folder / "run").folder
    (folder / "b.txt").write_text("abcd")
    done = trainer("predict", str(run), "b.txt")
    assert done.err == "error: b.txt is a text, and the model was trained on no text file\n"
