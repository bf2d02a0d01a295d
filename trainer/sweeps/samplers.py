"""Which values make a trial: all with all, drawn, spread evenly, or proposed by Optuna."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.errors import UsageError
from trainer.rng import generator, key
from trainer.sweeps.space import Range, Values

if TYPE_CHECKING:
    from trainer.config.sweep import SweepConfig
    from trainer.sweeps.sweeping import Plan

__all__ = ["OPTUNA", "Proposals", "chosen_sampler", "combinations"]

OPTUNA = ("tpe", "gp", "cma_es")
MOST = 100_000  # trials
_PRUNERS = {"median": "MedianPruner", "asha": "SuccessiveHalvingPruner", "hyperband": "HyperbandPruner"}

Axes = Sequence[Values | Range]
Chosen = dict[str, str]  # the text of each key's value


def chosen_sampler(asked: SweepConfig, axes: Axes) -> str:
    """The sampler that is meant. Raises UsageError for one that does not go with the rest."""
    drawn = [axis.key for axis in axes if not axis.listed]
    sampler = asked.sampler or ("random" if drawn or asked.trials is not None else "grid")
    if not axes:
        raise UsageError(
            "a sweep takes a key with several values, such as step_size=0.01,0.1 or seed=0..4, or sweep.parameters"
        )
    if sampler == "grid" and drawn:
        raise UsageError(
            f"a grid takes all values with all, and {drawn[0]} is a range without steps: list its values, "
            f"{drawn[0]}=A,B, or draw them with sampler=random trials=20"
        )
    if sampler == "grid" and asked.trials is not None:
        raise UsageError(
            "a grid has a trial for all values with all: leave trials out, or draw some with sampler=random"
        )
    if asked.sampler is None and drawn and asked.trials is None:
        raise UsageError(
            f"{drawn[0]} is a range without steps: say how many trials to draw, trials=20, or list its values, "
            f"{drawn[0]}=A,B"
        )
    if sampler != "grid" and asked.trials is None:
        raise UsageError(f"sampler={sampler} needs to know how many trials it makes: trials=20")
    return sampler


def combinations(axes: Axes, sampler: str, trials: int | None, seed: int) -> list[Chosen]:
    """The trials of a sampler that needs no results: no two alike. The first of more that are drawn are the same."""
    if sampler == "grid":
        size = math.prod(len(axis.listed) for axis in axes)
        if size > MOST:
            raise UsageError(f"the grid has {size:,} trials, above {MOST:,}; draw some with sampler=random trials=100")
        chosen = [dict(zip((a.key for a in axes), texts, strict=True))
                  for texts in itertools.product(*(axis.listed for axis in axes))]  # fmt: skip
    else:
        assert trials is not None
        rng = generator(seed, "sweep")
        if sampler == "latin_hypercube":
            from scipy.stats import qmc

            seeded = np.random.default_rng(key(seed, "sweep"))  # scipy spawns others of it
            shares = qmc.LatinHypercube(len(axes), rng=seeded).random(trials)
        else:
            shares = rng.random((trials, len(axes)))
        chosen = [{a.key: a.at(float(share)) for a, share in zip(axes, row, strict=True)} for row in shares]
    return list({tuple(each.items()): each for each in chosen}.values())


class Proposals:
    """Trials that Optuna proposes, each from what those before it reached.

    Trials are proposed in the order of their numbers, and told in it.

    axes: what it proposes values of; of none where the trials are there, and a pruner alone is wanted.
    """

    def __init__(self, axes: Axes, plan: Plan) -> None:
        optuna = _optuna()
        self._optuna, self._axes = optuna, axes
        samplers = optuna.samplers
        made = {"tpe": samplers.TPESampler, "gp": samplers.GPSampler, "cma_es": samplers.CmaEsSampler}
        with warnings.catch_warnings():  # some are experimental there, which who asks for one knows
            warnings.simplefilter("ignore")
            self._study = optuna.create_study(
                direction="maximize" if plan.watched.better == "higher" else "minimize",
                sampler=made.get(plan.sampler, samplers.RandomSampler)(seed=plan.asked.seed),
                pruner=self._pruner(plan.asked.pruner, plan.asked),
            )
        self._open: dict[int, Any] = {}

    def _pruner(self, name: str | None, asked: SweepConfig) -> Any:
        if name is None:
            return self._optuna.pruners.NopPruner()
        made = getattr(self._optuna.pruners, _PRUNERS[name])
        options: dict[str, Any] = {} if name == "median" else {"reduction_factor": asked.reduction_factor}
        if asked.min_epochs is not None:
            options["n_warmup_steps" if name == "median" else "min_resource"] = asked.min_epochs
        return made(**options)

    def propose(self) -> Chosen:
        """The values of the next trial, which has the next number."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trial = self._study.ask()
            chosen = {axis.key: self._suggested(trial, axis) for axis in self._axes}
        self._open[trial.number] = trial
        return chosen

    def _suggested(self, trial: Any, axis: Values | Range) -> str:
        if isinstance(axis, Values):
            return str(trial.suggest_categorical(axis.key, list(axis.texts)))
        if axis.whole:
            step = 1 if axis.step is None else axis.step
            return str(trial.suggest_int(axis.key, axis.low, axis.high, step=step, log=axis.log))
        return axis.near(trial.suggest_float(axis.key, axis.low, axis.high, step=axis.step, log=axis.log))

    def prunes(self, number: int, epoch: int, value: float) -> bool:
        """Whether a trial is given up that has reached this after so many epochs."""
        trial = self._open[number]
        trial.report(value, epoch)
        return bool(trial.should_prune())

    def tell(self, number: int, value: float, *, pruned: bool) -> None:
        """What a trial reached; nan where it reached nothing."""
        state = self._optuna.trial.TrialState
        trial = self._open.pop(number)
        if pruned:
            self._study.tell(trial, state=state.PRUNED)
        elif math.isfinite(value):
            self._study.tell(trial, value)
        else:
            self._study.tell(trial, state=state.FAIL)


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise UsageError(
            "samplers tpe, gp and cma_es, and pruners median, asha and hyperband, are Optuna's, which is not "
            "installed: pip install 'tape-trainer[optuna]'"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
