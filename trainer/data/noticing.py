"""What a look at the rows finds that nobody may have meant: a line each, before anything is learnt."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from trainer.data.dataset import Dataset, in_blocks
from trainer.data.readers.spelling import mostly_different
from trainer.types import Array
from trainer.wording import count, in_yaml, listed

__all__ = ["noticed", "torn_groups"]

SHOWN = 4  # columns of a remark
ENOUGH = 20  # rows, below which chance looks like a rule
PIXELS = 64  # columns of whole numbers up to 255, from which on they are rather pixels than counts
IDENTITY = re.compile(
    r"(^|.*[_\s.-])(id|idx|index|key|uuid|nr|no|number|row|unnamed: \d+)|.*[a-z](Id|ID|Index|Key)", re.I
)


def noticed(dataset: Dataset, scaled: bool) -> Iterator[str]:
    """What a person should know of these rows; `scaled`: whether something is done to the inputs before training."""
    if dataset.mapped:
        return
    if dataset.task == "classification" and dataset.targets.ndim == 1:
        yield from _of_classes(dataset)
    if dataset.account is not None and dataset.rows >= ENOUGH:
        yield from _of_columns(dataset)
    if not scaled:
        yield from _of_pixels(dataset)


def torn_groups(dataset: Dataset, way: str, train: Array, others: Array) -> Iterator[str]:
    """A line where rows that belong together, such as windows that overlap, are trained on and measured with."""
    if dataset.groups is None or dataset.given is not None or dataset.mapped:  # mapped rows stay in order
        return
    torn = np.intersect1d(dataset.groups[train], dataset.groups[others])
    if len(torn):
        groups = count(len(np.unique(dataset.groups)), "group")
        yield (
            f"split: {way} puts rows of {len(torn):,} of {groups} into training and into the rows that it is measured "
            f"with, which are no new ones then; leave it out, or say split: grouped, and a group stays together"
        )


def _of_classes(dataset: Dataset) -> Iterator[str]:
    rows = np.bincount(dataset.targets, minlength=len(dataset.class_names))
    single = [repr(name) for name, n in zip(dataset.class_names, rows, strict=True) if n == 1]
    if single and dataset.rows >= ENOUGH:
        one = len(single) == 1
        which = f"class {single[0]} has" if one else f"{len(single)} classes have"
        told = "; is that line one of names?" if one else f": {listed(single, SHOWN)}"
        yield f"{which} a single row, so {'it' if one else 'they'} cannot be learnt and measured{told}"
    if "-1" in dataset.class_names and len(dataset.class_names) > 2:
        these = count(int(rows[dataset.class_names.index("-1")]), "row")
        others = len(dataset.class_names) - 1
        yield f"'-1' is a class like the {others} others ({these}); if it marks rows without a class leave these out"


def _of_columns(dataset: Dataset) -> Iterator[str]:
    """Columns of a table that tell nothing, or too much."""
    inputs, named = dataset.inputs, dataset.feature_names
    names = named or tuple(map(str, range(inputs.shape[1])))
    made = {f"{name}={text}" for name, texts in dataset.categories.items() for text in texts}
    made |= {f"{name}.{part}" for name, dates in dataset.dates.items() for part in dates.parts}
    plain = [j for j, name in enumerate(names) if name not in made and name not in dataset.categories]
    alike = (inputs[:ENOUGH] == inputs[0]).all(axis=0)  # most columns are done with after a few rows
    constant = [j for j in plain if alike[j] and (inputs[:, j] == inputs[0, j]).all()]
    if constant:
        told = listed([repr(names[j]) for j in constant], SHOWN)
        have = "a column has" if len(constant) == 1 else f"{len(constant)} columns have"
        yield f"{have} the same number in every row, of which nothing can be learnt: {told}; ignore leaves columns out"
    for j in plain:
        if _is_identity(inputs[:, j], names[j]):
            yield (
                f"column {names[j]!r} has another whole number in every row, as an identity has, and is learnt like a "
                f"measure; ignore: [{in_yaml(names[j])}] leaves it out"
            )
    for name, texts in dataset.categories.items():
        if mostly_different(len(texts), dataset.rows):
            yield (
                f"column {name!r} has {len(texts):,} categories in {count(dataset.rows, 'row')}, so what is learnt of "
                f"one is of no use for another; ignore: [{in_yaml(name)}] leaves it out"
            )


def _is_identity(values: Array, name: str) -> bool:
    """Whether whole numbers, no two of them equal, are called as an identity is, or count the rows."""
    for some in (values[:ENOUGH], values):  # most columns are done with after a few rows
        if not np.isfinite(some).all() or (some != np.floor(some)).any() or len(np.unique(some)) < len(some):
            return False
    return IDENTITY.fullmatch(name) is not None or float(values.max()) - float(values.min()) == len(values) - 1


def _of_pixels(dataset: Dataset) -> Iterator[str]:
    inputs = dataset.inputs
    if dataset.parts or dataset.divisor != 1:
        return
    if inputs.ndim == 2 and (inputs.shape[1] < PIXELS or dataset.categories):
        return
    low, high = float(inputs.min()), float(inputs.max())
    if low < 0 or not 128 <= high <= 255 or dataset.targets.ndim > 1:
        return
    if inputs.dtype.kind != "f" or all((some == np.floor(some)).all() for some in in_blocks(inputs)):
        yield (
            f"inputs are whole numbers from {low:g} to {high:g}, as pixels of 8 bits are, and nothing scales them: say "
            f"standardize: true, or preprocess: [min_max_scaler]"
        )
