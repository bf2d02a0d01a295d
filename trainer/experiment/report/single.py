"""The page of one run: what it is, how it went, what it reached, what it gets wrong, and what it ran with."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from trainer.data.prepared import Part, Rows
from trainer.errors import DataError, TrainerError
from trainer.experiment.evaluating import Evaluated, evaluate
from trainer.experiment.model import load as load_model
from trainer.experiment.pictures import attention, filters, regions, unfit
from trainer.experiment.report.page import MOST_TEXT, facts, note, page, section, text
from trainer.experiment.report.parts import confused, curves_of, examples, numbers_of, panels_of, plane_of, steps_of
from trainer.runs.digests import read, read_text
from trainer.runs.loading import Run
from trainer.types import Array
from trainer.wording import count, duration, number

__all__ = ["moment", "page_of", "readable"]

MOST_WARNINGS = 50
CONFUSION = "confusion_matrix.csv"
_STAMP = re.compile(r"^\d{4}-\d\d-\d\dT\S+  ")
_TOLD = ("warning: ", "trained regardless: ")


def page_of(run: Run, *, data: bool = True) -> str:
    """The page. What cannot be read is said in its place, and hides nothing else."""
    body = [
        *readable(lambda: _story(run)),
        *readable(lambda: _trained(run)),
        *readable(lambda: _identity(run)),
        *readable(lambda: _warnings(run)),
        section("Curves", *readable(lambda: curves_of(run.metrics) or "<p>No epoch was finished.</p>")),
        section("Steps", *readable(lambda: steps_of(run))),
        section("Numbers", *readable(lambda: numbers_of(run.metrics)), *readable(lambda: _tested(run))),
        *_looked_at(run, data),
        section("Where and with what", *readable(lambda: _environment(run))),
        section("Config", *readable(lambda: _config(run))),
    ]
    return page(run.path.name, body)


def readable(make: Callable[[], str]) -> Iterator[str]:
    """A part of the page, or why there is none."""
    try:
        yield make()
    except DataError as error:
        yield note(error)


def _story(run: Run) -> str:
    """How it went, in a line, and why it ended."""
    about = run.about
    epochs = f"{count(int(about.get('epochs') or 0), 'epoch')} in {duration(float(about.get('seconds') or 0))}"
    begun = f", begun {moment(about.get('started'))}" if about.get("started") else ""
    reason = note(run.reason) if run.reason else ""
    return f"<p><b>{text(run.status)}</b>, {epochs}{begun}</p>{reason}"


def moment(stamp: object) -> str:
    """A time of status.json, to the second.

    >>> moment("2026-01-31T17:45:02.123+00:00")
    '2026-01-31 17:45:02 UTC'
    """
    return text(str(stamp)[:19].replace("T", " ")) + (" UTC" if str(stamp).endswith("+00:00") else "")


def _trained(run: Run) -> str:
    """The first entry of the log: what is trained, on what."""
    entries = _entries(run)
    return f"<p>{text(entries[0], 1000)}</p>" if entries and not entries[0].startswith(_TOLD) else ""


def _entries(run: Run) -> list[str]:
    """What the log says, without its times; a log that is missing says nothing."""
    if not (run.path / "log.txt").exists():
        return []
    entries: list[str] = []
    for line in run.log.splitlines():
        if _STAMP.match(line):
            entries.append(_STAMP.sub("", line))
        elif entries:
            entries[-1] += "\n" + line.strip()
    return entries


def _warnings(run: Run) -> str:
    told = [entry for entry in _entries(run) if entry.startswith(_TOLD)]
    notes = "".join(note(entry.removeprefix(_TOLD[0])) for entry in told[:MOST_WARNINGS])
    more = len(told) - MOST_WARNINGS
    return section("Warnings", notes, f"<p>and {more:,} more, in log.txt</p>" if more > 0 else "")


def _looked_at(run: Run, data: bool) -> Iterator[str]:
    """What its parameters are like, and what they make of the test rows, or of those of validation; where that cannot
    be, what was written."""
    rows: Rows | None = None
    try:
        model = load_model(run.path)
    except TrainerError as error:
        yield from _written(run, note(f"No rows were predicted: {error}") if data else "")
        return
    try:
        part = _kept(run) if data else None
        found = None if part is None else evaluate(model, run.path, part=part)
    except TrainerError as error:
        yield from _written(run, note(f"No rows were predicted: {error}"))
    else:
        if found is None:
            none = "<p>No rows were kept from training, so there are none to judge by.</p>"
            yield from _written(run, none if data else "")
        else:
            yield from _judged(found)
            rows = found.measured
    yield section("What is predicted where", "" if unfit(model) else plane_of(regions(model, rows)))
    yield section("Filters", *map(panels_of, filters(model)))
    if rows is not None:
        row = f'<p class="pale">Of row {int(rows.indices[0]):,} of the data set.</p>'
        shown = [*map(panels_of, attention(model, rows[:1]))]
        yield section("Attention", *([row, *shown] if shown else []))


def _judged(found: Evaluated) -> Iterator[str]:
    reached = ", ".join(f"{name} {number(value)}" for name, value in found.numbers.items())
    told = f"<p>{found.rows:,} {text(found.of)}: {text(reached, 2000)}</p>"
    matrix = "" if found.confusion is None else confused(found.confusion, found.class_names)
    yield section("What was taken for what" if matrix else "Predictions", told, matrix)
    yield section("Predicted worst", examples(found.worst))


def _kept(run: Run) -> Part | None:
    """The rows that were kept from training; None where it measured no such rows."""
    measured = [*run.metrics, *(f"test_{name}" for name in run.about.get("test") or {})]
    parts: tuple[Part, ...] = ("test", "validation")
    return next((part for part in parts if any(column.startswith(f"{part}_") for column in measured)), None)


def _tested(run: Run) -> str:
    """What was measured on the test rows once, at the end."""
    measured = _mapping(run.about.get("test"))
    told = ", ".join(f"{name} {number(float(value))}" for name, value in measured.items())
    return f"<p>Of the test rows, once, at the end: {text(told, 2000)}</p>" if told else ""


def _written(run: Run, why: str = "") -> Iterator[str]:
    """The confusion matrix that the run left, if its config asked for one."""
    yield section("What was taken for what", why, *readable(lambda: _matrix(run.path / CONFUSION)))


def _matrix(path: Path) -> str:
    if not path.exists():
        return ""
    try:
        header, *rows = csv.reader(read_text(path).splitlines())
        matrix: Array = np.array([[int(float(cell)) for cell in row[1:]] for row in rows])
    except (ValueError, OverflowError) as error:
        raise DataError(f"{path}: {error}") from None
    if matrix.shape != (len(header) - 1, len(header) - 1):
        raise DataError(f"{path} is no square table")
    return confused(matrix, header[1:])


def _environment(run: Run) -> str:
    about = run.environment
    versions = {"python": _get(about, "python", "version"), **_mapping(about.get("packages"))}
    return facts(
        {
            "command": " ".join(map(str, about.get("command") or ())),
            "versions": ", ".join(f"{name} {version}" for name, version in versions.items() if version),
            "plugins": ", ".join(f"{k} ({v})" if v else str(k) for k, v in _mapping(about.get("plugins")).items()),
            "git": about.get("git"),
            "executor": about.get("executor"),
            "threads": _get(about, "threads", "threads"),
            "processor": _get(about, "cpu", "model"),
            "BLAS": _get(about, "numpy", "blas"),
            "system": " ".join(map(str, _mapping(about.get("platform")).values())),
            "folder": run.path.name,
        }
    )


def _get(about: Mapping[str, Any], key: str, inner: str) -> object:
    return _mapping(about.get(key)).get(inner)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _identity(run: Run) -> str:
    """By what one knows whether two runs were the same."""
    return facts({"config": f"SHA-256 {hashlib.sha256(_resolved(run)).hexdigest()[:16]}"})


def _config(run: Run) -> str:
    """As it was used, with every default."""
    return f"<pre>{text(_resolved(run).decode(errors='backslashreplace').rstrip(), MOST_TEXT)}</pre>"


def _resolved(run: Run) -> bytes:
    return read(run.path / "resolved.yaml")
