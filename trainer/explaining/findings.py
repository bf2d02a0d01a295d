"""What was found to be wrong with a training: the cause, the evidence, and what to try."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from trainer.config import LoadedConfig

__all__ = ["Finding", "line_of", "other_initial_values"]


class Finding(NamedTuple):
    """One cause, as a line.

    Attributes:
        cause: in a few words: "a step size too large".
        evidence: what was measured, with its numbers.
        place: the line of the config that it lies in; empty where it lies in none.
        overrides: arguments to try, as on the command line.
    """

    cause: str
    evidence: str
    place: str = ""
    overrides: Sequence[str] = ()

    def __str__(self) -> str:
        where = f" ({self.place})" if self.place else ""
        ways = f". Try {' '.join(self.overrides)}" if self.overrides else ""
        return f"{self.cause}{where}: {self.evidence}{ways}"


def line_of(loaded: LoadedConfig, *loc: str | int) -> str:
    """Where something stands in the config, as file, line and column."""
    return loaded.place(*loc).partition("\n")[0]


def other_initial_values(loaded: LoadedConfig) -> list[str]:
    """Overrides for the layers whose config gives initial values."""
    return [
        f"network.{i}.{choice.name}.initial=he"
        for i, choice in enumerate(loaded.config.network)
        if "initial" in choice.options
    ]
