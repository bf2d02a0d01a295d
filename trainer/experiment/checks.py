"""What a schema cannot know, found before any work starts, and reported at the line of the config that it comes from.

Layers that do not fit, a cost that wants other targets than the data set has, outputs that do not match them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from traceback import walk_tb
from typing import TYPE_CHECKING

import numpy as np

from trainer.data.dataset import Dataset
from trainer.data.prepared import Prepared
from trainer.errors import ConfigError, EntryError, OpError, ShapeError, UsageError
from trainer.experiment.entries import try_entries
from trainer.nn.contract import says
from trainer.nn.network import LayerError, Network, matching
from trainer.nn.several import Several
from trainer.nn.trial import try_layers
from trainer.plugins.faults import at_fault
from trainer.plugins.traits import CostTraits
from trainer.training.objective import Objective
from trainer.types import Array, CostFunction, Numeric
from trainer.wording import described, source_of

if TYPE_CHECKING:
    from trainer.config import LoadedConfig

__all__ = [
    "at_layers", "check_choices", "check_declared", "check_differences", "check_patterns", "check_scalable", "try_rows",
]  # fmt: skip

MOST_CLASSES = 12  # that a message lists


@contextmanager
def at_layers(loaded: LoadedConfig) -> Iterator[None]:
    """Turn a LayerError into a ConfigError where the layer stands: in the network, or in a sub-network with a name."""
    try:
        yield
    except LayerError as error:
        path = error.path
        named = len(path) - path[::-1].index("@") if "@" in path else 0  # where the last sub-network's path begins
        raise loaded.error(("networks" if named else "network", *path[named:]), str(error)) from error


def check_declared(loaded: LoadedConfig, dataset: Dataset) -> None:
    """A cost of a plugin's that does not say what its targets are takes numbers: a data set of classes has none."""
    cost, settings = loaded.config.cost, loaded.config.dataset
    declared = CostTraits.of(cost.component).targets is not None or settings.one_hot or settings.reconstruct
    if dataset.task == "classification" and not declared:
        what = f"cost '{cost.name}' of {cost.component.origin} is registered for numbers"
        hint = f'register({cost.name}, targets="classes") if it takes class indices; one_hot: true under dataset if it'
        raise loaded.error(
            ("cost",), f"{what}, and data set '{dataset.name}' is a classification: {hint} takes a number per class"
        )


def check_scalable(loaded: LoadedConfig) -> None:
    """Standardised targets are for a cost of outputs that are values like them."""
    cost = loaded.config.cost
    traits = CostTraits.of(cost.component)
    plain = traits.targets in (None, "values") and traits.link is None and traits.outputs is None
    if loaded.config.dataset.standardize_targets and (not plain or cost.component.target is Several):
        raise _unscalable(loaded)


def check_differences(loaded: LoadedConfig, network: Network, cost: CostFunction, data: Prepared) -> None:
    """A cost that changes where outputs and targets are moved alike is another one for standardised targets."""
    width, shape = data.train.targets.shape[1:], network.output_shape
    if width != (1,) and shape != width:
        raise loaded.error(
            ("network", len(network.names) - 1),
            f"{_last(network)} gives shape {shape} per example, and there are {width[0]} targets, each with a scale of "
            f"its own: give one output for each, or leave standardize_targets out",
        )
    p, t = (np.linspace(-1.3, 1.9, 2 * math.prod(s)).reshape(2, *s)[::way] for s, way in ((shape, 1), (width, -1)))
    with np.errstate(all="ignore"), loaded.at("cost"):
        here, there = (np.asarray(_tried(cost, p + move, t + move, network)) for move in (0.0, 2.0))
    if not np.allclose(here, there, rtol=1e-6, atol=1e-9):
        raise _unscalable(loaded)


def _unscalable(loaded: LoadedConfig) -> ConfigError:
    name = loaded.config.cost.name
    return loaded.error(
        ("dataset", "standardize_targets"),
        f"{name} is no cost of the differences between outputs and targets alone, and would be another one of "
        f"standardized targets: leave standardize_targets out, or use one such as mean_squared_error",
    )


def check_patterns(loaded: LoadedConfig, section: str, patterns: Sequence[str], names: Sequence[str]) -> None:
    """Each pattern of parameters' names has to match one."""
    for i, pattern in enumerate(patterns):
        with loaded.at(section, i, "parameters") if section == "penalty" else loaded.at(section, i):
            matching([pattern], names)


def check_choices(loaded: LoadedConfig, network: Network, data: Prepared) -> None:
    """What two sections say that does not go together; components tell by a class attribute or a trait."""
    config = loaded.config
    for choice in config.choices():
        if says(choice.component.target, "reads_padding") and data.scaling is not None:
            raise loaded.error(
                ("dataset", "standardize"),
                f"{choice.name} tells padding by its value, and standardize changes it: leave standardize out, and "
                f"scale the sequences before they are padded",
            )
    for layer, name, shape in zip(network.layers, network.names, network.shapes, strict=True):
        if says(layer, "needs_rows") and len(shape) == 1 and 1 in (config.batch_size, len(data.train)):
            one = "batch_size: 1 gives it one" if config.batch_size == 1 else "there is one row to train"
            raise loaded.error(("batch_size",), f"{name} compares the rows of a batch, and {one}; use more")
    last, cost = config.network[-1], config.cost
    if last.name in CostTraits.of(cost.component).applies:
        raise loaded.error(
            ("network", len(config.network) - 1),
            f"{cost.name} applies {last.name} itself and takes the outputs as they are; leave '- {last.name}' out",
        )


def try_rows(
    loaded: LoadedConfig,
    network: Network,
    values: Mapping[str, Array] | None,
    cost: CostFunction,
    data: Prepared,
) -> Array:
    """Two rows through network and cost, forward and backward, at the initial values; returns the predictions.

    So what does not fit is found before the first step, and a rule that is missing or wrong raises its own error
    before there is a run. Without values the layers are believed what shapes they give, and the cost is tried on zeros.
    """
    config, x, y = loaded.config, data.train.inputs[:2], data.train.targets[:2]
    if isinstance(cost, Several):
        with loaded.at("cost"):
            cost.check(np.concatenate([rows.targets for rows in data.divided.values()]))
    if CostTraits.of(config.cost.component).outputs != "embeddings":  # then there is one output per class
        _check_classes(loaded, network, data)
    with np.errstate(all="ignore"):
        predictions = np.zeros((len(x), *network.output_shape), config.compute.dtype)
        if values is not None:
            predictions = _predictions(loaded, network, values, data, x)
        with _at_place(loaded, network), loaded.at("cost"):
            costs = _tried(cost, predictions, y, network)
            if np.shape(costs) != (len(x),):
                what = f"cost '{config.cost.name}' returned shape {np.shape(costs)} for {len(x)} examples"
                raise UsageError(f"{what}; it must give one value each")
        if values is not None:
            learnt = {part.name: values[part.name] for part in network.parts}
            beside = {name: value for name, value in values.items() if name not in learnt}
            with _at_place(loaded, network):
                Objective(network, cost).gradients(learnt, (x, y), beside, np.int64(0))
    return predictions


def _predictions(
    loaded: LoadedConfig, network: Network, values: Mapping[str, Array], data: Prepared, x: Array
) -> Array:
    """What the layers make of some rows; of numbers that are looked up, all are looked at."""
    with at_layers(loaded):
        try:
            predictions = try_layers(network, values, x)
        except LayerError as error:
            if isinstance(error.__cause__, EntryError):
                try_entries(network, values, data)  # which knows the row
            raise
        if any(says(choice.component.target, "looks_up") for choice in loaded.config.choices()):
            try_entries(network, values, data)
    return predictions


@contextmanager
def _at_place(loaded: LoadedConfig, network: Network) -> Iterator[None]:
    """What a layer or a cost of a stranger's raises as it meets Tensors is a ConfigError where it stands."""
    try:
        yield
    except Exception as error:
        component = at_fault(error, loaded.plugins)
        if component is None:
            raise
        frames = [frame for frame, _ in walk_tb(error.__traceback__)]
        met = [i for f in frames for i, layer in enumerate(network.layers) if f.f_locals.get("self") is layer]
        told = described(error, source_of(component.target))
        if component.kind == "costs":
            raise loaded.error(("cost",), f"cost '{component.name}': {told}") from error
        if not met:
            raise
        raise loaded.error(("network", met[-1]), f"layer {met[-1]} ({network.names[met[-1]]}): {told}") from error


def _tried(cost: CostFunction, predictions: Array, targets: Array, network: Network) -> Numeric:
    """What a cost gives; whatever it cannot take is a ShapeError that names the layer it comes from."""
    try:
        return cost(predictions, targets)
    except (ShapeError, OpError, ValueError, IndexError) as error:
        raise ShapeError(f"{error}; {_last(network)} gives shape {network.output_shape} per example") from error


def _check_classes(loaded: LoadedConfig, network: Network, data: Prepared) -> None:
    """Class numbers, one per example or per position, want as many outputs as there are classes."""
    y, shape, classes = data.train.targets, network.output_shape, len(data.class_names)
    if y.dtype.kind != "i":
        return
    where = ("network", len(network.names) - 1)
    if len(shape) != y.ndim:
        one = "one class" if y.ndim == 1 else f"a class for each of {y.shape[1]} positions"
        what = f"{_last(network)} gives shape {shape} per example, and a target is {one}"
        raise loaded.error(where, f"{what}; {_way_to_classes(loaded, shape, y)}")
    if shape[-1] != classes:
        outputs = f"{shape[-1]} output{'s' * (shape[-1] != 1)}" + (" per position" if y.ndim > 1 else "")
        has = f"data set '{data.name}' has {classes} classes: {_named(data)}"
        raise loaded.error(where, f"{_last(network)} gives {outputs}, and {has}")


def _last(network: Network) -> str:
    return f"the last layer, '{network.names[-1]}',"


def _way_to_classes(loaded: LoadedConfig, shape: tuple[int, ...], y: Array) -> str:
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
    names, rows = data.class_names, data.rows_of_class
    listed = [repr(name) + (f" ({rows[i]})" if rows else "") for i, name in enumerate(names[:MOST_CLASSES])]
    if rows:
        listed[0] = f"{names[0]!r} ({rows[0]} row{'s' * (rows[0] != 1)})"
    more = f" and {len(names) - MOST_CLASSES} more" if len(names) > MOST_CLASSES else ""
    return ", ".join(listed) + more
