"""How good a trained model is, on the part of its data set that was kept for that or on rows in a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainer.data.prepared import Part, Prepared, Rows, encoded_classes, encoded_labels
from trainer.data.rows import open_rows
from trainer.data.rows.targets import read_targets
from trainer.errors import DataError, DivergedError, EntryError, UsageError
from trainer.experiment.components import built
from trainer.experiment.entries import no_entry
from trainer.experiment.model import Model, check_outputs, expected
from trainer.experiment.scores import scores_of
from trainer.experiment.worst import Worst, worst_rows
from trainer.metrics import confusion_matrix
from trainer.metrics.decoding import decoded
from trainer.nn.several import Several
from trainer.plugins.faults import naming_plugins
from trainer.plugins.traits import CostTraits
from trainer.runs.digests import checked
from trainer.training.evaluation import Evaluation
from trainer.training.threads import pinned
from trainer.types import Array

__all__ = ["Calibration", "ClassShares", "Evaluated", "Worst", "evaluate", "kept_rows"]

BINS = 10
ClassShares = tuple[str, int, float, float, float]  # name, rows, precision, recall, f1


@dataclass(frozen=True, eq=False)
class Calibration:
    """How sure a model is of the classes that it names, and how often it is right.

    edges: of the bins, from 0 to 1.
    rows, confidence, right: of each bin, how many rows there are, the mean of the largest probability, and the share
        that is right; nan in an empty bin.
    error: the mean of |confidence − right| over all rows, the expected calibration error. Guo, Pleiss, Sun &
        Weinberger, *On calibration of modern neural networks*, 2017.
    """

    edges: Array
    rows: Array
    confidence: Array
    right: Array
    error: float

    @classmethod
    def of(cls, probabilities: Array, classes: Array) -> Calibration:
        """Of probabilities (n, k) and the true classes (n,).

        >>> Calibration.of(np.array([[0.95, 0.05], [0.15, 0.85]]), np.array([0, 0])).error.__round__(3)
        0.45
        """
        sure, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == classes
        of = np.minimum((sure * BINS).astype(int), BINS - 1)
        rows = np.bincount(of, minlength=BINS)
        with np.errstate(invalid="ignore"):
            confidence, share = (np.bincount(of, weights=x, minlength=BINS) / rows for x in (sure, right))
        error = float(np.nansum(rows * np.abs(confidence - share)) / max(len(of), 1))
        return cls(np.linspace(0, 1, BINS + 1), rows, confidence, share, error)


@dataclass(frozen=True, eq=False)
class Evaluated:
    """What came of it.

    rows: how many, `of` what.
    numbers: the loss, and the metrics that the config lists.
    reports: the tables that it asks for.
    confusion: how many rows of each class (row) were taken for each (column); None where there are no classes.
    calibration: None where there are no probabilities.
    errors: by the name of each target that is a number, (r2, mean absolute error, mean error).
    labels: of each target that is 0 or 1, beside others, its name, the rows with 1, precision, recall and f1.
    worst: the rows of the largest cost, the worst first.
    measured: the rows themselves, as the network takes them.
    """

    of: str
    rows: int
    class_names: tuple[str, ...]
    numbers: Mapping[str, float]
    reports: Mapping[str, Array]
    confusion: Array | None
    calibration: Calibration | None
    errors: Mapping[str, tuple[float, float, float]]
    remarks: tuple[str, ...] = ()
    worst: tuple[Worst, ...] = ()
    labels: tuple[ClassShares, ...] = ()
    measured: Rows | None = None

    def per_class(self) -> list[ClassShares]:
        """Of each class its name, its rows, precision, recall and f1; nan where there is nothing to take a share of."""
        assert self.confusion is not None
        rows, named = self.confusion.sum(axis=1), self.confusion.sum(axis=0)
        return _shares(self.class_names, rows, named, np.diag(self.confusion))


def _shares(names: Iterable[str], rows: Array, named: Array, hits: Array) -> list[ClassShares]:
    """Of each class by how many rows there are, how many are taken for it, and how many of these are right."""
    with np.errstate(invalid="ignore"):
        columns = (rows, hits / named, hits / rows, 2 * hits / (rows + named))
    return [*zip(names, *(column.tolist() for column in columns), strict=True)]


def confusions(confusion: Array) -> list[tuple[int, int, int]]:
    """What was confused, the most first: how many rows, of which class, were taken for which.

    >>> confusions(np.array([[5, 1, 0], [3, 4, 0], [0, 0, 2]]))
    [(3, 1, 0), (1, 0, 1)]
    """
    wrong = [(n, i, j) for i, row in enumerate(confusion.tolist()) for j, n in enumerate(row) if i != j and n]
    return sorted(wrong, key=lambda each: (-each[0], *each[1:]))


def evaluate(model: Model, run: Path | None, data: Path | None = None, part: Part = "test") -> Evaluated:
    """Measure a model.

    Args:
        run: its folder, by whose config the data set is read where there is no `data`.
        data: a file or folder of rows with their targets, as `trainer predict` reads them.
        part: of the run's data set.

    Raises DataError for rows or targets that are not as those of training were, or a data set that has changed, and
    UsageError for a part that has no rows.
    """
    if data is None and run is None:
        raise UsageError("parameters alone have no data set; say which rows: trainer evaluate FILE DATA")
    with naming_plugins(model.loaded.plugins):
        if data is not None:
            return _measured(model, *_of_file(model, data))
        assert run is not None
        return _measured(model, *_of_run(model, run, part))


def kept_rows(model: Model, run: Path) -> Rows:
    """The rows of a run's data set that were kept from training, those of the test before those of validation; those
    of training where none were kept. Raises DataError where the data set is another now."""
    data = _data_of(model, run)
    parts: tuple[Part, ...] = ("test", "validation", "train")
    return next(data.divided[part] for part in parts if part in data.divided)


def _of_run(model: Model, run: Path, part: Part) -> tuple[str, Prepared, tuple[str, ...]]:
    data = _data_of(model, run)
    if part not in data.divided:
        there = ", ".join(data.divided)
        raise UsageError(f"the data set of {run.name} has no {part} rows; it has those of {there}: --part {there}")
    return f"{part} rows of {data.name}", _prepared(model, data.divided[part]), ()


def _data_of(model: Model, run: Path) -> Prepared:
    """The data set of a run, with its targets in their own units."""
    from trainer.config.loader import load
    from trainer.experiment.builder import load_data

    with pinned(1):
        data = load_data(load(checked(run / "resolved.yaml")))
    if data.takes is None or (data.class_names, data.takes.feature_names) != (model.class_names, model.feature_names):
        raise DataError(
            f"data set '{data.name}' is not the one that {run.name} was trained on: it has other columns or classes now"
        )
    return data.unscaled or data


def _of_file(model: Model, path: Path) -> tuple[str, Prepared, tuple[str, ...]]:
    stream = open_rows(path, model.inputs, model.reading, model.targets.names, model.class_names, model.formats)
    blocks = list(stream.blocks)
    inputs = np.concatenate([block.values for block in blocks])
    files = [file for block in blocks for file in block.files]
    with pinned(1), np.errstate(all="ignore"):  # a number beyond the model's type is told by what comes of it
        prepared = model.prepared(inputs)
    if model.reading.get("reconstruct"):
        targets = prepared.reshape(len(prepared), -1)
    else:
        targets = _encoded(model, path, read_targets(path, model.targets, model.reading, files, model.formats))
    if len(targets) != len(inputs):
        raise DataError(f"{path} has {len(inputs)} rows of inputs, and {len(targets)} of targets")
    return f"rows of {path}", _prepared(model, Rows.numbered(prepared, targets)), stream.remarks


def _encoded(model: Model, path: Path, targets: Array) -> Array:
    """Targets as the cost wants them."""
    kind = CostTraits.of(model.loaded.config.cost.component).targets or "values"
    if model.has_labels:
        wrong = np.argwhere((targets != 0) & (targets != 1))
        if len(wrong):
            row, column = map(int, wrong[0])
            name = _target_names(model, targets.shape[1])[column]
            what = f"target {name} is {targets[row, column]:g}, and the model learnt 0 and 1 of it"
            raise DataError(f"{path}: row {row + 1:,}: {what}")
        targets = encoded_labels(targets, kind)
    if model.targets.task == "classification":
        targets = encoded_classes(targets, len(model.class_names), kind)
    with np.errstate(over="ignore"):
        return targets if targets.dtype.kind == "i" else targets.astype(model.dtype)


def _prepared(model: Model, rows: Rows) -> Prepared:
    """These rows as a data set of which all are the test."""
    return Prepared(model.name, model.targets.task, model.class_names, rows[:0], rows, labels=model.has_labels)


def _measured(model: Model, of: str, data: Prepared, remarks: tuple[str, ...]) -> Evaluated:
    rows, cost = data.test, built(model.loaded.config.cost)

    def place(row: int) -> str:
        return f"{of}: row {rows.indices[row] + 1:,}"

    with pinned(1), np.errstate(all="ignore"):
        outputs = _outputs(model, rows.inputs, place)
        check_outputs(outputs, place)
        tried = Prepared(data.name, data.task, data.class_names, rows[:2], rows, labels=data.labels)
        scores = scores_of(model.loaded, cost, tried, outputs[:2])
        layers = {name: model.parameters[name] for name in model.network.layer_state(0)}
        measuring = Evaluation(model.network, cost, data, scores.metrics, scores.reports)
        theta = model.network.theta(model.parameters)
        try:
            numbers, reports = measuring.numbers("test", theta, layers), measuring.tables(theta, layers)
        except DivergedError:
            raise DataError(f"{of}: their loss is no number; look for targets far beyond those of training") from None
    confusion, calibration = _classes(model, outputs, rows.targets)
    plain = model.targets.task == "regression" and not data.labels and not isinstance(cost, Several)
    errors = _errors(model, outputs, rows.targets) if plain else {}
    worst, names = worst_rows(model, cost, outputs, rows), model.class_names
    labels = _labels(model, outputs, rows.targets) if data.labels else ()
    return Evaluated(
        of, len(rows), names, numbers, reports, confusion, calibration, errors, remarks, worst, labels, rows
    )


def _outputs(model: Model, inputs: Array, place: Callable[[int], str]) -> Array:
    def computed(count: int) -> Array:
        return model.network.predict(model.parameters, inputs[:count])

    try:
        return computed(len(inputs))
    except EntryError:
        raise no_entry(computed, len(inputs), place) from None


def _classes(model: Model, outputs: Array, targets: Array) -> tuple[Array | None, Calibration | None]:
    if not model.class_names or outputs.shape[-1] not in (1, len(model.class_names)):
        return None, None
    scores, classes = decoded("confusion_matrix", outputs, targets)
    chances = model.probabilities(scores) if model.has_probabilities else None
    return confusion_matrix(outputs, targets), None if chances is None else Calibration.of(chances, classes)


def _labels(model: Model, outputs: Array, targets: Array) -> tuple[ClassShares, ...]:
    true, said = targets > 0, outputs > 0
    names = _target_names(model, targets.shape[1])
    return tuple(_shares(names, true.sum(axis=0), said.sum(axis=0), (true & said).sum(axis=0)))


def _target_names(model: Model, count: int) -> Sequence[str]:
    """Of the columns of targets; their places where they have none."""
    return model.targets.names if len(model.targets.names) == count else [*map(str, range(count))]


def _errors(model: Model, outputs: Array, targets: Array) -> dict[str, tuple[float, float, float]]:
    """Of each number that is predicted, where the outputs are as many."""
    values = expected(model.link, outputs)
    if values.shape != targets.shape or values.ndim != 2:
        return {}
    names = _target_names(model, values.shape[1])
    wrong, spread = values - targets, targets - targets.mean(axis=0, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        r2 = 1 - (wrong**2).sum(axis=0) / (spread**2).sum(axis=0)
    columns = (r2, np.abs(wrong).mean(axis=0), wrong.mean(axis=0))
    return dict(zip(names, zip(*(column.tolist() for column in columns), strict=True), strict=True))
