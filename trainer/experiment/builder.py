"""From a config to a Training: each name looked up, each part checked against its neighbours.

What a schema cannot know is found here, before any work starts, and reported at the line of the config that it comes
from: layers that do not fit, a cost that wants other targets than the data set has, outputs that do not match them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.data.dataset import Dataset
from trainer.data.load import load as load_dataset
from trainer.data.prepare import Prepared, prepare
from trainer.data.preprocessing.pipeline import StepError
from trainer.engine.tree import leaves
from trainer.errors import DataError, OpError, ShapeError, UsageError
from trainer.experiment.scores import Scores, scores_of
from trainer.nn.network import LayerError, Network, matching
from trainer.nn.several import Several
from trainer.nn.structure import Layout, located
from trainer.nn.trial import try_layers
from trainer.optimizers import Accumulate, Average, ClipNorm, ClipParameterNorm, ClipValue, Optimizer
from trainer.training.loop import Training
from trainer.training.objective import Objective, Penalty
from trainer.training.schedules import is_watching, over
from trainer.training.stopping import Stopping

if TYPE_CHECKING:
    from trainer.config import LoadedConfig
    from trainer.config.schema import Choice

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
    _check_choices(loaded, network, data)
    _check_cost(loaded, network, cost, data)
    scores = scores_of(loaded, network, data)
    rows = len(data.train)
    batch_size = rows if config.batch_size == "all" else min(config.batch_size, rows)
    return Training(
        network=network,
        cost=cost,
        data=data,
        step_size=_step_size(loaded, data, scores.metrics, math.ceil(rows / batch_size)),
        batch_size=batch_size,
        epochs=config.epochs,
        optimizer=_optimizer(loaded),
        metrics=scores.metrics,
        reports=scores.reports,
        seed=config.seed,
        dtype=np.dtype(config.compute.dtype),
        executor=config.compute.executor,
        places=(*(_line(loaded, "network", i) for i in range(len(network.layers))), _line(loaded, "cost")),
        debug=debug,
        start=_start(loaded, network),
        stopping=_stopping(loaded, data, scores),
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
            schedule.watch({}, numbers, numbers if len(data.test) else {})
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
        file = path / "parameters.safetensors" if path.is_dir() else path
        saved = load_parameters(file, foreign=file is path).parameters
    except DataError as error:
        raise loaded.error(("start_from",), str(error)) from error
    own = {**network.named(network.initial(0)), **network.kept(0)}
    try:
        wanted = matching(given.parameters, list(saved))
    except UsageError as error:
        raise loaded.error(("start_from", "parameters"), str(error)) from error
    common = {name: value for name, value in saved.items() if name in wanted and name in own}
    for name, value in common.items():
        if value.shape != own[name].shape:
            what = f"'{name}' has shape {value.shape} there, and {own[name].shape} in this network"
            hint = f"say which to take, start_from: {{path: {path.name}, parameters: ['0.*']}}"
            raise loaded.error(("start_from",), f"{what}; {hint}")
    if not common:
        names = f"there: {', '.join(saved) or 'none'}; here: {', '.join(own) or 'none'}"
        raise loaded.error(("start_from",), f"no parameter there has the name of one here ({names})")
    return common


def _stopping(loaded: LoadedConfig, data: Prepared, scores: Scores) -> Stopping:
    """The limits that the config sets, after asking them for what they need of an epoch's numbers."""
    given = loaded.config.stop
    if given is None:
        return Stopping()
    options = given.model_dump()
    if given.best is None:
        options["best"] = given.patience is not None
    if given.better is None:
        options["better"] = scores.better.get(given.watched, "lower")
    stopping = Stopping(**options)
    try:
        if stopping.watches:
            numbers = dict.fromkeys(("loss", *scores.metrics), 0.0)
            stopping.watch({}, 1, numbers, numbers if len(data.test) else {})
    except UsageError as error:
        raise loaded.error(("stop",), str(error)) from error
    return stopping


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
        raise loaded.error(("dataset", *error.option), str(error)) from error
    _check_declared(loaded, dataset)
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
        raise loaded.error(("dataset", *error.option), str(error)) from error


def _check_declared(loaded: LoadedConfig, dataset: Dataset) -> None:
    """A cost of a plugin's that does not say what its targets are takes numbers: a data set of classes has none."""
    cost, settings = loaded.config.cost, loaded.config.dataset
    declared = "targets" in cost.component.traits or settings.one_hot or settings.reconstruct
    if dataset.task == "classification" and not declared:
        what = f"cost '{cost.name}' of {cost.component.origin} is registered for numbers"
        hint = f'register({cost.name}, targets="classes") if it takes class indices; one_hot: true under dataset if it'
        raise loaded.error(
            ("cost",), f"{what}, and data set '{dataset.name}' is a classification: {hint} takes a number per class"
        )


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
        raise loaded.error(_place(error), str(error)) from error
    except UsageError as error:
        raise loaded.error(("tie",), str(error)) from error
    names = [*(part.name for part in network.parts), *network.kept(0)]
    _check_patterns(loaded, names, {("freeze", i): pattern for i, pattern in enumerate(config.freeze)})
    frozen = network.frozen(config.freeze)
    if network.size and not frozen.size:
        raise loaded.error(("freeze",), "freeze leaves no parameter to learn")
    names = [part.name for part in frozen.parts]
    _check_patterns(loaded, names, {("penalty", i): penalty.parameters for i, penalty in enumerate(config.penalty)})
    return frozen


def _place(error: LayerError) -> tuple[int | str, ...]:
    """Where the layer stands in the config: in the network, or in the sub-network that its path ends in."""
    path = error.path
    if "@" not in path:
        return ("network", *path)
    last = len(path) - 1 - path[::-1].index("@")
    return ("networks", *path[last + 1 :])


def _check_patterns(loaded: LoadedConfig, names: list[str], patterns: Mapping[tuple[str, int], str]) -> None:
    for loc, pattern in patterns.items():
        try:
            matching([pattern], names)
        except UsageError as error:
            raise loaded.error((*loc, "parameters") if loc[0] == "penalty" else loc, str(error)) from error


def _check_choices(loaded: LoadedConfig, network: Network, data: Prepared) -> None:
    """What two sections say that does not go together; components tell by a class attribute or a trait."""
    config = loaded.config
    for choice in config.choices():
        name, target = choice.name, choice.component.target
        if getattr(target, "reads_padding", False) and data.scaling is not None:
            raise loaded.error(
                ("dataset", "standardize"),
                f"{name} tells padding by its value, and standardize changes it: leave standardize out, and scale the "
                f"sequences before they are padded",
            )
    for layer, name, shape in zip(network.layers, network.names, network.shapes, strict=True):
        if config.batch_size == 1 and getattr(layer, "needs_rows", False) and len(shape) == 1:
            raise loaded.error(
                ("batch_size",), f"{name} compares the rows of a batch, and batch_size: 1 gives it one; use more"
            )
    last, cost = config.network[-1], config.cost
    if last.name in cost.component.traits.get("applies", ()):
        raise loaded.error(
            ("network", len(config.network) - 1),
            f"{cost.name} applies {last.name} itself and takes the outputs as they are; leave '- {last.name}' out",
        )


def _check_cost(loaded: LoadedConfig, network: Network, cost: Callable[[Any, Any], Any], data: Prepared) -> None:
    """Two rows through network and cost, forward and backward, so that what does not fit is found before the first
    step.

    A rule that is missing or wrong raises its own error here, before there is a run.
    """
    x, y = data.train.inputs[:2], data.train.targets[:2]
    theta, kept = network.initial(loaded.config.seed, x.dtype), network.kept(loaded.config.seed, x.dtype)
    last = f"the last layer, '{network.names[-1]}',"
    if isinstance(cost, Several):
        try:
            cost.check(np.concatenate([data.train.targets, data.test.targets]))
        except DataError as error:
            raise loaded.error(("cost",), str(error)) from error
    if loaded.config.cost.component.traits.get("outputs") != "embeddings":  # then there is one output per class
        _check_classes(loaded, network, data)
    with np.errstate(all="ignore"):
        predictions = _try_layers(loaded, network, {**network.named(theta), **kept}, x)
        try:
            values = cost(predictions, y)
        except (ShapeError, OpError, ValueError, IndexError) as error:
            raise loaded.error(("cost",), f"{error}; {last} gives shape {network.output_shape} per example") from error
        if np.shape(values) != (len(x),):
            name, shape = loaded.config.cost.name, np.shape(values)
            raise loaded.error(
                ("cost",), f"cost '{name}' returned shape {shape} for {len(x)} examples; it must give one value each"
            )
        Objective(network, cost).gradient(theta, (x, y), kept, np.int64(0))


def _check_classes(loaded: LoadedConfig, network: Network, data: Prepared) -> None:
    """Class numbers, one per example or per position, want as many outputs as there are classes."""
    y, shape, classes = data.train.targets, network.output_shape, len(data.class_names)
    if y.dtype.kind != "i":
        return
    last, where = f"the last layer, '{network.names[-1]}',", ("network", len(network.names) - 1)
    if len(shape) != y.ndim:
        one = "one class" if y.ndim == 1 else f"a class for each of {y.shape[1]} positions"
        hint = _way_to_classes(loaded, shape, y)
        raise loaded.error(where, f"{last} gives shape {shape} per example, and a target is {one}; {hint}")
    if shape[-1] != classes:
        outputs = f"{shape[-1]} output{'s' * (shape[-1] != 1)}" + (" per position" if y.ndim > 1 else "")
        has = f"data set '{data.name}' has {classes} classes: {_named(data)}"
        raise loaded.error(where, f"{last} gives {outputs}, and {has}")


def _way_to_classes(loaded: LoadedConfig, shape: tuple[int, ...], y: Any) -> str:
    """How outputs get as many axes as the classes `y` want."""
    if len(shape) < y.ndim:
        if shape == y.shape[1:] and np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all():
            return "each target has one 1 among zeros, so save the class itself, targets.argmax(axis=1)"
        return "let it give outputs for every position, (positions, classes)"
    if y.ndim == 2 or len(shape) != 2:
        return "put `- flatten` before a dense layer, or reduce the other axes, as global_average_pool does"
    with_sequences = [choice.name for choice in loaded.config.choices() if choice.options.get("sequences") is True]
    if with_sequences:
        return f"leave `sequences: true` out of the last {with_sequences[-1]}, or put `- last_position` after it"
    reduced = "or make one row of the positions with `- last_position` or `- mean_over_positions`"
    return f"put `- flatten` before a dense layer, {reduced}"


def _named(data: Prepared) -> str:
    """The classes, for a message, with the rows of each where a row has one."""
    names, rows, most = data.class_names, data.rows_of_class, 12
    listed = [repr(name) + (f" ({rows[i]})" if rows else "") for i, name in enumerate(names[:most])]
    if rows:
        listed[0] = f"{names[0]!r} ({rows[0]} row{'s' * (rows[0] != 1)})"
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(listed) + more


def _try_layers(loaded: LoadedConfig, network: Network, named: Mapping[str, Any], x: Any) -> Any:
    """The network's output for some rows; what goes wrong in a layer is an error at that layer."""
    try:
        return try_layers(network, named, x)
    except LayerError as error:
        raise loaded.error(_place(error), str(error)) from error


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
    from trainer.training.step import record_step

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
