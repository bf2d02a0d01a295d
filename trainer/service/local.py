"""The launcher that ships: attempts on this machine, forked from a process that has the project loaded."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.service.children import Child, Children
from trainer.service.launchers import Exit, Hears, Work

if TYPE_CHECKING:
    from trainer.service.settings import Settings

__all__ = ["Local"]

LOOK = 5.0  # seconds between two looks for processes that somebody has stopped


class Local:
    """Attempts on this machine."""

    def __init__(self, settings: Settings, hears: Hears, children: Children) -> None:
        self._settings, self._hears, self.children = settings, hears, children
        self._running: dict[str, Child] = {}
        self._stopped: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._heard: set[asyncio.Task[None]] = set()
        self._starting = 0

    @property
    def free(self) -> int:
        """How many more attempts there is room for."""
        return (self._settings.slots or self.children.processors) - len(self._running) - self._starting

    async def begin(self) -> None:
        """Start the fork server."""
        await self.children.begin()
        self._follow(self._watch(), self._tasks)

    async def launch(self, work: Work) -> str:
        """Fork an attempt."""
        limits = self._settings.limits
        cpu = {"CPU": limits.cpu_seconds} if limits.cpu_seconds else {}
        self._starting += 1
        try:
            child = await self.children.fork(
                "attempt",
                {
                    **work.request,
                    "limits": {"AS": limits.memory, "FSIZE": limits.file, "NOFILE": 1024, "CORE": 0, **cpu},
                    "nice": 10,
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

    async def living(self, handles: Sequence[str]) -> set[str]:
        """None: they end with the service that started them."""
        return set()

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
        while True:
            try:
                line = await child.reader.readline()
                message = json.loads(line) if line else None
            except (OSError, ValueError):  # a plugin that writes nonsense there has said all that is heard of it
                break
            if message is None:
                break
            self._hears.report(work, message)
        child.writer.close()
        code = await child.ended
        asked = child.handle in self._stopped or code is None
        self._running.pop(child.handle)
        self._stopped.discard(child.handle)
        usage = child.usage
        self._hears.gone(work, Exit(_why(code), asked, usage.get("cpu_seconds"), usage.get("peak_bytes")))

    async def _kill_later(self, child: Child, grace: float) -> None:
        await asyncio.wait([child.ended], timeout=grace)
        if not child.ended.done():
            await self.children.kill(child, signal.SIGKILL)

    async def _watch(self) -> None:
        """A process that somebody has stopped would hold its slot for ever: it is killed, and goes on later."""
        frozen: dict[str, int] = {}
        while True:
            await asyncio.sleep(min(LOOK, self._settings.frozen / 4))
            looks = max(1, round(self._settings.frozen / min(LOOK, self._settings.frozen / 4)))
            frozen = {
                handle: frozen.get(handle, 0) + 1 for handle, child in self._running.items() if _is_stopped(child.pid)
            }
            for handle in [handle for handle, seen in frozen.items() if seen >= looks]:
                await self.children.kill(self._running[handle], signal.SIGKILL)


def _is_stopped(pid: int) -> bool:
    """Whether a process has been sent SIGSTOP; False where the system does not say."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] in "Tt"


def _why(code: int | None) -> str:
    if code is None:
        return "its fork server ended"
    if code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}"
