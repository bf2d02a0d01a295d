"""From a data set to the arrays that the loop reads: encoded, split, scaled, cast.

Training only gathers rows from what is made here, so the arrays are C-contiguous, of the network's dtype, and no view
of the data set. Only of a mapped data set are they views, of the file: its rows are read when they are gathered.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from trainer.data.account import Account
from trainer.data.balance import ClassWeights, Resampling, check_balance, resampled, row_weights
from trainer.data.dataset import Dataset, Task
from trainer.data.gathering import Gathered, gathered
from trainer.data.noticing import noticed, torn_groups
from trainer.data.preprocessing.pipeline import Preprocessing
from trainer.data.preprocessing.scaling import Scaling
from trainer.data.shuffling import rows_per_block
from trainer.data.spec import InputSpec, TargetSpec
from trainer.data.split import Split
from trainer.data.target_scaling import fit_targets, with_targets
from trainer.errors import DataError, Hint
from trainer.types import Array

if TYPE_CHECKING:
    from trainer.data.preprocessing.transformers import Preprocessor

__all__ = ["Fitted", "Part", "Prepared", "Rows", "TargetKind", "encoded_classes", "encoded_labels", "prepare"]

Part = Literal["train", "validation", "test"]
TargetKind = Literal["classes", "binary", "signs", "values"]
Fitted = tuple[Scaling | None, Preprocessing | None, Scaling | None]  # of inputs, of inputs, of targets

LABELS = ("binary", "signs")  # kinds of targets of which a row may have several, each of two classes
SCALABLE = 1e150  # numbers below it have squares that can be added up
MOST_CLASSES = 20  # whole numbers, of which so few occur, are taken for classes in a message
WANTED = {
    "classes": "class indices",
    "binary": "two classes, as 0 and 1",
    "signs": "two classes, as -1 and +1",
    "values": "numbers",
}


@dataclass(frozen=True, eq=False, repr=False)
class Rows:
    """Some rows of a data set as a network reads them; `rows[:10]` are the first ten of them.

    inputs: shape (rows, *input_shape), of the dtype asked for.
    targets: encoded as the cost wants them, see `prepare`.
    indices: where these rows are in the data set; rows that were resampled may come repeatedly.
    weights: how much each row counts in the loss of a step, shape (rows,), of mean 1; None: all alike.
    """

    inputs: Array
    targets: Array
    indices: Array
    weights: Array | None = None

    @classmethod
    def numbered(cls, inputs: Array, targets: Array) -> Rows:
        """All rows of a data set that are these inputs and targets and nothing more."""
        return cls(inputs, targets, np.arange(len(inputs)))

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, which: slice) -> Rows:
        return Rows(*(array[which] for array in (self.inputs, self.targets, self.indices, *self.arrays[2:])))

    def __repr__(self) -> str:
        return f"{len(self)} rows, inputs {self.inputs.shape[1:]}, {self.inputs.dtype}"

    @property
    def arrays(self) -> tuple[Array, ...]:
        """What a batch is gathered from: inputs, targets, and weights if there are."""
        return (self.inputs, self.targets) if self.weights is None else (self.inputs, self.targets, self.weights)


NO_ROWS = Rows.numbered(np.empty((0, 0)), np.empty(0))


@dataclass(frozen=True, eq=False, repr=False)
class Prepared:
    """A data set ready for training.

    train, test: the rows that are trained on, and those that training never sees: none when `test_fraction` is 0.
        Only those of `train` have weights.
    validation: the rows that choose, such as the epoch to stop at, where there are such rows.
    scaling, preprocessing: what was fitted on the training rows and applied to all, or None; one of the two at most.
    feature_names, parts: those of the data set; after preprocessing the names of the columns that it made.
    split: how the rows were divided, its way said.
    mapped: whether the arrays are on disk; then a loop shuffles them `block` rows at a time.
    remarks: what a person should know of how they came about.
    takes, gives: what a row's inputs were before anything was done to them, and what its targets mean.
    account: how the file was understood, where it was a table.
    labels: whether the targets are several of 0 and 1 in a row, which the cost takes for as many answers of yes or no.
    target_scaling, unscaled: what was applied to the targets, and the same data with them as they were before, or None.
    """

    name: str
    task: Task
    class_names: tuple[str, ...]
    train: Rows
    test: Rows
    scaling: Scaling | None = None
    feature_names: tuple[str, ...] = ()
    parts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    preprocessing: Preprocessing | None = None
    split: Split = field(default_factory=Split)
    mapped: bool = False
    remarks: tuple[str, ...] = ()
    validation: Rows = NO_ROWS
    takes: InputSpec | None = None
    gives: TargetSpec | None = None
    account: Account | None = None
    labels: bool = False
    target_scaling: Scaling | None = None
    unscaled: Prepared | None = None

    @property
    def divided(self) -> dict[Part, Rows]:
        """The rows of each part that has any, in the order in which they are told."""
        parts: dict[Part, Rows] = {"train": self.train, "validation": self.validation, "test": self.test}
        return {part: rows for part, rows in parts.items() if len(rows)}

    @property
    def watched(self) -> tuple[Part, ...]:
        """The parts that are measured after every epoch: the test is not where other rows are there to choose by."""
        return tuple(part for part in self.divided if part != "test" or not len(self.validation))

    @property
    def block(self) -> int | None:
        """How many neighbouring rows `trainer.data.shuffling.batch_order` moves together; None: rows move freely."""
        return rows_per_block(self.train.inputs[0]) if self.mapped else None

    def __repr__(self) -> str:
        return f"Prepared {self.name!r}: {self.told}, inputs {self.input_shape}, {self.train.inputs.dtype}"

    @property
    def told(self) -> str:
        """How many rows each part has, in words."""
        validate = f"{len(self.validation):,} to validate, " if len(self.validation) else ""
        return f"{len(self.train):,} rows to train, {validate}{len(self.test):,} to test"

    @property
    def rows(self) -> int:
        """The rows of all parts together."""
        return sum(map(len, self.divided.values()))

    @property
    def rows_of_class(self) -> tuple[int, ...]:
        """How many rows each class has, repeated ones counted once; empty where targets are not a class per row."""
        if self.train.targets.dtype.kind != "i" or self.train.targets.ndim != 1:
            return ()
        parts = self.divided.values()
        targets = np.concatenate([rows.targets for rows in parts])
        _, once = np.unique(np.concatenate([rows.indices for rows in parts]), return_index=True)
        return tuple(np.bincount(targets[once], minlength=len(self.class_names)).tolist())

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one row's inputs."""
        return self.train.inputs.shape[1:]


def prepare(
    dataset: Dataset,
    *,
    targets: TargetKind,
    split: Split | None = None,
    standardize: bool = False,
    standardize_targets: bool = False,
    preprocess: Sequence[tuple[str, Preprocessor]] = (),
    one_hot: bool = False,
    reconstruct: bool = False,
    class_weights: ClassWeights | None = None,
    resample: Resampling | None = None,
    dtype: npt.DTypeLike = np.float32,
    seed: int = 0,
    fitted: Fitted | None = None,
    consumed: bool = False,
) -> Prepared:
    """Split, scaled and encoded arrays; a function of its arguments alone.

    targets: how the cost wants them.
        "classes"  class indices, int64 (n,), or (n, positions) of sequences, negative at a position without a class
        "binary"   0 and 1 for the first and second of two classes, `dtype` (n, 1); of a regression whose targets are
                   labels, several columns of 0 and 1, these, (n, k)
        "signs"    −1 and +1 for the first and second of two classes, `dtype` (n, 1); of labels for 0 and 1, (n, k)
        "values"   the numbers of a regression, `dtype` (n, k); with `one_hot` also of a classification, k classes
    split: how the rows are divided; None: as suits the data set. `seed` decides what is drawn.
    standardize: fit a Scaling on the training rows, apply it to all rows; the index of a category stays what it is.
    standardize_targets: fit a Scaling on the targets of the training rows, and apply it to all of them.
    preprocess: preprocessors with their names, `[("pca", PCA(10))]`, fitted to the training rows one after the other
        and applied to all rows (see `trainer.data.preprocessing.pipeline`).
    reconstruct: the targets are the inputs after all that is done to them, (n, features): what an autoencoder learns.
    class_weights, resample: see `trainer.data.balance`. What is fitted is fitted before rows are repeated or left out.
    dtype: float32 or float64.
    fitted: the scalings and the steps that were fitted to earlier rows, which are applied to these.
    consumed: whether nobody wants the data set any more: memory of its inputs is given back while they are read, so
        that they and what is made of them are never there both. What they held is gone then.

    Raises DataError for targets of another kind than the cost's, for a split that cannot be, for numbers too large
    for `dtype`, and for values that are missing still.

    >>> data = Dataset("sign", np.array([[-2], [-1], [1], [2]]), np.array([0, 0, 1, 1]), "classification", ("-", "+"))
    >>> prepare(data, targets="signs", split=Split(test_fraction=0)).train.targets.tolist()
    [[-1.0], [-1.0], [1.0], [1.0]]
    """
    dtype = np.dtype(dtype)
    encoded = _encode(dataset, targets, one_hot, reconstruct)
    check_balance(dataset, class_weights, resample)
    _check_changes(dataset, standardize, bool(preprocess), one_hot, dtype)
    split = Split() if split is None else split
    train, validation, test = split.divide(dataset, seed)
    if fitted is not None:
        scaling, steps, of_targets = fitted
    else:
        scaling = Scaling.fit(dataset.inputs, _categories(dataset), train, dataset.divisor) if standardize else None
        steps = Preprocessing.fit(preprocess, dataset, train, seed) if preprocess else None
        of_targets = fit_targets(dataset, encoded, train) if standardize_targets else None
    remarks = [*noticed(dataset, standardize or bool(preprocess))] if fitted is None else []
    remarks += torn_groups(dataset, str(split.wanted), train, np.concatenate([validation, test]))
    if resample is not None:
        before, train = train, train[resampled(dataset.targets[train], resample, seed)]
        if len(before) == len(train):
            remarks.append(f"resample: {resample} changes nothing, since all classes have equally many rows to train")
    weights = row_weights(dataset, train, class_weights)
    weights = None if weights is None else weights.astype(dtype)
    takes = InputSpec.of(dataset)
    parts = [train, test, validation]
    made: Sequence[Gathered | None] = [None] * len(parts)
    if steps is None and not dataset.has_missing and not dataset.mapped:
        made = gathered(dataset, parts, scaling, dtype, consumed)
    arrays = [
        _arrays(dataset, rows, own, encoded, scaling, steps, dtype) for rows, own in zip(parts, made, strict=True)
    ]
    prepared = Prepared(
        name=dataset.name,
        task="regression" if reconstruct else dataset.task,
        class_names=() if reconstruct else dataset.class_names,
        train=Rows(*arrays[0], train, weights),
        test=Rows(*arrays[1], test),
        scaling=scaling,
        feature_names=steps.names if steps is not None and dataset.feature_names else dataset.feature_names,
        parts=dataset.parts,
        preprocessing=steps,
        split=split.resolved(dataset),
        mapped=dataset.mapped,
        remarks=tuple(remarks),
        validation=Rows(*arrays[2], validation),
        takes=takes,
        gives=TargetSpec("regression", (), dataset.feature_names) if reconstruct else TargetSpec.of(dataset),
        account=dataset.account,
        labels=targets in LABELS and dataset.task == "regression",
    )
    return with_targets(prepared, encoded, of_targets, dtype)


def _arrays(
    dataset: Dataset,
    rows: Array,
    gathered: Gathered | None,
    encoded: Array | None,
    scaling: Scaling | None,
    steps: Preprocessing | None,
    dtype: np.dtype[np.generic],
) -> tuple[Array, Array]:
    """Inputs and targets of these rows after all that is done to them, where the inputs were not gathered yet."""
    if gathered is None:
        inputs = _rows(dataset, dataset.inputs, rows) if dataset.mapped else dataset.numbers(dataset.inputs[rows])
        inputs = scaling.apply(inputs) if scaling is not None else inputs
        inputs = steps.apply(inputs) if steps is not None else inputs
        if dataset.has_missing:
            _check_nothing_missing(dataset, inputs, rows, steps)
        inputs = _cast(dataset, "inputs", inputs, dtype)
    else:
        if gathered.largest is not None:
            largest, column = gathered.largest
            where = f", column {dataset.feature_names[column]!r}" if dataset.feature_names else ""
            raise _too_large(dataset, "inputs", largest, dtype, where)
        inputs = gathered.inputs.reshape(len(rows), *dataset.input_shape)
    if encoded is None:
        return inputs, inputs.reshape(len(inputs), math.prod(inputs.shape[1:]))  # -1 is undefined for no rows
    return inputs, _cast(dataset, "targets", _rows(dataset, encoded, rows), dtype)


def _rows(dataset: Dataset, values: Array, rows: Array) -> Array:
    """These rows of `values`: a copy, or where they are mapped, and so in order, a view of the file."""
    if not dataset.mapped:
        return values[rows]
    first = int(rows[0]) if len(rows) else dataset.rows
    return np.asarray(values[first : first + len(rows)])


def _categories(dataset: Dataset) -> list[int]:
    """The columns that hold the index of a category."""
    return [i for i, name in enumerate(dataset.feature_names) if name in dataset.categories]


def _check_changes(
    dataset: Dataset, standardize: bool, preprocess: bool, one_hot: bool, dtype: np.dtype[np.generic]
) -> None:
    if standardize and preprocess:
        raise DataError(
            "standardize and preprocess both change the inputs: leave standardize out and put standard_scaler where it "
            "belongs among the steps, as in preprocess: [simple_imputer, standard_scaler]",
            "standardize",
        )
    if standardize and dataset.has_missing:
        raise DataError(
            f"data set {dataset.name!r} lacks values, which standardize does not fill in: leave standardize out and "
            f"write preprocess: [simple_imputer, standard_scaler]",
            "standardize",
        )
    if not dataset.mapped:
        return
    begins = f"data set {dataset.name!r} is read from disk while it trains"
    if standardize:
        raise DataError(
            f"{begins}, so its inputs stay as they are: leave standardize out, and save them standardised or begin the "
            f"network with batch_norm",
            "standardize",
        )
    if preprocess:
        raise DataError(
            f"{begins}, so its inputs stay as they are: leave preprocess out, and save what it makes of them",
            "preprocess",
        )
    if one_hot:
        raise DataError(
            f"{begins}, so its targets stay as they are: leave one_hot out, and use cost: softmax_cross_entropy",
            "one_hot",
        )
    for what, array in (("inputs", dataset.inputs), ("targets", dataset.targets)):
        if isinstance(array, np.memmap) and array.dtype.kind == "f" and array.dtype != dtype:
            raise DataError(
                f"{begins}, so it is used in the precision that it was saved in: its {what} are {array.dtype}, and "
                f"training computes in {dtype}; save them as {dtype}",
                hints=[Hint("dtype", str(array.dtype), "theirs")],
            )


def _check_nothing_missing(dataset: Dataset, inputs: Array, rows: Array, steps: Preprocessing | None) -> None:
    missing = np.isnan(inputs.reshape(len(inputs), math.prod(inputs.shape[1:])))
    if not missing.any():
        return
    column = int(missing.any(axis=0).argmax())
    names = dataset.feature_names if steps is None else steps.names
    shown = repr(names[column]) if len(names) > column else f"column {column}"
    row, still = rows[missing[:, column].argmax()], " still" if steps is not None else ""
    raise DataError(
        f"data set {dataset.name!r}: {shown}{still} has no value in row {row}, counted from 0, and a network needs "
        f"every one: add preprocess: [simple_imputer], or leave the column out"
    )


def _encode(dataset: Dataset, kind: TargetKind, one_hot: bool, reconstruct: bool) -> Array | None:
    """All rows' targets as `kind` says: int64 for "classes", else float64; None where the inputs are the targets."""
    if reconstruct:
        _check_reconstruct(dataset, kind, one_hot)
        return None
    if kind not in WANTED:
        raise DataError(f"a kind of targets is one of {', '.join(map(repr, WANTED))}, not {kind!r}")
    if dataset.task == "regression":
        _check_regression_fits(dataset, kind, one_hot)
        values = dataset.targets.reshape(dataset.rows, -1)
        return encoded_labels(values, kind) if kind in LABELS else values
    _check_classification_fits(dataset, kind, one_hot)
    return encoded_classes(dataset.targets, len(dataset.class_names), kind)


def encoded_classes(indices: Array, classes: int, kind: TargetKind) -> Array:
    """Class indices as a cost wants them, see `prepare`; as numbers they are one-hot."""
    if kind == "classes":
        return indices
    if kind == "values":
        return np.eye(classes)[indices]
    values = indices[:, None].astype(np.float64)
    return values if kind == "binary" else 2 * values - 1


def encoded_labels(values: Array, kind: TargetKind) -> Array:
    """Labels, 0 and 1 in each of several columns, as a cost wants them, see `prepare`."""
    return 2 * values - 1 if kind == "signs" else values


def _are_labels(dataset: Dataset) -> bool:
    """Whether a row has several targets, each 0 or 1."""
    targets = dataset.targets
    return targets.ndim == 2 and targets.shape[1] > 1 and bool(((targets == 0) | (targets == 1)).all())


def _check_reconstruct(dataset: Dataset, kind: TargetKind, one_hot: bool) -> None:
    if one_hot:
        raise DataError(
            "with reconstruct the targets are the inputs, so there are no classes: leave one_hot out", "one_hot"
        )
    if kind != "values":
        raise DataError(
            f"with reconstruct the targets of data set {dataset.name!r} are its inputs, which are numbers, and the "
            f"cost wants {WANTED[kind]}: use a cost for numbers, such as mean_squared_error",
            "reconstruct",
        )


def _check_regression_fits(dataset: Dataset, kind: TargetKind, one_hot: bool) -> None:
    if one_hot:
        raise DataError(
            f"one_hot turns classes into numbers, and data set {dataset.name!r} is a regression, whose targets are "
            f"numbers already: leave one_hot out",
            "one_hot",
        )
    if kind != "values" and not (kind in LABELS and _are_labels(dataset)):
        raise DataError(
            f"data set {dataset.name!r} is a regression, its targets are numbers, and the cost wants {WANTED[kind]}: "
            f"{_instead_of_numbers(dataset)}"
        )


def _instead_of_numbers(dataset: Dataset) -> str:
    """What to do where a cost wants classes and the targets are numbers: what they look like comes first."""
    targets = dataset.targets.reshape(dataset.rows, -1)
    cost = "use a cost for numbers, such as mean_squared_error"
    values = np.unique(targets)
    if targets.shape[1] > 1 and np.isin(values, (0, 1)).all() and (targets.sum(axis=1) == 1).all():
        return f"each row has one 1 among zeros, so save the class itself, targets.argmax(axis=1); or {cost}"
    if targets.shape[1] == 1 and len(values) <= MOST_CLASSES and (values == np.floor(values)).all():
        listed = ", ".join(f"{value:.17g}" for value in values)
        return f"say task: classification under dataset if they stand for classes ({listed}), or {cost}"
    if targets.shape[1] > 1:
        wrong = np.argwhere((targets != 0) & (targets != 1))
        if len(wrong) and (targets == 0).any():
            row, column = map(int, wrong[0])
            named = repr(dataset.target_names[column]) if dataset.target_names else f"column {column}"
            labels = f"{named} of the targets holds {targets[row, column]:g} in row {row}, counted from 0"
            return f"of several columns each is 0 or 1 to such a cost, and {labels}; or {cost}"
        return f"{cost}; for classes give one column of targets, and train a network for each"
    return f"{cost}; if the numbers of a data file stand for classes, say task: classification under dataset"


def _check_classification_fits(dataset: Dataset, kind: TargetKind, one_hot: bool) -> None:
    classes = len(dataset.class_names)
    if kind == "values" and not one_hot:
        raise DataError(
            f"data set {dataset.name!r} is a classification of {classes} classes, and the cost wants numbers: use "
            f"cost: softmax_cross_entropy, or one_hot: true under dataset"
        )
    if kind != "values" and one_hot:
        raise DataError(
            f"with one_hot: true the targets of data set {dataset.name!r} are {classes} numbers per row, and the cost "
            f"wants {WANTED[kind]}: leave one_hot out",
            "one_hot",
        )
    if one_hot and dataset.targets.min() < 0:
        raise DataError(
            f"data set {dataset.name!r} has positions without a class, which one_hot cannot encode: use "
            f"cost: softmax_cross_entropy, which leaves them out, without one_hot",
            "one_hot",
        )
    if kind in ("binary", "signs") and dataset.targets.ndim > 1:
        raise DataError(
            f"data set {dataset.name!r} has a class for each of {dataset.targets.shape[1]} positions of a row, and the "
            f"cost wants {WANTED[kind]}, one for each row: use cost: softmax_cross_entropy"
        )
    if kind in ("binary", "signs") and classes != 2:
        raise DataError(
            f"data set {dataset.name!r} has {classes} classes, and the cost wants {WANTED[kind]}: use "
            f"cost: softmax_cross_entropy"
        )


def _cast(dataset: Dataset, what: str, values: Array, dtype: np.dtype[np.generic]) -> Array:
    """`values` C-contiguous; floats as `dtype`, refused where that makes them infinite. Mapped ones stay."""
    if dataset.mapped and values.dtype in (dtype, np.int64):
        return values
    if values.dtype.kind != "f":
        return np.ascontiguousarray(values)
    with np.errstate(over="ignore"):
        cast = np.ascontiguousarray(values, dtype=dtype)
    if not np.isfinite(cast).all():
        raise _too_large(dataset, what, values.flat[np.abs(values).argmax()], dtype)
    return cast


def _too_large(dataset: Dataset, what: str, largest: float, dtype: np.dtype[np.generic], where: str = "") -> DataError:
    scales = what == "inputs" and abs(largest) < SCALABLE
    scaled = [Hint("standardize", True, "inputs of one scale")] if scales else []
    return DataError(
        f"{what} of data set {dataset.name!r}{where}: {largest:.6g} is too large for {dtype}; give it in larger units",
        hints=[Hint("dtype", "float64", "a wider type"), *scaled],
    )
