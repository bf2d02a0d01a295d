"""Metrics of one's own that fail or give no number: what the command says, and what the run folder holds."""

from __future__ import annotations

from pathlib import Path

import pytest

PLUGIN = """\
import numpy as np
from trainer import hookimpl
def nothing(predictions, targets):
    return float("nan")
def fails(predictions, targets):
    if len(predictions) == 8:
        raise ValueError("boom")
    return 1.0
def table(predictions, targets):
    return np.zeros((2, 2)) if len(predictions) == 2 else [][1]
def grid(predictions, targets, *, by: str = "rows", ks: tuple[int, ...] = (1, 2)):
    return np.full((2, 2), len(predictions))
def hits(predictions, targets, *, ks: tuple[int, ...] = (1, 2)):
    return float(len(ks))
@hookimpl
def register_metrics(register):
    register(grid, report=True)
    register(hits)
    register(nothing)
    register(fails)
    register(table, report=True)
"""
CONFIG = """\
plugins: [own.py]
dataset: {{name: moons, rows: 40, test_fraction: 0.2}}
network: [dense: 3, tanh, dense: 2]
cost: softmax_cross_entropy
metrics: [{metric}]
step_size: 0.1
epochs: 2
"""


@pytest.fixture
def run(trainer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(metric: str):
        Path("own.py").write_text(PLUGIN)
        Path("c.yaml").write_text(CONFIG.format(metric=metric))
        return trainer("run", "c.yaml", "--quiet")

    return run


@pytest.mark.parametrize(
    ("metric", "problem"),
    [
        ("fails", "metric 'fails' fails on the 8 test rows: ValueError: boom (own.py, line 7)"),
        (
            "table",
            "metric 'table' fails on the 8 test rows: IndexError: list index out of range (own.py, line 10)",
        ),
    ],
)
def test_one_that_fails_on_all_rows_ends_the_run_with_its_name(run, metric, problem):
    from trainer.runs import load

    done = run(metric)
    assert (done.code, done.err.splitlines()[-1]) == (2, f"error: {problem}")
    folder = load(next(Path("runs").iterdir()))
    assert folder.status == "failed"
    assert folder.parameters["0.weights"].shape == (2, 3)


def test_one_that_gives_no_number_is_said_to(run):
    done = run("nothing")
    assert done.code == 0
    assert "\nnothing is nan: it gives no number for the training and the test rows\n" in done.out
    assert "nan" not in run("accuracy").out


def test_titles_that_hold_options_are_names_of_columns_and_of_files_within_the_folder(run):
    from trainer.runs import load

    done = run("hits, {hits: {ks: [3]}}, {grid: {by: a/b}}, {grid: {by: ../c, ks: [5]}}")
    assert done.code == 0
    first = load(next(Path("runs").iterdir()))
    assert [name for name in first.metrics if name.startswith("test_")] == ["test_loss", "test_hits", "test_hits__3"]
    tables = {path.name for path in first.path.glob("grid*")}
    assert tables == {"grid_a_b.csv", "grid_.._c__5.csv"}
    assert not [path for path in Path().rglob("*c*.csv") if first.path not in path.parents]
    again = trainer_again(first.path)
    assert {path.name for path in again.path.glob("grid*")} == tables
    assert list(again.metrics) == list(first.metrics)


def trainer_again(path: Path):
    """The same run again, of its resolved config."""
    import trainer

    return trainer.run(path, out="again")
