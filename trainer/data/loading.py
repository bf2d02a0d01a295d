"""A data set by what a config says: the component that a plugin registered, or a path to a file or a folder."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.data.dataset import Dataset, Facts
from trainer.data.readers.registry import Formats
from trainer.errors import DataError
from trainer.limits import admits, expected
from trainer.plugins.manager import shared
from trainer.plugins.traits import DatasetTraits
from trainer.rng import generator
from trainer.wording import did_you_mean

if TYPE_CHECKING:
    from trainer.plugins.registry import Component

__all__ = ["facts_of", "load"]


def load(
    source: Component | str | os.PathLike[str], options: Mapping[str, object] | None = None, *, seed: int = 0
) -> Dataset:
    """The data set that a component makes or that a file or folder holds.

    source: a component, or a path to what a reader that is installed reads: `trainer list datasets` names them.
    options: what the component's function or the reader takes. A function with a parameter `rng` is given a generator
        of `seed`'s, so that generated data are a function of the seed.

    Raises DataError for an option that is not one or is of another type than its annotation says, for a path that is
    no data file, and whatever the source finds.
    """
    options = dict(options or {})
    if isinstance(source, str | os.PathLike):
        path, formats = Path(source), Formats(shared())
        what, source = os.fspath(source), formats.find(path).reads(path)
        others = {key: other.says(key) for key in options if (other := formats.whose_option(key, path))}
    else:
        what, others = f"data set {source.name!r}", {}
    _check_options(what, source, options, others)
    if "rng" in inspect.signature(source.target).parameters:
        options["rng"] = generator(seed, "dataset")
    dataset = source.target(**options)
    if not isinstance(dataset, Dataset):
        made = "a trainer.data.Dataset(name, inputs, targets, task, class_names)"
        raise DataError(f"{what} of {source.origin} must return {made}, not {type(dataset).__name__}")
    return dataset


def _check_options(what: str, source: Component, options: Mapping[str, object], others: Mapping[str, str]) -> None:
    parameters = {parameter.name: parameter for parameter in source.parameters}
    for name, value in options.items():
        if name not in parameters:
            there = f"it has {', '.join(parameters) or 'none'}"
            hint = others.get(name) or did_you_mean(name, parameters, there)
            raise DataError(f"{what} has no option {name!r}; {hint}", name)
        annotation = parameters[name].annotation
        if not admits(annotation, value) and (words := expected(annotation)):
            raise DataError(f"{what}: the option {name} is {words}, not {value!r}", name)


def facts_of(component: Component) -> Facts:
    """What can be said of a data set without loading it: its name, its summary, and the traits that it has."""
    traits = DatasetTraits.of(component)
    features = traits.features
    shape = (features,) if isinstance(features, int) else features
    return Facts(component.name, traits.rows, shape, traits.task, traits.classes, component.summary)
