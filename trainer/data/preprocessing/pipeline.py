"""The steps of `preprocess:`, one after the other: fitted on the training rows, applied to all, saved with the model.

A step is given the columns that its option `columns` names, and otherwise every column that holds numbers: the index of
a category stays what it is. Where it makes a column of each column they keep their places; where it makes others, as
PCA does, those that it was not given come first and the new ones behind them. Inputs of more than two dimensions are
columns too, one for each place, and keep their shape as long as no step changes the number of columns.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.data.dataset import Dataset
from trainer.data.preprocessing import STEPS
from trainer.errors import DataError, ShapeError
from trainer.rng import generator
from trainer.types import Array
from trainer.wording import did_you_mean, listed

if TYPE_CHECKING:
    from trainer.data.preprocessing.transformers import Preprocessor
    from trainer.plugins import Plugins

__all__ = ["Preprocessing", "StepError"]

SHOWN = 6  # columns that a message lists


class StepError(DataError):
    """A step that cannot be fitted to the data, or used on them; `index` says which."""

    def __init__(self, index: int, message: str) -> None:
        super().__init__(message, "preprocess", index)
        self.index = index


@dataclass(frozen=True, eq=False)
class _Step:
    """A preprocessor by its name, the columns that it is given, and what it learnt."""

    name: str
    preprocessor: Preprocessor
    columns: Array
    state: Mapping[str, Array]

    def apply(self, table: Array) -> Array:
        """The table after this step, shape (n, columns after it)."""
        made = np.asarray(self.preprocessor.apply(self.state, _given(table, self.columns)), dtype=np.float64)
        if made.ndim != 2 or len(made) != len(table):
            raise ValueError(f"it made shape {made.shape} of {len(table)} rows, and must make a row of each")
        if len(self.columns) == table.shape[1]:
            return made
        if made.shape[1] == len(self.columns):
            table = table.copy()
            table[:, self.columns] = made
            return table
        return np.hstack([np.delete(table, self.columns, axis=1), made])

    def after(self, names: list[str], categories: frozenset[str]) -> tuple[list[str], frozenset[str]]:
        """The names of the columns after this step, and which of them are categories."""
        given = [names[i] for i in self.columns]
        made = self._made(given)
        kept = categories - set(given)
        if getattr(self.preprocessor, "keeps_categories", False):
            kept |= categories & set(made)
        if len(made) != len(given):
            taken = set(self.columns.tolist())
            return [*(name for i, name in enumerate(names) if i not in taken), *made], kept
        renamed = dict(zip(self.columns.tolist(), made, strict=True))
        return [renamed.get(i, name) for i, name in enumerate(names)], kept

    def _made(self, given: list[str]) -> list[str]:
        if hasattr(self.preprocessor, "names"):
            names: list[str] = self.preprocessor.names(self.state, given)
            return names
        width = self.preprocessor.apply(self.state, np.zeros((1, len(given)))).shape[1]
        return given if width == len(given) else [f"{self.name}{i}" for i in range(width)]


@dataclass(frozen=True, eq=False, repr=False)
class Preprocessing:
    """Fitted steps.

    input_shape, output_shape: of one row's inputs, before and after.
    names: of the columns after the last step.

    >>> from trainer.data.preprocessing.transformers import MinMaxScaler
    >>> data = Dataset("d", np.array([[0.0, 5.0], [4.0, 7.0]]), np.zeros(2), "regression", (), ("a", "b"))
    >>> steps = Preprocessing.fit([("min_max_scaler", MinMaxScaler(columns=["a"]))], data, np.array([0, 1]))
    >>> steps
    Preprocessing by min_max_scaler: inputs (2,) to (2,)
    >>> steps.apply(np.array([[2.0, 9.0]]))
    array([[0.5, 9. ]])
    """

    steps: tuple[_Step, ...]
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    names: tuple[str, ...]

    def __repr__(self) -> str:
        shown = ", ".join(step.name for step in self.steps)
        return f"Preprocessing by {shown}: inputs {self.input_shape} to {self.output_shape}"

    @classmethod
    def fit(
        cls, steps: Sequence[tuple[str, Preprocessor]], dataset: Dataset, rows: Array, seed: int = 0
    ) -> Preprocessing:
        """Steps, each with its name, fitted one after the other to these rows of a data set.

        Raises StepError for a step that names columns that there are not, that cannot use the numbers it is given, or
        that makes numbers of them that are not finite.
        """
        table = dataset.numbers(dataset.inputs[rows]).reshape(len(rows), -1)
        names = _names(dataset)
        categories = frozenset(dataset.categories)
        shape, done = dataset.input_shape, []
        for index, (name, preprocessor) in enumerate(steps):
            columns = _columns(index, name, preprocessor, names, categories, shape)
            _check_complete(index, name, preprocessor, table, columns, names)
            try:
                state = preprocessor.fit(_given(table, columns), generator(seed, "preprocess", index))
                step = _Step(name, preprocessor, columns, state)
                made = step.apply(table)
            except ValueError as error:
                what = f"{len(rows)} training rows of {len(columns)} columns"
                raise StepError(index, f"{name} cannot be fitted to {what}: {_sentence(error)}") from None
            names, categories = step.after(names, categories)
            _check_made(index, name, table, made, names, dataset)
            shape = shape if made.shape[1] == table.shape[1] else (made.shape[1],)
            table = made
            done.append(step)
        return cls(tuple(done), dataset.input_shape, shape, tuple(names))

    def apply(self, inputs: Array) -> Array:
        """What the steps make of `inputs`, shape (n, *input_shape), computed in float64: shape (n, *output_shape).

        Raises ShapeError for another shape and StepError where a step cannot use these rows.
        """
        if inputs.shape[1:] != self.input_shape:
            raise ShapeError(
                f"the preprocessing was fitted on inputs of shape (n, {', '.join(map(str, self.input_shape))}) and "
                f"cannot be used on shape {inputs.shape}"
            )
        if not len(inputs):
            return np.empty((0, *self.output_shape))
        table = np.asarray(inputs, dtype=np.float64).reshape(len(inputs), math.prod(np.shape(inputs)[1:]))
        for index, step in enumerate(self.steps):
            try:
                table = step.apply(table)
            except ValueError as error:
                message = f"{step.name} cannot be used on {len(inputs)} rows: {_sentence(error)}"
                raise StepError(index, message) from None
        return np.ascontiguousarray(table.reshape(len(inputs), *self.output_shape))

    def to_arrays(self) -> dict[str, Array]:
        """The steps as named arrays for a safetensors file, "preprocess.0.mean_"; there is no code in them."""
        steps: list[dict[str, Any]] = []
        arrays: dict[str, Array] = {}
        for index, step in enumerate(self.steps):
            steps.append({"name": step.name, "options": _options(step.preprocessor), "columns": step.columns.tolist()})
            arrays |= {f"{STEPS}.{index}.{name}": np.asarray(array, order="C") for name, array in step.state.items()}
        about = {"steps": steps, "from": self.input_shape, "to": self.output_shape, "names": self.names}
        return {f"{STEPS}.steps": np.frombuffer(json.dumps(about).encode(), dtype=np.uint8), **arrays}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array], plugins: Plugins | None = None) -> Preprocessing | None:
        """The steps among `arrays`, which may hold parameters too; None if there are none.

        plugins: where the steps are looked up by name; by default what is installed.

        Raises DataError for arrays that are no steps, and PluginError for a step that is not installed.
        """
        if f"{STEPS}.steps" not in arrays:
            return None
        if plugins is None:
            from trainer.plugins import shared

            plugins = shared()
        try:
            about = json.loads(arrays[f"{STEPS}.steps"].tobytes())
            steps = []
            for index, step in enumerate(about["steps"]):
                prefix = f"{STEPS}.{index}."
                state = {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}
                options = {key: _option(value) for key, value in step["options"].items()}
                preprocessor = plugins.get("preprocessors", step["name"]).build(**options)
                steps.append(_Step(step["name"], preprocessor, np.array(step["columns"], dtype=np.int64), state))
            return cls(tuple(steps), tuple(about["from"]), tuple(about["to"]), tuple(about["names"]))
        except (KeyError, ValueError, TypeError) as error:
            raise DataError(f"saved preprocessing cannot be read: {type(error).__name__} {error}") from None


def _options(preprocessor: Any) -> dict[str, Any]:
    """The fields as JSON, which knows no tuples."""
    options = {field.name: getattr(preprocessor, field.name) for field in fields(preprocessor)}
    return {key: {"tuple": value} if isinstance(value, tuple) else value for key, value in options.items()}


def _option(plain: object) -> object:
    return tuple(plain["tuple"]) if isinstance(plain, dict) and "tuple" in plain else plain


def _names(dataset: Dataset) -> list[str]:
    """The columns' names; where there are none, what a message can call them."""
    if dataset.feature_names:
        return [*dataset.feature_names]
    shape = dataset.input_shape
    if len(shape) == 1:
        return [f"column {i}" for i in range(shape[0])]
    return [f"element {list(map(int, np.unravel_index(i, shape)))}" for i in range(math.prod(shape))]


def _columns(
    index: int,
    name: str,
    preprocessor: Preprocessor,
    names: list[str],
    categories: frozenset[str],
    shape: tuple[int, ...],
) -> Array:
    """The columns that a step is given, ascending."""
    wanted = getattr(preprocessor, "columns", None)
    if wanted is None:
        columns = [i for i, column in enumerate(names) if column not in categories]
        if not columns:
            raise StepError(index, f"{name}: every column is a category; name those that it is for, as in columns: [0]")
        return np.array(columns)
    if len(shape) != 1:
        raise StepError(index, f"{name}: columns are those of a table, and here a row's inputs have shape {shape}")
    if not wanted:
        raise StepError(index, f"{name}: columns is an empty list; leave it out for all columns that are numbers")
    found = [_column(index, name, column, names) for column in wanted]
    for column in found:
        if found.count(column) > 1:
            raise StepError(index, f"{name}: columns names {names[column]!r} twice")
    return np.array(sorted(found))


def _column(index: int, name: str, wanted: int | str, names: list[str]) -> int:
    if isinstance(wanted, int):
        if -len(names) <= wanted < len(names):
            return wanted % len(names)
        raise StepError(index, f"{name}: there is no column {wanted}; they count from 0 to {len(names) - 1}")
    if names.count(wanted) == 1:
        return names.index(wanted)
    if wanted in names:
        raise StepError(index, f"{name}: {names.count(wanted)} columns are called {wanted!r}; name one by its number")
    hint = did_you_mean(wanted, names, f"there are {listed([*map(repr, names)], SHOWN)}")
    raise StepError(index, f"{name}: there is no column {wanted!r}; {hint}")


def _given(table: Array, columns: Array) -> Array:
    """These columns, row after row in memory: a sum over columns in another order has other last bits."""
    return table if len(columns) == table.shape[1] else np.ascontiguousarray(table[:, columns])


def _check_complete(
    index: int, name: str, preprocessor: Preprocessor, table: Array, columns: Array, names: list[str]
) -> None:
    missing = np.isnan(table[:, columns])
    empty = missing.all(axis=0)
    if empty.any():
        column = names[columns[empty.argmax()]]
        raise StepError(
            index, f"{name}: {column!r} has no value in any training row, so nothing can be learnt of it; leave it out"
        )
    if missing.any() and not getattr(preprocessor, "takes_missing", False):
        column = names[columns[missing.any(axis=0).argmax()]]
        raise StepError(
            index,
            f"{name} needs every value, and {column!r} lacks {missing.any(axis=1).sum()} in the training rows; put "
            f"simple_imputer before it",
        )


def _check_made(index: int, name: str, table: Array, made: Array, names: list[str], dataset: Dataset) -> None:
    if not made.shape[1]:
        raise StepError(index, f"{name} leaves no column of {table.shape[1]}: there is nothing to learn from")
    if np.isinf(made).any() or (np.isnan(made).any() and not np.isnan(table).any()):
        column = names[int((~np.isfinite(made)).any(axis=0).argmax())]
        raise StepError(
            index,
            f"{name} makes numbers that are not finite, in {column!r}: scale the columns, or divide by a constant",
        )
    if dataset.parts and made.shape[1] != table.shape[1]:
        shapes = " and ".join(f"{part} {shape}" for part, shape in dataset.parts.items())
        raise StepError(
            index,
            f"{name} makes {made.shape[1]} columns of {table.shape[1]}, and the inputs of data set {dataset.name!r} "
            f"are packed of several parts, {shapes}: use a preprocessor that keeps the columns",
        )


def _sentence(error: Exception) -> str:
    """What scikit-learn says, on one line."""
    return " ".join(str(error).split()).rstrip(".")
