"""The config that a command is about, and word of plugins that are broken."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.cli.paths import find_config
from trainer.cli.plugin_commands import report_problems
from trainer.engine.uncollected import beginning

if TYPE_CHECKING:
    from trainer.config import LoadedConfig

__all__ = ["opened"]


def opened(path: Path, overrides: Sequence[str] | None, plugins: Sequence[str] | None) -> LoadedConfig:
    """The config in a file. Raises UsageError with the file that was probably meant, and ConfigError."""
    path = find_config(path)  # before the import: a typing error gets its answer at once
    with beginning():
        from trainer.config import load

        loaded = load(path, overrides or (), plugins or ())
    report_problems(loaded.plugins)
    return loaded
