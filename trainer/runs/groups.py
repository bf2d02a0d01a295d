"""Runs that differ in nothing but their seed, or the fold that tests them, taken together: what each reached, and the
mean of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, stdev
from typing import Any

from trainer.config.overrides import flat
from trainer.errors import PluginError
from trainer.plugins.manager import shared
from trainer.plugins.traits import MetricTraits
from trainer.runs.columns import PARTS
from trainer.runs.listing import Summary
from trainer.runs.loading import Run
from trainer.training.stopping import Better

__all__ = ["Group", "Reached", "better_of", "differing", "grouped", "reached"]

BY_CHANCE = ("seed", "dataset.fold")  # in which runs differ that are told apart by chance alone
# What no number depends on.
_ASIDE = ("checkpoint", "compute.executor", "compute.memory", "compute.threads", "log")


@dataclass(frozen=True)
class Reached:
    """A number of several runs: its mean, how far they are from it, and of how many.

    deviation: the standard deviation, with n − 1; nan of a single run.
    """

    mean: float
    deviation: float
    runs: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Reached:
        """
        >>> Reached.of([1.0, 2.0, 3.0])
        Reached(mean=2.0, deviation=1.0, runs=3)
        """
        whole = all(map(math.isfinite, values))
        deviation = stdev(values) if whole and len(values) > 1 else math.nan
        return cls(fmean(values) if values else math.nan, deviation, len(values))


@dataclass(frozen=True)
class Group:
    """Runs of one config.

    Attributes:
        runs: by their seed and fold.
        settings: what they have in common, by its path.
        place: in the order in which groups came, from 0.
    """

    runs: Mapping[tuple[Any, ...], Run]
    settings: Mapping[str, Any]
    place: int = 0

    @cached_property
    def numbers(self) -> Mapping[tuple[Any, ...], Mapping[str, float]]:
        """What each run reached, by its seed and fold."""
        return {key: reached(run) for key, run in self.runs.items()}

    def number(self, column: str) -> Reached:
        """What its runs reached of a number; one that has no such number, having diverged say, makes it nan."""
        return Reached.of([numbers.get(column, math.nan) for numbers in self.numbers.values()])

    def label(self, keys: Sequence[str]) -> str:
        """What tells it from others, in those keys."""
        told = [f"{key}={shown(self.settings.get(key))}" for key in keys]
        return " ".join(told) or next(iter(self.runs.values())).path.name


def reached(run: Run) -> dict[str, float]:
    """The numbers of the epoch whose parameters a run has, by their columns of metrics.csv; and those of its test,
    where that was measured once, at the end."""
    metrics = run.metrics
    columns = [column for column in metrics if column.partition("_")[0] in PARTS]
    if not columns or Summary(run.path).status == "diverged":
        return {}
    place = _best(run)
    found = {column: float(metrics[column][place]) for column in columns}
    return {**found, **{f"test_{name}": float(value) for name, value in run.about.get("test", {}).items()}}


def _best(run: Run) -> int:
    """The place in metrics.csv of the epoch that was handed back: the last, or the best that the config asks for."""
    import numpy as np

    stop = run.config.get("stop") or {}
    if not (stop.get("best") or (stop.get("best") is None and stop.get("patience"))):
        return -1
    name = stop.get("watched", "loss")
    parts = [stop["part"]] if stop.get("part") else ["validation", "test", "train"]
    column = next((f"{part}_{name}" for part in parts if f"{part}_{name}" in run.metrics), None)
    if column is None or not np.isfinite(run.metrics[column]).any():
        return -1
    lower = (stop.get("better") or better_of(name)) == "lower"
    return int(np.nanargmin(run.metrics[column]) if lower else np.nanargmax(run.metrics[column]))


def better_of(metric: str) -> Better:
    """Whether a lower or a higher number of a metric is better, as its author says; of the loss the lower."""
    if metric == "loss":
        return "lower"
    known = [name for name in shared().names("metrics") if metric == name or metric.startswith(f"{name}_")]
    if not known:
        return "lower" if metric.endswith(("loss", "error")) else "higher"
    try:
        return MetricTraits.of(shared().get("metrics", max(known, key=len))).better
    except PluginError:
        return "higher"


def grouped(several: Sequence[Iterable[Run]]) -> list[Group]:
    """The runs of each of several things, taken together by their settings, in the order in which they come.

    Of runs that are the same, the last counts; but where different things hold the same runs, as before and after a
    change of code, each thing has groups of its own.
    """
    listed = [list(runs) for runs in several]
    apart = _overlap(listed)
    found: dict[tuple[Any, ...], dict[tuple[Any, ...], Run]] = {}
    settings: dict[tuple[Any, ...], dict[str, Any]] = {}
    for i, runs in enumerate(listed):
        for run in runs:
            own = _settings(run)
            chance = tuple(own.pop(key, None) for key in BY_CHANCE)
            identity = (i if apart else 0, *sorted((key, repr(value)) for key, value in own.items()))
            found.setdefault(identity, {})[chance] = run
            settings[identity] = own
    return [Group(runs, settings[identity], place) for place, (identity, runs) in enumerate(found.items())]


def _overlap(listed: Sequence[Sequence[Run]]) -> bool:
    seen: dict[tuple[Any, ...], set[int]] = {}
    for i, runs in enumerate(listed):
        for run in runs:
            seen.setdefault(tuple(sorted((key, repr(value)) for key, value in _settings(run).items())), set()).add(i)
    paths = [{run.path.resolve() for run in runs} for runs in listed]
    return any(len(of) > 1 for of in seen.values()) and sum(map(len, paths)) == len(set[Any]().union(*paths))


def _settings(run: Run) -> dict[str, Any]:
    """What its numbers depend on, and its name; that of a fold's run without the fold."""
    own = {key: value for key, value in flat(run.config) if not key.startswith(_ASIDE)}
    fold = own.get("dataset.fold")
    if fold is not None and "name" in own:
        own["name"] = str(own["name"]).removesuffix(f"-fold{fold}")
    return own


def differing(groups: Sequence[Group]) -> list[str]:
    """The keys in which groups differ."""
    keys = dict.fromkeys(key for group in groups for key in group.settings)
    return [key for key in keys if len({repr(group.settings.get(key)) for group in groups}) > 1]


def shown(value: object) -> str:
    """A setting as it is written on the command line; `-` for one that is not there."""
    if value is None:
        return "-"
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
