"""Configs: a YAML file with overrides becomes a validated `Config`, or an error that says everything that is wrong.

    loaded = load("configs/mlp.yaml", ["step_size=0.01"])
    loaded.config.network[0].options
    raise loaded.error(("network", 1), "late news about the second layer")

The names load when they are first used: pydantic costs 0.15 s, and a command's --help does without.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainer.config.editor_schema import json_schema
    from trainer.config.loader import LoadedConfig, load
    from trainer.config.schema import Choice, Compute, Config, DatasetConfig

__all__ = ["Choice", "Compute", "Config", "DatasetConfig", "LoadedConfig", "json_schema", "load"]

_HOME = {"json_schema": "editor_schema", "LoadedConfig": "loader", "load": "loader"}  # the rest is in `schema`


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME.get(name, 'schema')}"), name)
