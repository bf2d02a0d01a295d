"""From a config to a Training: each name looked up, each part checked against its neighbours.

The parts are made in the order in which they need one another: the data, the network that takes them, the cost, what
is measured, and what moves θ. What goes wrong is reported at the line of the config that it comes from.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from trainer.compiler.executors import Backend
from trainer.data.dataset import Dataset
from trainer.data.given import with_parts
from trainer.data.loading import load as load_dataset
from trainer.data.prepared import Fitted, Prepared, prepare
from trainer.data.readers.registry import Formats
from trainer.errors import DataError, UsageError
from trainer.experiment.checks import (
    at_layers,
    check_choices,
    check_declared,
    check_differences,
    check_patterns,
    check_scalable,
    try_rows,
)
from trainer.experiment.components import built
from trainer.experiment.entries import entries_of
from trainer.experiment.scores import Scores, called, scores_of
from trainer.experiment.shards import check_shards
from trainer.nn.contract import Layout, located
from trainer.nn.network import Network
from trainer.optimizers import Accumulate, Average, ClipNorm, ClipParameterNorm, ClipValue, Optimizer
from trainer.plugins.faults import naming_plugins
from trainer.plugins.traits import CostTraits
from trainer.rng import Drawing, generator
from trainer.training import Training
from trainer.training.evaluation import Measure
from trainer.training.objective import Penalty
from trainer.training.schedules import Plateau, Schedule, schedule_of
from trainer.training.stopping import Better, Numbers, Stopping
from trainer.training.threads import pinned
from trainer.types import Array, CostFunction
from trainer.wording import count, did_you_mean, either, lacking

if TYPE_CHECKING:
    from trainer.config import LoadedConfig
    from trainer.config.schema import Choice

__all__ = ["Builder", "build", "load_data"]


def build(loaded: LoadedConfig, *, debug: bool = False) -> Training:
    """The Training that a config declares, at step 0; with `debug` it looks at every value of every step.

    It is built on one thread, so that what is fitted to the data has the same bits wherever it is done.

    Raises ConfigError, with the place in the file, for parts that do not fit together, and DataError for data that
    cannot be read.
    """
    with pinned(1), naming_plugins(loaded.plugins):
        return Builder(loaded).training(debug=debug)


def load_data(loaded: LoadedConfig) -> Prepared:
    """The data set of a config: loaded, split, scaled and encoded as the cost wants its targets."""
    with naming_plugins(loaded.plugins):
        return Builder(loaded).data()


@contextmanager
def _in_memory() -> Iterator[None]:
    """Inside the block, data that do not fit into memory are a DataError that says how they could."""
    try:
        yield
    except MemoryError as error:
        raise DataError(
            f"{lacking(error)} for the data: leave columns out with ignore, bring images to a smaller size, or save "
            f"the inputs as inputs.npy, beside targets.npy in a folder, which are read from disk while it trains"
        ) from None


class Builder:
    """Makes the parts of a Training, each from the config and the parts before it.

    Args:
        loaded: the config, which also knows the line that a part comes from.
        dataset: rows that are in memory, instead of those that the config names.
        fitted: what was fitted to earlier rows, for these (see `trainer.data.prepared.prepare`).
        draws: what initial values are drawn from, by a seed and a purpose.
    """

    def __init__(
        self,
        loaded: LoadedConfig,
        dataset: Dataset | None = None,
        fitted: Fitted | None = None,
        draws: Callable[[int, str], Drawing] = generator,
    ) -> None:
        self.loaded = loaded
        self.config = loaded.config
        self._dataset, self._fitted, self._draws = dataset, fitted, draws

    def _tried(
        self, network: Network, cost: CostFunction, data: Prepared, batch_size: int, made: bool
    ) -> tuple[Mapping[str, Array], Array]:
        """The values to start from that are no initial ones, and the predictions of two rows; zeros if not `made`."""
        if not made:
            return {}, try_rows(self.loaded, network, None, cost, data)
        own = network.initial_values(self.config.seed, self.config.compute.dtype)
        saved = self.saved(network, data, own)
        values = {**own, **saved}
        tried = try_rows(self.loaded, network, values, cost, data)
        check_shards(self.loaded, network, values, cost, data, batch_size)
        return saved, tried

    def training(self, *, debug: bool = False) -> Training:
        """Everything together. Two rows go through it once, so what does not fit is found here."""
        data = self.data()
        return self.assembled(data, self.network(data), debug=debug)

    def assembled(self, data: Prepared, network: Network, *, debug: bool = False) -> Training:
        """A training of these data and this network, with the rest as the config says."""
        return Training(**self.settings(data, network), debug=debug)

    def settings(self, data: Prepared, network: Network, *, made: bool = True) -> dict[str, Any]:
        """What a Training of these data and this network is made of, with the rest as the config says.

        Where no initial values are to be `made`, no layer is called, and nothing that a config starts from is read.
        """
        loaded, config = self.loaded, self.config
        check_choices(loaded, network, data)
        cost = self.component(config.cost, "cost")
        batch_size, per_epoch = self.batches(data)
        saved, tried = self._tried(network, cost, data, batch_size, made)
        if data.target_scaling is not None:
            check_differences(loaded, network, cost, data)
            tried = data.target_scaling.inverse(tried) if tried.shape[1:] == data.target_scaling.mean.shape else tried
        scores = scores_of(loaded, cost, data.unscaled or data, tried)
        self._made = data, scores
        return {
            "network": network,
            "cost": cost,
            "data": data,
            "step_size": self.step_size(data, scores, self.steps(per_epoch)),
            "batch_size": batch_size,
            "epochs": config.epochs,
            "optimizer": self.optimizer(),
            "metrics": scores.metrics,
            "reports": scores.reports,
            "seed": config.seed,
            "dtype": np.dtype(config.compute.dtype),
            "executor": self.executor(),
            "memory": config.compute.memory,
            "places": (*(self._line("network", i) for i in range(len(network.layers))), self._line("cost")),
            "initial": saved,
            "stopping": self.stopping(data, scores),
            "logged": config.log.steps or 0,
            "shards": config.compute.shards,
            "measure": self.measure(data),
            "callbacks": [self.component(choice, "callbacks", i) for i, choice in enumerate(config.callbacks)],
            "penalties": [Penalty(**penalty.model_dump()) for penalty in config.penalty],
        }

    def batches(self, data: Prepared) -> tuple[int, int]:
        """How many rows a batch has, and how many batches an epoch."""
        rows, given = len(data.train), self.config.batch_size
        batch_size = rows if given == "all" else min(given, rows)
        return batch_size, math.ceil(rows / batch_size)

    def executor(self) -> str | Backend:
        """Who runs the steps: "auto" and "eager", which no plugin brings, or the back end of that name."""
        name = self.config.compute.executor
        if name in ("auto", "eager"):
            return name
        known = self.loaded.plugins.all("executors")
        with self.loaded.at("compute", "executor"):
            if name not in known:
                names = ["auto", "eager", *sorted(known)]
                raise UsageError(f"there is no executor '{name}'; {did_you_mean(name, names, f'take {either(names)}')}")
        backend: Backend = known[name].build()
        return backend

    def data(self) -> Prepared:
        """The data set: loaded, split, scaled and encoded as the cost wants its targets."""
        config, settings = self.config, self.config.dataset
        dataset, remarks = self._dataset, tuple[str, ...]()
        # Ours are made anew at every call; who brings a plugin may keep what it made.
        consumed = dataset is None and settings.component.ours
        if dataset is None:
            with self.loaded.at("dataset"), _in_memory():
                dataset = load_dataset(settings.component, settings.options, seed=config.seed)
                if settings.part_files:
                    dataset, remarks = with_parts(
                        dataset, settings.part_files, settings.plain(), Formats(self.loaded.plugins), consumed
                    )
        if settings.positive is not None:
            with self.loaded.at("dataset"):
                dataset = dataset.with_positive(called(settings.positive, dataset.class_names))
        check_declared(self.loaded, dataset)
        check_scalable(self.loaded)
        # Of rows in memory the config says nothing, so that there is no line to point at.
        with self.loaded.at("dataset") if self._dataset is None else nullcontext(), _in_memory():
            prepared = prepare(
                dataset,
                targets=CostTraits.of(config.cost.component).targets or "values",
                split=settings.division,
                standardize=settings.standardize,
                standardize_targets=settings.standardize_targets,
                preprocess=[(step.name, built(step)) for step in settings.preprocess or ()],
                one_hot=settings.one_hot,
                reconstruct=settings.reconstruct,
                class_weights=settings.class_weights,
                resample=settings.resample,
                dtype=np.dtype(config.compute.dtype),
                seed=config.seed,
                fitted=self._fitted,
                consumed=consumed,
            )
        return replace(prepared, remarks=(*remarks, *prepared.remarks)) if remarks else prepared

    def network(self, data: Prepared) -> Network:
        """The layers for these data, tied and frozen as the config says."""
        loaded, config = self.loaded, self.config
        layout, layers = Layout(data.name, data.feature_names, data.parts, partial(entries_of, data)), []
        for i, choice in enumerate(config.network):
            with loaded.at("network", i):
                layers.append(located(built(choice), layout))
            layout = layout.behind(layers[-1])
        with loaded.at("tie"), at_layers(loaded):
            names = [choice.name for choice in config.network]
            network = Network(layers, data.input_shape, names, tie=config.tie, draws=self._draws)
        names = [*(part.name for part in network.parts), *network.moving]
        check_patterns(loaded, "freeze", config.freeze, names)
        frozen = network.frozen(config.freeze)
        if network.size and not frozen.size:
            raise loaded.error(("freeze",), "freeze leaves no parameter to learn")
        learnt = [part.name for part in frozen.parts]
        check_patterns(loaded, "penalty", [penalty.parameters for penalty in config.penalty], learnt)
        return frozen

    def component(self, choice: Choice, *loc: str | int) -> Any:
        """What a choice builds; where its options do not go together, the ConfigError that says so."""
        with self.loaded.at(*loc):
            return built(choice)

    def optimizer(self) -> Optimizer:
        """The optimizer with what goes around it: clipped gradients inside, then the average, then accumulation.

        So it is the mean of the batches' gradients that is clipped, and the average is one of updates.
        """
        config = self.config
        optimizer: Optimizer = self.component(config.optimizer, "optimizer")
        clip = config.clip.model_dump(exclude_none=True) if config.clip else {}
        for name, limit in clip.items():
            wrapper = {"value": ClipValue, "norm": ClipNorm, "parameter_norm": ClipParameterNorm}[name]
            optimizer = wrapper(optimizer, limit)
        if config.average is not None:
            optimizer = Average(optimizer, config.average)
        return Accumulate(optimizer, config.accumulate) if config.accumulate > 1 else optimizer

    def steps(self, per_epoch: int) -> int:
        """How many steps the run has. ConfigError where accumulated gradients are too few for one update."""
        config = self.config
        steps = min(config.epochs * per_epoch, (config.stop and config.stop.steps) or sys.maxsize)
        if config.accumulate > steps:
            what = f"accumulate: {config.accumulate} makes an update of every {config.accumulate} batches"
            run = f"the whole run has {count(steps, 'batch', 'batches')}"
            raise self.loaded.error(("accumulate",), f"{what}, and {run}")
        return steps

    def step_size(self, data: Prepared, scores: Scores, steps: int) -> float | Schedule:
        """The step size, after asking its schedule for what it needs of a run of so many steps."""
        given = self.config.step_size
        if isinstance(given, int | float):
            return given
        with self.loaded.at("step_size"):
            size = built(given)
            if isinstance(size, Plateau) and size.better is None:
                size = replace(size, better=scores.better.get(size.watched, "lower"))
            schedule_of(size, steps).watch({}, self._numbers(data, scores))
        return cast("Schedule", size)

    def saved(self, network: Network, data: Prepared, own: Mapping[str, Array]) -> Mapping[str, Array]:
        """The values of `start_from` that take the place of the network's own."""
        given = self.config.start_from
        if given is None:
            return {}
        from trainer.experiment.starting import initial_values  # 50 ms that only a config with start_from: needs

        return initial_values(self.loaded, given, network, data, own)

    def stopping(self, data: Prepared, scores: Scores) -> Stopping:
        """The limits that the config sets, after asking them for what they need of an epoch's numbers."""
        given = self.config.stop
        if given is None:
            return Stopping()
        options = given.model_dump()
        if given.best is None:
            options["best"] = given.patience is not None
        if given.better is None:
            options["better"] = scores.better.get(given.watched, "lower")
        stopping = Stopping(**options)
        if stopping.watches:
            with self.loaded.at("stop"):
                stopping.watch({}, 1, self._numbers(data, scores))
        return stopping

    def measure(self, data: Prepared) -> Measure:
        """What is measured after an epoch. ConfigError where that would be nothing."""
        measure = Measure(**self.config.evaluate.model_dump())
        if measure.train == "running" and data.target_scaling is not None:
            raise self.loaded.error(
                ("evaluate", "train"),
                "running is the mean loss of the steps, which is that of standardized targets, and every other number "
                "is in their units: write a number of rows or full, or leave standardize_targets out",
            )
        if measure.train == "off" and data.watched == ("train",):
            what = "there are only training rows, and evaluate: {train: off} leaves them out"
            raise self.loaded.error(("evaluate",), f"{what}; write train: running, or keep rows for a test")
        return measure

    def numbers(self) -> Numbers:
        """The names of an epoch's numbers, by the rows that they are of, once the training is built."""
        return self._numbers(*self._made)

    def better(self, name: str) -> Better:
        """Whether a lower or a higher number of that name is better, once the training is built."""
        return self._made[1].better.get(name, "lower")

    def _numbers(self, data: Prepared, scores: Scores) -> Numbers:
        """An epoch's numbers, for whoever has to say whether it finds what it watches."""
        measure = Measure(**self.config.evaluate.model_dump())
        names = {part: measure.names(part, scores.metrics) for part in data.watched}
        return {part: dict.fromkeys(own, 0.0) for part, own in names.items() if own}

    def _line(self, *loc: str | int) -> str:
        """`configs/mlp.yaml:12:5`, without the source line."""
        return self.loaded.place(*loc).partition("\n")[0]
