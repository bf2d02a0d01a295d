"""What tests of training begin with: data that somebody made up, an op as a layer, and the executors that there are."""

from __future__ import annotations

from typing import Any

from trainer.compiler.executors import native_available
from trainer.data.prepared import Prepared, Rows
from trainer.nn import OpLayer
from trainer.plugins import shared
from trainer.types import Array

__all__ = ["EXECUTORS", "data_of", "op_layer"]

EXECUTORS = ("eager", "numpy", "native") if native_available() else ("eager", "numpy")


def data_of(inputs: Array, targets: Array, *, test: int = 0, classes: tuple[str, ...] = ()) -> Prepared:
    """Rows to train, the last so many of them to test; a regression unless there are classes."""
    rows, cut = Rows.numbered(inputs, targets), len(inputs) - test
    return Prepared("made up", "classification" if classes else "regression", classes, rows[:cut], rows[cut:])


def op_layer(name: str, **attributes: Any) -> OpLayer:
    """The op of that name as a layer."""
    return OpLayer(shared().get("ops", name).target, **attributes)
