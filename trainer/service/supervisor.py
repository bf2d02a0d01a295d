"""Gives queued runs to launchers, and makes of what attempts say and how they end the states of runs.

An end is believed of the run's folder, not of what was said: the newest attempt that has begun to train there has its
number in attempt.json, and how it ended in status.json. So nothing is lost when the server dies in between, and nothing
that an older attempt left is taken for the end of a newer one.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import signal
import sqlite3
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from trainer.errors import TrainerError
from trainer.runs.lock import held, holder
from trainer.service import queue
from trainer.service.children import Children, Unavailable
from trainer.service.launchers import Exit, Launcher, Work
from trainer.service.local import Local
from trainer.service.quotas import bytes_below, note_use
from trainer.service.settings import Settings
from trainer.service.states import Message, State
from trainer.service.store import Store, Unwritable, Writing
from trainer.service.tracing import continued

__all__ = ["LOCAL", "Supervisor", "newest_checkpoint", "policy"]

log = logging.getLogger("trainer.service")
LOCAL = "local"  # the launcher that ships, as the database knows it
TOLD = 0.25  # seconds between two rows of points of a run
ENDS = {"finished": Message.FINISHED, "diverged": Message.DIVERGED, "failed": Message.FAILED}
_CHECKPOINT = re.compile(r"(\d{12})\.json")


class Supervisor:
    """The part of the server that runs runs."""

    def __init__(self, settings: Settings, store: Store, children: Children) -> None:
        self.settings, self.store = settings, store
        self.launchers: Mapping[str, Launcher] = {LOCAL: Local(settings, self, children)}
        self.ready = False
        self.draining = False
        self._wanted = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._said: dict[tuple[str, int], Mapping[str, Any]] = {}  # the last word of an attempt
        self._points: dict[tuple[str, int], _Points] = {}

    async def begin(self) -> None:
        """Make sense of what the service before this one left, get ready, and start to dispatch."""
        await self._reconcile()
        for launcher in self.launchers.values():
            await launcher.begin()
        self.ready = True
        self._follow(self._dispatch())

    def look(self) -> None:
        """Something is in line, or there is room."""
        self._wanted.set()

    async def stop(self, run: str) -> None:
        """Tell the attempt of a run that is stopping."""
        row = self.store.row("SELECT state, executor, handle FROM runs WHERE id = ?", run)
        if row is not None and row["state"] == State.STOPPING and row["handle"]:
            await self.launchers[row["executor"]].stop(row["handle"], self.settings.grace)

    async def end(self) -> None:
        """Stop every attempt, with its checkpoint; the runs go on when there is a service again."""
        self.draining = True

        def drain(writing: Writing) -> None:
            for row in writing.db.execute("SELECT id FROM runs WHERE state IN ('running', 'stopping')").fetchall():
                queue.send(writing, row["id"], Message.DRAIN, "the service goes down")

        try:
            await self.store.write(drain)
        except Unwritable as error:
            log.warning("%s; the next service sees from the folders how the runs ended", error)
        self.look()
        for launcher in self.launchers.values():
            await launcher.end()
        await asyncio.gather(*self._tasks)

    # What launchers say.

    def report(self, work: Work, message: Mapping[str, Any]) -> None:
        """A line that an attempt has said."""
        key = work.run, work.attempt
        if message["kind"] == "points":
            points = self._points.get(key)
            if points is None:
                points = self._points[key] = _Points(lambda where, rows: self._tell(key, where, rows))
            points.add(message)
        elif message["kind"] == "ended":
            self._said[key] = message
        elif message["kind"] in ("log", "warning"):
            kind, text = message["kind"], {"attempt": work.attempt, "text": str(message["text"])[:4000]}
            self.store.change(lambda writing: queue.note(writing, work.run, kind, text))

    def gone(self, work: Work, ended: Exit) -> None:
        """An attempt's process is gone."""
        points = self._points.pop((work.run, work.attempt), None)
        if points is not None:
            points.flush()
        self._follow(self._settle(work.run, work.attempt, ended))

    def _tell(self, key: tuple[str, int], where: Mapping[str, Any], rows: list[Any]) -> None:
        future = self.store.change(lambda writing: queue.progress(writing, *key, rows, where))
        future.add_done_callback(_swallow_superseded)

    async def _settle(self, run: str, attempt: int, ended: Exit) -> None:
        """Write down how an attempt has ended, however long the database cannot be written."""
        said = self._said.pop((run, attempt), None)
        message, reason = _ending(self.settings.folder(run), attempt, said, ended)
        reached = newest_checkpoint(self.settings.folder(run))
        stored = await asyncio.to_thread(bytes_below, self.settings.folder(run))

        def settle(writing: Writing) -> None:
            writing.db.execute(
                "UPDATE attempts SET cpu_seconds = ?, peak_bytes = ? WHERE run = ? AND number = ?",
                (ended.cpu_seconds, ended.peak_bytes, run, attempt),
            )
            note_use(writing, run, ended.cpu_seconds or 0.0, stored)
            queue.send(writing, run, message, reason, attempt=attempt, reached=reached)

        while True:
            try:
                await self.store.write(settle)
            except (queue.Superseded, queue.Gone) as error:
                log.info("attempt %s of run %s: %s", attempt, run, error)
            except Unwritable as error:
                log.warning("%s; again in a second", error)
                if self.draining:
                    return
                await asyncio.sleep(1.0)
                continue
            break
        self.look()

    # What is in line.

    async def _dispatch(self) -> None:
        while not self.draining:
            try:
                started = await self._start_one()
            except Unwritable as error:
                log.warning("%s; again in a second", error)
                await asyncio.sleep(1.0)
                continue
            if not started:
                await self._wanted.wait()
                self._wanted.clear()

    async def _start_one(self) -> bool:
        able = [name for name, launcher in self.launchers.items() if launcher.free > 0]
        if not able:
            return False
        quota = self.settings.quota
        row = await self.store.write(lambda writing: queue.start(writing, able, quota.running, quota.cpu_seconds))
        if row is None:
            return False
        launcher = self.launchers[row["executor"]]
        work = Work(row["id"], row["attempt"], self._request(row))
        try:
            self.settings.folder(work.run).mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = await launcher.launch(work)
        except (TrainerError, OSError) as error:
            log.warning("attempt %s of run %s did not begin: %s", work.attempt, work.run, error)
            ended = Exit(f"it did not begin: {error}", asked=isinstance(error, Unavailable))
            await self._settle(work.run, work.attempt, ended)
            return True
        await self.store.write(lambda writing: _keep_handle(writing, work, handle))
        await self.stop(work.run)  # where it was cancelled meanwhile
        return True

    def _request(self, row: sqlite3.Row) -> dict[str, Any]:
        """What an attempt's process is told."""
        return {
            "run": row["id"],
            "attempt": row["attempt"],
            "name": row["name"],
            "folder": str(self.settings.folder(row["id"])),
            "config": row["config"],
            "overrides": json.loads(row["overrides"]),
            "policy": policy(self.settings, json.loads(row["files"])),
            "traceparent": continued(row["trace"]),
        }

    # What the service before this one left.

    async def _reconcile(self) -> None:
        for row in self.store.rows("SELECT * FROM runs WHERE state IN ('running', 'stopping')"):
            launcher = self.launchers.get(row["executor"])
            handles = [row["handle"]] if row["handle"] else []
            if launcher is not None and await launcher.living(handles):
                continue
            self._follow(self._after_its_end(row["id"], row["attempt"]))

    async def _after_its_end(self, run: str, attempt: int) -> None:
        """Wait until no process holds the folder: it was told to end when its parent died; then see what it left."""
        folder = self.settings.folder(run)
        waited = 0.0
        while held(folder):
            await asyncio.sleep(0.05)
            waited += 0.05
            if waited > self.settings.grace:
                pid = holder(folder)
                if pid is not None:
                    log.warning("process %s still holds %s: it is killed", pid, folder)
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                waited = 0.0
        await self._settle(run, attempt, Exit("the service ended", asked=True))

    def _follow(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("the supervisor: %s", error, exc_info=error)


class _Points:
    """What an attempt has reached, gathered for a moment: the first at once, then a few a second."""

    def __init__(self, tell: Callable[[Mapping[str, Any], list[Any]], None]) -> None:
        self._tell, self._rows, self._where = tell, list[Any](), dict[str, Any]()
        self._later: asyncio.TimerHandle | None = None

    def add(self, message: Mapping[str, Any]) -> None:
        self._rows += message["rows"]
        self._where = {name: message[name] for name in ("epoch", "epochs", "step", "steps", "loss")}
        if self._later is None:
            self._send()
            self._later = asyncio.get_running_loop().call_later(TOLD, self._again)

    def flush(self) -> None:
        if self._later is not None:
            self._later.cancel()
        self._send()

    def _again(self) -> None:
        self._later = None
        if self._where:
            self._send()
            self._later = asyncio.get_running_loop().call_later(TOLD, self._again)

    def _send(self) -> None:
        if self._where:
            where, rows, self._where, self._rows = self._where, self._rows, {}, []
            self._tell(where, rows)


def policy(settings: Settings, files: Mapping[str, str]) -> dict[str, Any]:
    """What a config may name, as JSON; `files` are the uploads and runs that it does name."""
    return {
        "plugins": sorted(settings.plugins),
        "datasets": sorted(settings.datasets),
        "uploads": {name[7:]: path for name, path in files.items() if name.startswith("upload:")},
        "runs": {name[4:]: path for name, path in files.items() if name.startswith("run:")},
        "threads": os.cpu_count() or 1,
    }


def newest_checkpoint(folder: Path) -> int:
    """The step of the newest manifest in a run's folder; 0 where there is none."""
    try:
        names = os.listdir(folder / "checkpoints")
    except FileNotFoundError:
        return 0
    return max((int(found[1]) for name in names if (found := _CHECKPOINT.fullmatch(name))), default=0)


def _ending(folder: Path, attempt: int, said: Mapping[str, Any] | None, ended: Exit) -> tuple[Message, str]:
    """What became of an attempt, and why."""
    try:
        begun = json.loads((folder / "attempt.json").read_bytes())["attempt"]
        about = json.loads((folder / "status.json").read_bytes())
    except FileNotFoundError:
        begun, about = 0, {}
    if begun == attempt and about["status"] in ENDS:
        return ENDS[about["status"]], about["reason"] or f"after {about['epochs']} epochs"
    if said is not None:
        return ENDS[said["status"]], said["reason"]
    if begun == attempt and "SIGXCPU" in (about["reason"] or ""):
        return Message.FAILED, "it has used the CPU seconds that a run may use"
    if ended.asked or (begun == attempt and about["status"] == "interrupted"):
        return Message.GONE, ended.why
    return Message.LOST, ended.why


def _keep_handle(writing: Writing, work: Work, handle: str) -> None:
    """What the launcher calls the attempt, for the time in which it is the newest."""
    writing.db.execute("UPDATE runs SET handle = ? WHERE id = ? AND attempt = ?", (handle, work.run, work.attempt))
    writing.db.execute("UPDATE attempts SET handle = ? WHERE run = ? AND number = ?", (handle, work.run, work.attempt))


def _swallow_superseded(future: Any) -> None:
    """Points of an attempt that is over, or that no disk has room for, are news that nobody needs any more."""
    error = future.exception()
    if error is not None and not isinstance(error, queue.Superseded | queue.Gone | Unwritable):
        log.error("points: %s", error, exc_info=error)
