"""A data set by what a config says: the component that a plugin registered, or a path."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any

from trainer.data.array_file import read_npy, read_npz
from trainer.data.csv_file import read_csv
from trainer.data.dataset import Dataset, Facts
from trainer.errors import DataError, nearest
from trainer.rng import generator

if TYPE_CHECKING:
    from trainer.plugins.registry import Component

__all__ = ["READERS", "describe", "load"]

READERS: Mapping[str, Callable[..., Dataset]] = {".csv": read_csv, ".npz": read_npz, ".npy": read_npy}

# A component's options are checked against its own annotations when the config is read; a file's are known only here.
FILE_OPTIONS: Mapping[str, tuple[tuple[type, ...], str]] = {
    "target": ((str, int, NoneType), "the name or the index of a column"),
    "task": ((str, NoneType), "'classification' or 'regression'"),
    "header": ((bool, NoneType), "true or false"),
    "delimiter": ((str,), "one character, such as ',' or ';'"),
}


def load(
    source: Component | str | os.PathLike[str], options: Mapping[str, Any] | None = None, *, seed: int = 0
) -> Dataset:
    """The data set that a component makes or that a file holds.

    options: what the component's function, or `read_csv`, `read_npz` or `read_npy`, takes. A function with a parameter
        `rng` is given a generator of `seed`'s, so that generated data are a function of the seed.

    Raises DataError for an option that is not one, a path that is no data file, and whatever the source finds.
    """
    options = dict(options or {})
    if isinstance(source, str | os.PathLike):
        function, what = _reader(Path(source)), os.fspath(source)
    else:
        function, what = source.target, f"data set {source.name!r}"
    parameters = inspect.signature(function).parameters
    _check_options(what, options, [name for name in parameters if name not in ("path", "rng")])
    if isinstance(source, str | os.PathLike):
        _check_types(what, options)
        return function(source, **options)
    if "rng" in parameters:
        options["rng"] = generator(seed, "dataset")
    dataset = function(**options)
    if not isinstance(dataset, Dataset):
        raise DataError(f"{what} of {source.origin} must return a trainer.data.Dataset, not {type(dataset).__name__}")
    return dataset


def describe(component: Component) -> Facts:
    """What can be said of a data set without loading it: its name, its summary, and the traits it was registered with.

    Traits: `rows`, `features` (a number, or a shape), `task`, `classes`.
    """
    traits = component.traits
    features = traits.get("features")
    shape = (features,) if isinstance(features, int) else features
    return Facts(
        component.name, traits.get("rows"), shape, traits.get("task"), traits.get("classes"), component.summary
    )


def _reader(path: Path) -> Callable[..., Dataset]:
    if os.path.isdir(path):
        raise DataError(f"{path} is a folder, not a data file")
    if not os.path.exists(path):
        raise DataError(_why_missing(path))
    suffix = path.suffix.lower()
    if suffix not in READERS:
        raise DataError(f"{path} has the suffix {suffix!r}; a data file ends in {', '.join(READERS)}")
    return READERS[suffix]


def _why_missing(path: Path) -> str:
    folder = path.parent.absolute()
    try:
        near = nearest(path.name, os.listdir(folder))
    except OSError:
        return f"there is no data file {path.name}, because there is no folder {folder}"
    return f"there is no data file {path.name} in {folder}{f'; did you mean {near}?' if near else ''}"


def _check_types(path: str, options: Mapping[str, Any]) -> None:
    for name, value in options.items():
        types, meaning = FILE_OPTIONS[name]
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise DataError(f"{path}: the option {name} is {meaning}, not {value!r}")


def _check_options(what: str, options: Mapping[str, Any], accepted: list[str]) -> None:
    for name in options:
        if name not in accepted:
            near = nearest(name, accepted)
            hint = f"did you mean {near!r}?" if near else f"it has {', '.join(accepted) or 'none'}"
            raise DataError(f"{what} has no option {name!r}; {hint}")
