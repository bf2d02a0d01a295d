"""Attempts elsewhere as the service sees them: who may report for which, until when, and what is made of it.

An attempt is begun once, by one process: who begins it again, as engines do where a worker is lost, is refused, and so
is whoever reports for one that is over. It lives while it is heard of, by the clock of this process.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainer import __version__
from trainer.service import mark
from trainer.service.launchers import Exit, Hears, Work
from trainer.service.local import limits_of, why
from trainer.service.queue import Conflict, Full, Superseded
from trainer.service.quotas import bytes_below, quota_of, used_by
from trainer.service.remote import files
from trainer.service.settings import Settings
from trainer.service.store import Store, Unwritable, Writing
from trainer.service.tokens import sha256

__all__ = ["LEASE", "Attempt", "Attempts", "Unready"]

LEASE = 30.0  # seconds for which nothing has to be heard
RECORDED = 1 << 20  # characters of records between two looks at how much there is
PREFIX = "tra_"


class Unready(Unwritable):
    """The service has not made sense of what it found when it began; whoever reports comes again in a moment."""


@dataclass
class Attempt:
    """One that is elsewhere, or on its way there.

    Attributes:
        over: what is told how it ended.
        handle: what the engine calls it.
        threads: that it may have.
        begun: whether its process has asked for what it is to do.
        asked: whether it was told to end.
        ended: how it ended, once it has.
        until: when nothing was heard of it for too long, by the event loop's clock.
        grown: characters of records since it was looked how much there is.
        report, said: the number of its last report, and of its last message.
        needs: where the files lie that it may fetch, by their SHA-256.
    """

    work: Work
    over: Callable[[Attempt, Exit], None]
    handle: str = ""
    threads: int = 1
    begun: bool = False
    asked: bool = False
    ended: Exit | None = None
    until: float = 0.0
    grown: int = 0
    report: int = 0
    said: int = 0
    needs: dict[str, Path] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, int]:
        """Of which run, and the how manieth."""
        return self.work.run, self.work.attempt

    def heard(self) -> None:
        """It lives."""
        self.until = asyncio.get_running_loop().time() + LEASE


class Attempts:
    """All of a service's that are elsewhere."""

    def __init__(self, settings: Settings, store: Store, hears: Hears) -> None:
        self._settings, self._store, self._hears = settings, store, hears
        self._known: dict[tuple[str, int], Attempt] = {}
        self.ready = False  # whether those that a service before this one has begun are known

    def incoming(self, attempt: Attempt) -> Path:
        """Where its files lie until they are a set."""
        return self._settings.incoming / f"{attempt.work.run}-{attempt.work.attempt}"

    async def expect(self, attempt: Attempt) -> str:
        """The token by which the process of an attempt will be known, of which the hash alone is kept."""
        token = PREFIX + secrets.token_urlsafe(32)

        def keep(writing: Writing) -> None:
            writing.db.execute(
                "UPDATE attempts SET token_sha256 = ? WHERE run = ? AND number = ?", (sha256(token), *attempt.key)
            )

        await self._store.write(keep)
        self._known[attempt.key] = attempt
        return token

    def adopt(self, attempt: Attempt) -> bool:
        """Whether an attempt of a service before this one may report: it has a lease from now on."""
        row = self._store.row(
            "SELECT began FROM attempts WHERE run = ? AND number = ? AND token_sha256 IS NOT NULL", *attempt.key
        )
        if row is not None:
            attempt.begun = row["began"] is not None
            attempt.heard()
            self._known[attempt.key] = attempt
        return row is not None

    def forget(self, attempt: Attempt) -> None:
        """It is over: what has come of it whole is put in its place, and nothing more is taken."""
        self._known.pop(attempt.key, None)
        incoming = self.incoming(attempt)
        files.finish(self._settings.folder(attempt.work.run), incoming)
        files.cleared(incoming)

    def sweep(self) -> None:
        """Put in its place what attempts have handed in whole that are over, and know those that are not."""
        there = [*self._settings.incoming.iterdir()] if self._settings.incoming.exists() else []
        for incoming in there:
            run, _, number = incoming.name.rpartition("-")
            if (run, int(number)) not in self._known:
                if self._settings.folder(run).exists():
                    files.finish(self._settings.folder(run), incoming)
                files.cleared(incoming)
        self.ready = True

    def of(self, run: str, number: int) -> Attempt:
        """The attempt that a token is of. Raises Superseded for one that is over, and Unready."""
        if not self.ready:
            raise Unready("this service has just begun; report again in a moment")
        if (run, number) not in self._known:
            raise Superseded(f"attempt {number} of run {run} is over")
        return self._known[run, number]

    async def begin(self, attempt: Attempt, instance: str, version: str) -> dict[str, Any]:
        """What a process is to do, and the files that it needs.

        instance: by which the process is known, which may ask again where the answer did not reach it.

        Raises Conflict where another process has begun, or another version of the trainer would.
        """
        if version != __version__:
            text = f"the trainer there is {version}, and this one is {__version__}: install the same"
            self._fail(attempt, text)
            raise Conflict(text)

        def begun(writing: Writing) -> bool:
            done = writing.db.execute(
                "UPDATE attempts SET began = ? WHERE run = ? AND number = ? AND (began IS NULL OR began = ?)",
                (instance, *attempt.key, instance),
            )
            return done.rowcount == 1

        if not await self._store.write(begun):
            raise Superseded(f"attempt {attempt.work.attempt} of run {attempt.work.run} has begun elsewhere")
        attempt.begun = True
        attempt.heard()
        needed = await asyncio.to_thread(self._claimed, attempt)
        attempt.heard()
        return {"work": self._told(attempt), "files": needed, "lease": LEASE}

    def _fail(self, attempt: Attempt, reason: str) -> None:
        """It can go no further, and no other attempt would."""
        self._hears.report(attempt.work, {"kind": "ended", "status": "failed", "reason": reason})
        attempt.over(attempt, Exit(reason))

    async def room(self, attempt: Attempt, more: int) -> int:
        """For how many bytes there is room, of what the run's owner may have, where `more` are to come.

        What was handed in counts from then on. Raises Full where it is too much, with which the run has failed: what it
        has handed in stays, and it goes on from there when there is room.
        """
        run = attempt.work.run
        held = await asyncio.to_thread(self._held, attempt)
        row = self._store.row("SELECT owner, stored FROM runs WHERE id = ?", run)
        if row is None:
            raise Superseded(f"run {run} is deleted")
        owner, stored = str(row["owner"]), int(row["stored"])
        most = quota_of(self._store.reading, owner, self._settings.quota).bytes
        used = used_by(self._store.reading, owner)["bytes"] - stored + held
        if used + more > most:
            what = f"{owner} has {used:,} bytes of data and runs here, of {most:,} at most"
            text = f"{what}, and this run would have {more:,} more; delete some, and resume it"
            self._fail(attempt, text)
            raise Full(text, "bytes", used, most, 60)
        return most - used

    def _held(self, attempt: Attempt) -> int:
        """Bytes of its run, those that are no set yet among them."""
        return bytes_below(self._settings.folder(attempt.work.run)) + bytes_below(self.incoming(attempt))

    def _claimed(self, attempt: Attempt) -> list[dict[str, Any]]:
        """The files that it needs; from now on no older attempt writes in its run's folder."""
        folder, number = self._settings.folder(attempt.work.run), attempt.work.attempt
        if mark.read(folder).attempt != number:
            with mark.claimed(folder, number, attempt.work.request["row"]):
                pass
        self.incoming(attempt).mkdir(mode=0o700, parents=True, exist_ok=True)
        found = files.listed(self._settings.root, attempt.work.run, attempt.work.request["files"])
        attempt.needs = {each["sha256"]: self._settings.root / each["path"] for each in found}
        return found

    def _told(self, attempt: Attempt) -> dict[str, Any]:
        """What the process of an attempt is told here, with what lies in the service's folder named from there."""
        request, root = dict(attempt.work.request), self._settings.root
        for name in ("row", "files"):
            request.pop(name)
        policy = dict(request["policy"])
        for kind in ("uploads", "runs"):
            policy[kind] = {name: os.path.relpath(path, root) for name, path in policy[kind].items()}
        known = mark.read(self._settings.folder(attempt.work.run))
        there = {
            "folder": os.path.relpath(request["folder"], root),
            "policy": policy,
            "row": None,
            "mark": {"began": known.began, "overrides": known.overrides},
        }
        limits = {"limits": limits_of(self._settings), "threads": attempt.threads, "grace": self._settings.grace}
        return {**request, **there, **limits}

    async def place(self, attempt: Attempt, digest: str) -> Path:
        """Where a file lies that the attempt may fetch. Raises KeyError for any other."""
        if not attempt.needs:  # it was begun with a service before this one
            await asyncio.to_thread(self._claimed, attempt)
        return attempt.needs[digest]

    async def report(self, attempt: Attempt, said: Mapping[str, Any]) -> dict[str, Any]:
        """Hear what an attempt says, and tell it what is wished.

        said: its `number`, `messages` and the number of the `first` of them, how `records` go on, and how it ended,
            `exit`, with the last.
        """
        attempt.heard()
        agreed = {}
        if said["number"] > attempt.report:  # else it comes late, and was repeated meanwhile
            attempt.report = said["number"]
            folder = self._settings.folder(attempt.work.run)
            attempt.grown += sum(len(piece["text"]) for piece in said["records"].values())
            if attempt.grown > RECORDED:
                attempt.grown = 0
                await self.room(attempt, 0)
            for name, piece in said["records"].items():
                agreed[name] = await asyncio.to_thread(
                    files.append, folder, name, piece["at"], piece["text"].encode("utf-8", "surrogateescape")
                )
            for number, message in enumerate(said["messages"], said["first"]):
                if number > attempt.said:  # else the answer has not reached it, and it is said again
                    attempt.said = number
                    self._hears.report(attempt.work, message)
            if (ended := said["exit"]) is not None:
                usage = ended["cpu_seconds"], ended["peak_bytes"]
                reason = "what had started it there ended" if ended["asked"] else why(ended["code"])
                attempt.over(attempt, Exit(reason, attempt.asked or ended["asked"], *usage))
        row = self._store.row("SELECT wish FROM runs WHERE id = ? AND state = 'stopping'", attempt.work.run)
        return {"wish": row["wish"] if row is not None else None, "lease": LEASE, "records": agreed}

    async def accept(self, attempt: Attempt, given: Sequence[Mapping[str, Any]]) -> list[str]:
        """Take a set of files; gives the SHA-256 of those that have not come. Raises Conflict."""
        attempt.heard()
        folder, overrides = self._settings.folder(attempt.work.run), len(attempt.work.request["overrides"])
        incoming, run = self.incoming(attempt), attempt.work.run
        missing = await asyncio.to_thread(files.accept, folder, incoming, given, attempt.work.attempt, overrides)
        if not missing:
            held = await asyncio.to_thread(self._held, attempt)
            await self._store.write(lambda w: w.db.execute("UPDATE runs SET stored = ? WHERE id = ?", (held, run)))
        return missing
