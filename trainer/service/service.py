"""The service without its HTTP: what can be asked of it, by whom, and what it answers."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import re
import shutil
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from trainer.errors import TrainerError
from trainer.runs.lock import locked
from trainer.service import audit, queue, quotas
from trainer.service.children import Children, Worker
from trainer.service.ids import is_id
from trainer.service.live import Feed
from trainer.service.queue import Conflict, Gone, Submission
from trainer.service.settings import DATASETS, Settings, no_such
from trainer.service.states import Message, State
from trainer.service.store import Event, Store, Writing
from trainer.service.supervisor import Supervisor, policy
from trainer.service.tokens import Person, Tickets, admin_token
from trainer.wording import did_you_mean

__all__ = ["NAME", "NAME_IS", "Changed", "Invalid", "Service", "forget"]

T = TypeVar("T")
log = logging.getLogger("trainer.service")
KEEP_POINTS = timedelta(minutes=10)  # that the points of a run are kept as events after its end; metrics.csv has them
KEEP_KEYS = timedelta(hours=24)  # after which the same Idempotency-Key is a new one
NAME = re.compile(r"[\w][\w .+-]{0,79}")
NAME_IS = "a name has at most 80 letters, digits, blanks, and . + - _, and begins with one of the first"
_NAMED = re.compile(r"\b(upload|run):([0-9A-Z]{26})\b")
_LIMITED = ("parameters", "bytes", "steps", "disk")


class Changed(Conflict):
    """It is not as it was when whoever changes it has read it."""


class Invalid(TrainerError):
    """A config that cannot be used; `problems` is everything that is wrong with it."""

    def __init__(self, problems: Sequence[Mapping[str, Any]]) -> None:
        super().__init__("; ".join(each["message"] for each in problems))
        self.problems = list(problems)


class Service:
    """Everything between the routes and the processes."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._stack = ExitStack()
        for folder in (settings.root, settings.runs, settings.uploads):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.chmod(folder, 0o700)  # also one that was there
        self._stack.enter_context(locked(settings.root, "served"))
        self.feed, self.tickets = Feed(), Tickets()
        self.store = Store(settings.database, self._happened)
        os.chmod(settings.database, 0o600)
        self._stack.callback(self.store.close)
        self.token = admin_token(self.store, settings.token_file)
        self.children = Children(settings.plugins, settings.grace, settings.root)
        self.supervisor = Supervisor(settings, self.store, self.children)
        memory = settings.limits.bytes + (2 << 30)
        self.checker = Worker(
            self.children, "checker", memory=memory, seconds=settings.check_seconds, what="checking this config"
        )
        self.predictor = Worker(
            self.children, "predictor", memory=memory, seconds=settings.predict_seconds, what="this prediction"
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._refusals: dict[int, int] = {}
        self._told: dict[str, Any] = {}

    async def begin(self) -> None:
        """Begin to run what is in line, behind whoever is answered already."""
        self.store.tell_in(asyncio.get_running_loop())
        self.feed.begin(self.store)
        self._tasks = [asyncio.create_task(self._supervise()), asyncio.create_task(self._prune())]

    async def end(self) -> None:
        """Stop attempts with their checkpoints, and let go of everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.checker.end()
        await self.predictor.end()
        await self.supervisor.end()
        self._stack.close()

    async def _supervise(self) -> None:
        for row in self.store.rows("SELECT run FROM events WHERE kind = 'deleted'"):
            await asyncio.to_thread(_remove, self.settings.folder(row["run"]))  # where nobody came to it before the end
        await self.supervisor.begin()
        if more := self.settings.datasets - DATASETS:  # which a plugin brings, that only children import
            there = [each["name"] for each in await self.told("datasets")]
            for name in sorted(more.difference(there)):
                log.warning(no_such("--allow-dataset", name, "data set", there))

    def _happened(self, events: Sequence[Event]) -> None:
        if self._tasks:  # before, nobody can watch, and what is in line is looked for anyway
            self.feed.told(events)
            self.supervisor.told(events)

    # Configs.

    async def check(self, person: Person, asked: Mapping[str, Any], launcher: str | None = None) -> dict[str, Any]:
        """What a config comes to. Raises Invalid with everything that is wrong with it.

        launcher: the name of the one that is to train it; None for whichever can.
        """
        files = self._files(person, asked["config"] + "\n".join(asked["overrides"]))
        limits = {name: getattr(self.settings.limits, name) for name in _LIMITED}
        await self.children.begin()  # which says how many processors there are
        allowed = policy(self.settings, files, self._threads(launcher))
        found = await self.checker.ask({**asked, "policy": allowed, "limits": limits})
        if "problems" in found:
            raise Invalid([_named_as_posted(each, files) for each in found["problems"]])
        if not NAME.fullmatch(found["name"]):  # of the config itself; what is posted beside it was looked at
            raise Invalid([_general(f"name: {NAME_IS}")])
        return {**found, "files": files}

    def _threads(self, launcher: str | None) -> int:
        """How many threads a run may ask for. Raises Invalid for a launcher that there is not."""
        launchers = self.supervisor.launchers
        if launcher is None:
            return min(each.threads for each in launchers.values())
        if launcher not in launchers:
            hint = did_you_mean(launcher, launchers, f"there are: {', '.join(launchers)}")
            raise Invalid([_general(f"launcher: this service has no '{launcher}'; {hint}")])
        return launchers[launcher].threads

    async def submit(self, person: Person, asked: Mapping[str, Any], key: str | None) -> tuple[str, bool]:
        """A run for a config; gives its id, and whether it is a new one. Raises Invalid, Misused and Full."""
        body, launcher = hashlib.sha256(json.dumps(dict(asked), sort_keys=True).encode()).hexdigest(), asked["launcher"]
        found = await self.check(person, {name: asked[name] for name in ("name", "config", "overrides")}, launcher)
        new = Submission(
            owner=person.user,
            name=found["name"],
            config=asked["config"],
            overrides=asked["overrides"],
            files=found["files"],
            sha256=found["sha256"],
            size=found["size"],
            epochs=found["epochs"],
            launcher=launcher,
            tags=asked.get("tags", ()),
            note=asked.get("note", ""),
            again=bool(asked.get("again")) or any(name.startswith("run:") for name in found["files"]),
            key=key,
            body=body,
        )
        return await self.store.write(lambda writing: self._put(writing, person, new))

    def _put(self, writing: Writing, person: Person, new: Submission) -> tuple[str, bool]:
        """In line, if there is room for it."""
        usual = self.settings.quota
        run, is_new = queue.submit(writing, new, quotas.quota_of(writing.db, new.owner, usual).queued)
        if is_new:
            quotas.check(writing.db, new.owner, usual, new.size.get("disk", 0))
            writing.db.execute("UPDATE runs SET trace = ? WHERE id = ?", (person.trace, run))
            audit.note(writing, person, "submitted", run, {"name": new.name, "sha256": new.sha256})
        return run, is_new

    async def change(
        self, person: Person, what: str, target: str, change: Callable[[Writing], T], **detail: object
    ) -> T:
        """Make a change that a person has asked for, and write down that they have."""

        def written(writing: Writing) -> T:
            result = change(writing)
            audit.note(writing, person, what, target, detail)
            return result

        return await self.store.write(written)

    async def told(self, what: str) -> Any:
        """The schema of a config, the plugins, or what there is of a kind to choose from; it never changes."""
        if what not in self._told:
            self._told[what] = (await self.checker.ask({"ask": what}))["told"]
        return self._told[what]

    def _files(self, person: Person, text: str) -> dict[str, str]:
        """The uploads and runs that a text names and this person may read, as they lie here."""
        found = {}
        for kind, name in set(_NAMED.findall(text)):
            if kind == "run" and self.run(person, name, missing=True) is not None:
                found[f"run:{name}"] = str(self.settings.folder(name))
            elif kind == "upload":
                row = self.store.row("SELECT * FROM uploads WHERE id = ?", name)
                if row is not None and (person.is_admin or row["owner"] == person.user):
                    found[f"upload:{name}"] = str(self.settings.uploads / f"{row['sha256']}{row['suffix']}")
        return found

    # Runs.

    def run(self, person: Person, run: str, missing: bool = False) -> sqlite3.Row | None:
        """A run that this person may see. Raises Gone where there is none, unless it may be `missing`."""
        row = self.store.row("SELECT * FROM runs WHERE id = ?", run) if is_id(run) else None
        if row is not None and (person.is_admin or row["owner"] == person.user):
            return row
        if missing:
            return None
        raise Gone(f"there is no run {run}")

    async def tell(self, person: Person, run: str, message: Message) -> State:
        """Cancel or pause. Raises Gone and Conflict."""
        self.run(person, run)
        verb = {Message.CANCEL: "cancelled", Message.PAUSE: "paused"}[message]
        reason = f"{verb} by {person.user}"
        return await self.change(person, verb, run, lambda writing: queue.send(writing, run, message, reason))

    async def resume(self, person: Person, run: str, overrides: Sequence[str]) -> State:
        """Go on, also with more epochs. Raises Gone, Conflict and Invalid."""
        row = self.run(person, run)
        assert row is not None
        all_overrides = [*json.loads(row["overrides"]), *overrides]
        asked = {"name": row["name"], "config": row["config"], "overrides": all_overrides}
        found = await self.check(person, asked, row["launcher"])

        def again(writing: Writing) -> State:
            quotas.check(writing.db, row["owner"], self.settings.quota)
            return queue.resume(writing, run, overrides, found["epochs"], found["size"]["steps"])

        return await self.change(person, "resumed", run, again, overrides=[*overrides])

    async def delete(self, person: Person, run: str, version: int | None) -> None:
        """Away with a run that rests, and its folder. Raises Gone, Changed and Conflict."""
        self.run(person, run)

        def away(writing: Writing) -> None:
            check_version(writing, run, version)
            queue.delete(writing, run)

        await self.change(person, "deleted", run, away)
        await asyncio.to_thread(_remove, self.settings.folder(run))

    async def describe(self, person: Person, run: str, changes: Mapping[str, str], version: int | None) -> None:
        """Give a run another name, tags or a note. Raises Gone and Changed."""
        self.run(person, run)
        names = ", ".join(f"{name} = ?" for name in changes)

        def change(writing: Writing) -> None:
            check_version(writing, run, version)
            if changes:
                writing.db.execute(
                    f"UPDATE runs SET {names}, version = version + 1 WHERE id = ?",  # noqa: S608  names that the route knows
                    (*changes.values(), run),
                )
                queue.note(writing, run, "described", dict(changes))

        await self.change(person, "described", run, change, **changes)

    def counters(self) -> dict[str, float]:
        """What Prometheus is told."""
        rows = self.store.rows("SELECT state, count(*) AS n FROM runs GROUP BY state")
        states = {f'runs{{state="{state}"}}': 0.0 for state in State}
        states |= {f'runs{{state="{row["state"]}"}}': float(row["n"]) for row in rows}
        return {
            **states,
            **{f'refusals_total{{code="{code}"}}': float(count) for code, count in sorted(self._refusals.items())},
            "viewers": float(self.feed.viewers),
            "commits_total": float(self.store.commits),
            "changes_total": float(self.store.changes),
            "fork_server_restarts_total": float(max(0, self.children.restarts)),
            "ready": float(self.ready),
        }

    def refused(self, status: int) -> None:
        """A request was not done as it was asked."""
        self._refusals[status] = self._refusals.get(status, 0) + 1

    @property
    def ready(self) -> bool:
        """Whether runs are taken and trained."""
        return self.supervisor.ready and not self.supervisor.draining and self.failure is None

    @property
    def failure(self) -> str | None:
        """Why runs are taken and not trained, where that is so."""
        return self.supervisor.trouble

    async def _prune(self) -> None:
        """Forget what is kept for some time only, once a minute."""
        while True:
            await asyncio.sleep(60)
            self.store.change(forget)
            self.supervisor.look()  # a new day has new CPU seconds

    def limits(self) -> dict[str, int]:
        """What a run may have."""
        return asdict(self.settings.limits)

    def quota(self, user: str) -> dict[str, Any]:
        """What a user may have, and has."""
        db = self.store.reading
        return {
            "quota": asdict(quotas.quota_of(db, user, self.settings.quota)),
            "used": quotas.used_by(db, user),
        }


def check_version(writing: Writing, run: str, version: int | None) -> None:
    """Raise Changed where a run is not as it was when whoever changes it has read it."""
    row = writing.db.execute("SELECT version FROM runs WHERE id = ?", (run,)).fetchone()
    if row is not None and version is not None and row["version"] != version:
        raise Changed(f"run {run} has changed since: its version is {row['version']}, not {version}; read it again")


def _general(message: str) -> dict[str, Any]:
    """A problem that has no place in the config."""
    return {"message": message, "line": None, "column": None, "excerpt": None, "source": None}


def _named_as_posted(problem: Mapping[str, Any], files: Mapping[str, str]) -> dict[str, Any]:
    """A problem in which uploads and runs are called what the config calls them: where they lie here is nobody's."""
    message = problem["message"]
    for name, path in files.items():
        message = message.replace(path, name)
    return {**problem, "message": message}


def _ago(time: timedelta) -> str:
    return (datetime.now(UTC) - time).isoformat(timespec="milliseconds")


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def forget(writing: Writing) -> None:
    """The points of runs that ended some time ago, and the keys of requests that nobody repeats any more."""
    writing.db.execute(
        "UPDATE runs SET pruned ="
        " coalesce((SELECT max(seq) FROM events WHERE run = runs.id AND kind = 'points'), pruned)"
        " WHERE ended < ? AND state NOT IN ('queued', 'running', 'stopping')",
        (_ago(KEEP_POINTS),),
    )
    writing.db.execute(
        "DELETE FROM events WHERE kind = 'points' AND EXISTS"
        " (SELECT 1 FROM runs WHERE runs.id = events.run AND runs.pruned >= events.seq)"
    )
    writing.db.execute(
        "UPDATE runs SET idem_key = NULL, idem_sha256 = NULL WHERE idem_key IS NOT NULL AND created < ?",
        (_ago(KEEP_KEYS),),
    )
