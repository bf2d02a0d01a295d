"""Attempts on this machine, forked from a process that has the project loaded."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.errors import TrainerError
from trainer.service.children import Child
from trainer.service.launchers import Exit, Launcher, Site, Work
from trainer.service.settings import Settings

__all__ = ["Local", "is_stopped", "limits_of", "why"]

LOOK = 5.0  # seconds between two looks for processes that somebody has stopped
LAST = 2.0  # seconds for what a process that is gone has said last


@dataclass(frozen=True)
class Local:
    """Attempts on this machine; `--slots` says how many at once."""

    def launcher(self, site: Site) -> Launcher:
        """What starts them."""
        return _Local(site)


class _Local:
    outlives = False

    def __init__(self, site: Site) -> None:
        self._settings, self._hears, self.children = site.settings, site.hears, site.children
        self._running: dict[str, Child] = {}
        self._stopped: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._heard: set[asyncio.Task[None]] = set()
        self._starting = 0
        self._watching = False

    @property
    def slots(self) -> int:
        """How many attempts there may be at once."""
        return self._settings.slots or self.children.processors

    @property
    def threads(self) -> int:
        """Of each: the processors are divided among the slots. It changes no bit (see `trainer.training.threads`)."""
        return max(1, self.children.processors // self.slots)

    @property
    def free(self) -> int:
        """How many more attempts there is room for."""
        return self.slots - len(self._running) - self._starting

    async def begin(self) -> None:
        """Start the fork server, if there is none."""
        await self.children.begin()
        if not self._watching:
            self._watching = True
            self._follow(self._watch(), self._tasks)

    async def launch(self, work: Work) -> str:
        """Fork an attempt."""
        self._starting += 1
        try:
            child = await self.children.fork(
                "attempt",
                {
                    **work.request,
                    "limits": limits_of(self._settings),
                    "nice": 10,
                    "threads": self.threads,
                },
            )
            self._running[child.handle] = child
        finally:
            self._starting -= 1
        self._follow(self._hear(child, work), self._heard)
        return child.handle

    async def stop(self, handle: str, grace: float) -> None:
        """SIGTERM, and SIGKILL where that is not enough."""
        child = self._running.get(handle)
        if child is None or handle in self._stopped:
            return
        self._stopped.add(handle)
        await self.children.kill(child, signal.SIGTERM)
        self._follow(self._kill_later(child, grace), self._tasks)

    async def adopt(self, work: Work, handle: str) -> bool:
        """Never: they end with the service that started them."""
        return False

    async def end(self) -> None:
        """Stop what runs, and wait for it."""
        for handle in list(self._running):
            await self.stop(handle, self._settings.grace)
        await asyncio.gather(*self._heard)
        for task in self._tasks:
            task.cancel()
        await self.children.end()

    def _follow(self, coroutine: Coroutine[Any, Any, None], tasks: set[asyncio.Task[None]]) -> None:
        task = asyncio.create_task(coroutine)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def _hear(self, child: Child, work: Work) -> None:
        """Until it is gone. Who holds its end of the channel for longer, a process of a plugin's, is not waited for."""
        heard = asyncio.create_task(self._reported(child, work))
        code = await child.ended
        await asyncio.wait([heard], timeout=LAST if code is not None else 0)
        heard.cancel()
        child.writer.close()
        asked = child.handle in self._stopped or code is None
        self._running.pop(child.handle)
        self._stopped.discard(child.handle)
        usage = child.usage
        self._hears.gone(work, Exit(why(code), asked, usage.get("cpu_seconds"), usage.get("peak_bytes")))

    async def _reported(self, child: Child, work: Work) -> None:
        with suppress(OSError, ValueError):  # a plugin that writes nonsense there has said all that is heard of it
            while line := await child.reader.readline():
                self._hears.report(work, json.loads(line))

    async def _kill_later(self, child: Child, grace: float) -> None:
        await asyncio.wait([child.ended], timeout=grace)
        if not child.ended.done():
            await self.children.kill(child, signal.SIGKILL)

    async def _watch(self) -> None:
        """A process that somebody has stopped would hold its slot for ever: it is killed, and its run goes on.

        A fork server that was stopped is killed as well, and one that is gone is begun anew before anybody needs it.
        """
        frozen: dict[int, int] = {}
        wait = min(LOOK, self._settings.frozen / 4)
        looks = max(1, round(self._settings.frozen / wait))
        while True:
            await asyncio.sleep(wait)
            running = {child.pid: child for child in self._running.values()}
            pids = [*running, *([self.children.pid] if self.children.pid else [])]
            frozen = {pid: frozen.get(pid, 0) + 1 for pid in pids if is_stopped(pid)}
            for pid in [pid for pid, seen in frozen.items() if seen >= looks]:
                if pid == self.children.pid:
                    self.children.kill_server()
                else:
                    self._follow(self.children.kill(running[pid], signal.SIGKILL), self._tasks)
            if self.children.pid is None:
                self._follow(self._begin_again(), self._tasks)

    async def _begin_again(self) -> None:
        with suppress(TrainerError):  # which whoever needs it is told
            await self.children.begin()


def is_stopped(pid: int) -> bool:
    """Whether a process has been sent SIGSTOP; False where the system does not say."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] in "Tt"


def limits_of(settings: Settings) -> dict[str, int]:
    """What the process of an attempt may have, by the names of its RLIMITs."""
    limits = settings.limits
    cpu = {"CPU": limits.cpu_seconds} if limits.cpu_seconds else {}
    return {"AS": limits.memory, "FSIZE": limits.file, "NOFILE": 1024, "CORE": 0, **cpu}


def why(code: int | None) -> str:
    """How a process ended, in words; None where nobody has seen it.

    >>> why(1), why(-9)
    ('exit code 1', 'SIGKILL')
    """
    if code is None:
        return "its fork server ended"
    if code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}"
