"""The launcher of attempts that an engine starts elsewhere: it hands on orders, and notices what is not heard of."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

from trainer.errors import TrainerError, UsageError
from trainer.service.launchers import Exit, Site, Work
from trainer.service.remote.attempts import LEASE, Attempt
from trainer.service.settings import Settings

__all__ = ["Engine", "Order", "Remote"]

LOOPBACK = ("127.0.0.1", "::1", "localhost")
LOOK = 1.0  # seconds between two looks at leases
ASK = 5  # looks between two questions to the engine


@dataclass(frozen=True)
class Order:
    """What a process elsewhere is handed, as a line on its standard input; what logs it shows nothing of it."""

    text: str = field(repr=False)

    @classmethod
    def of(cls, settings: Settings, token: str) -> Order:
        """At which address, whose certificate it may trust beside those that it knows, and with which token."""
        certificate = None if settings.certificate is None else settings.certificate.read_text(encoding="ascii")
        return cls(json.dumps({"url": settings.url, "certificate": certificate, "token": token}) + "\n")


class Engine(Protocol):
    """Starts processes on other computers, and knows no more of them.

    Each is a carrier (`trainer attempt`), which gets its order on its standard input and ends where that is closed.
    """

    @property
    def slots(self) -> int:
        """How many there may be at once."""

    @property
    def threads(self) -> int:
        """How many threads each has."""

    async def begin(self) -> None:
        """Get ready, if it is not. Raises TrainerError with what to mend."""

    async def submit(self, name: str, order: Order) -> str:
        """Start one, now or as soon as there is room; gives what the engine calls it."""

    async def stop(self, handle: str, grace: float) -> None:
        """Ask one to end, and kill it after so many seconds; one that is gone is no error."""

    async def gone(self, handles: Sequence[str]) -> Mapping[str, str]:
        """Why, of those that are gone. Raises TrainerError where the engine does not answer."""

    async def end(self) -> None:
        """Let go of it."""


def _check(url: str | None) -> None:
    """Raise UsageError where attempts elsewhere have no address, or one at which their tokens could be read."""
    if url is None:
        raise UsageError("attempts elsewhere have no address to report to: --url https://NAME:PORT")
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in LOOPBACK:
        raise UsageError(f"attempts elsewhere would report to {url} for all to read: --url https://NAME:PORT")


class Remote:
    """A launcher, of an engine. What it has started reports to whichever service there is at its address.

    Raises UsageError where that is none that is kept secret.
    """

    outlives = True

    def __init__(self, engine: Engine, site: Site) -> None:
        _check(site.settings.url)
        self._engine, self._site = engine, site
        self._mine: dict[str, Attempt] = {}  # by handle
        self._starting = 0
        self._watching: asyncio.Task[None] | None = None
        self._silent = 0.0  # seconds for which the engine has not answered

    @property
    def free(self) -> int:
        """How many more the engine takes."""
        return self._engine.slots - len(self._mine) - self._starting

    @property
    def threads(self) -> int:
        """As the engine has it."""
        return self._engine.threads

    async def begin(self) -> None:
        """Begin the engine, and to look at leases."""
        await self._engine.begin()
        self._watch()

    async def launch(self, work: Work) -> str:
        """Hand the engine an order."""
        attempt = Attempt(work, self._over, threads=self.threads)
        self._starting += 1
        try:
            token = await self._site.attempts.expect(attempt)
            order = Order.of(self._site.settings, token)
            handle = await self._engine.submit(f"{work.run}-{work.attempt}", order)
        except BaseException:
            self._site.attempts.forget(attempt)
            raise
        finally:
            self._starting -= 1
        attempt.handle = handle
        self._mine[handle] = attempt
        if attempt.ended is not None:  # before the engine had said what it calls it
            asyncio.get_running_loop().call_soon(self._over, attempt, attempt.ended)
        return handle

    async def stop(self, handle: str, grace: float) -> None:
        """By the engine; what it does not reach hears it in the answer to its next report."""
        attempt = self._mine.get(handle)
        if attempt is None or attempt.asked:
            return
        attempt.asked = True
        with suppress(TrainerError):
            await self._engine.stop(handle, grace)
        if not attempt.begun:
            self._over(attempt, Exit("it had not begun", asked=True))

    async def adopt(self, work: Work, handle: str) -> bool:
        """Where its token is good still."""
        attempt = Attempt(work, self._over, handle, self.threads)
        if not self._site.attempts.adopt(attempt):
            return False
        self._mine[handle] = attempt
        self._watch()
        return True

    async def end(self) -> None:
        """Let go of the engine."""
        if self._watching is not None:
            self._watching.cancel()
        await self._engine.end()

    def _over(self, attempt: Attempt, ended: Exit) -> None:
        attempt.ended = ended
        if self._mine.pop(attempt.handle, None) is not None:
            self._site.attempts.forget(attempt)
            self._site.hears.gone(attempt.work, ended)

    def _watch(self) -> None:
        if self._watching is None:
            self._watching = asyncio.create_task(self._look())

    async def _look(self) -> None:
        looks = 0
        while True:
            await asyncio.sleep(LOOK)
            looks += 1
            now = asyncio.get_running_loop().time()
            for attempt in [each for each in self._mine.values() if each.begun and each.until < now]:
                self._over(attempt, Exit(f"nothing was heard of it for {LEASE:g} s", attempt.asked))
            waiting = [handle for handle, each in self._mine.items() if not each.begun]
            if waiting and looks % ASK == 0:
                await self._ask(waiting)

    async def _ask(self, waiting: Sequence[str]) -> None:
        """Of those that have not begun the engine knows whether they will."""
        try:
            found, self._silent = dict(await self._engine.gone(waiting)), 0.0
            asked = False
        except TrainerError as error:
            self._silent += ASK * LOOK
            found = dict.fromkeys(waiting, str(error)) if self._silent >= LEASE else {}
            asked = True  # the engine is to blame, and no run
        for handle, reason in found.items():
            attempt = self._mine.get(handle)
            if attempt is not None and not attempt.begun:
                self._over(attempt, Exit(f"it had not begun: {reason}", asked or attempt.asked))
