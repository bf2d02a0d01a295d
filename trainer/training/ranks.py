"""Ranks: the processes that `mpiexec -n N` started, as one training sees them.

Rank 0 trains, and is the only one that writes or speaks; it says what is next, and the others do it. A wait comes back
to Python again and again, so that Ctrl-C and SIGTERM end it like any other; the other ranks leave a first signal to
rank 0, which has a checkpoint to write. What fails in another rank, rank 0 raises. When a process dies, whoever started
it (mpiexec, srun) ends all of them: what is left is the newest checkpoint.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import sys
import time
import warnings
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from trainer.compiler.processors import quota, ranks_started
from trainer.engine.signals import INTERRUPTING
from trainer.errors import TrainerError, UsageError
from trainer.types import Array
from trainer.wording import described

if TYPE_CHECKING:
    from mpi4py.MPI import Intracomm, Request

__all__ = ["World", "world"]

_FACTS, _FAILED = 1, 2  # tags of what is told beside the sums
_QUIT = -1  # ordered at the end of everything
_POLLS = 500  # before a wait begins to sleep, where every rank has a processor of its own
_NAP, _LONGEST_NAP = 2e-5, 1e-3  # seconds, at first and at last


def world() -> World | None:
    """The ranks that this process is one of; None where it is alone, and MPI is not even imported.

    Raises UsageError without mpi4py, and where the ranks do not find one another.
    """
    started = ranks_started(os.environ)
    if started == 1:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it suspects what is found below
            from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        many = "several" if started is None else started
        raise UsageError(
            f"{many} ranks were started, and mpi4py, by which they speak, does not load: {described(error)}; "
            "pip install 'tape-trainer[mpi]', beside an MPI such as Debian's openmpi-bin or mpich"
        ) from error
    size = MPI.COMM_WORLD.Get_size()
    if started not in (None, size):
        library = MPI.Get_library_version().partition(",")[0].strip()
        raise UsageError(
            f"{started} ranks were started, and each of them finds {size}: mpi4py loaded {library}, and the mpiexec "
            "was of another MPI. Start them with the mpiexec of that one, or name the other in MPI4PY_MPIABI "
            "(openmpi or mpich)"
        )
    return World(MPI.COMM_WORLD) if size > 1 else None


class World:
    """All ranks, from the inside of one of them (see `trainer.training.shards.Ranks`).

    As a context: inside it the other ranks do nothing about a first signal, and at its end rank 0 sends them home,
    whatever they wait for. An error of theirs goes to rank 0 and ends there.

    Attributes:
        rank: which this is; 0 trains.
        size: how many there are.
        here: how many of them are on this host.
        busy: whether others compute, or wait for one another, for a sum that is not done.
    """

    def __init__(self, comm: Intracomm) -> None:
        from mpi4py import MPI

        self._mpi, self._comm = MPI, comm
        self.rank, self.size = comm.Get_rank(), comm.Get_size()
        self.here = comm.Split_type(MPI.COMM_TYPE_SHARED).Get_size()
        self.busy = self._home = False
        there = min(os.cpu_count() or 1, quota() or sys.maxsize)
        self._polls = _POLLS if self.here <= there else 1  # else whoever waits keeps another from its work

    def __enter__(self) -> Self:
        if self.rank:
            for each in INTERRUPTING:
                signal.signal(each, _left_to_rank_0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if self.rank == 0:
            if error is not None and self.busy:  # some wait for what will not come: nothing but an end reaches them
                atexit.register(self._abort, _exit_code(error))
            else:
                self.order(_QUIT)
            return False
        if error is not None and not self._home:
            self._tell({"error": f"{socket.gethostname()}: {described(error)}"}, _FAILED)
        with suppress(SystemExit):
            while not self._home:
                self.ordered()
        return True

    def _abort(self, code: int) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        self._comm.Abort(code)

    def agree(self, facts: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """What every rank says of itself, in rank 0, which waits for all of them; nothing in the others."""
        if self.rank:
            self._tell(dict(facts), _FACTS)
            return []
        return [facts, *(self._told(rank, _FACTS) for rank in range(1, self.size))]

    def order(self, *numbers: int) -> None:
        """Rank 0 tells the others what is next, up to four numbers; they wait in `ordered`."""
        self.spread(np.array([*numbers, 0, 0, 0, 0][:4], np.int64))

    def ordered(self) -> list[int]:
        """Wait for what rank 0 orders. Ends the process (SystemExit) when it says that all is over."""
        order = np.zeros(4, np.int64)
        self.spread(order)
        if order[0] == _QUIT:
            self._home = True
            raise SystemExit(0)
        numbers: list[int] = order.tolist()
        return numbers

    def spread(self, array: Array) -> None:
        """Rank 0's values of an array, which lies in one piece, to all others'."""
        self._wait(self._comm.Ibcast(_bytes(array), 0))

    def send(self, array: Array, rank: int) -> None:
        """An array's values to another rank, which waits for them in `receive`."""
        self._wait(self._comm.Isend(_bytes(array), rank))

    def receive(self, array: Array, rank: int) -> None:
        """Another rank's values into an array."""
        self._wait(self._comm.Irecv(_bytes(array), rank, 0))

    def _wait(self, request: Request) -> None:
        polls, nap = 0, _NAP
        while not request.Test():
            polls += 1
            if polls < self._polls:
                continue
            if self.rank == 0:
                self._look()
            time.sleep(nap)
            nap = min(2 * nap, _LONGEST_NAP)

    def _look(self) -> None:
        """As rank 0: raise what another rank has said that went wrong."""
        status = self._mpi.Status()
        if self._comm.Iprobe(self._mpi.ANY_SOURCE, _FAILED, status):
            rank = status.Get_source()
            raise TrainerError(f"rank {rank} of {self.size} failed, on {self._read(rank, _FAILED)['error']}")

    def _tell(self, facts: Mapping[str, Any], tag: int) -> None:
        text = np.frombuffer(json.dumps(facts).encode(), np.uint8)
        self._wait(self._comm.Isend(text, 0, tag))

    def _told(self, rank: int, tag: int) -> dict[str, Any]:
        while not self._comm.Iprobe(rank, tag):
            self._look()
            time.sleep(_LONGEST_NAP)
        return self._read(rank, tag)

    def _read(self, rank: int, tag: int) -> dict[str, Any]:
        """A message that is there."""
        status = self._mpi.Status()
        self._comm.Probe(rank, tag, status)
        text = np.zeros(status.Get_count(self._mpi.BYTE), np.uint8)
        self._comm.Recv(text, rank, tag)
        facts: dict[str, Any] = json.loads(text.tobytes())
        return facts


def _bytes(array: Array) -> Array:
    """An array's memory, which it shares; mpi4py would add up and send that of any layout as it lies."""
    assert array.flags.c_contiguous, "what is sent lies in one piece"
    return array.reshape(-1).view(np.uint8)


def _left_to_rank_0(signum: int, frame: object) -> None:
    signal.signal(signum, signal.SIG_DFL)  # mpiexec sends another one once rank 0 has ended all ranks


def _exit_code(error: BaseException) -> int:
    if isinstance(error, KeyboardInterrupt):
        return 130
    code = getattr(error, "exit_code", getattr(error, "code", 1))
    return code if isinstance(code, int) else 1
