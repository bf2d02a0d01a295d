"""From a config to a Training: each name looked up, each part checked against its neighbours.

What a schema cannot know is found here, before any work starts, and reported at the line of the config that it comes
from: layers that do not fit, a cost that wants other targets than the data set has, outputs that do not match them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from trainer.data.dataset import Dataset
from trainer.data.load import load as load_dataset
from trainer.data.prepare import Prepared, prepare
from trainer.data.preprocess import StepError
from trainer.engine.tree import leaves
from trainer.engine.verify import describe
from trainer.errors import DataError, OpError, ShapeError, UsageError
from trainer.nn.network import LayerError, Network, matching
from trainer.nn.objective import Objective, Penalty
from trainer.nn.several import Several
from trainer.nn.structure import Layout, located
from trainer.optimizers import Accumulate, Average, ClipNorm, ClipParameterNorm, ClipValue, Optimizer
from trainer.schedules import is_watching, over
from trainer.stopping import Stopping
from trainer.train import Training

if TYPE_CHECKING:
    from trainer.config import LoadedConfig
    from trainer.config.schema import Choice
    from trainer.plugins import Component

__all__ = ["LayerRow", "build", "layer_table", "load_data"]


def build(loaded: LoadedConfig, *, debug: bool = False) -> Training:
    """The Training that a config declares, at step 0; with `debug` it looks at every value of every step.

    Raises ConfigError, with the place in the file, for parts that do not fit together, and DataError for data that
    cannot be read.
    """
    config = loaded.config
    data = load_data(loaded)
    network = _network(loaded, data)
    cost = _made(loaded, config.cost, "cost")
    _check_cost(loaded, network, cost, data)
    every = _metrics(loaded, network, data)
    reports = {name: every.pop(name) for name in _reports(loaded)}
    metrics = every
    rows = len(data.train_inputs)
    batch_size = rows if config.batch_size == "all" else min(config.batch_size, rows)
    return Training(
        network=network,
        cost=cost,
        data=data,
        step_size=_step_size(loaded, data, metrics, math.ceil(rows / batch_size)),
        batch_size=batch_size,
        epochs=config.epochs,
        optimizer=_optimizer(loaded),
        metrics=metrics,
        reports=reports,
        seed=config.seed,
        dtype=np.dtype(config.compute.dtype),
        executor=config.compute.executor,
        places=(*(_line(loaded, "network", i) for i in range(len(network.layers))), _line(loaded, "cost")),
        debug=debug,
        start=_start(loaded, network),
        stopping=_stopping(loaded, data, metrics),
        callbacks=[_made(loaded, choice, "callbacks", i) for i, choice in enumerate(config.callbacks)],
        penalties=[Penalty(**penalty.model_dump()) for penalty in config.penalty],
    )


def _made(loaded: LoadedConfig, choice: Choice, *loc: str | int) -> Any:
    """What a choice builds; where its options do not go together, the ConfigError that says so."""
    try:
        return choice.build()
    except (UsageError, ShapeError) as error:
        raise loaded.error(loc, str(error)) from error


def _optimizer(loaded: LoadedConfig) -> Optimizer:
    """The optimizer with what goes around it: clipped gradients inside, then the average, then accumulation.

    So it is the mean of the batches' gradients that is clipped, and the average is one of updates.
    """
    config = loaded.config
    optimizer: Optimizer = _made(loaded, config.optimizer, "optimizer")
    clip = config.clip.model_dump(exclude_none=True) if config.clip else {}
    for name, limit in clip.items():
        wrapper = {"value": ClipValue, "norm": ClipNorm, "parameter_norm": ClipParameterNorm}[name]
        optimizer = wrapper(optimizer, limit)
    if config.average is not None:
        optimizer = Average(optimizer, config.average)
    return Accumulate(optimizer, config.accumulate) if config.accumulate > 1 else optimizer


def _step_size(loaded: LoadedConfig, data: Prepared, metrics: Mapping[str, Any], steps: int) -> Any:
    """The step size or schedule, after asking the schedule for what it needs of a run with so many steps an epoch."""
    config = loaded.config
    if isinstance(config.step_size, int | float):
        return config.step_size
    try:
        schedule = over(config.step_size.build(), config.epochs * steps)
        if is_watching(schedule):
            numbers = dict.fromkeys(("loss", *metrics), 0.0)
            schedule.watch({}, numbers, numbers if len(data.test_inputs) else {})
    except UsageError as error:
        raise loaded.error(("step_size",), str(error)) from error
    return schedule


def _start(loaded: LoadedConfig, network: Network) -> dict[str, Any]:
    """The parameters of `start_from` that the network has too."""
    from trainer.runs.parameters import load_parameters

    given = loaded.config.start_from
    if given is None:
        return {}
    path = Path(given.path)
    try:
        saved = load_parameters(path / "parameters.safetensors" if path.is_dir() else path).parameters
    except DataError as error:
        raise loaded.error(("start_from",), str(error)) from error
    own = {**network.named(network.initial(0)), **network.kept(0)}
    try:
        wanted = matching(given.parameters, list(saved))
    except UsageError as error:
        raise loaded.error(("start_from", "parameters"), str(error)) from error
    common = {name: saved[name] for name in wanted if name in own}
    for name, value in common.items():
        if value.shape != own[name].shape:
            what = f"'{name}' has shape {value.shape} there, and {own[name].shape} in this network"
            hint = f"say which to take, start_from: {{path: {path.name}, parameters: ['0.*']}}"
            raise loaded.error(("start_from",), f"{what}; {hint}")
    if not common:
        names = f"there: {', '.join(saved) or 'none'}; here: {', '.join(own) or 'none'}"
        raise loaded.error(("start_from",), f"no parameter there has the name of one here ({names})")
    return common


def _stopping(loaded: LoadedConfig, data: Prepared, metrics: Mapping[str, Any]) -> Stopping:
    """The limits that the config sets, after asking them for what they need of an epoch's numbers."""
    given = loaded.config.stop
    if given is None:
        return Stopping()
    options = given.model_dump()
    if given.best is None:
        options["best"] = given.patience is not None
    if given.better is None:
        known = given.watched in metrics
        options["better"] = _better(loaded.plugins.get("metrics", given.watched)) if known else "lower"
    stopping = Stopping(**options)
    try:
        if stopping.watches:
            numbers = dict.fromkeys(("loss", *metrics), 0.0)
            stopping.watch({}, 1, numbers, numbers if len(data.test_inputs) else {})
    except UsageError as error:
        raise loaded.error(("stop",), str(error)) from error
    return stopping


def _better(metric: Component) -> Literal["lower", "higher"]:
    return "lower" if metric.traits.get("better") == "lower" else "higher"


def _line(loaded: LoadedConfig, *loc: str | int) -> str:
    """`configs/mlp.yaml:12:5`, without the source line."""
    return loaded.place(*loc).partition("\n")[0]


def load_data(loaded: LoadedConfig) -> Prepared:
    """The data set of a config: loaded, split, scaled and encoded as the cost wants its targets."""
    config = loaded.config
    settings = config.dataset
    try:
        dataset: Dataset = load_dataset(settings.source, settings.options, seed=config.seed)
    except DataError as error:
        raise loaded.error(("dataset",), str(error)) from error
    try:
        return prepare(
            dataset,
            targets=config.cost.component.traits.get("targets", "values"),
            split=settings.split,
            test_fraction=settings.test_fraction,
            folds=settings.folds,
            fold=settings.fold,
            stratify=settings.stratify,
            standardize=settings.standardize,
            preprocess=[(step.name, step.build()) for step in settings.preprocess or ()],
            one_hot=settings.one_hot,
            reconstruct=settings.reconstruct,
            class_weights=settings.class_weights,
            resample=settings.resample,
            dtype=np.dtype(config.compute.dtype),
            seed=config.seed,
        )
    except StepError as error:
        raise loaded.error(("dataset", "preprocess", error.index), str(error)) from error
    except DataError as error:
        raise loaded.error(("dataset",), str(error)) from error


def _network(loaded: LoadedConfig, data: Prepared) -> Network:
    config, layers = loaded.config, []
    layout = Layout(data.name, data.feature_names, data.parts)
    for i, choice in enumerate(config.network):
        try:
            layers.append(located(choice.build(), layout))
        except (ShapeError, UsageError) as error:
            raise loaded.error(("network", i), str(error)) from error
    names = [choice.name for choice in config.network]
    try:
        network = Network(layers, data.input_shape, names, tie=config.tie)
    except LayerError as error:
        raise loaded.error(("network", *error.path), str(error)) from error
    except UsageError as error:
        raise loaded.error(("tie",), str(error)) from error
    names = [part.name for part in network.parts]
    _check_patterns(loaded, names, {("freeze", i): pattern for i, pattern in enumerate(config.freeze)})
    frozen = Network(layers, data.input_shape, network.names, tie=config.tie, freeze=config.freeze)
    if network.size and not frozen.size:
        raise loaded.error(("freeze",), "freeze leaves no parameter to learn")
    names = [part.name for part in frozen.parts]
    _check_patterns(loaded, names, {("penalty", i): penalty.parameters for i, penalty in enumerate(config.penalty)})
    return frozen


def _check_patterns(loaded: LoadedConfig, names: list[str], patterns: Mapping[tuple[str, int], str]) -> None:
    for loc, pattern in patterns.items():
        try:
            matching([pattern], names)
        except UsageError as error:
            raise loaded.error(loc, str(error)) from error


def _check_cost(loaded: LoadedConfig, network: Network, cost: Callable[[Any, Any], Any], data: Prepared) -> None:
    """Two rows through network and cost, forward and backward, so that what does not fit is found before the first
    step.

    A rule that is missing or wrong raises its own error here, before there is a run.
    """
    x, y = data.train_inputs[:2], data.train_targets[:2]
    theta, kept = network.initial(loaded.config.seed, x.dtype), network.kept(loaded.config.seed, x.dtype)
    classes, outputs = len(data.class_names), network.output_shape[-1] if network.output_shape else 1
    last = f"the last layer, '{network.names[-1]}',"
    if isinstance(cost, Several):
        try:
            cost.check(np.concatenate([data.train_targets, data.test_targets]))
        except DataError as error:
            raise loaded.error(("cost",), str(error)) from error
    scores = loaded.config.cost.component.traits.get("outputs") != "embeddings"  # one output per class
    if scores and y.ndim == 1 and y.dtype.kind == "i" and len(network.output_shape) != 1:
        raise loaded.error(
            ("network", len(network.names) - 1),
            f"{last} gives shape {network.output_shape} per example, and a target is one class; put `- flatten` before "
            f"a dense layer, or reduce the other axes, as global_average_pool does",
        )
    if scores and y.ndim == 1 and y.dtype.kind == "i" and outputs != classes:
        raise loaded.error(
            ("network", len(network.names) - 1),
            f"{last} gives {outputs} output{'s' * (outputs != 1)}, and data set '{data.name}' has {classes} classes",
        )
    with np.errstate(all="ignore"):
        try:
            values = cost(network.predict(theta, x, kept), y)
        except (ShapeError, OpError, ValueError, IndexError) as error:
            raise loaded.error(("cost",), f"{error}; {last} gives shape {network.output_shape} per example") from error
        if np.shape(values) != (len(x),):
            name, shape = loaded.config.cost.name, np.shape(values)
            raise loaded.error(
                ("cost",), f"cost '{name}' returned shape {shape} for {len(x)} examples; it must give one value each"
            )
        Objective(network, cost).gradient(theta, (x, y), kept, np.int64(0))


def _metrics(loaded: LoadedConfig, network: Network, data: Prepared) -> dict[str, Any]:
    """The metrics that the config lists; by default those that suit the cost, and accuracy for classes."""
    config = loaded.config
    if config.metrics is None:
        traits = config.cost.component.traits
        names = traits.get("metrics", ())
        if data.task == "classification" and "accuracy" not in names and traits.get("outputs") != "embeddings":
            names = ("accuracy",)  # one-hot targets under a cost that is meant for numbers
        return {name: loaded.plugins.get("metrics", name).build() for name in names}
    dtype = data.train_inputs.dtype
    theta, kept = network.initial(config.seed, dtype), network.kept(config.seed, dtype)
    predictions = network.predict(theta, data.train_inputs[:2], kept)
    chosen = {}
    for i, name in enumerate(_titles(config.metrics)):
        try:
            chosen[name] = _metric(config.metrics[i], data, predictions)
        except UsageError as error:
            raise loaded.error(("metrics", i), str(error)) from error
    return chosen


def _titles(choices: Sequence[Choice]) -> list[str]:
    """What each metric is called in tables: its name, and where two have one name its options too, `f1_macro`."""
    names = [choice.name for choice in choices]
    return [
        "_".join([name, *map(str, choice.options.values())]) if names.count(name) > 1 else name
        for name, choice in zip(names, choices, strict=True)
    ]


def _metric(choice: Choice, data: Prepared, predictions: Any) -> Any:
    """The metric, after a trial on two rows. Raises UsageError where it does not suit the data."""
    traits = choice.component.traits
    task = traits.get("task", data.task)
    if task != data.task:
        raise UsageError(f"metric '{choice.name}' is for {task}, and data set '{data.name}' is for {data.task}")
    metric = choice.build()
    try:
        with np.errstate(all="ignore"):
            value = metric(predictions, data.train_targets[:2])
    except Exception as error:  # whatever a stranger's metric raises
        what = f"raised {type(error).__name__} on two rows: {error}"
        raise UsageError(f"metric '{choice.name}' {what}") from error
    if traits.get("report"):
        if np.ndim(value) != 2:
            raise UsageError(f"metric '{choice.name}' returned {describe(value)}; a report is a table, of two axes")
    elif np.shape(value) != () or not isinstance(value, int | float | np.generic | np.ndarray):
        raise UsageError(f"metric '{choice.name}' returned {describe(value)}; it must return a number")
    return metric


def _reports(loaded: LoadedConfig) -> set[str]:
    """Which of the metrics are tables for the end of a run."""
    choices = loaded.config.metrics or []
    return {t for t, c in zip(_titles(choices), choices, strict=True) if c.component.traits.get("report")}


@dataclass(frozen=True)
class LayerRow:
    """One layer in numbers: the shape per example, how many parameters, and scalar operations per step."""

    name: str
    output_shape: tuple[int, ...]
    parameters: int
    forward: int
    backward: int


def layer_table(training: Training) -> list[LayerRow]:
    """Shapes, parameters and operations of each layer, read off the recorded step of one full batch.

    The rules are recorded too, so the backward count is of what a step runs, not an estimate. A parameter that several
    layers share is counted where it comes first, and one that is not learnt nowhere.
    """
    from trainer.compiler.step import record_step

    network = training.network
    operations: Counter[tuple[str, str]] = Counter()
    for instruction in record_step(training, training.batch_size).instructions:
        operations[instruction.origin] += instruction.operations()
    sizes, rows = {part.name: part.slice.stop - part.slice.start for part in network.parts}, []
    for i, (name, own) in enumerate(zip(network.names, network.trees, strict=True)):
        place = f"{i} {name}"
        size = sum(sizes.pop(leaf, 0) for leaf in leaves(own))
        forward, backward = operations["forward", place], operations["backward", place]
        rows.append(LayerRow(name, network.shapes[i], size, forward, backward))
    return rows
