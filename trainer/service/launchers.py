"""What starts attempts: the contract between the supervisor and the processes, here or on another computer.

A launcher starts, stops and says what is gone. What an attempt has learnt never travels through it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["Exit", "Hears", "Launcher", "Work"]


@dataclass(frozen=True)
class Work:
    """An attempt that is to be started: of which run, which one, and what its process is told."""

    run: str
    attempt: int
    request: Mapping[str, Any]


@dataclass(frozen=True)
class Exit:
    """How an attempt's process ended.

    why: in words, such as "exit code 1" or "SIGKILL".
    asked: whether it was asked to, or went with the service or its fork server, and so is to blame for nothing.
    """

    why: str
    asked: bool = False
    cpu_seconds: float | None = None
    peak_bytes: int | None = None


class Hears(Protocol):
    """Who hears of attempts; called in the event loop."""

    def report(self, work: Work, message: Mapping[str, Any]) -> None:
        """A line that an attempt has said."""

    def gone(self, work: Work, ended: Exit) -> None:
        """An attempt's process is gone, and all that it has said was reported."""


class Launcher(Protocol):
    """Starts attempts somewhere."""

    @property
    def free(self) -> int:
        """How many more attempts it takes now."""

    async def begin(self) -> None:
        """Get ready. Raises TrainerError with what to mend."""

    async def launch(self, work: Work) -> str:
        """Start an attempt; gives what the launcher calls it."""

    async def stop(self, handle: str, grace: float) -> None:
        """Ask an attempt to end with a checkpoint, and kill it after so many seconds; one that is gone is no error."""

    async def living(self, handles: Sequence[str]) -> set[str]:
        """Which of these attempts, that a service before this one has started, live on and will be heard of."""

    async def end(self) -> None:
        """Stop whatever runs, and let go of everything."""
