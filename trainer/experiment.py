"""From a config to a Training: each name looked up, each part checked against its neighbours.

What a schema cannot know is found here, before any work starts, and reported at the line of the config that it comes
from: layers that do not fit, a cost that wants other targets than the data set has, outputs that do not match them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.data.dataset import Dataset
from trainer.data.load import load as load_dataset
from trainer.data.prepare import Prepared, prepare
from trainer.engine.verify import describe
from trainer.errors import DataError, OpError, ShapeError, UsageError
from trainer.nn.layers import Layer, OpLayer
from trainer.nn.network import LayerError, Network
from trainer.optimizers import Accumulate, Average, ClipNorm, ClipParameterNorm, ClipValue, Optimizer
from trainer.schedules import is_watching, over
from trainer.train import Training

if TYPE_CHECKING:
    from trainer.config import LoadedConfig
    from trainer.config.schema import Config

__all__ = ["LayerRow", "build", "layer_table", "load_data"]


def build(loaded: LoadedConfig, *, debug: bool = False) -> Training:
    """The Training that a config declares, at step 0; with `debug` it looks at every value of every step.

    Raises ConfigError, with the place in the file, for parts that do not fit together, and DataError for data that
    cannot be read.
    """
    config = loaded.config
    data = load_data(loaded)
    network = _network(loaded, data.input_shape)
    cost = config.cost.build()
    _check_cost(loaded, network, cost, data)
    metrics = _metrics(loaded, network, data)
    rows = len(data.train_inputs)
    batch_size = rows if config.batch_size == "all" else min(config.batch_size, rows)
    return Training(
        network=network,
        cost=cost,
        data=data,
        step_size=_step_size(loaded, data, metrics, math.ceil(rows / batch_size)),
        batch_size=batch_size,
        epochs=config.epochs,
        optimizer=_optimizer(config),
        metrics=metrics,
        seed=config.seed,
        dtype=np.dtype(config.compute.dtype),
        executor=config.compute.executor,
        places=(*(_line(loaded, "network", i) for i in range(len(network.layers))), _line(loaded, "cost")),
        debug=debug,
    )


def _optimizer(config: Config) -> Optimizer:
    """The optimizer with what goes around it: clipped gradients inside, then the average, then accumulation.

    So it is the mean of the batches' gradients that is clipped, and the average is one of updates.
    """
    optimizer: Optimizer = config.optimizer.build()
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
            test_fraction=settings.test_fraction,
            standardize=settings.standardize,
            one_hot=settings.one_hot,
            stratify=settings.stratify,
            dtype=np.dtype(config.compute.dtype),
            seed=config.seed,
        )
    except DataError as error:
        raise loaded.error(("dataset",), str(error)) from error


def _network(loaded: LoadedConfig, input_shape: tuple[int, ...]) -> Network:
    layers: list[Layer] = []
    for choice in loaded.config.network:
        component = choice.component
        layers.append(OpLayer(component.target, **choice.options) if component.kind == "ops" else choice.build())
    try:
        return Network(layers, input_shape, [choice.name for choice in loaded.config.network])
    except LayerError as error:
        raise loaded.error(("network", error.index), str(error)) from error


def _check_cost(loaded: LoadedConfig, network: Network, cost: Callable[[Any, Any], Any], data: Prepared) -> None:
    """Two rows through network and cost, forward and backward, so that what does not fit is found before the first
    step.

    A rule that is missing or wrong raises its own error here, before there is a run.
    """
    x, y = data.train_inputs[:2], data.train_targets[:2]
    theta = network.initial(loaded.config.seed, x.dtype)
    classes, outputs = len(data.class_names), network.output_shape[-1] if network.output_shape else 1
    last = f"the last layer, '{network.names[-1]}',"
    if y.ndim == 1 and y.dtype.kind == "i" and outputs != classes:
        raise loaded.error(
            ("network", len(network.names) - 1),
            f"{last} gives {outputs} output{'s' * (outputs != 1)}, and data set '{data.name}' has {classes} classes",
        )
    with np.errstate(all="ignore"):
        try:
            values = cost(network.predict(theta, x), y)
        except (ShapeError, OpError, ValueError, IndexError) as error:
            raise loaded.error(("cost",), f"{error}; {last} gives shape {network.output_shape} per example") from error
        if np.shape(values) != (len(x),):
            name, shape = loaded.config.cost.name, np.shape(values)
            raise loaded.error(
                ("cost",), f"cost '{name}' returned shape {shape} for {len(x)} examples; it must give one value each"
            )
        network.gradient(cost)(theta, x, y)


def _metrics(loaded: LoadedConfig, network: Network, data: Prepared) -> dict[str, Any]:
    """The metrics that the config lists; by default those that suit the cost, and accuracy for classes."""
    config = loaded.config
    if config.metrics is None:
        names = config.cost.component.traits.get("metrics", ())
        if data.task == "classification" and "accuracy" not in names:
            names = ("accuracy",)  # one-hot targets under a cost that is meant for numbers
        return {name: loaded.plugins.get("metrics", name).build() for name in names}
    chosen = {}
    predictions = network.predict(network.initial(config.seed, data.train_inputs.dtype), data.train_inputs[:2])
    for i, choice in enumerate(config.metrics):
        task = choice.component.traits.get("task", data.task)
        if task != data.task:
            raise loaded.error(
                ("metrics", i), f"metric '{choice.name}' is for {task}, and data set '{data.name}' is for {data.task}"
            )
        metric = chosen[choice.name] = choice.build()
        try:
            with np.errstate(all="ignore"):
                value = metric(predictions, data.train_targets[:2])
        except Exception as error:  # whatever a stranger's metric raises
            what = f"raised {type(error).__name__} on two rows: {error}"
            raise loaded.error(("metrics", i), f"metric '{choice.name}' {what}") from error
        if np.shape(value) != () or not isinstance(value, int | float | np.generic | np.ndarray):
            what = f"returned {describe(value)}; it must return a number"
            raise loaded.error(("metrics", i), f"metric '{choice.name}' {what}")
    return chosen


@dataclass(frozen=True)
class LayerRow:
    """One layer in numbers: the shape per example, how many parameters, and scalar operations per step."""

    name: str
    output_shape: tuple[int, ...]
    parameters: int
    forward: int
    backward: int


def layer_table(training: Training) -> list[LayerRow]:
    """Shapes, parameters and operations per step, read off a recorded step of each layer on one full batch.

    The rules are recorded too, so the backward count is of what the sweep runs, not an estimate.
    """
    from trainer.engine.tape import tape
    from trainer.engine.tensor import Tensor
    from trainer.engine.tree import leaves
    from trainer.transforms import vjp

    network, rows = training.network, []
    parameters = network.views(training.theta)
    x: Any = np.ones((training.batch_size, *network.input_shape), training.theta.dtype)
    for i, layer in enumerate(network.layers):
        inputs = [parameters[i]] if i == 0 else [parameters[i], x]  # nobody wants the gradient of the data

        def apply(own: Any, *rest: Any, layer: Layer = layer, x: Any = x) -> Any:
            return layer.apply(own, rest[0] if rest else Tensor(x))  # a Tensor, for its shape to be on the record

        with np.errstate(all="ignore"):
            y = layer.apply(parameters[i], x)
            forward = tape(layer.apply({k: Tensor(v) for k, v in parameters[i].items()}, Tensor(x))).operations()
            _, pullback = vjp(apply, *inputs)
            gradients = [g for g in leaves(list(pullback(Tensor(np.ones_like(y))))) if isinstance(g, Tensor)]
        size = sum(v.size for v in parameters[i].values())
        rows.append(LayerRow(network.names[i], network.shapes[i], size, forward, _operations(gradients)))
        x = y
    return rows


def _operations(results: list[Any]) -> int:
    """Scalar operations of everything that led to any of these Tensors, each counted once."""
    from trainer.engine.node import Node
    from trainer.engine.tape import tape

    seen: set[Node] = set()
    total = 0
    for result in results:
        record = tape(result)
        total += record.operations(without=seen)
        seen.update(record)
    return total
