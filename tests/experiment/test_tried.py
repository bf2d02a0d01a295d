"""What the end of a message says to try, as one types it on the command line, is tried, and helps."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trainer
from trainer.compiler.executors import named
from trainer.config import load
from trainer.config.overrides import spelt
from trainer.errors import TrainerError
from trainer.experiment import build

X = np.random.default_rng(0).normal(size=40)
LINE: dict[str, Any] = {"network": [{"dense": 1}], "cost": "mean_squared_error", "step_size": 0.1, "epochs": 5}


def built(config: dict[str, Any], overrides: Sequence[str]) -> object:
    """As `trainer.train`, without a step."""
    return build(load(config, overrides))


def of(
    x: Iterable[float], y: Iterable[float], does: Callable[..., object] = trainer.train, **changes: Any
) -> Callable[..., object]:
    """What does that with a config of points on a line."""

    def act(*overrides: str) -> object:
        cells = zip(np.asarray(x).tolist(), np.asarray(y).tolist(), strict=True)
        Path("d.csv").write_text("x,y\n" + "".join(f"{a!r},{b!r}\n" for a, b in cells))
        return does({**LINE, "dataset": {"path": "d.csv"}, **changes}, overrides)

    return act


# What goes wrong, all that is said to be tried, and what of it helps there.
TRIED: dict[str, tuple[Callable[..., object], list[str], list[str]]] = {
    "steps too long": (
        of(X, 2 * X, step_size=2.5, epochs=200),
        ["step_size=0.25", "dataset.standardize=true", "compute.dtype=float64"],
        ["step_size=0.25"],
    ),
    "inputs of no scale": (
        of(1000 + 300 * X, X),
        ["step_size=0.01", "dataset.standardize=true", "compute.dtype=float64"],
        ["dataset.standardize=true"],
    ),
    "a loss that is too large before there was a step": (
        of(X, 1e25 * X),
        ["dataset.standardize=true", "compute.dtype=float64"],
        ["compute.dtype=float64"],
    ),
    "inputs beyond float32": (
        of(1e39 * X, X, built),
        ["compute.dtype=float64", "dataset.standardize=true"],
        ["compute.dtype=float64", "dataset.standardize=true"],
    ),
    "inputs whose squares overflow": (
        of(1e300 * X, X, built),
        ["compute.dtype=float64"],
        ["compute.dtype=float64"],
    ),
    "targets beyond float32": (
        of(X, 1e39 * X, built),
        ["compute.dtype=float64"],
        ["compute.dtype=float64"],
    ),
    "a machine that is not there": (
        of(X, X, compute={"executor": "native"}),
        ["compute.executor=numpy"],
        ["compute.executor=numpy"],
    ),
}


@pytest.mark.parametrize("case", TRIED)
def test_what_is_said_to_be_tried_helps(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if "machine" in case:
        monkeypatch.setattr(type(named("native")), "missing", lambda self: "the machine was not compiled")
    act, offered, helping = TRIED[case]
    with pytest.raises(TrainerError) as caught:
        act()
    (said,) = re.findall(r"\. Try (.+)\.$", caught.value.told(spelt).splitlines()[0])
    assert re.findall(r"\(([\w.]+=\S+)\)(?=, or |$)", said) == offered
    for way in helping:
        act(way)
