"""Attempts as jobs of Slurm, submitted by submitit: what a job is handed lies in a folder that all computers share."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from trainer.errors import TrainerError, UsageError
from trainer.service.launchers import Launcher, Site
from trainer.service.remote.attending import attended
from trainer.service.remote.launcher import Order, Remote

__all__ = ["Slurm"]

LOOK = 0.25  # seconds between two looks for an order
WAITING = frozenset({"PENDING", "CONFIGURING", "RUNNING", "REQUEUED", "SUSPENDED", "UNKNOWN"})


@dataclass(frozen=True)
class Slurm:
    """Jobs of Slurm, on computers that have this version of the trainer.

    Attributes:
        folder: that all of them share, for orders and what jobs print.
        partition, account: where they wait, and who pays.
        minutes: that a job may take; it ends with a checkpoint before, and its run goes on in another.
        threads: that each has.
        memory: GB that each has.
        slots: jobs in line or running at once.
        cluster: "local" starts them here, to try it without Slurm.
    """

    folder: str
    partition: str | None = None
    account: str | None = None
    minutes: int = 24 * 60
    threads: int = 1
    memory: int = 4
    slots: int = 100
    cluster: Literal["slurm", "local"] = "slurm"

    def launcher(self, site: Site) -> Launcher:
        """What starts attempts there. Raises UsageError without the library."""
        try:
            import submitit
        except ModuleNotFoundError as error:
            raise UsageError(f"--launcher slurm needs {error.name}: pip install 'tape-trainer[slurm]'") from None
        folder = Path(self.folder).absolute()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            executor = submitit.AutoExecutor(folder, cluster=self.cluster)
        except RuntimeError as error:
            raise UsageError(f"--launcher slurm: {error}") from None
        given = {"slurm_partition": self.partition, "slurm_account": self.account}
        executor.update_parameters(
            name="trainer", timeout_min=self.minutes, cpus_per_task=self.threads, mem_gb=self.memory,
            **{name: value for name, value in given.items() if value is not None},
        )  # fmt: skip
        return Remote(_Jobs(self, executor, folder), site)


class _Jobs:
    def __init__(self, options: Slurm, executor: Any, folder: Path) -> None:
        self.slots, self.threads = options.slots, options.threads
        self._executor, self._folder = executor, folder
        self._jobs: dict[str, Any] = {}

    async def begin(self) -> None:
        """There is nothing to get ready."""

    async def submit(self, name: str, order: Order) -> str:
        """Write the order where only its owner reads it, and submit a job that is told where."""
        path = self._folder / f"{name}.order"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(order.text)
        try:
            job = await asyncio.to_thread(self._executor.submit, _task, str(path))
        except (OSError, RuntimeError) as error:  # submitit's own, of what sbatch says
            path.unlink(missing_ok=True)
            raise TrainerError(f"slurm does not take the job: {error}") from error
        self._jobs[f"{job.job_id}/{name}"] = job
        return f"{job.job_id}/{name}"

    async def stop(self, handle: str, grace: float) -> None:
        """Take the order away, which whoever attends the attempt notices, or a job finds when its turn comes."""
        (self._folder / f"{handle.partition('/')[2]}.order").unlink(missing_ok=True)

    async def gone(self, handles: Sequence[str]) -> Mapping[str, str]:
        """Those of which Slurm says so."""
        states = await asyncio.to_thread(lambda: {handle: self._job(handle).state for handle in handles})
        self._jobs = {handle: job for handle, job in self._jobs.items() if handle in handles}
        return {handle: f"the job is {state.lower()}" for handle, state in states.items() if _over(state)}

    def _job(self, handle: str) -> Any:
        """A job, also of a service before this one."""
        if handle not in self._jobs:
            self._jobs[handle] = self._executor.job_class(self._folder, handle.partition("/")[0])
        return self._jobs[handle]

    async def end(self) -> None:
        """Jobs go on."""


def _over(state: str) -> bool:
    """Whether a job is none that may begin; of several words, such as CANCELLED by 1000, the first is the state."""
    return state.split()[0] not in WAITING


def _task(path: str) -> int:
    """What runs as a job."""
    try:
        order = Order(Path(path).read_text(encoding="ascii"))
    except FileNotFoundError:  # it was stopped before its turn
        return 0
    try:
        return attended(order, lambda seconds: _is_taken_away(Path(path), seconds))
    finally:
        Path(path).unlink(missing_ok=True)


def _is_taken_away(order: Path, seconds: float) -> bool:
    """Whether an order is not there any more, or is not within that time."""
    until = time.monotonic() + seconds
    while order.exists():
        if time.monotonic() >= until:
            return False
        time.sleep(LOOK)
    return True
