"""A data set by what a config says: the component that a plugin registered, or a path to a file or a folder."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.data.dataset import Dataset, Facts, Task
from trainer.data.readers.array_file import read_npy, read_npz
from trainer.data.readers.csv_file import read_csv
from trainer.data.readers.image_folder import read_images
from trainer.data.readers.mapped import ARRAYS, read_array_folder
from trainer.data.readers.text_file import read_text
from trainer.errors import DataError
from trainer.rng import generator
from trainer.wording import did_you_mean, nearest

if TYPE_CHECKING:
    from trainer.plugins.registry import Component

__all__ = ["FILES", "READERS", "describe", "load", "read_folder", "reader"]

READERS: Mapping[str, Callable[..., Dataset]] = {
    ".csv": read_csv,
    ".npz": read_npz,
    ".npy": read_npy,
    ".txt": read_text,
}

# Every kind of file and folder by the name that a list calls it, with an example and what reads it.
FILES: Mapping[str, tuple[str, Callable[..., Dataset]]] = {
    "csv": ("flowers.csv", read_csv),
    "npz": ("clouds.npz", read_npz),
    "npy": ("table.npy", read_npy),
    "text": ("poems.txt", read_text),
    "images": ("animals/", read_images),
    "mapped": ("arrays/", read_array_folder),
}


def read_folder(
    path: str | os.PathLike[str],
    *,
    size: tuple[int, int] | None = None,
    grey: bool | None = None,
    task: Task | None = None,
    mapped: bool | None = None,
) -> Dataset:
    """The data set of a folder: arrays, if it holds inputs.npy or targets.npy, otherwise images.

    size, grey: of images, see `read_images`. task, mapped: of arrays, see `read_array_folder`.

    Raises DataError for an option of the other kind, and whatever the two readers find.
    """
    if any(os.path.exists(os.path.join(path, name)) for name in ARRAYS):
        _refuse(path, "arrays", "images", size=size, grey=grey)
        return read_array_folder(path, task=task, mapped=mapped is not False)
    _refuse(path, "images", "arrays", task=task, mapped=mapped)
    return read_images(path, size=size, grey=grey)


def _refuse(path: str | os.PathLike[str], kind: str, other: str, **options: object) -> None:
    for name, value in options.items():
        if value is not None:
            raise DataError(f"{os.fspath(path)} is a folder of {kind}, and {name} is an option of {other}", name)


def _is_name(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _are_names(value: object) -> bool:
    return _is_name(value) or (isinstance(value, list) and all(map(_is_name, value)))


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_size(value: object) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and all(map(_is_whole, value))


# A component's options are checked against its own annotations when the config is read; a file's are known only here.
FILE_OPTIONS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "target": (_are_names, "the name or the index of a column"),
    "targets": (lambda value: isinstance(value, str), "the name of a file"),
    "task": (lambda value: isinstance(value, str), "'classification' or 'regression'"),
    "header": (lambda value: isinstance(value, bool), "true or false"),
    "delimiter": (lambda value: isinstance(value, str), "one character, such as ',' or ';'"),
    "categorical": (_are_names, "a list of columns, or auto"),
    "encode": (lambda value: isinstance(value, str), "'one_hot' or 'index'"),
    "group": (_is_name, "the name or the index of a column"),
    "weight": (_is_name, "the name or the index of a column"),
    "ignore": (_are_names, "a list of columns"),
    "missing": (lambda value: isinstance(value, str), "'error' or 'allow'"),
    "mapped": (lambda value: isinstance(value, bool), "true or false"),
    "size": (_is_size, "a height and a width, such as [28, 28]"),
    "grey": (lambda value: isinstance(value, bool), "true or false"),
    "unit": (lambda value: isinstance(value, str), "'characters' or 'bytes'"),
    "length": (_is_whole, "a whole number"),
    "stride": (_is_whole, "a whole number"),
}


def load(
    source: Component | str | os.PathLike[str], options: Mapping[str, Any] | None = None, *, seed: int = 0
) -> Dataset:
    """The data set that a component makes or that a file holds.

    options: what the component's function takes, or what reads the file or the folder: `read_csv`, `read_npz`,
        `read_npy`, `read_text`, `read_folder`. A function with a parameter `rng` is given a generator of `seed`'s, so
        that generated data are a function of the seed.

    Raises DataError for an option that is not one, a path that is no data file, and whatever the source finds.
    """
    options = dict(options or {})
    if isinstance(source, str | os.PathLike):
        function, what = reader(Path(source)), os.fspath(source)
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
        made = "a trainer.data.Dataset(name, inputs, targets, task, class_names)"
        raise DataError(f"{what} of {source.origin} must return {made}, not {type(dataset).__name__}")
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


def reader(path: Path) -> Callable[..., Dataset]:
    """What reads a path that exists: by its suffix, or as a folder. Raises DataError where nothing does."""
    if os.path.isdir(path):
        return read_folder
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
        fits, meaning = FILE_OPTIONS[name]
        if value is not None and not fits(value):
            raise DataError(f"{path}: the option {name} is {meaning}, not {value!r}", name)


def _check_options(what: str, options: Mapping[str, Any], accepted: list[str]) -> None:
    for name in options:
        if name not in accepted:
            hint = did_you_mean(name, accepted, f"it has {', '.join(accepted) or 'none'}")
            raise DataError(f"{what} has no option {name!r}; {hint}", name)
