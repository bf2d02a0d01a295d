"""What is measured after an epoch: whatever a metric raises is told with its name and line."""

from __future__ import annotations

from typing import Any

from trainer.errors import UsageError
from trainer.wording import described, source_of

__all__ = ["measured"]


def measured(name: str, metric: Any, predictions: Any, targets: Any, rows: str) -> Any:
    """What a metric or a table gives; whatever it raises becomes a UsageError that names it, the rows and the line."""
    try:
        return metric(predictions, targets)
    except Exception as error:
        raise UsageError(f"metric '{name}' fails on {rows}: {described(error, source_of(metric))}") from error
