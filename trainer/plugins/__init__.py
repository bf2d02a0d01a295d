"""Plugins: where every op, layer, cost, optimizer, schedule, metric, data set, executor and command comes from.

    plugins = Plugins(["swish.py"])       # what is installed, and a file
    plugins.get("ops", "swish")           # Component 'swish' ...

pluggy finds and validates plugins when they are loaded and is not imported before; a look-up is a look-up in a dict.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.plugins.manager import PluginProblem, Plugins, PluginSummary, available, shared
from trainer.plugins.registry import KINDS, Component, Parameter

if TYPE_CHECKING:
    from trainer.plugins.hookspecs import Register, hookimpl

__all__ = [
    "KINDS", "Component", "Parameter", "PluginProblem", "PluginSummary", "Plugins", "Register", "available", "hookimpl",
    "shared",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in ("hookimpl", "Register"):  # hookspecs imports pluggy, which a command's --help can do without
        from trainer.plugins import hookspecs

        return getattr(hookspecs, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
