"""Processes that are forked for a piece of work each, at most so many at a time.

A trial costs a fork, not a Python: what it needs is loaded already. It has its processors to itself, and whatever ends
it, a plugin that crashes too, ends it alone. What it says on its way is a line of JSON.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, NamedTuple

from trainer.compiler.processors import VARIABLES, processors
from trainer.errors import TrainerError, UsageError
from trainer.experiment.forking import end_with_parent, preload
from trainer.wording import described

__all__ = ["Channel", "Workers"]

PATIENCE = 30.0  # seconds that a worker has to write its checkpoint


class Channel:
    """A worker's end: it says something, and may ask."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def say(self, **told: Any) -> None:
        """Tell the parent something."""
        self._connection.send_bytes(json.dumps(told).encode())

    def ask(self, **told: Any) -> Any:
        """Tell it something, and wait for the answer."""
        self.say(**told)
        return json.loads(self._connection.recv_bytes())


Work = Callable[[Channel], dict[str, Any]]


class _Worker(NamedTuple):
    process: BaseProcess
    connection: Connection


class Workers:
    """A context manager; leaving it ends those that still work, which write their checkpoints.

    jobs: how many work at a time; by default as many as there are processors.
    """

    def __init__(self, jobs: int | None = None) -> None:
        if "fork" not in multiprocessing.get_all_start_methods():
            raise UsageError("a sweep forks its workers, and this system has no fork; trainer run makes each run")
        given = processors()
        self.jobs = given if jobs is None else jobs
        if self.jobs < 1:
            raise UsageError(f"a sweep takes one job at least, found {jobs}")
        self._threads = max(1, given // self.jobs)
        self._workers: dict[Hashable, _Worker] = {}
        self._loaded = False

    @property
    def free(self) -> int:
        """How many more may be started."""
        return self.jobs - len(self._workers)

    def start(self, key: Hashable, work: Work) -> None:
        """Fork a process that does it; what it says comes under this key."""
        if not self._loaded:
            preload()
            self._loaded = True
        context = multiprocessing.get_context("fork")
        ours, theirs = context.Pipe()
        process = context.Process(target=_live, args=(work, theirs, ours, os.getpid(), self._threads))
        process.start()
        theirs.close()
        self._workers[key] = _Worker(process, ours)

    def answer(self, key: Hashable, told: Any) -> None:
        """Answer the worker of that key, which has asked."""
        with suppress(BrokenPipeError):  # it is gone, which the next `heard` finds
            self._workers[key].connection.send_bytes(json.dumps(told).encode())

    def heard(self, seconds: float | None = None) -> Iterator[tuple[Hashable, dict[str, Any]]]:
        """What workers have said, at the latest after so long; the last of each has its exit code as "code"."""
        by_connection = {worker.connection: key for key, worker in self._workers.items()}
        for connection in wait([*by_connection], seconds):
            key = by_connection[connection]  # type: ignore[index]  # only these were waited for
            worker = self._workers[key]
            try:
                yield key, json.loads(worker.connection.recv_bytes())
            except (EOFError, ConnectionResetError):
                worker.process.join()
                worker.connection.close()
                del self._workers[key]
                yield key, {"code": worker.process.exitcode}

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for worker in self._workers.values():
            worker.process.terminate()
        until = time.monotonic() + PATIENCE
        try:
            for worker in self._workers.values():
                worker.process.join(max(until - time.monotonic(), 0))
        finally:  # a second Ctrl-C does not wait for anything
            for worker in self._workers.values():
                if worker.process.exitcode is None:
                    worker.process.kill()
                    worker.process.join()
                worker.connection.close()
            self._workers.clear()


def _live(work: Work, connection: Connection, other: Connection, parent: int, threads: int) -> None:
    """A worker's life."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the parent's to hear, which asks its workers to end
    end_with_parent(signal.SIGTERM, parent)
    other.close()
    os.environ.update(dict.fromkeys(VARIABLES, str(threads)))  # which `processors` reads
    channel = Channel(connection)
    try:
        told = work(channel)
    except TrainerError as error:
        told = {"error": str(error)}
    except Exception as error:
        told = {"error": described(error)}
    channel.say(**told)
