"""The database: one thread writes, and many changes share one trip to the disk.

A change is a function of the connection. Those that wait are run one after the other, each in a savepoint of its own so
that one that fails takes no other along, and are committed together: what was acknowledged is on the disk. A reader has
a connection of its own, and sees what is committed. Of several writers on one file SQLite starves all but one or two,
and a transaction that reads before it writes is refused at once, whatever the time-out; so there is one.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from trainer.errors import TrainerError, UsageError
from trainer.service.tables import MIGRATIONS
from trainer.wording import typed

__all__ = ["Event", "Store", "Unwritable", "Writing", "connected"]

T = TypeVar("T")
MOST = 256  # changes that share a commit
# What the disk is to blame for, not the change.
_NOT_NOW = {
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN,
}  # fmt: skip


class Unwritable(TrainerError):
    """The database cannot be written: the disk is full, or somebody has made it read-only. Nothing was changed."""


@dataclass(frozen=True)
class Event:
    """Something that happened to a run; `seq` grows over all runs, and `data` is JSON."""

    seq: int
    run: str
    kind: str
    data: str


@dataclass
class Writing:
    """What a change is handed: the connection, and the events that it makes, which are told once it is committed."""

    db: sqlite3.Connection
    events: list[Event] = field(default_factory=list)


Change = Callable[[Writing], Any]


def connected(path: Path) -> sqlite3.Connection:
    """A connection that commits only what it is told to, and to the disk."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    db.row_factory = sqlite3.Row
    try:
        db.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        db.close()
        raise UsageError(
            f"{path} is damaged ({error}): move it away, and {path.name}-wal with it, if that is there; then put a "
            "backup in its place, or find what the folders know: "
            f"trainer serve --root {typed(path.parent)} --reindex"
        ) from None
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA foreign_keys = ON")
    db.execute("PRAGMA busy_timeout = 5000")  # a backup may hold the file for a moment
    return db


def migrated(db: sqlite3.Connection) -> None:
    """Bring the tables to what this version knows. Raises UsageError for a database of a newer one."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise UsageError(f"the database is of a newer version ({version}; this one knows {len(MIGRATIONS)}): upgrade")
    for number, script in enumerate(MIGRATIONS[version:], version + 1):
        db.executescript(f"BEGIN IMMEDIATE; {script}; PRAGMA user_version = {number}; COMMIT;")


class Store:
    """Reads, and changes in groups.

    told: is called in the event loop with the events of each commit, in order.
    """

    def __init__(self, path: Path, told: Callable[[Sequence[Event]], None] = lambda events: None) -> None:
        self.path, self._told = path, told
        if not path.exists():  # what was written to another one is nothing without it
            for name in (f"{path.name}-wal", f"{path.name}-shm"):
                path.with_name(name).unlink(missing_ok=True)
        self._db = connected(path)
        migrated(self._db)
        self.reading = connected(path)
        self.reading.execute("PRAGMA query_only = ON")
        self._waiting: queue.SimpleQueue[tuple[Change, Future[Any]] | None] = queue.SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._write, name="writer", daemon=True)
        self.commits = self.changes = 0
        self._thread.start()

    def rows(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """What is committed."""
        return self.reading.execute(sql, values).fetchall()

    def row(self, sql: str, *values: object) -> sqlite3.Row | None:
        """The first row, or None."""
        found: sqlite3.Row | None = self.reading.execute(sql, values).fetchone()
        return found

    def tell_in(self, loop: asyncio.AbstractEventLoop) -> None:
        """From now on events and results arrive in this loop."""
        self._loop = loop

    def change(self, change: Callable[[Writing], T]) -> Future[T]:
        """Put a change in line. Its future has what it returns, once that is on the disk, or what it raises."""
        future: Future[T] = Future()
        self._waiting.put((change, future))
        return future

    async def write(self, change: Callable[[Writing], T]) -> T:
        """Make a change, and wait until it is on the disk. Raises Unwritable, and what the change raises."""
        return await asyncio.wrap_future(self.change(change))

    def close(self) -> None:
        """Commit what waits, and close."""
        self._waiting.put(None)
        self._thread.join()
        self._db.close()
        self.reading.close()

    def _write(self) -> None:
        while True:
            batch = [self._waiting.get()]
            while len(batch) < MOST and not self._waiting.empty():
                batch.append(self._waiting.get())
            work = [each for each in batch if each is not None]
            if work:
                self._commit(work)
            if len(work) < len(batch):
                return

    def _commit(self, batch: Sequence[tuple[Change, Future[Any]]]) -> None:
        writing, done = Writing(self._db), list[tuple[Future[Any], Any, BaseException | None]]()
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for change, future in batch:
                done.append((future, *self._made(change, writing)))
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            writing.events.clear()
            failure = Unwritable(f"{self.path} cannot be written: {error}")
            done = [(future, None, failure) for _, future in batch]
        else:
            self.commits += 1
            self.changes += len(batch)
        if self._loop is None or self._loop.is_closed():
            self._resolve(writing.events, done)
        else:
            self._loop.call_soon_threadsafe(self._resolve, writing.events, done)

    def _made(self, change: Change, writing: Writing) -> tuple[Any, BaseException | None]:
        """What a change returns or raises; one that raises leaves nothing. Where all is lost, the error is raised."""
        db, events = writing.db, len(writing.events)
        db.execute("SAVEPOINT change")
        try:
            result = change(writing)
        except Exception as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _NOT_NOW:  # SQLite may have taken everything back
                raise
            db.execute("ROLLBACK TO change")
            db.execute("RELEASE change")
            del writing.events[events:]
            return None, error
        db.execute("RELEASE change")
        return result, None

    def _resolve(self, events: Sequence[Event], done: Sequence[tuple[Future[Any], Any, BaseException | None]]) -> None:
        try:
            if events:
                self._told(events)
        finally:  # whoever waits is answered, whatever becomes of the news
            for future, result, error in done:
                if not future.set_running_or_notify_cancel():
                    continue
                if error is None:
                    future.set_result(result)
                else:
                    future.set_exception(error)
