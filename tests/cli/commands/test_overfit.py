"""`trainer overfit`: whether one batch is learnt, and what stops it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

Trainer = Callable[..., Any]


def test_a_batch_that_is_learnt(trainer: Trainer, folder: Path) -> None:
    done = trainer("overfit", "small.yaml")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "2 rows of small.yaml, trained on alone; before the first step:"
    assert lines[3].split()[:5] == ["0", "dense", "2", "×", "1"]
    assert lines[-1].startswith("learnt: the loss went from ")
    assert " in 25 steps of 0.1; one prediction for all rows has " in lines[-1]
    assert not (folder / "runs").exists()


def test_one_that_is_not_says_why_and_exits_with_1(trainer: Trainer, folder: Path) -> None:
    done = trainer("overfit", "small.yaml", "step_size=1e-9", "--steps", "50")
    assert (done.code, done.err) == (1, "")
    *_, what, why = done.out.splitlines()
    assert what.startswith("not learnt: the loss went from ")
    assert why.startswith("a step size too small (command line): with 0.1 the loss is ")
    assert why.endswith(". Try step_size=0.1")


def test_a_mistake_in_the_config_is_told_as_ever(trainer: Trainer, folder: Path) -> None:
    done = trainer("overfit", "small.yaml", "cost=mean_squarred_error")
    assert done.code == 2
    assert "did you mean 'mean_squared_error'?" in done.err
