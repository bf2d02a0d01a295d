"""What a message says to install is an extra that there is, which brings what was missing; with it the same works."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trainer
from tests.hints import brought
from trainer.config import load
from trainer.errors import TrainerError
from trainer.experiment.tracking import check_trackers
from trainer.export.saving import write_onnx
from trainer.service.launchers import Site
from trainer.service.remote.dask import Dask
from trainer.service.remote.slurm import Slurm
from trainer.service.settings import Settings
from trainer.sweeps.samplers import Proposals
from trainer.sweeps.sweeping import planned

LINE = {
    "dataset": {"name": "linear", "rows": 20}, "network": [{"dense": 1}], "cost": "mean_squared_error",
    "step_size": 0.1, "epochs": 1,
}  # fmt: skip
SITE: Any = Site(Settings(Path(), url="https://train.example.org"), *[None] * 3)


def exported() -> None:
    model = trainer.load(trainer.train(LINE, out="runs").folder)
    write_onnx(model, Path("model.onnx"), np.ones((2, 1)))


def proposed(**settings: object) -> Callable[[], None]:
    def propose() -> None:
        plan = planned(LINE, {"step_size": "1e-3..1e-1:log"}, trials=2, **settings)
        Proposals(plan.axes, plan).propose()

    return propose


def tracked(**log: object) -> Callable[[], None]:
    return lambda: check_trackers(load({**LINE, "log": log}))


# The module that is missing, what is done without it, and what is said. With it the very same is done.
MISSING: list[tuple[str, Callable[[], object], str]] = [
    ("optuna", proposed(sampler="tpe"), "pip install 'tape-trainer[optuna]'"),
    ("optuna", proposed(sampler="random", pruner="median"), "pip install 'tape-trainer[optuna]'"),
    ("onnx", exported, "pip install 'tape-trainer[onnx]'"),
    ("onnxruntime", exported, "pip install 'tape-trainer[onnx]'"),
    ("tensorboardX", tracked(tensorboard=True), "pip install 'tape-trainer[tensorboard]'"),
    ("mlflow", tracked(mlflow="sqlite:///runs.db"), "pip install 'tape-trainer[mlflow]'"),
    ("distributed", lambda: Dask("tls://127.0.0.1:8786").launcher(SITE), "pip install 'tape-trainer[dask]'"),
    ("submitit", lambda: Slurm("shared", cluster="local").launcher(SITE), "pip install 'tape-trainer[slurm]'"),
]


@pytest.mark.parametrize(("module", "does", "said"), MISSING, ids=[f"{each[0]} {each[2]}" for each in MISSING])
def test_what_is_to_be_installed_brings_what_is_missing_and_with_it_the_same_works(
    module: str, does: Callable[[], object], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as without:
        without.setitem(sys.modules, module, None)
        with pytest.raises(TrainerError) as caught:
            does()
    assert said in str(caught.value)
    (extra,) = re.findall(r"pip install 'tape-trainer\[(\w+)\]'", said)
    assert brought(extra) & {each.lower() for each in packages_distributions().get(module, [module])}
    if find_spec(module) is not None:  # mlflow is no part of what this project is developed with
        does()
