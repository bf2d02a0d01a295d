"""What the columns of metrics.csv are called, and what they are of; known without an array."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["COLUMNS", "PARTS", "names_of", "split"]

PARTS = ("train", "validation", "test")
COLUMNS = ("epoch", "step", "seconds", "rows_per_second")  # that say nothing of what was learnt


def split(column: str) -> tuple[str, str]:
    """The part and the metric that a column is of; no part where it is none's.

    >>> split("test_f1_macro"), split("step_size")
    (('test', 'f1_macro'), ('', 'step_size'))
    """
    part, _, name = column.partition("_")
    return (part, name) if part in PARTS and name else ("", column)


def names_of(columns: Sequence[str]) -> list[str]:
    """The metrics that columns are of, each once, the loss first and what is no part's last.

    >>> names_of(["epoch", "step", "train_loss", "train_r2", "test_loss", "step_size", "seconds"])
    ['loss', 'r2', 'step_size']
    """
    found = [split(column) for column in columns if column not in COLUMNS]
    return list(dict.fromkeys(name for _, name in sorted(found, key=lambda each: (not each[0], each[1] != "loss"))))
