"""Attempts by a command of the admin's, which runs `trainer attempt` elsewhere: `ssh worker trainer attempt`."""

from __future__ import annotations

import asyncio
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from trainer.errors import UsageError
from trainer.service.ids import new_id
from trainer.service.launchers import Launcher, Site
from trainer.service.remote.launcher import Order, Remote

__all__ = ["Command"]


@dataclass(frozen=True)
class Command:
    """A command that runs `trainer attempt` on another computer and hands on its input, such as ssh.

    Attributes:
        command: what is run for an attempt; it ends when its input is closed.
        slots: how many at once.
        threads: that each has.
    """

    command: str
    slots: int = 1
    threads: int = 1

    def launcher(self, site: Site) -> Launcher:
        """What starts attempts so. Raises UsageError for a command that cannot be read."""
        try:
            words = shlex.split(self.command)
        except ValueError as error:
            raise UsageError(f"--launcher command: '{self.command}' cannot be read: {error}") from None
        if not words:
            raise UsageError("--launcher command needs one: --launcher 'command=ssh worker trainer attempt'")
        return Remote(_Commands(self, words), site)


class _Commands:
    def __init__(self, options: Command, words: Sequence[str]) -> None:
        self.slots, self.threads, self._words = options.slots, options.threads, list(words)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    async def begin(self) -> None:
        """There is nothing to get ready."""

    async def submit(self, name: str, order: Order) -> str:
        """Start the command, with the order on its input, which stays open."""
        await self.gone([*self._processes])
        try:
            process = await asyncio.to_thread(
                subprocess.Popen, self._words, stdin=subprocess.PIPE, start_new_session=True
            )
        except OSError as error:
            raise UsageError(f"--launcher command: {self._words[0]}: {error.strerror}") from None
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended, which is found when it is asked for
            process.stdin.write(order.text.encode())
            process.stdin.flush()
        handle = new_id()
        self._processes[handle] = process
        return handle

    async def stop(self, handle: str, grace: float) -> None:
        """Close its input. What does not hear that hears it from the service."""
        process = self._processes.get(handle)
        if process is not None and process.stdin is not None:
            process.stdin.close()

    async def gone(self, handles: Sequence[str]) -> Mapping[str, str]:
        """Those whose command has ended, and those that a service before this one has started."""
        ended = {handle: process.poll() for handle, process in self._processes.items()}
        for handle, code in ended.items():
            if code is not None:
                process = self._processes.pop(handle)
                if process.stdin is not None:
                    process.stdin.close()
        known = {handle: f"the command ended with {code}" for handle, code in ended.items() if code is not None}
        return {
            handle: known.get(handle, "the service ended")
            for handle in handles
            if handle in known or handle not in self._processes
        }

    async def end(self) -> None:
        """Let go of their inputs: what trains ends with a checkpoint, and hands it to the next service."""
        for process in self._processes.values():
            if process.stdin is not None:
                process.stdin.close()
