"""What happens to runs, as changes of the database: every one checks the table of states, and says why in an event.

Each function takes a `Writing` and is run by the one thread that writes, so nothing can come between what it reads and
what it writes. What an attempt says counts only while it is the newest attempt of its run.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainer.errors import TrainerError
from trainer.service.ids import new_id, now, today
from trainer.service.states import AFTER, ENDED, LIVE, Message, State, Wish, target
from trainer.service.store import Event, Writing

__all__ = [
    "Conflict", "Full", "Gone", "Misused", "Submission", "Superseded", "delete", "next_queued", "note", "progress",
    "resume", "send", "start", "submit",
]  # fmt: skip

LOSSES = 3  # attempts in a row that are lost without getting any further


class Gone(TrainerError):
    """There is no such run."""


class Conflict(TrainerError):
    """What is asked for is not for a run in this state."""


class Superseded(Conflict):
    """Who says this is an attempt that is not the newest any more."""


class Misused(TrainerError):
    """The key of this request was that of another one."""


class Full(TrainerError):
    """There is no more room for this user now.

    Attributes:
        name: of what there is too much, see `trainer.service.settings.Quota`.
        used, most: how much there is, and may be.
        seconds: after which it is worth asking again.
    """

    def __init__(self, message: str, name: str, used: int, most: int, seconds: int = 5) -> None:
        super().__init__(message)
        self.name, self.used, self.most, self.seconds = name, used, most, seconds


@dataclass(frozen=True)
class Submission:
    """A config that was checked, and whose it is.

    Attributes:
        files: the uploads and runs that it names, by what it calls them, as they lie here.
        sha256: of what is trained.
        launcher: the name of the one that is to start its attempts; None for whichever can.
        again: whether it is trained again, where the same has been trained, or waits or is on its way.
        key, body: the request's Idempotency-Key, if it has one, and the SHA-256 of all that was asked for.
    """

    owner: str
    name: str
    config: str
    overrides: Sequence[str]
    files: Mapping[str, str]
    sha256: str
    size: Mapping[str, int]
    epochs: int
    launcher: str | None = None
    tags: Sequence[str] = ()
    note: str = ""
    again: bool = True
    key: str | None = None
    body: str = ""


def note(writing: Writing, run: str, kind: str, data: Mapping[str, object]) -> None:
    """Keep an event, which is told to whoever watches once it is committed."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    made = writing.db.execute("INSERT INTO events (run, at, kind, data) VALUES (?, ?, ?, ?)", (run, now(), kind, text))
    assert made.lastrowid is not None
    writing.events.append(Event(made.lastrowid, run, kind, text))


def submit(writing: Writing, new: Submission, most_queued: int) -> tuple[str, bool]:
    """Put a run in line. Gives its id, and whether it is a new one: the same key and body get the first answer again.

    Raises Misused for a key that came with another body, and Full where the user has as many in line as may be.
    """
    if new.key is not None:
        known = writing.db.execute(
            "SELECT id, idem_sha256 FROM runs WHERE owner = ? AND idem_key = ?", (new.owner, new.key)
        ).fetchone()
        if known is not None:
            if known["idem_sha256"] != new.body:
                raise Misused("this Idempotency-Key has come with another request; a new request has a new key")
            return known["id"], False
    if not new.again:
        same = writing.db.execute(
            "SELECT id FROM runs WHERE owner = ? AND sha256 = ? AND state IN"
            " ('queued', 'running', 'finished') ORDER BY id DESC LIMIT 1",
            (new.owner, new.sha256),
        ).fetchone()
        if same is not None:
            return same["id"], False
    (waiting,) = writing.db.execute(
        "SELECT count(*) FROM runs WHERE owner = ? AND state = 'queued'", (new.owner,)
    ).fetchone()
    if waiting >= most_queued:
        text = f"{new.owner} has {waiting} runs in line, of {most_queued} at most; one that begins makes room"
        raise Full(text, "queued", waiting, most_queued)
    run = new_id()
    writing.db.execute(
        "INSERT INTO runs (id, owner, name, state, reason, launcher, config, overrides, files, sha256, size, tags,"
        " note, created, epochs, steps, idem_key, idem_sha256)"
        " VALUES (?,?,?,'queued','submitted',?,?,?,?,?,?,?,?,?,?,?,?,?)",
        (
            run, new.owner, new.name, new.launcher, new.config, json.dumps(list(new.overrides)),
            json.dumps(dict(new.files)), new.sha256, json.dumps(dict(new.size)), json.dumps(list(new.tags)), new.note,
            now(), new.epochs, new.size["steps"], new.key, new.body,
        ),
    )  # fmt: skip
    note(writing, run, "state", {"state": State.QUEUED, "reason": "submitted"})
    return run, True


def next_queued(
    writing: Writing, launchers: Sequence[str], most_running: int, most_seconds: int = 0
) -> sqlite3.Row | None:
    """The run whose turn it is, of those that one of these launchers may start: of the user with the fewest that run,
    the oldest.

    most_running, most_seconds: of a user of whom nothing else is said, at once and in CPU seconds a day (0: no limit).
    """
    marks = ",".join("?" * len(launchers))
    found: sqlite3.Row | None = writing.db.execute(
        "SELECT next.* FROM (SELECT q.*, (SELECT count(*) FROM runs r WHERE r.state IN ('running', 'stopping')"  # noqa: S608  marks are question marks
        f" AND r.owner = q.owner) AS busy FROM runs q WHERE q.state = 'queued'"
        f" AND (q.launcher IS NULL OR q.launcher IN ({marks}))) next"
        " LEFT JOIN users ON users.name = owner LEFT JOIN uses ON uses.user = owner AND uses.day = ?"
        " WHERE busy < coalesce(users.running, ?)"
        " AND coalesce(uses.cpu_seconds, 0) < coalesce(nullif(coalesce(users.cpu_seconds, ?), 0), 9e18)"
        " ORDER BY busy, id LIMIT 1",
        (*launchers, today(), most_running, most_seconds),
    ).fetchone()
    return found


def start(writing: Writing, launchers: Sequence[str], most_running: int, most_seconds: int = 0) -> sqlite3.Row | None:
    """Take the run whose turn it is: it is running, and has a new attempt. None where there is none.

    launchers: those that can start one now; it is the first of them, unless the run is to have another.
    """
    run = next_queued(writing, launchers, most_running, most_seconds)
    if run is None:
        return None
    number = run["attempt"] + 1
    _set(writing, run, State.RUNNING, f"attempt {number} begins", attempt=number, started=run["started"] or now())
    writing.db.execute(
        "INSERT INTO attempts (run, number, launcher, started) VALUES (?, ?, ?, ?)",
        (run["id"], number, run["launcher"] or launchers[0], now()),
    )
    return _run(writing, run["id"])


def send(
    writing: Writing, run: str, message: Message, reason: str, *, attempt: int | None = None, reached: int | None = None
) -> State:
    """Tell a run something; gives the state that it has now.

    Args:
        attempt: whose process says it; None for what a person or the service wants.
        reached: with LOST, the step of the newest whole checkpoint.

    Raises Gone, Superseded and Conflict; then nothing has changed.
    """
    row = _run(writing, run)
    state, wish = State(row["state"]), Wish(row["wish"]) if row["wish"] else None
    if attempt is not None and row["attempt"] != attempt:
        raise Superseded(f"attempt {attempt} of run {run} is over: the newest is {row['attempt']}")
    changed: dict[str, object] = {}
    if message is Message.LOST:
        message, changed = _loss(row, reached or 0)
    after = target(state, message, wish)
    if after is None:
        known = f"{state}, {row['reason']}"
        if attempt is not None:
            raise Superseded(f"run {run} is {known}: {message} comes too late")
        raise Conflict(f"run {run} is {known}; {_instead(state, message)}")
    if after is State.STOPPING:
        asked = Wish(message)
        if wish is not None and [*Wish].index(wish) >= [*Wish].index(asked):
            return state  # it is told already, or to do what is more
        changed["wish"] = asked
    elif after is state:
        return state
    if after in ENDED:
        changed["ended"] = now()
    if after not in LIVE:
        changed["handle"] = None
        if after is not State.QUEUED:
            changed["wish"] = wish
    if state is State.STOPPING and after in AFTER.values() and attempt is not None:
        reason = row["reason"]  # it is what was wished, and by whom
    if message is Message.POISON:
        reason = f"{reason}, the {_ordinal(row['losses'] + 1)} time in a row without getting further"
    _set(writing, row, after, reason, **({"wish": None} | changed if after is not State.STOPPING else changed))
    if state in LIVE and after not in LIVE:
        writing.db.execute(
            "UPDATE attempts SET ended = ?, exit = ?, token_sha256 = NULL WHERE run = ? AND number = ?",
            (now(), reason, run, row["attempt"]),
        )
    return after


def resume(writing: Writing, run: str, overrides: Sequence[str], epochs: int | None, steps: int | None) -> State:
    """Put a run that rests back in line. Raises Gone and Conflict."""
    row = _run(writing, run)
    if row["state"] == State.QUEUED and not overrides:
        return State.QUEUED
    if row["state"] == State.FINISHED and not overrides:
        raise Conflict(f"run {run} is finished, after {row['epoch']} of {row['epochs']} epochs; epochs=N goes on")
    after = send(writing, run, Message.RESUME, "resumed" + (f" with {' '.join(overrides)}" if overrides else ""))
    writing.db.execute(
        "UPDATE runs SET overrides = ?, ended = NULL, losses = 0, epochs = coalesce(?, epochs),"
        " steps = coalesce(?, steps) WHERE id = ?",
        (json.dumps([*json.loads(row["overrides"]), *overrides]), epochs, steps, run),
    )
    return after


def delete(writing: Writing, run: str) -> None:
    """Forget a run that rests; that it is deleted stays as an event. Raises Gone and Conflict."""
    row = _run(writing, run)
    if target(State(row["state"]), Message.DELETE, None) is None:
        raise Conflict(f"run {run} is {row['state']}; {_instead(State(row['state']), Message.DELETE)}")
    writing.db.execute("DELETE FROM events WHERE run = ?", (run,))
    writing.db.execute("DELETE FROM runs WHERE id = ?", (run,))
    note(writing, run, "deleted", {"name": row["name"]})


def progress(
    writing: Writing, run: str, attempt: int, points: Sequence[Mapping[str, Any]], where: Mapping[str, Any]
) -> None:
    """What an attempt has reached. Raises Gone and Superseded."""
    row = _run(writing, run)
    if row["attempt"] != attempt or row["state"] not in LIVE:
        raise Superseded(f"attempt {attempt} of run {run} is over")
    writing.db.execute(
        "UPDATE runs SET epoch = ?, epochs = ?, step = ?, steps = ?, loss = ? WHERE id = ?",
        (where["epoch"], where["epochs"], where["step"], where["steps"], where.get("loss"), run),
    )
    note(writing, run, "points", {"attempt": attempt, **where, "points": points})


def _run(writing: Writing, run: str) -> sqlite3.Row:
    row: sqlite3.Row | None = writing.db.execute("SELECT * FROM runs WHERE id = ?", (run,)).fetchone()
    if row is None:
        raise Gone(f"there is no run {run}")
    return row


def _set(writing: Writing, row: sqlite3.Row, state: State, reason: str, **columns: object) -> None:
    """Change the state, if it is still the one that was read, and say so."""
    names = "".join(f", {name} = ?" for name in columns)
    done = writing.db.execute(
        f"UPDATE runs SET state = ?, reason = ?, version = version + 1{names}"  # noqa: S608  of columns named above
        " WHERE id = ? AND state = ? AND attempt = ?",
        (state, reason, *columns.values(), row["id"], row["state"], row["attempt"]),
    )
    if done.rowcount != 1:
        raise Superseded(f"run {row['id']} is not {row['state']} any more")
    told = {"state": state, "reason": reason, "attempt": columns.get("attempt", row["attempt"])}
    note(writing, row["id"], "state", told | ({"wish": columns["wish"]} if columns.get("wish") else {}))


def _loss(row: sqlite3.Row, reached: int) -> tuple[Message, dict[str, object]]:
    """An attempt is lost: whether the run goes on from where it is, or has tried often enough."""
    losses = row["losses"] + 1 if reached == row["reached"] else 1
    last = losses >= LOSSES and row["state"] == State.RUNNING
    return Message.POISON if last else Message.LOST, {"losses": losses, "reached": reached}


def _instead(state: State, message: Message) -> str:
    if message is Message.DELETE:
        return "cancel it first"
    if message is Message.RESUME:
        return "it goes on by itself" if state is not State.STOPPING else "wait until it has stopped"
    return f"there is nothing to {message}"


def _ordinal(number: int) -> str:
    return {1: "first", 2: "second", 3: "third"}.get(number, f"{number}th")
