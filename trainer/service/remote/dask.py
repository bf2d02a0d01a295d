"""Attempts as tasks of a Dask cluster, each a process that its task waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from trainer.errors import TrainerError, UsageError
from trainer.service.launchers import Launcher, Site
from trainer.service.remote.attending import attended
from trainer.service.remote.launcher import LOOPBACK, Order, Remote

__all__ = ["Dask"]

SECONDS = 5.0  # for an answer
AT_ONCE = 0.5  # seconds that a dispatcher waits for a connection
WAITING = frozenset({"waiting", "queued", "no-worker", "processing"})  # states of a task that may begin still


@dataclass(frozen=True)
class Dask:
    """Tasks of a Dask cluster, whose workers have this version of the trainer.

    Attributes:
        scheduler: its address, tls://HOST:PORT.
        ca, certificate, key: files of TLS, as `dask scheduler` has them.
        slots: attempts at once; by default one for each thread of its workers.
        threads: that each has.
    """

    scheduler: str
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    slots: int | None = None
    threads: int = 1

    def launcher(self, site: Site) -> Launcher:
        """What starts attempts there. Raises UsageError without the library, and without TLS for other computers."""
        try:
            import distributed  # noqa: F401  half a second, before anybody waits for an answer
        except ModuleNotFoundError as error:
            raise UsageError(f"--launcher dask needs {error.name}: pip install 'tape-trainer[dask]'") from None
        parts = urlsplit(self.scheduler)
        if parts.scheme != "tls" and parts.hostname not in LOOPBACK:
            raise UsageError(
                f"--launcher dask: whoever reaches {self.scheduler} can run code there; it takes tls://HOST:PORT, with "
                "ca, certificate and key"
            )
        return Remote(_Cluster(self), site)


class _Cluster:
    def __init__(self, options: Dask) -> None:
        self._options, self.threads = options, options.threads
        self.slots = 0
        self._client: Any = None
        self._connecting: asyncio.Task[Any] | None = None
        self._futures: dict[str, Any] = {}  # whose errors are worth telling

    async def begin(self) -> None:
        """Connect, if that is not done or was lost, beside whoever else dispatches."""
        if self._client is None or self._client.status != "running":
            if self._connecting is None:
                self._connecting = asyncio.create_task(self._connected())
            await asyncio.wait({self._connecting}, timeout=AT_ONCE)
            if not self._connecting.done():
                raise TrainerError(f"{self._options.scheduler} has not answered yet")
            connecting, self._connecting = self._connecting, None
            self._client = connecting.result()
        cores = await self._asked(self._client.scheduler.ncores())
        self.slots = min(sum(cores.values()), self._options.slots or 2**31)

    async def _connected(self) -> Any:
        from distributed import Client
        from distributed.security import Security

        if self._client is not None:
            with suppress(OSError, asyncio.TimeoutError):
                await self._client.close(timeout=1)
        at = self._options
        tls = {"tls_ca_file": at.ca, "tls_client_cert": at.certificate, "tls_client_key": at.key}
        secure = urlsplit(at.scheduler).scheme == "tls"
        security = Security(require_encryption=True, **tls) if secure else Security()
        return await self._asked(
            Client(at.scheduler, security=security, asynchronous=True, timeout=SECONDS, set_as_default=False)
        )

    async def submit(self, name: str, order: Order) -> str:
        """A task that no client needs to wait for; where a worker is lost, a second one begins nothing."""
        from distributed import fire_and_forget

        handle = f"trainer-{name}"
        future = self._client.submit(_task, order, handle, key=handle, pure=False, retries=0)
        fire_and_forget(future)
        self._futures = {key: each for key, each in self._futures.items() if not each.done()} | {handle: future}
        return handle

    async def stop(self, handle: str, grace: float) -> None:
        """Tell the task, which Dask itself would let go on."""
        from distributed import Event

        if self._client is not None and self._client.status == "running":
            await self._asked(Event(handle, client=self._client).set())

    async def gone(self, handles: Sequence[str]) -> Mapping[str, str]:
        """Those that the scheduler does not know, or that have ended."""
        await self.begin()
        states = await self._asked(self._client.scheduler.get_task_status(keys=list(handles)))
        return {handle: await self._why(handle, state) for handle, state in states.items() if state not in WAITING}

    async def _why(self, handle: str, state: str | None) -> str:
        future = self._futures.get(handle)
        if future is not None and future.status == "error":
            return f"its task failed: {await self._asked(future.exception())}"
        return "the scheduler does not know it" if state is None else "its task has ended"

    async def end(self) -> None:
        """Leave; tasks go on."""
        if self._connecting is not None:
            self._connecting.cancel()
        if self._client is not None:
            with suppress(OSError, asyncio.TimeoutError):
                await self._client.close(timeout=1)

    async def _asked(self, question: Any) -> Any:
        """An answer of the scheduler's. Raises TrainerError where there is none."""
        try:
            async with asyncio.timeout(SECONDS):
                return await question
        except (OSError, ValueError, RuntimeError) as error:
            raise TrainerError(
                f"{self._options.scheduler} does not answer: {str(error) or 'it takes too long'}"
            ) from error


def _task(order: Order, handle: str) -> int:
    """What runs in a worker's thread."""
    from distributed import Event, get_client

    told = Event(handle, client=get_client())
    try:
        return attended(order, lambda seconds: _is_set(told, seconds))
    finally:
        with suppress(OSError):
            told.clear()


def _is_set(told: Any, seconds: float) -> bool:
    """Whether a task is to end: it was told so, or is within that time, or there is no scheduler that could tell it."""
    try:
        return bool(told.wait(seconds) if seconds else told.is_set())
    except OSError:
        return True
