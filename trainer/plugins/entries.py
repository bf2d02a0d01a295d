"""Installed plugins as their packages declare them, without importing any."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["GROUP", "called", "entry_of", "installed"]

GROUP = "trainer"  # of entry points


def entry_of(module: str) -> EntryPoint | None:
    """The entry point of the installed plugin whose package a module is in, or None."""
    from importlib.metadata import entry_points

    top = module.partition(".")[0]
    return next((entry for entry in entry_points(group=GROUP) if entry.module.partition(".")[0] == top), None)


def called(word: str) -> EntryPoint | None:
    """The entry point of the installed plugin that has this name, or that a distribution or module of it brings.

    >>> entry = called("tape-trainer")
    >>> entry is None or entry.group
    'trainer'
    """
    from importlib.metadata import entry_points

    entries = [entry for entry in entry_points(group=GROUP) if entry.dist is not None]
    named = [entry for entry in entries if entry.name == word]
    brought = [entry for entry in entries if word in (entry.module, entry.dist.name if entry.dist else None)]
    return next(iter([*named, *brought]), None)


def installed() -> list[str]:
    """The names of all.

    >>> "trainer_ops" in installed()
    True
    """
    from importlib.metadata import entry_points

    return sorted({entry.name for entry in entry_points(group=GROUP)})
