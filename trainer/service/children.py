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
from pathlib import Path
from typing import Any

from trainer.config.served import VARIABLE
from trainer.errors import TrainerError
from trainer.service.ids import new_id

__all__ = ["Child", "Children", "Overdue", "Unavailable", "Worker", "environment"]

LONGEST = 64 << 20  # bytes of a line
# What a child may see of the environment; a secret that the server was given is none of it.
_ENVIRONMENT = (
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TEMP", "LD_LIBRARY_PATH", "VIRTUAL_ENV",
    "SSL_CERT_FILE", "SSL_CERT_DIR",
    "MPLCONFIGDIR", "TRAINER_CACHE", "SYSTEMROOT", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG",
)  # fmt: skip
_FAMILIES = ("LC_", "PYTHON", "XDG_", "OPENBLAS_")
TRIES = 3  # for a question whose worker dies, which may be somebody else's doing
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
    """A fork server, and its children; `root` is the service's folder, where they find what configs name."""

    def __init__(self, plugins: frozenset[str] = frozenset(), grace: float = 10.0, root: Path | None = None) -> None:
        self._plugins, self._grace, self._root = plugins, grace, root
        self._process: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()
        self._children: dict[str, Child] = {}
        self._answers: asyncio.Queue[Any] = asyncio.Queue()
        self._questions = 0
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
                try:
                    child.pid = await self._asked(channel, {"kind": kind, "handle": child.handle}, theirs.fileno())
                except BaseException:
                    child.writer.close()  # a child that there is all the same reads that, and ends
                    raise
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

    def kill_server(self) -> None:
        """End a fork server that does not answer; the next who asks begins another."""
        if self.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    async def end(self) -> None:
        """Close; whatever still runs is told to end, and waited for; a fork server that does not answer is killed."""
        self._closed = True
        if self._channel is None:  # it may be loading, for nobody any more
            self.kill_server()
        try:
            async with asyncio.timeout(self._grace), self._lock:
                self._close()
        except TimeoutError:
            self.kill_server()
        if self._process is not None:
            try:
                async with asyncio.timeout(2 * self._grace):
                    await self._process.wait()
            except TimeoutError:
                self.kill_server()
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
        said = {name: os.environ[name] for name in THREADS if name in os.environ}
        given = {"plugins": sorted(self._plugins), "paths": paths, "grace": self._grace, "threads": said}
        settings = json.dumps(given)
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                "trainer.service.forkserver",
                settings,
                stdin=theirs.fileno(),
                env=environment(self._root),
            )
        self.pid = self._process.pid
        ours.setblocking(False)
        reader, self._writer = await asyncio.open_unix_connection(sock=ours.dup(), limit=LONGEST)
        first = b""
        try:
            with suppress(ConnectionError):
                first = await reader.readline()
        finally:  # also where whoever has asked is gone
            if not first.endswith(b"\n"):
                ours.close()
                self._writer.close()
                self.pid = None
        if not first.endswith(b"\n"):
            code = await self._process.wait()
            if code < 0:
                raise Unavailable(f"the fork server was ended by {signal.Signals(-code).name} before it had begun")
            raise TrainerError(
                f"the fork server did not begin (exit code {code}); what it said stands in the log of the service"
            )
        self.processors = json.loads(first)["processors"]
        self._channel = ours
        self.restarts += 1
        self._answers = asyncio.Queue()
        self._listening = asyncio.create_task(self._listen(reader))
        return ours

    async def _asked(
        self, channel: socket.socket, question: Mapping[str, object], descriptor: int | None = None
    ) -> int:
        """One question at a time: a socket that is attached belongs to the line that it comes with."""
        self._questions += 1
        line = json.dumps({**question, "number": self._questions}).encode()
        try:
            socket.send_fds(channel, [line], [] if descriptor is None else [descriptor])
        except OSError as error:
            raise Unavailable(f"the fork server is gone: {error}") from None
        while (answer := await self._answers.get()) is not None:
            if answer["to"] == self._questions:  # whoever asked before this may have been cancelled meanwhile
                return int(answer["answer"])
        raise Unavailable("the fork server is gone")

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        # Killed with a question unread it leaves a reset, and killed while it wrote half a line.
        with suppress(ConnectionError):
            while (line := await reader.readline()).endswith(b"\n"):
                message = json.loads(line)
                if "answer" in message:
                    self._answers.put_nowait(message)
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


def environment(root: Path | None) -> dict[str, str]:
    """What a process sees that trains, of the service in a folder: a secret of whoever starts it is not there."""
    kept = {name: value for name, value in os.environ.items() if name in _ENVIRONMENT or name.startswith(_FAMILIES)}
    there = {} if root is None else {VARIABLE: str(root)}
    return {**kept, **dict.fromkeys(THREADS, "1"), "MPLBACKEND": "agg", **there}


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
        """The answer. Raises Overdue where the question is to blame that there is none, and else Unavailable."""
        line = json.dumps(question).encode() + b"\n"
        async with self._lock:
            for left in range(TRIES - 1, -1, -1):
                try:
                    child = await self._ready()
                except Unavailable:  # the fork server has died of something else; the next one is begun
                    if not left:
                        raise
                    continue
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
                await asyncio.wait([child.ended], timeout=self._seconds)
                code = child.ended.result() if child.ended.done() else -signal.SIGKILL
                await self._drop()
        if code in (None, -signal.SIGKILL):
            raise Unavailable(f"{self._what} did not come to an end: the process that does it was killed {TRIES} times")
        raise Overdue(
            f"{self._what} ends the process that does it, {TRIES} times: it takes too much memory, or a plugin crashes"
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
