"""The worker that predicts: the models that were asked for last stay in memory, and no data set is read."""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from trainer.errors import DataError, TrainerError
from trainer.experiment.model import FILE, Model, load
from trainer.experiment.predicting import write_predictions
from trainer.plugins.manager import shared
from trainer.service.forkserver import lines
from trainer.service.inference import Unreadable, describe, infer, parsed

__all__ = ["main"]

KEPT = 8  # models
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for the beginning of one
MOST_ROWS = 100_000  # of a request
_models: OrderedDict[tuple[str, int], Model] = OrderedDict()


def main(file: BinaryIO, work: Mapping[str, Any]) -> int:
    """Answer until the server closes the channel."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # what a message calls rows.csv is this one
        return lines(file, predict)


def predict(request: Mapping[str, Any]) -> dict[str, Any]:
    """`{folder, name}` and what is asked of the model there, to its answer, or to `{error}`.

    `csv`: a table, to `{csv}`. The others give `{json}`, a text: `rows` and `tensors`, texts of JSON, `columns`
    and `describe`.
    The error of a body that cannot be read at all is `unreadable`.
    """
    try:
        model = _model(Path(request["folder"]))
        if "csv" in request:
            return {"csv": _table(model, request["csv"])}
        if "rows" in request:
            answer = _rows(model, parsed(request["rows"]).get("rows"))
        elif "columns" in request:
            answer = _columns(model)
        elif "tensors" in request:
            answer = infer(model, request["name"], parsed(request["tensors"]))
        else:
            answer = describe(model, request["name"])
        return {"json": json.dumps(answer, ensure_ascii=False, allow_nan=False, separators=(",", ":"))}
    except Unreadable as error:
        return {"error": str(error), "unreadable": True}
    except (TrainerError, MemoryError) as error:
        return {"error": str(error) or "there is not enough memory for so many rows"}


def _model(folder: Path) -> Model:
    try:
        key = str(folder), (folder / FILE).stat().st_mtime_ns
    except FileNotFoundError:
        raise DataError(
            "this run has no parameters yet; it has after its first epoch, when it ends or pauses"
        ) from None
    if key not in _models:
        _models[key] = load(folder, shared())
        if len(_models) > KEPT:
            _models.popitem(last=False)
    _models.move_to_end(key)
    return _models[key]


def _columns(model: Model) -> dict[str, Any]:
    """What a row is: the columns of a table in order, or the shape of what is none; and what is predicted of it."""
    inputs = model.inputs
    return {
        "object": "columns", "named": inputs.named, "shape": list(inputs.shape), "missing": inputs.has_missing,
        "columns": [
            {"name": column.name, "categories": list(column.categories), "boolean": column.boolean,
             "dates": column.dates is not None}
            for column in inputs.columns
        ],
        "class_names": list(model.class_names), "targets": list(model.targets.names),
    }  # fmt: skip


def _table(model: Model, text: str) -> str:
    path = Path("rows.csv")
    path.write_text(text, encoding="utf-8")
    pieces: list[bytes] = []
    try:
        write_predictions(model, path, None, pieces.append)
    finally:
        path.unlink()
    table = b"".join(pieces).decode()
    names = (*model.class_names, *model.targets.names, *model.inputs.feature_names)
    return _disarmed(table) if any(name.startswith(FORMULA) for name in names) else table


def _disarmed(table: str) -> str:
    """The same, with an apostrophe before every text that a spreadsheet would take for a formula and run."""
    made = io.StringIO()
    rows = csv.writer(made, lineterminator="\n")
    for row in csv.reader(io.StringIO(table)):
        rows.writerow([f"'{cell}" if cell.startswith(FORMULA) and not _is_number(cell) else cell for cell in row])
    return made.getvalue()


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _rows(model: Model, rows: object) -> dict[str, Any]:
    if not isinstance(rows, list) or len(rows) > MOST_ROWS:
        what = "mappings of columns to values, or of lists of numbers"
        raise DataError(f"rows is missing: a list of at most {MOST_ROWS:,} {what}")
    outputs = model.outputs(_inputs(rows))
    answer: dict[str, Any] = {"predictions": _plain(model.decided(outputs)), "class_names": list(model.class_names)}
    if model.has_probabilities:
        answer["probabilities"] = _plain(model.probabilities(outputs))
    return answer


def _inputs(rows: Sequence[Any]) -> object:
    """Columns by name of mappings, an array of lists."""
    if not rows:
        raise DataError("there are no rows; give a list of mappings of columns to values, or of lists of numbers")
    if all(isinstance(row, dict) for row in rows):
        names = list(rows[0])
        for i, row in enumerate(rows):
            if set(row) != set(names):
                differing = ", ".join(sorted(set(row) ^ set(names)))
                raise DataError(f"row {i}, counted from 0, has not the columns of the first: {differing}")
        return {name: [row[name] for row in rows] for name in names}
    try:
        array = np.array(rows)
    except ValueError:
        raise DataError(
            "the rows are not all alike: each is a mapping of columns, or a list of as many numbers"
        ) from None
    return array


def _plain(values: Any) -> list[Any]:
    """As JSON has it, which knows no infinity."""
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise DataError(
            "the model gives no number for some of these rows; look for values far beyond those of training"
        )
    plain: list[Any] = values.tolist()
    return plain
