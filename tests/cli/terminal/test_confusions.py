"""The matrix of few classes is shown, of many what was confused most; the file has it all."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.cli.terminal.confusions import MOST, print_confusions
from trainer.runs import load

MANY = """\
dataset: {name: blobs, rows: 1500, classes: 150, test_fraction: 0.5}
network: [dense: 150]
cost: softmax_cross_entropy
metrics: [accuracy, confusion_matrix]
step_size: 0.01
epochs: 1
"""


def test_of_150_classes_the_largest_confusions_are_listed_and_the_file_has_all(trainer, folder):
    (folder / "many.yaml").write_text(MANY)
    done = trainer("run", "many.yaml")
    _, _, rest = done.out.partition("confusion_matrix\n\n")
    rows = [line.split() for line in rest.splitlines()[1 : MOST + 1]]
    counts = [int(row[0]) for row in rows]
    assert counts == sorted(counts, reverse=True)
    assert max(map(len, done.out.splitlines())) <= 100
    assert rest.splitlines()[MOST + 1].startswith("and ")
    table = np.loadtxt(load(rest.splitlines()[-1]).path / "confusion_matrix.csv", delimiter=",", dtype=str)
    names = table[0, 1:].tolist()
    assert len(names) == 150
    for number, one, other in rows:
        assert table[1 + names.index(one), 1 + names.index(other)] == number


def test_quiet_says_how_it_ended_and_shows_no_table(trainer, folder):
    (folder / "many.yaml").write_text(MANY.replace("1500", "60").replace("150", "3"))
    assert "true, predicted:" in trainer("run", "many.yaml").out
    quiet = trainer("run", "many.yaml", "-q", "--again").out
    assert [line.split()[0] for line in quiet.splitlines()[:2]] == ["train", "test"]
    assert len(quiet.splitlines()) == 3


@pytest.mark.parametrize(("width", "whole"), [(60, False), (120, True)])
def test_what_is_too_wide_for_the_terminal_is_listed(width, whole, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(width))
    names = [f"a class called {i}" for i in range(5)]
    print_confusions(np.array([[1234567, 2, 0, 0, 0], *np.zeros((4, 5), int)]), names, fitted=True)
    shown = capsys.readouterr().out.splitlines()
    assert max(map(len, shown)) <= width
    assert ("1,234,567" in shown[1]) == whole
    assert (shown[1] == "   2  a class called 0  a class called 1") != whole
