"""Parts of a data set that stand in files or folders of their own: which rows are validated and tested, files say.

    dataset: {path: train.csv, test_path: test.csv}
    dataset: photos/                                    with photos/train, photos/val and photos/test in it

The rows of the training file say what a column, a category and a class is; the others are read by their names, as rows
to predict are, and what no training row had is refused at its row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from trainer.data.dataset import Dataset, numbers_of
from trainer.data.packed import packed
from trainer.data.pages import joined
from trainer.data.readers.image_folder import visible
from trainer.data.readers.registry import Formats
from trainer.data.readers.text_file import LENGTH, OPTIONS, read_text, recoded
from trainer.data.spec import InputSpec, TargetSpec
from trainer.errors import DataError
from trainer.types import Array

__all__ = ["GIVEN", "PartName", "parts_in", "with_parts"]

PartName = Literal["validation", "test"]
GIVEN: Mapping[PartName, int] = {
    "validation": 1,
    "test": 2,
}  # what `Dataset.given` has for their rows; 0 for the others
NAMES: Mapping[str, str] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}


def parts_in(path: Path) -> dict[str, Path]:
    """The parts "train", "validation" and "test" of a folder that holds nothing else; empty for any other path.

    Each is a folder of folders, or a file, called after it: photos/train/ and photos/test/, or train.csv and val.csv.
    """
    if not path.is_dir():
        return {}
    entries = visible(path)
    parts = {
        NAMES.get(entry.name.lower().partition(".")[0] if entry.is_file() else entry.name.lower(), ""): entry
        for entry in entries
    }
    if "" in parts or len(parts) < len(entries) or "train" not in parts or len(parts) < 2:
        return {}
    whole = all(entry.is_file() or any(each.is_dir() for each in visible(entry)) for entry in entries)
    return parts if whole else {}


def with_parts(
    dataset: Dataset,
    files: Mapping[PartName, Path],
    reading: Mapping[str, Any],
    formats: Formats | None = None,
    consumed: bool = False,
) -> tuple[Dataset, tuple[str, ...]]:
    """The data set with the rows of these files behind its own, and what a person should know of how they were read.

    Args:
        reading: the `dataset:` of a config, by which the training file was read.
        formats: those of plugins among them.
        consumed: whether nobody wants the data set any more, so that its inputs are given back.

    Raises DataError, with the file and the row, for rows that are not as those of training are.
    """
    if dataset.mapped:
        named = [f"{part}_path" for part in files]
        what = f"data set {dataset.name!r} is read from disk while it trains, so its test is its last rows"
        raise DataError(f"{what}: leave {' and '.join(named)} out", named[0] if named[0] in reading else "path")
    inputs, targets, part, remarks = [dataset.inputs], [dataset.targets], [np.zeros(dataset.rows, np.int64)], []
    for name, path in files.items():
        try:
            x, y, told = _rows(dataset, path, reading, formats)
        except DataError as error:
            raise DataError(str(error), f"{name}_path" if f"{name}_path" in reading else "path") from error
        inputs.append(x)
        targets.append(y)
        part.append(np.full(len(x), GIVEN[name]))
        remarks += [f"{path.name}: {text}" for text in told]
    rows, (inputs, divisor) = sum(map(len, inputs[1:])), _alike(dataset, inputs)
    whole = replace(
        dataset,
        inputs=joined(inputs) if consumed else np.concatenate(inputs),
        divisor=divisor,
        targets=np.concatenate(targets),
        groups=None if dataset.groups is None else np.concatenate([dataset.groups, np.full(rows, -1)]),
        weights=None if dataset.weights is None else np.concatenate([dataset.weights, np.ones(rows)]),
        has_missing=dataset.has_missing or reading.get("missing") == "allow",
        given=np.concatenate(part),
    )
    return whole, tuple(remarks)


def _rows(
    dataset: Dataset, path: Path, reading: Mapping[str, Any], formats: Formats | None
) -> tuple[Array, Array, tuple[str, ...]]:
    """Inputs and targets of the rows of one file, and what is to be said of them."""
    if path.suffix.lower() == ".txt":
        options = {"length": LENGTH} | {key: reading[key] for key in OPTIONS if reading.get(key) is not None}
        return (*recoded(read_text(path, **options), dataset.class_names, str(path)), ())
    from trainer.data.rows import open_rows  # which only such a data set needs
    from trainer.data.rows.targets import read_targets

    spec = InputSpec.of(dataset)
    spec = replace(spec, has_missing=spec.has_missing or reading.get("missing") == "allow")
    known = [*dataset.target_names, *_roles(reading)]
    stream = open_rows(path, spec, reading, known, formats=formats)
    files: list[str] = []
    pieces: list[Array] = []
    for block in stream.blocks:
        files += block.files
        pieces.append(_kept(dataset, block.values))
    inputs = joined(_alike(dataset, pieces)[0])
    if reading.get("reconstruct"):
        return inputs, np.zeros((len(inputs), *dataset.targets.shape[1:]), dataset.targets.dtype), stream.remarks
    targets = read_targets(path, TargetSpec.of(dataset), reading, files, formats)
    if len(targets) != len(inputs):
        raise DataError(f"{path} has {len(inputs)} rows of inputs, and {len(targets)} of targets")
    return inputs, targets.reshape(len(targets), *dataset.targets.shape[1:]), stream.remarks


def _kept(dataset: Dataset, values: Array) -> Array:
    """Inputs in the type in which the data set keeps its own, where that says the same; otherwise float64 still."""
    dtype, divisor = dataset.inputs.dtype, dataset.divisor
    with np.errstate(over="ignore", invalid="ignore"):
        if dtype.names is not None:
            kept = packed(values, dtype)
        else:
            kept = (np.rint(values * divisor) if dtype.kind in "iu" else values).astype(dtype, copy=False)
    return kept if np.array_equal(numbers_of(kept, divisor), values, equal_nan=True) else values


def _alike(dataset: Dataset, pieces: list[Array]) -> tuple[list[Array], int]:
    """Inputs all kept as the data set keeps its own, or all float64 where some cannot be; and their divisor."""
    if all(x.dtype == dataset.inputs.dtype for x in pieces):
        return pieces, dataset.divisor
    return [x if x.dtype == np.float64 else numbers_of(x, dataset.divisor) for x in pieces], 1


def _roles(reading: Mapping[str, Any]) -> list[str]:
    """The columns that are no inputs, by their names."""
    given = [reading.get(role) for role in ("group", "weight", "ignore")]
    return [name for each in given for name in (each if isinstance(each, list) else [each]) if isinstance(name, str)]
