"""metrics.jsonl: a line per logged step, readable at any instant.

    {"step": 9, "epoch": 1, "loss": 2.25, "step_size": 0.1, "gradient": 0.5, "update": 0.05, "theta": 7.5, "seconds": 1}

`gradient`, `update` and `theta` are norms; `theta` is that of the parameters after the step. Numbers have all the
digits of their dtype, but `seconds`, of the piece of steps that one is in; a norm whose square has left the dtype's
range is null.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from trainer.errors import DataError
from trainer.runs import digests

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Steps = dict[str, NDArray[Any]]

__all__ = ["COLUMNS", "lines_of_steps", "read_steps"]

COLUMNS = ("step", "epoch", "loss", "step_size", "gradient", "update", "theta", "seconds")
_COUNTS = ("step", "epoch")
_AT_ONCE = 20_000  # lines


class _Measured(Protocol):
    """What is said of a step besides its loss."""

    @property
    def step_size(self) -> float: ...
    @property
    def gradient(self) -> float: ...
    @property
    def update(self) -> float: ...
    @property
    def theta(self) -> float: ...


class _Step(Protocol):
    @property
    def step(self) -> int: ...
    @property
    def epoch(self) -> int: ...
    @property
    def loss(self) -> float: ...
    @property
    def measured(self) -> _Measured | None: ...


def lines_of_steps(steps: Iterable[_Step], seconds: float, digits: int) -> bytes:
    """The lines of steps, all of which were measured.

    Args:
        seconds: since training began.
        digits: of a number: 9 tell every float32 from its neighbours, 17 every float64.
    """
    number = f"%.{digits}g"
    line = (
        f'{{"step": %d, "epoch": %d, "loss": {number}, "step_size": %r, "gradient": {number}, '
        f'"update": {number}, "theta": {number}, "seconds": {seconds:.3f}}}\n'
    )
    text = "".join([line % (step.step, step.epoch, step.loss, *step.measured) for step in steps])  # type: ignore[misc]
    return (text.replace(": inf", ": null") if "inf" in text else text).encode()


def read_steps(path: str | os.PathLike[str]) -> Steps:
    """The columns of a metrics.jsonl by name, each of shape (logged steps,); what is null is nan.

    A file that does not exist has no columns. Raises DataError for one that is not what was written, and for a line
    that is no JSON or lacks a column.
    """
    import numpy as np
    from pydantic_core import from_json

    path = Path(path)
    if not path.exists():
        return {}
    content = digests.read(path)
    lines = content[: content.rfind(b"\n") + 1].splitlines()
    pieces: dict[str, list[NDArray[Any]]] = {name: [] for name in COLUMNS}
    for start in range(0, len(lines), _AT_ONCE):
        try:
            rows = from_json(b"[" + b",".join(lines[start : start + _AT_ONCE]) + b"]")
            for name in COLUMNS:
                dtype = np.int64 if name in _COUNTS else np.float64
                pieces[name].append(np.array([row[name] for row in rows], dtype=dtype))
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise DataError(f"{path}, from line {start + 1:,} on: {error}") from None
    return {name: np.concatenate(each) for name, each in pieces.items()} if lines else {}
