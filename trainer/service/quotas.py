"""What a user has, and may have: runs in line and on their way, CPU seconds of a day, bytes."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

from trainer.errors import UsageError
from trainer.service.ids import today
from trainer.service.queue import Full
from trainer.service.settings import Quota
from trainer.service.store import Store, Writing

__all__ = ["MOST", "NAMES", "bytes_below", "check", "note_use", "quota_of", "set_quota", "used_by", "users"]

NAMES = tuple(field.name for field in fields(Quota))
MOST = 2**62
_USED = """
    SELECT (SELECT count(*) FROM runs WHERE owner = :user AND state = 'queued') AS queued,
        (SELECT count(*) FROM runs WHERE owner = :user AND state IN ('running', 'stopping')) AS running,
        (SELECT coalesce(sum(cpu_seconds), 0) FROM uses WHERE user = :user AND day = :day) AS cpu_seconds,
        (SELECT coalesce(sum(stored), 0) FROM runs WHERE owner = :user)
            + (SELECT coalesce(sum(bytes), 0) FROM uploads WHERE owner = :user) AS bytes
"""


def quota_of(db: sqlite3.Connection, user: str, usual: Quota) -> Quota:
    """What a user may have: what an admin has said of them, and else what is usual."""
    row = db.execute("SELECT * FROM users WHERE name = ?", (user,)).fetchone()
    said = {} if row is None else {name: row[name] for name in NAMES if row[name] is not None}
    return Quota(**{**asdict(usual), **said})


def used_by(db: sqlite3.Connection, user: str) -> dict[str, int]:
    """What a user has now, by the names of a quota."""
    row = db.execute(_USED, {"user": user, "day": today()}).fetchone()
    return {name: int(row[name]) for name in NAMES}


def check(db: sqlite3.Connection, user: str, usual: Quota, more: int = 0) -> int:
    """Whether a user may have `more` bytes; gives how many there is room for. Raises Full where nothing is left."""
    quota, used = quota_of(db, user, usual), used_by(db, user)
    if quota.cpu_seconds and used["cpu_seconds"] >= quota.cpu_seconds:
        what = f"{user} has used {used['cpu_seconds']:,} CPU seconds today, of {quota.cpu_seconds:,} a day"
        text = f"{what}; at 00:00 UTC there are new ones"
        raise Full(text, "cpu_seconds", used["cpu_seconds"], quota.cpu_seconds, _until_tomorrow())
    if used["bytes"] + more > quota.bytes:
        what = f"{user} has {used['bytes']:,} bytes of data and runs here, of {quota.bytes:,} at most"
        text = f"{what}, and this takes {more:,} more; delete some" if more else f"{what}; delete some"
        raise Full(text, "bytes", used["bytes"], quota.bytes, 60)
    return quota.bytes - used["bytes"]


def set_quota(writing: Writing, user: str, given: Mapping[str, int | None]) -> None:
    """Say what a user may have; None is what is usual. Raises UsageError for what is no quota."""
    if unknown := set(given) - set(NAMES):
        raise UsageError(f"a quota has no {', '.join(sorted(unknown))}; it has {', '.join(NAMES)}")
    for name, value in given.items():
        if value is not None and (type(value) is not int or not 0 <= value <= MOST):
            raise UsageError(f"{name} is a whole number from 0, or null for what is usual; found {value!r}")
    values = [given.get(name) for name in NAMES]
    writing.db.execute("INSERT OR REPLACE INTO users VALUES (?, ?, ?, ?, ?)", (user, *values))


def note_use(writing: Writing, run: str, cpu_seconds: float, stored: int) -> None:
    """An attempt is over: what it used of its owner's day, and what its run's folder holds now."""
    writing.db.execute("UPDATE runs SET stored = ? WHERE id = ?", (stored, run))
    writing.db.execute(
        "INSERT INTO uses SELECT owner, ?, ? FROM runs WHERE id = ?"
        " ON CONFLICT (user, day) DO UPDATE SET cpu_seconds = cpu_seconds + excluded.cpu_seconds",
        (today(), cpu_seconds, run),
    )


def users(store: Store) -> list[str]:
    """Everybody who has a token, a run or a quota of their own."""
    rows = store.rows("SELECT user FROM tokens UNION SELECT owner FROM runs UNION SELECT name FROM users ORDER BY 1")
    return [row[0] for row in rows]


def bytes_below(folder: Path) -> int:
    """Of all files of a folder; links count for themselves."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except FileNotFoundError:  # a checkpoint that has made room for the next
                continue
    return total


def _until_tomorrow() -> int:
    now = datetime.now(UTC)
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return int((midnight - now).total_seconds()) + 1
