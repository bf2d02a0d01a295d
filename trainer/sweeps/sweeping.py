"""A sweep: trials of one config, on all processors, each an ordinary run.

What may be wrong with any value is found before anything trains. What is promising goes on from its checkpoint: of
successive halving (Jamieson and Talwalkar, 2016, arXiv:1502.07943) the best share of the trials, to the bytes that a
run which was never paused has.
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from trainer.config.loader import LoadedConfig, load
from trainer.config.sweep import SweepConfig
from trainer.errors import ConfigError, Problem, UsageError
from trainer.experiment import build
from trainer.experiment.execution import ending_tidily
from trainer.files import expanded
from trainer.runs.config import config_of
from trainer.sweeps.samplers import OPTUNA, Chosen, Proposals, chosen_sampler, combinations
from trainer.sweeps.space import Range, Values, axis_of
from trainer.sweeps.trials import Attempt, Known, Member, Trial
from trainer.sweeps.watching import Watched, watched_of
from trainer.sweeps.workers import Workers

__all__ = ["Plan", "Watcher", "planned", "rungs_of", "train"]

SHOWN = 8  # problems of values that are listed
MOST_BUILT = 64  # trials, each with a value that none before it has


class Watcher:
    """Is told how a sweep goes. Who inherits from it writes only the methods that it wants."""

    def began(self, plan: Plan) -> None:
        """Before the first trial."""

    def moved(self, trial: Trial, member: Member, epoch: int) -> None:
        """A run of a trial has come so far."""

    def done(self, trial: Trial, member: Member, *, there: bool) -> None:
        """A run of a trial came to its end or to a pause; or it was there already."""

    def rung(self, epochs: int, left: int) -> None:
        """After so many epochs so many trials go on."""


@dataclass
class Plan:
    """What a sweep is to do, checked.

    Attributes:
        config: what every trial is a variation of.
        axes: the keys that are varied, with their values.
        asked: how values are chosen and trials are given up.
        sampler: that is meant.
        watched: the number that trials are judged by.
        seeds: of each trial's runs; none where its config says it.
        trials: those that are known; with one of Optuna's samplers they come one after the other.
    """

    config: LoadedConfig
    axes: Sequence[Values | Range]
    asked: SweepConfig
    sampler: str
    watched: Watched
    seeds: Sequence[int]
    variation: Callable[[Mapping[str, str], int | None], LoadedConfig]
    trials: list[Trial] = field(default_factory=list)

    @property
    def size(self) -> int:
        """How many trials there will be."""
        return self.asked.trials or 0 if self.sampler in OPTUNA else len(self.trials)

    def trial(self, number: int, values: Chosen) -> Trial:
        """A trial of these values, with a run for each seed."""
        seeds: Sequence[int | None] = self.seeds or [None]
        return Trial(number, values, [Member(self.variation(values, seed)) for seed in seeds])

    def ranked(self) -> list[Trial]:
        """The trials that reached something, the best first; those that were given up behind those that were not."""
        return sorted(self.trials, key=self._rank)

    def _rank(self, trial: Trial) -> tuple[bool, float, float, int]:
        score = self.watched.sign * trial.score(self.watched)
        return not math.isfinite(score), -(trial.given_up or math.inf), score, trial.number


def planned(
    config: str | os.PathLike[str] | Mapping[str, object],
    parameters: Mapping[str, object] | Sequence[Mapping[str, object]] = (),
    overrides: Sequence[str] = (),
    plugins: Sequence[str] = (),
    **settings: object,
) -> Plan:
    """What a sweep of a config is to do, with every value checked.

    Args:
        parameters: of each key what it takes; besides those of the config's `sweep`. Or a list of trials, each with its
            value of every key.
        settings: other keys of `sweep`.

    Raises ConfigError and UsageError, with the key and the value of every mistake, before anything is trained.
    """
    config = config_of(config)
    first = load(config, overrides, plugins)
    asked = _asked(first, settings)
    reused = plugins if plugins or first.config.plugins else first.plugins
    rows = None if isinstance(parameters, Mapping) or not parameters else _rows(parameters)
    given = {**asked.parameters, **parameters} if isinstance(parameters, Mapping) else asked.parameters
    axes = [] if rows is not None else [_axis(first, key, value) for key, value in given.items()]
    seeds = _seeds(first, {a.key for a in axes} | {key for row in rows or () for key in row})

    def variation(values: Mapping[str, str], seed: int | None) -> LoadedConfig:
        more = [*(f"{key}={text}" for key, text in values.items()), *([] if seed is None else [f"seed={seed}"])]
        return load(config, [*overrides, *more], reused)

    sampler = "given" if rows is not None else chosen_sampler(asked, axes)
    if rows is not None:
        chosen = rows
    elif sampler in OPTUNA:
        chosen = _corners(axes)
    else:
        chosen = combinations(axes, sampler, asked.trials, asked.seed)
    plan = Plan(first, axes, asked, sampler, Watched("loss", "train", "lower"), seeds, variation)
    trials = _checked(plan, chosen, _places(asked, parameters, rows or ()))
    plan.watched = watched_of(trials[0].members[0].loaded, asked.metric)
    _check_pruner(plan, trials)
    plan.trials = [] if sampler in OPTUNA else trials
    return plan


def _asked(first: LoadedConfig, settings: Mapping[str, object]) -> SweepConfig:
    """The config's `sweep`, and what is said beside it."""
    own = first.config.sweep or SweepConfig.model_validate({})
    return SweepConfig.model_validate({**own.model_dump(), **{k: v for k, v in settings.items() if v is not None}})


def _axis(first: LoadedConfig, key: str, value: object) -> Values | Range:
    with first.at("sweep", "parameters", key):
        return axis_of(key, value)


def _rows(parameters: Sequence[Any]) -> list[Chosen]:
    from trainer.sweeps.space import written

    trials = [parameters] if isinstance(parameters, str) else parameters
    wrong = next((each for each in trials if not isinstance(each, Mapping)), None)
    if wrong is not None:
        raise UsageError(
            f"parameters are keys with their values, such as {{'step_size': [0.1, 0.2]}}, or a list of trials, each "
            f"with its value of every key; found {wrong!r}, and KEY=VALUE for every trial stands in overrides"
        )
    return [{str(key): written(value) for key, value in row.items()} for row in parameters]


def _places(asked: SweepConfig, parameters: object, rows: Sequence[Chosen]) -> dict[str, str]:
    """Where each key that is varied was written. What the command line gives are axes already."""
    places = dict.fromkeys(asked.parameters, "sweep.parameters") | {key: "parameters" for row in rows for key in row}
    for key, value in parameters.items() if isinstance(parameters, Mapping) else ():
        places[key] = "command line" if isinstance(value, Values | Range) else "parameters"
    return places


def _seeds(first: LoadedConfig, varied: set[str]) -> list[int]:
    if first.config.seeds is None:
        return []
    if "seed" in varied:
        raise UsageError("seed is varied, and seeds asks for several of each trial: leave one out")
    return [first.config.seed + i for i in range(first.config.seeds)]


def _corners(axes: Sequence[Values | Range]) -> list[Chosen]:
    """Trials in which each value, or each end of a range, has its turn: what a sampler proposes lies among them."""
    longest = max(len(axis.ends) for axis in axes)
    return [{axis.key: axis.ends[min(i, len(axis.ends) - 1)] for axis in axes} for i in range(longest)]


def _checked(plan: Plan, chosen: Sequence[Chosen], places: Mapping[str, str]) -> list[Trial]:
    """The trials. Every config is read, and one of each value is built. Raises ConfigError with what is wrong.

    places: where each key that is varied was written.
    """
    trials: list[Trial] = []
    problems: dict[Problem, str] = {}
    seen: set[tuple[str, str]] = set()
    built = 0
    for number, values in enumerate(chosen):
        try:
            trial = plan.trial(number, values)
            if not {*values.items()} <= seen and built < MOST_BUILT:
                build(trial.members[0].loaded)
                built += 1
            seen.update(values.items())
            trials.append(trial)
        except ConfigError as error:
            for problem in error.problems or [Problem(str(error), "", None, None, "")]:
                placed = _placed(problem, values, places)
                problems.setdefault(placed, _told(problem, placed.source, values))
    if problems:
        shown = [*problems.values()][:SHOWN]
        more = len(problems) - len(shown)
        raise ConfigError("\n".join([*shown, *([f"and {more} more"] if more else [])]), [*problems])
    return trials


def _placed(problem: Problem, values: Mapping[str, str], places: Mapping[str, str]) -> Problem:
    """The problem where its key was written; one of the key itself is one, whichever of its values comes behind it."""
    key, equals, _ = problem.excerpt.strip().partition("=")
    if problem.line is not None or not equals or key not in values:
        return problem
    _, _, caret = problem.excerpt.partition("\n")
    excerpt = problem.excerpt if caret.find("^") > problem.excerpt.index("=") else f"  {key}=...\n{caret}"
    return problem._replace(source=places.get(key, problem.source), excerpt=excerpt)


def _told(problem: Problem, source: str, values: Mapping[str, str]) -> str:
    """A problem as the error of a config says it, with the trial where it does not stand at one of its values."""
    place = source if problem.line is None else f"{problem.source}:{problem.line}:{problem.column}"
    at = problem.excerpt.strip().partition("=")[0] if problem.line is None else ""
    trial = "" if at in values else f"  in the trial {' '.join(f'{key}={text}' for key, text in values.items())}"
    return "\n".join(
        filter(None, (f"{place}: {problem.message}" if place else problem.message, problem.excerpt, trial))
    )


def _check_pruner(plan: Plan, trials: Sequence[Trial]) -> None:
    asked, config = plan.asked, plan.config.config
    if asked.pruner is None:
        return
    if any(not member.loaded.config.checkpoint for trial in trials for member in trial.members):
        raise UsageError(f"pruner={asked.pruner} lets trials go on from their checkpoints; leave checkpoint=false out")
    if asked.pruner == "successive_halving" and plan.sampler in OPTUNA:
        raise UsageError(
            f"successive_halving compares all trials after so many epochs, and sampler={plan.sampler} proposes one "
            "after the other: take pruner=asha, or sampler=random"
        )
    if asked.pruner != "successive_halving" and config.seeds is not None:
        raise UsageError(f"pruner={asked.pruner} looks at one run of a trial: leave seeds out, or the pruner")
    epochs = sorted({member.loaded.config.epochs for trial in trials for member in trial.members})
    if len(epochs) > 1:
        raise UsageError(
            f"pruner={asked.pruner} gives trials up on their way to one number of epochs, and these have "
            f"{epochs[0]:,} to {epochs[-1]:,}: leave epochs out, or the pruner"
        )


def rungs_of(asked: SweepConfig, epochs: int, every: int = 1) -> list[int]:
    """After how many epochs trials are compared; the last is their end.

    every: epochs from one measurement to the next.

    >>> rungs_of(SweepConfig.model_validate({"pruner": "successive_halving"}), 27)
    [3, 9, 27]
    >>> rungs_of(SweepConfig.model_validate({"reduction_factor": 2, "min_epochs": 4}), 20)
    [4, 8, 16, 20]
    """
    factor = asked.reduction_factor
    first = asked.min_epochs or math.ceil(epochs / factor**2)
    rungs = []
    while first < epochs:
        rungs.append(min(-(-first // every) * every, epochs))
        first *= factor
    return [*dict.fromkeys(rung for rung in rungs if rung < epochs), epochs]


def train(
    plan: Plan, root: str | os.PathLike[str] = "runs", jobs: int | None = None, watcher: Watcher | None = None
) -> Plan:
    """Train what is planned, and return the plan with what came of each trial.

    Args:
        root: where the runs' folders go, and where those are that need not be trained again.
        jobs: runs at a time; by default as many as there are processors.

    A trial that fails or diverges ends none of the others. However it ends, also by Ctrl-C or SIGTERM, every run has
    written where it stands, and the same sweep goes on from there.
    """
    watcher = watcher or Watcher()
    with ending_tidily(), Workers(jobs) as workers:
        driver = _Driver(plan, expanded(root), workers, watcher)
        watcher.began(plan)
        if plan.sampler in OPTUNA or plan.asked.pruner in ("median", "asha", "hyperband"):
            driver.proposed()
        elif plan.asked.pruner == "successive_halving":
            driver.halved()
        else:
            driver.brought(plan.trials)
    return plan


class _Driver:
    """Gives workers their work, and hears of it."""

    def __init__(self, plan: Plan, root: Path, workers: Workers, watcher: Watcher) -> None:
        self.plan, self.root, self.workers, self.watcher = plan, root, workers, watcher
        self.known = Known(root)
        self.running: dict[Any, tuple[Trial, Member]] = {}
        self.ends: dict[Any, dict[str, Any]] = {}  # what a worker said last

    def brought(self, trials: Sequence[Trial], epochs: int | None = None) -> None:
        """Bring every run of these trials to its end, or to a pause after so many epochs."""
        waiting = deque((trial, member) for trial in trials for member in trial.members)
        while waiting or self.running:
            while waiting and self.workers.free:
                self.start(*waiting.popleft(), epochs)
            self.hear()

    def halved(self) -> None:
        """Successive halving: of those that have come so far the best share goes on."""
        plan, alive = self.plan, list(self.plan.trials)
        config = plan.config.config
        longest = max(member.loaded.config.epochs for trial in alive for member in trial.members)
        for epochs in rungs_of(plan.asked, longest, config.evaluate.every):
            last = epochs == longest
            self.brought(alive, None if last else epochs)
            if last:
                return
            order = sorted(alive, key=lambda t: (plan.watched.sign * t.score(plan.watched, epochs), t.number))
            kept = math.ceil(len(alive) / plan.asked.reduction_factor)
            for trial in order[kept:]:
                trial.given_up = epochs
            alive = sorted(order[:kept], key=lambda trial: trial.number)
            self.watcher.rung(epochs, len(alive))

    def proposed(self) -> None:
        """Trials of Optuna's samplers and pruners: as many ahead as there are workers, told in their order."""
        plan, asks = self.plan, self.plan.asked.pruner is not None
        given, total = deque(plan.trials), len(plan.trials) or plan.asked.trials or 0
        study = Proposals(() if given else plan.axes, plan)
        waiting, ahead = deque[tuple[Trial, Member]](), deque[Trial]()

        def propose(number: int) -> None:
            values = study.propose()
            trial = given.popleft() if given else plan.trial(number, values)
            if number == len(plan.trials):
                plan.trials.append(trial)
            waiting.extend((trial, member) for member in trial.members)
            ahead.append(trial)

        coming = iter(range(total))
        for number in islice(coming, self.workers.jobs):
            propose(number)
        while ahead:
            while waiting and self.workers.free:
                self.start(*waiting.popleft(), None, asks=asks)
            self.hear(study)
            while ahead and all(m.status not in ("waiting", "running") for m in ahead[0].members):
                trial = ahead.popleft()
                study.tell(trial.number, trial.score(plan.watched), pruned=trial.given_up is not None)
                for number in islice(coming, 1):  # so what is proposed follows from those told before, however quick
                    propose(number)

    def start(self, trial: Trial, member: Member, epochs: int | None, *, asks: bool = False) -> None:
        known = self.known.of(member.digest) if member.path is None else (member.path,)
        limit = None if epochs is None or epochs >= member.loaded.config.epochs else epochs
        work = Attempt(member.loaded, self.root, known, limit, self.plan.watched if asks else None)
        member.status = "running"
        key = id(member)
        self.running[key] = trial, member
        self.workers.start(key, work)

    def hear(self, study: Proposals | None = None) -> None:
        """What workers have said: how far they are, what they ask, and at the end what came of it."""
        for key, told in self.workers.heard():
            trial, member = self.running[key]
            if "folder" in told:
                member.path = Path(told["folder"])
            if "code" in told:
                end = self.ends.pop(key, {"error": f"its process ended with code {told['code']}"})
                member.status, member.problem = end.get("status", "failed"), end.get("error", "")
                del self.running[key]
                self.watcher.done(trial, member, there=end.get("there", False))
            elif "status" in told or "error" in told:
                self.ends[key] = told  # until its process is gone, it may be holding its folder
            elif "value" in told and study is not None:
                prunes = study.prunes(trial.number, told["epoch"], told["value"])
                trial.given_up = told["epoch"] if prunes else None
                self.workers.answer(key, not prunes)
            if told.keys() >= {"epoch"} and key in self.running:
                self.watcher.moved(trial, member, told["epoch"])
