"""Gives queued runs to launchers, and makes of what attempts say and how they end the states of runs.

An end is believed of the run's folder, not of what was said: the newest attempt that has begun to train there has its
number in attempt.json, and how it ended in status.json. So nothing is lost when the server dies in between, and nothing
that an older attempt left is taken for the end of a newer one. And what is to be done follows from what is committed,
not from what a request goes on to do: whoever hangs up in between leaves nothing waiting.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from trainer.config.served import without_paths
from trainer.errors import TrainerError
from trainer.runs.lock import held, holder
from trainer.service import mark, queue
from trainer.service.children import Children, Unavailable
from trainer.service.launchers import Exit, Launcher, Site, Work, made
from trainer.service.quotas import bytes_below, note_use
from trainer.service.reasons import in_a_line
from trainer.service.remote.attempts import Attempts
from trainer.service.settings import Settings
from trainer.service.states import AFTER, RESTING, Message, State, Wish
from trainer.service.store import Event, Store, Unwritable, Writing
from trainer.service.tracing import continued
from trainer.wording import described

__all__ = ["Supervisor", "newest_checkpoint", "policy"]

log = logging.getLogger("trainer.service")
AGAIN = 2.0  # seconds until a launcher that could not begin is asked again
TOLD = 0.25  # seconds between two rows of points of a run
ROOM = 32 << 20  # bytes that are free on the disk, or nothing is begun there
ENDS = {"finished": Message.FINISHED, "diverged": Message.DIVERGED, "failed": Message.FAILED}
# What runs, and what has started its newest attempt.
ATTEMPTS = (
    "SELECT runs.*, attempts.launcher AS by FROM runs JOIN attempts ON run = id AND number = attempt"
    " WHERE state IN ('running', 'stopping')"
)
SAID = {**ENDS, "lost": Message.LOST}
_CHECKPOINT = re.compile(r"(\d{12})\.json")


class Supervisor:
    """The part of the server that runs runs."""

    def __init__(self, settings: Settings, store: Store, children: Children) -> None:
        self.settings, self.store = settings, store
        self.children = children
        self.attempts = Attempts(settings, store, self)
        site = Site(settings, self, children, self.attempts)
        self.launchers: dict[str, Launcher] = {name: each.launcher(site) for name, each in made(settings).items()}
        self.troubles: dict[str, str] = {}  # why a launcher cannot begin
        self.ready = False
        self.draining = False
        self._trouble: str | None = None
        self._handles: dict[str, str] = {}  # of what runs, also where the database cannot be written
        self._wanted = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._said: dict[tuple[str, int], Mapping[str, Any]] = {}  # the last word of an attempt
        self._points: dict[tuple[str, int], _Points] = {}

    async def begin(self) -> None:
        """Make sense of what the service before this one left, and start to dispatch."""
        await self._reconcile()
        marks = ", ".join("?" * len(self.launchers))
        missing = f"SELECT DISTINCT launcher FROM runs WHERE state = 'queued' AND launcher NOT IN ({marks})"  # noqa: S608  question marks
        for row in self.store.rows(missing, *self.launchers):
            log.warning("runs wait for the launcher %s, which this service has not: --launcher %s", *row, *row)
        self._follow(self._dispatch())

    @property
    def trouble(self) -> str | None:
        """Why nothing is begun now, where that is so; it is tried again every second."""
        return self._trouble or self._no_room()

    def look(self) -> None:
        """There may be something in line that can begin."""
        self._wanted.set()

    def told(self, events: Sequence[Event]) -> None:
        """What was committed: a run may be in line now, or be there to be stopped."""
        for event in events:
            if event.kind == "state":
                self._wanted.set()
                if json.loads(event.data)["state"] == State.STOPPING:
                    self._follow(self._stop(event.run))

    async def _stop(self, run: str) -> None:
        """Tell the attempt of a run that is stopping."""
        row = self.store.row(f"{ATTEMPTS} AND id = ?", run)
        handle = self._handles.get(run) or (row["handle"] if row is not None else None)
        if row is not None and row["state"] == State.STOPPING and handle:
            await self.launchers[row["by"]].stop(handle, self.settings.grace)

    async def end(self) -> None:
        """Stop every attempt, with its checkpoint; the runs go on when there is a service again."""
        self.draining = True
        staying = {name for name, launcher in self.launchers.items() if launcher.outlives}

        def drain(writing: Writing) -> None:
            for row in writing.db.execute(ATTEMPTS).fetchall():
                if row["by"] not in staying:
                    queue.send(writing, row["id"], Message.DRAIN, "the service goes down")

        try:
            await self.store.write(drain)
        except Unwritable as error:
            log.warning("%s; the next service sees from the folders how the runs ended", error)
        self._wanted.set()
        for launcher in self.launchers.values():
            await launcher.end()
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

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
            told = without_paths(str(message["text"])[:4000], self._names(work.run))
            kind, text = message["kind"], {"attempt": work.attempt, "text": told}
            self.store.change(lambda writing: queue.note(writing, work.run, kind, text))

    def gone(self, work: Work, ended: Exit) -> None:
        """An attempt's process is gone."""
        points = self._points.pop((work.run, work.attempt), None)
        if points is not None:
            points.flush()
        self._handles.pop(work.run, None)
        self._follow(self._settle(work.run, work.attempt, ended))

    def _tell(self, key: tuple[str, int], where: Mapping[str, Any], rows: list[Any]) -> None:
        future = self.store.change(lambda writing: queue.progress(writing, *key, rows, where))
        future.add_done_callback(_swallow_superseded)

    async def _settle(self, run: str, attempt: int, ended: Exit) -> None:
        """Write down how an attempt has ended, once no process of it is left."""
        await self._freed(self.settings.folder(run))
        said = self._said.pop((run, attempt), None)
        try:
            message, reason = _ending(self.settings.folder(run), attempt, said, ended)
        except (OSError, ValueError, TypeError, KeyError) as error:
            message, reason = Message.LOST, f"{ended.why}; what it left cannot be read: {described(error)}"
        reason = in_a_line(reason, self._names(run))
        reached = newest_checkpoint(self.settings.folder(run))
        stored = await asyncio.to_thread(bytes_below, self.settings.folder(run))

        def settle(writing: Writing) -> None:
            writing.db.execute(
                "UPDATE attempts SET cpu_seconds = ?, peak_bytes = ? WHERE run = ? AND number = ?",
                (ended.cpu_seconds, ended.peak_bytes, run, attempt),
            )
            note_use(writing, run, ended.cpu_seconds or 0.0, stored)
            queue.send(writing, run, message, reason, attempt=attempt, reached=reached)

        try:
            if (rest := self._rest(run, message, reason)) is not None:
                await asyncio.to_thread(mark.settled, self.settings.folder(run), attempt, *rest)
        except (TrainerError, OSError) as error:
            log.warning("how run %s ended is in the database alone: %s", run, error)
        try:
            await self._write_down(settle)
        except (queue.Superseded, queue.Gone) as error:
            log.info("attempt %s of run %s: %s", attempt, run, error)
        self._wanted.set()

    def _names(self, run: str) -> dict[str, str]:
        """What a run's config calls the files that it names, by their paths."""
        row = self.store.row("SELECT files FROM runs WHERE id = ?", run)
        return {path: name for name, path in json.loads(row["files"]).items()} if row is not None else {}

    def _rest(self, run: str, message: Message, reason: str) -> tuple[State, str] | None:
        """The state in which a run comes to rest, and why, where that is nothing that its training has written down."""
        row = self.store.row("SELECT state, wish, reason FROM runs WHERE id = ?", run)
        if message is Message.FAILED:
            return State.FAILED, reason
        if row is None or row["state"] != State.STOPPING or message not in (Message.GONE, Message.LOST):
            return None
        after = AFTER[Wish(row["wish"])]
        return (after, row["reason"]) if after in RESTING else None

    async def _write_down(self, change: Callable[[Writing], object]) -> None:
        """Make a change, however long the database cannot be written. What is never made the folder has to say."""
        while True:
            try:
                await self.store.write(change)
                return
            except Unwritable as error:
                log.warning("%s; again in a second", error)
                if self.draining:
                    return
                await asyncio.sleep(1.0)

    async def _freed(self, folder: Path) -> None:
        """Wait until no attempt holds a folder: one whose parent died was told to end, and is killed if it does not."""
        waited = 0.0
        while held(folder, mark.CLAIM):
            await asyncio.sleep(0.05)
            waited += 0.05
            if waited > self.settings.grace:
                pid = holder(folder, mark.CLAIM)
                if pid is not None:
                    log.warning("process %s still holds %s: it is killed", pid, folder)
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                waited = 0.0

    # What is in line.

    async def _dispatch(self) -> None:
        while not self.draining:
            self._wanted.clear()
            try:
                started = await self._start_one()
            except Exception as error:  # whatever it is, the next one is not to wait for ever
                if self.draining:
                    return
                if str(error) != self._trouble:
                    unforeseen = None if isinstance(error, TrainerError) else error
                    log.warning("%s; nothing begins, which is tried again every second", error, exc_info=unforeseen)
                self._trouble = described(error)
                await asyncio.sleep(1.0)
                continue
            self._trouble = None
            if not started:
                await self._wanted.wait()

    async def _start_one(self) -> bool:
        """Begin an attempt at the run whose turn it is, if there is one. Raises TrainerError where none can begin."""
        if (full := self._no_room()) is not None:
            raise TrainerError(full)
        able = [name for name, launcher in self.launchers.items() if await self._begun(name, launcher)]
        self.ready = True
        if not able:
            return False
        quota = self.settings.quota
        row = await self.store.write(lambda writing: queue.start(writing, able, quota.running, quota.cpu_seconds))
        if row is None:
            return False
        launcher = self.launchers[row["launcher"] or able[0]]
        work = Work(row["id"], row["attempt"], self._request(row))
        try:
            self.settings.folder(work.run).mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = self._handles[work.run] = await launcher.launch(work)
        except Exception as error:  # whatever it is, the run is not to be running for ever
            foreseen = isinstance(error, TrainerError | OSError)
            log.warning("attempt %s of run %s did not begin: %s", work.attempt, work.run, error, exc_info=not foreseen)
            ended = Exit(f"it did not begin: {described(error)}", asked=isinstance(error, Unavailable))
            await self._settle(work.run, work.attempt, ended)
            return True
        await self._stop(work.run)  # where it was cancelled meanwhile
        await self._write_down(lambda writing: _keep_handle(writing, work, handle))
        return True

    async def _begun(self, name: str, launcher: Launcher) -> bool:
        """Whether a launcher takes an attempt now. Of several, one that cannot begin keeps the others from nothing.

        Raises TrainerError where it is the only one.
        """
        try:
            await launcher.begin()
        except TrainerError as error:
            if len(self.launchers) == 1:
                raise
            if self.troubles.get(name) != str(error):
                log.warning("launcher %s: %s; what waits for it is tried again every few seconds", name, error)
            self.troubles[name] = str(error)
            asyncio.get_running_loop().call_later(AGAIN, self.look)
            return False
        self.troubles.pop(name, None)
        return launcher.free > 0

    def _no_room(self) -> str | None:
        free = shutil.disk_usage(self.settings.runs).free
        if free >= ROOM:
            return None
        return f"{self.settings.runs}: {free:,} bytes are free on this disk, and runs begin where there are {ROOM:,}"

    def _request(self, row: sqlite3.Row) -> dict[str, Any]:
        """What an attempt's process is told."""
        return {
            "run": row["id"],
            "attempt": row["attempt"],
            "name": row["name"],
            "folder": str(self.settings.folder(row["id"])),
            "config": row["config"],
            "overrides": json.loads(row["overrides"]),
            "files": json.loads(row["files"]),
            "row": {name: row[name] for name in mark.KEPT},
            # Of threads a run that goes on may have asked for more than there are now; it gets what there are.
            "policy": policy(self.settings, json.loads(row["files"]), sys.maxsize),
            "traceparent": continued(row["trace"]),
        }

    # What the service before this one left.

    async def _reconcile(self) -> None:
        gone = []
        for row in self.store.rows(ATTEMPTS):
            launcher, work = self.launchers.get(row["by"]), Work(row["id"], row["attempt"], self._request(row))
            if launcher is not None and row["handle"] and await launcher.adopt(work, row["handle"]):
                self._handles[work.run] = row["handle"]
                continue
            gone.append(work)
        await asyncio.to_thread(self.attempts.sweep)
        for work in gone:
            self._follow(self._settle(work.run, work.attempt, Exit("the service ended", asked=True)))

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


def policy(settings: Settings, files: Mapping[str, str], threads: int) -> dict[str, Any]:
    """What a config may name, as JSON; `files` are the uploads and runs that it does name."""
    return {
        "plugins": sorted(settings.plugins),
        "datasets": sorted(settings.datasets),
        "uploads": {name[7:]: path for name, path in files.items() if name.startswith("upload:")},
        "runs": {name[4:]: path for name, path in files.items() if name.startswith("run:")},
        "threads": threads,
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
    begun = mark.read(folder).began
    about = json.loads((folder / "status.json").read_bytes()) if begun else {}
    if said is not None and said["status"] == "lost":
        return Message.LOST, said["reason"]
    if begun == attempt and about["status"] in ENDS:
        return ENDS[about["status"]], about["reason"] or f"after {about['epochs']} epochs"
    if said is not None:
        return SAID[said["status"]], said["reason"]
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
