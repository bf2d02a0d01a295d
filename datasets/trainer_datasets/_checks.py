"""What every generator asks of its options."""

from __future__ import annotations

import numpy as np

from trainer.errors import DataError

__all__ = ["check", "shares"]


def check(name: str, *, rows: int, classes: int | None = None, features: int = 1, **not_negative: float) -> None:
    """Refuse too few rows, classes or features, and any other option that is negative or not finite."""
    if classes is not None and classes < 2:
        raise DataError(f"{name}: a classification needs at least two classes, not {classes}")
    if rows < (classes or 1):
        why = f"every class needs one, {classes} in all" if classes else "there is nothing to learn from"
        raise DataError(f"{name}: {rows} rows are too few; {why}")
    if features < 1:
        raise DataError(f"{name}: inputs have at least one feature, not {features}")
    for option, value in not_negative.items():
        if not 0 <= value < np.inf:
            raise DataError(f"{name}: {option} is a finite number of at least 0, not {value}")


def shares(rows: int, classes: int) -> list[int]:
    """`rows` in parts that differ by one at most."""
    return [rows // classes + (c < rows % classes) for c in range(classes)]
