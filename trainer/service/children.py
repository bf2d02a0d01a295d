"""The server's side of the fork server: starts children, hears what they say and how they end.

Where the fork server dies, its children are told to end, and the next child gets a new one.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from trainer.errors import TrainerError
from trainer.service.ids import new_id

__all__ = ["Child", "Children", "Overdue", "Unavailable", "Worker"]

LONGEST = 64 << 20  # bytes of a line
# What a child may see of the environment; a secret that the server was given is none of it.
_ENVIRONMENT = (
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TEMP", "LD_LIBRARY_PATH", "VIRTUAL_ENV",
    "MPLCONFIGDIR", "TRAINER_CACHE", "SYSTEMROOT", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG",
)  # fmt: skip
_FAMILIES = ("LC_", "PYTHON", "XDG_", "OPENBLAS_")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Overdue(TrainerError):
    """A worker took too long, or died of the question."""


class Unavailable(TrainerError):
    """There is no fork server now; the next who asks begins one."""


class Child:
    """A process that was forked.

    Attributes:
        ended: is done once the process is gone, with its exit code; None where its fork server has died.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.handle, self.pid, self.reader, self.writer = new_id(), 0, reader, writer
        self.ended: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self.usage: Mapping[str, Any] = {}


class Children:
    """A fork server, and its children."""

    def __init__(self, plugins: frozenset[str] = frozenset()) -> None:
        self._plugins = plugins
        self._process: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()
        self._children: dict[str, Child] = {}
        self._answers: asyncio.Queue[Any] = asyncio.Queue()
        self._listening: asyncio.Task[None] | None = None
        self._channel: socket.socket | None = None
        self._writer: asyncio.StreamWriter | None = None  # of the same socket, which closes with it
        self._closed = False
        self.pid: int | None = None
        self.processors = 1  # as many as this process was given, which the fork server says
        self.restarts = -1

    async def begin(self) -> None:
        """Start the fork server, and wait until it has everything loaded. Raises TrainerError where it cannot."""
        async with self._lock:
            await self._ready()

    async def fork(self, kind: str, work: Mapping[str, Any]) -> Child:
        """A new child, which is told what to do."""
        async with self._lock:
            channel = await self._ready()
            ours, theirs = socket.socketpair()
            with theirs:
                child = Child(*await asyncio.open_unix_connection(sock=ours, limit=LONGEST))
                self._children[child.handle] = child
                child.pid = await self._asked(channel, {"kind": kind, "handle": child.handle}, theirs.fileno())
            child.writer.write(json.dumps(work).encode() + b"\n")
            return child

    async def kill(self, child: Child, number: int) -> None:
        """Send a signal. The fork server does it, which knows that the process is still the same one."""
        if child.ended.done():
            return
        async with self._lock:
            if self._channel is not None:
                with suppress(Unavailable):
                    await self._asked(self._channel, {"kill": child.handle, "signal": number})

    async def end(self) -> None:
        """Close; whatever still runs is told to end, and waited for."""
        self._closed = True
        async with self._lock:
            self._close()
            if self._process is not None:
                await self._process.wait()
        if self._listening is not None:
            await self._listening

    async def _ready(self) -> socket.socket:
        if self._channel is not None:
            return self._channel
        if self._closed:
            raise Unavailable("the service is ending")
        ours, theirs = socket.socketpair()
        paths = [path for path in sys.path if path]
        settings = json.dumps({"plugins": sorted(self._plugins), "paths": paths})
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                "trainer.service.forkserver",
                settings,
                stdin=theirs.fileno(),
                env=_environment(),
            )
        ours.setblocking(False)
        reader, self._writer = await asyncio.open_unix_connection(sock=ours.dup(), limit=LONGEST)
        try:
            first = await reader.readline()
        except asyncio.CancelledError:  # the service ends before it has begun
            ours.close()
            raise
        if not first:
            code = await self._process.wait()
            raise TrainerError(f"the fork server did not begin (exit code {code}); what it said stands above")
        about = json.loads(first)
        self.pid, self.processors = about["ready"], about["processors"]
        self._channel = ours
        self.restarts += 1
        self._answers = asyncio.Queue()
        self._listening = asyncio.create_task(self._listen(reader))
        return ours

    async def _asked(
        self, channel: socket.socket, question: Mapping[str, object], descriptor: int | None = None
    ) -> int:
        """One question at a time: a socket that is attached belongs to the line that it comes with."""
        try:
            socket.send_fds(channel, [json.dumps(question).encode()], [] if descriptor is None else [descriptor])
        except OSError as error:
            raise Unavailable(f"the fork server is gone: {error}") from None
        answer = await self._answers.get()
        if answer is None:
            raise Unavailable("the fork server is gone")
        return int(answer)

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            message = json.loads(line)
            if "answer" in message:
                self._answers.put_nowait(message["answer"])
                continue
            child = self._children.pop(message["ended"])
            child.usage = message
            child.ended.set_result(message["code"])
        children, self._children = self._children, {}
        self._close()
        self.pid = None
        self._answers.put_nowait(None)
        for child in children.values():
            child.ended.set_result(None)

    def _close(self) -> None:
        for each in (self._channel, self._writer):
            if each is not None:
                each.close()
        self._channel = self._writer = None


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in _ENVIRONMENT or name.startswith(_FAMILIES)}
    return {**kept, **dict.fromkeys(THREADS, "1"), "MPLBACKEND": "agg"}


class Worker:
    """A child that answers questions one after the other, and is begun anew where it dies or takes too long.

    Args:
        kind: of child, see `trainer.service.forkserver`.
        memory: bytes of address space.
        seconds: for an answer.
        answers: after so many it is begun anew.
    """

    def __init__(
        self, children: Children, kind: str, *, memory: int, seconds: float, answers: int = 1000, what: str = "it"
    ) -> None:
        self._children, self._kind, self._seconds, self._most, self._what = children, kind, seconds, answers, what
        self._limits = {"AS": memory, "CORE": 0, "NOFILE": 256}
        self._child: Child | None = None
        self._lock = asyncio.Lock()
        self._answered = 0

    async def ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """The answer. Raises Overdue where there is none."""
        line = json.dumps(question).encode() + b"\n"
        async with self._lock:
            for attempt in (1, 2):
                child = await self._ready()
                try:
                    async with asyncio.timeout(self._seconds):
                        child.writer.write(line)
                        await child.writer.drain()
                        answer = await child.reader.readline()
                except TimeoutError:
                    await self._drop()
                    raise Overdue(f"{self._what} takes longer than {self._seconds:g} s, which is too long") from None
                except (OSError, ValueError):  # it is gone, or its line is longer than any answer
                    answer = b""
                if answer:
                    self._answered += 1
                    found: dict[str, Any] = json.loads(answer)
                    if self._answered >= self._most:
                        await self._drop()
                    return found
                await self._drop()
                if attempt == 2:  # once may be somebody else's doing
                    break
        raise Overdue(
            f"{self._what} ends the process that does it, twice: it takes too much memory, or a plugin crashes"
        )

    async def end(self) -> None:
        """Let the process go."""
        async with self._lock:
            await self._drop()

    async def _ready(self) -> Child:
        if self._child is None or self._child.ended.done():
            work = {"limits": self._limits, "parent_death": int(signal.SIGKILL)}
            self._child, self._answered = await self._children.fork(self._kind, work), 0
        return self._child

    async def _drop(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.writer.close()
            await self._children.kill(child, signal.SIGKILL)
