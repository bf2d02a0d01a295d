"""Which rows are for training and which for the test.

    stratified   drawn, each class in its share; the default for a classification of rows
    random       drawn, whatever their class
    grouped      drawn by whole groups, so that no group is in both parts
    ordered      the last rows are the test, as for what is predicted from the past

With `folds`, the rows are dealt into so many parts of equal size, and part `fold` is the test: over all folds every row
is tested once. Ordered folds grow instead, as scikit-learn's TimeSeriesSplit: the test of each is the block of rows
behind those that it trains on.

What was chosen by looking at some rows, such as the epoch to stop at, cannot be judged by the same rows. With
`validation_fraction` a third part is taken from the rows to train, in the same way: it chooses, and the test judges.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, get_args

import numpy as np

from trainer.data.dataset import Dataset
from trainer.errors import DataError
from trainer.rng import generator
from trainer.types import Array
from trainer.wording import count

__all__ = ["TEST_FRACTION", "Divided", "Split", "SplitName"]

SplitName = Literal["stratified", "random", "grouped", "ordered"]

TEST_FRACTION = 0.2


_DRAW = {"test": "split", "validation": "validation"}  # what a part is drawn for


class Divided(NamedTuple):
    """Indices of the rows of each part, ascending; together every row once, unless ordered folds leave some out."""

    train: Array
    validation: Array
    test: Array


class _Labels(NamedTuple):
    """Rows of a data set, and all of them that a split looks at."""

    dataset: Dataset
    targets: Array
    groups: Array | None
    part: Literal["test", "validation"]  # what is taken from them

    @property
    def rows(self) -> int:
        return len(self.targets)

    @property
    def called(self) -> str:
        """The rows, for a message."""
        left = "" if self.part == "test" else " left to train and validate on"
        return f"data set {self.dataset.name!r} has {count(self.rows, 'row')}{left}"

    @property
    def option(self) -> str:
        return f"{self.part}_fraction"


@dataclass(frozen=True)
class Split:
    """How the rows of a data set are divided.

    by: one of the four ways above; None: as suits the data set, see `resolved`.
    stratify: True and False are other words for "stratified" and "random".
    test_fraction: the test gets round(test_fraction · rows) rows, at least one unless it is 0 (None: 0.2); by groups
        as near to that as whole groups come. "stratified" draws each class's share of them from that class, and keeps
        a training row of every class.
    folds, fold: instead of a fraction, fold number `fold` (from 0, the default) of so many.
    validation_fraction: so much of what the test leaves is for validation, divided in the same way.

    Raises DataError when these contradict each other.

    >>> str(Split(by="ordered", folds=3, fold=1))
    'ordered, fold 1 of 3'
    """

    by: SplitName | None = None
    stratify: bool | None = None
    test_fraction: float | None = None
    folds: int | None = None
    fold: int | None = None
    validation_fraction: float = 0.0

    def __post_init__(self) -> None:
        self._check_ways()
        if self.folds is not None:
            self._check_folds(self.folds)
        elif self.fold is not None:
            raise DataError(
                f"fold {self.fold} is one of several, and there are no folds: add folds, as in folds: 5", "fold"
            )
        elif not 0 <= self.fraction < 1:
            raise DataError(
                f"test_fraction is at least 0 and less than 1, such as 0.2; it is {self.test_fraction}", "test_fraction"
            )
        if not 0 <= self.validation_fraction < 1:
            raise DataError(
                f"validation_fraction is at least 0 and less than 1, such as 0.2; it is {self.validation_fraction}",
                "validation_fraction",
            )

    def __str__(self) -> str:
        fold = f"fold {self.fold or 0} of {self.folds}" if self.folds else ""
        return ", ".join(filter(None, (self.wanted or "", fold)))

    @property
    def fraction(self) -> float:
        """Which part of the rows is the test, where there are no folds."""
        return TEST_FRACTION if self.test_fraction is None else self.test_fraction

    @property
    def wanted(self) -> SplitName | None:
        """The way that was asked for, in either of the two words."""
        return self.by if self.stratify is None else "stratified" if self.stratify else "random"

    def resolved(self, dataset: Dataset) -> Split:
        """The same, with its way said; DataError where the rows of the data set cannot be divided so.

        By default "grouped" where rows have groups, "ordered" for a mapped data set, "stratified" for one class per
        row, else "random".
        """
        _check_fits(self, dataset)
        by = self.wanted
        if dataset.mapped:
            by = "ordered"
        elif by is None and dataset.groups is not None:
            by = "grouped"
        elif by is None:
            by = "stratified" if dataset.task == "classification" and dataset.targets.ndim == 1 else "random"
        return replace(self, by=by, stratify=None)

    def divide(self, dataset: Dataset, seed: int = 0) -> Divided:
        """Indices of the rows of each part; a function of its arguments alone.

        Raises DataError when the split does not fit the data set, or training would be left without rows or a class.

        >>> x, y = np.array([[-2], [-1], [1], [2]]), np.array([0, 0, 1, 1])
        >>> data = Dataset("sign", x, y, "classification", ("-", "+"))
        >>> train, _, test = Split(test_fraction=0.5).divide(data)
        >>> data.targets[test].tolist()
        [0, 1]
        >>> data = Dataset("line", np.zeros((7, 1)), np.arange(7), "regression")
        >>> [part.tolist() for part in Split(by="ordered", folds=3, fold=1).divide(data)]
        [[0, 1, 2, 3, 4], [], [5]]
        """
        by = self.resolved(dataset).by
        assert by is not None
        if dataset.given is not None:
            return self._divide_given(dataset, dataset.given, by, seed)
        return self._drawn(_Labels(dataset, dataset.targets, dataset.groups, "test"), by, seed)

    def _divide_given(self, dataset: Dataset, given: Array, by: SplitName, seed: int) -> Divided:
        """Parts that stand in files of their own, and of the other rows those that are drawn."""
        own, validation, test = (np.flatnonzero(given == part) for part in range(3))
        groups = None if dataset.groups is None else dataset.groups[own]
        drawn = self._drawn(_Labels(dataset, dataset.targets[own], groups, "test"), by, seed)
        return Divided(own[drawn.train], *(
            np.concatenate([own[rows], others])
            for rows, others in ((drawn.validation, validation), (drawn.test, test))
        ))  # fmt: skip

    def _drawn(self, rows: _Labels, by: SplitName, seed: int) -> Divided:
        """Numbers within these rows."""
        dataset = rows.dataset
        if self.folds is None:
            train, test = _shared_out(rows, by, self.fraction, seed)
        else:
            _check_enough_rows(rows, by, self.folds)
            train, test = _fold(rows, by, self.folds, self.fold or 0, seed)
        validation = test[:0]
        if self.validation_fraction:
            if dataset.task == "classification":
                _check_every_class_is_trained(rows, train, by)
            groups = None if rows.groups is None else rows.groups[train]
            rest = _Labels(dataset, _targets(rows, train, by), groups, "validation")
            kept, taken = _shared_out(rest, by, self.validation_fraction, seed)
            train, validation = train[kept], train[taken]
        if dataset.task == "classification":
            _check_every_class_is_trained(rows, train, by)
        return Divided(train, validation, test)

    def _check_ways(self) -> None:
        if self.by is not None and self.stratify is not None:
            raise DataError(
                f"split: {self.by} and stratify: {str(self.stratify).lower()} both say how rows are divided: leave "
                f"stratify out",
                "stratify",
            )
        if self.by is not None and self.by not in get_args(SplitName):
            raise DataError(f"split is one of {', '.join(map(repr, get_args(SplitName)))}, not {self.by!r}", "split")

    def _check_folds(self, folds: int) -> None:
        if self.test_fraction is not None:
            raise DataError(
                f"test_fraction: {self.test_fraction} and folds: {folds} both say how large the test is: leave "
                f"test_fraction out",
                "test_fraction",
            )
        if folds < 2:
            raise DataError(f"folds is at least 2, such as 5; it is {folds}", "folds")
        if self.fold is not None and not 0 <= self.fold < folds:
            raise DataError(f"fold counts from 0: with folds: {folds} it is 0 to {folds - 1}, not {self.fold}", "fold")


def _check_fits(split: Split, dataset: Dataset) -> None:
    """DataError where the way that was asked for is none for this data set, at the word that asked for it."""
    option, word = ("split", "split: stratified") if split.stratify is None else ("stratify", "stratify")
    if split.wanted == "stratified" and dataset.task == "regression":
        raise DataError(
            f"{word} keeps the share of every class, and data set {dataset.name!r} is a regression, without classes: "
            f"leave {option} out",
            option,
        )
    if split.wanted == "stratified" and dataset.targets.ndim > 1:
        raise DataError(
            f"{word} keeps the share of every class, and data set {dataset.name!r} has a class for each of "
            f"{dataset.targets.shape[1]} positions of a row: "
            + ("use split: random" if option == "split" else "leave stratify out"),
            option,
        )
    if split.wanted == "grouped" and dataset.groups is None:
        raise DataError(
            f"split: grouped keeps the rows of a group together, and data set {dataset.name!r} has no groups: name the "
            f"column that tells them, as in group: patient, save them as an array called groups beside those of an "
            f".npz file, or leave split out",
            "split",
        )
    if dataset.mapped and split.wanted not in (None, "ordered"):
        raise DataError(
            f"data set {dataset.name!r} is read from disk while it trains, so its test is its last rows: write "
            f"split: ordered, and save the rows in an order that suits it",
            option,
        )


def _shared_out(rows: _Labels, by: SplitName, fraction: float, seed: int) -> tuple[Array, Array]:
    """The rows that stay and those that are taken, a fraction of them, as numbers within these rows."""
    is_taken = _taken(rows, by, _number_of_rows(rows, fraction), generator(seed, _DRAW[rows.part]))
    return np.flatnonzero(~is_taken), np.flatnonzero(is_taken)


def _number_of_rows(rows: _Labels, fraction: float) -> int:
    if fraction == 0:
        return 0
    number = max(1, round(fraction * rows.rows))
    if number == rows.rows:
        raise DataError(
            f"{rows.called}: {rows.option} {fraction} leaves none to train on; add rows, or use {rows.option}: 0",
            rows.option,
        )
    return number


def _taken(rows: _Labels, by: SplitName, number: int, rng: np.random.Generator) -> Array:
    """Which rows are taken, bool of shape (rows,)."""
    if by == "grouped" and number:
        return _draw_groups(rows, number, rng)
    taken = np.zeros(rows.rows, dtype=bool)
    if by == "ordered":
        taken[rows.rows - number :] = True
    elif by == "stratified":
        taken[_draw_from_each_class(rows, number, rng)] = True
    else:
        taken[rng.permutation(rows.rows)[:number]] = True
    return taken


def _draw_from_each_class(rows: _Labels, number: int, rng: np.random.Generator) -> Array:
    rows_of_class = np.bincount(rows.targets)
    if number > rows.rows - len(rows_of_class):
        raise DataError(
            f"data set {rows.dataset.name!r}: {number} of {rows.rows} rows for "
            f"{'the test' if rows.part == 'test' else 'validation'} leave {count(rows.rows - number, 'row')} to train "
            f"{len(rows_of_class)} classes, and every class needs one; use a smaller {rows.option}",
            rows.option,
        )
    quotas = _rows_per_class(rows_of_class, number)
    drawn = [rng.permutation(np.flatnonzero(rows.targets == c))[:quota] for c, quota in enumerate(quotas)]
    return np.concatenate(drawn)


def _rows_per_class(rows_of_class: Array, number: int) -> Array:
    """`number` shared out in proportion by the largest remainder, with a row of every class kept for training."""
    shares = number * rows_of_class / rows_of_class.sum()
    quotas: Array = np.minimum(np.floor(shares).astype(np.int64), rows_of_class - 1)
    for _ in range(number - int(quotas.sum())):
        remainders = np.where(quotas < rows_of_class - 1, shares - quotas, -np.inf)
        quotas[remainders.argmax()] += 1
    return quotas


def _draw_groups(labels: _Labels, number: int, rng: np.random.Generator) -> Array:
    """Groups in random order, each taken if that brings its rows nearer to `number`; one stays on each side."""
    sizes, group_of_row = _groups(labels, 2)
    taken, rows = np.zeros(len(sizes), dtype=bool), 0
    order = rng.permutation(len(sizes))
    for group in order[:-1]:
        if abs(rows + sizes[group] - number) < abs(rows - number):
            taken[group] = True
            rows += int(sizes[group])
    if not rows:
        taken[order[sizes[order].argmin()]] = True  # every group has more than twice the rows wanted
    return taken[group_of_row]


def _groups(labels: _Labels, at_least: int) -> tuple[Array, Array]:
    """The number of rows of each group, and each row's group counted from 0."""
    assert labels.groups is not None  # Split.resolved has seen to it
    _, group_of_row, sizes = np.unique(labels.groups, return_inverse=True, return_counts=True)
    if len(sizes) < at_least:
        left = "" if labels.part == "test" else " left to train and validate on"
        raise DataError(
            f"data set {labels.dataset.name!r} has {count(len(sizes), 'group')}{left}, and split: grouped needs at "
            f"least {at_least}, {'a group for each part' if at_least == 2 else 'one for each fold'}",
            "split" if labels.part == "test" else labels.option,
        )
    return sizes, group_of_row


def _check_enough_rows(labels: _Labels, by: SplitName, folds: int) -> None:
    needed = folds + (by == "ordered")
    if labels.rows < needed:
        first = ", and one more to begin with" if by == "ordered" else ""
        raise DataError(
            f"data set {labels.dataset.name!r} has {count(labels.rows, 'row')}, and folds: {folds} needs one for each "
            f"fold{first}: use fewer folds",
            "folds",
        )


def _fold(labels: _Labels, by: SplitName, folds: int, fold: int, seed: int) -> tuple[Array, Array]:
    if by == "ordered":
        size = labels.rows // (folds + 1)
        start = labels.rows - (folds - fold) * size
        return np.arange(start), np.arange(start, start + size)
    fold_of_row = _folds(labels, by, folds, generator(seed, "folds"))
    return np.flatnonzero(fold_of_row != fold), np.flatnonzero(fold_of_row == fold)


def _folds(labels: _Labels, by: SplitName, folds: int, rng: np.random.Generator) -> Array:
    """The fold in which each row is tested."""
    if by == "grouped":
        sizes, group_of_row = _groups(labels, folds)
        fold_of_group, rows = np.empty(len(sizes), dtype=np.int64), np.zeros(folds, dtype=np.int64)
        order = rng.permutation(len(sizes))
        for group in order[np.argsort(-sizes[order], kind="stable")]:  # the largest first, each to the smallest fold
            fold_of_group[group] = rows.argmin()
            rows[fold_of_group[group]] += sizes[group]
        return fold_of_group[group_of_row]
    order = rng.permutation(labels.rows)
    if by == "stratified":
        order = order[np.argsort(labels.targets[order], kind="stable")]  # class by class, then dealt like cards
    fold_of_row = np.empty(labels.rows, dtype=np.int64)
    fold_of_row[order] = np.arange(labels.rows) % folds
    return fold_of_row


def _targets(labels: _Labels, rows: Array, by: SplitName) -> Array:
    """Targets of rows for training: those of an ordered split are the first, and mapped ones stay where they are."""
    return labels.targets[: len(rows)] if by == "ordered" else labels.targets[rows]


def _check_every_class_is_trained(labels: _Labels, train: Array, by: SplitName) -> None:
    dataset = labels.dataset
    classes = len(dataset.class_names)
    if dataset.targets.ndim > 1 or dataset.some:
        return  # a vocabulary, of which any row holds a part; or such rows as there are just now
    trained = np.bincount(_targets(labels, train, by), minlength=classes)
    if not trained.all():
        missing = dataset.class_names[int(trained.argmin())]
        way_out = {
            "stratified": "use fewer folds than it has rows, or add rows of it",
            "random": "use split: stratified, another seed, or a smaller test",
            "grouped": "use another seed or fold, or a smaller test",
            "ordered": "use a smaller test, or split: stratified if time does not matter",
        }[by]
        if dataset.mapped:
            way_out = "save the rows in another order, or use a smaller test"
        raise DataError(
            f"data set {dataset.name!r}: with split: {by} no training row is of class {missing!r}, which could not be "
            f"learnt; {way_out}",
            "split",
        )
