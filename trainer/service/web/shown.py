"""What pages say of runs, in the words and units that people read."""

from __future__ import annotations

import asyncio
import difflib
import json
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trainer.runs.columns import PARTS
from trainer.service.service import Service
from trainer.service.states import LIVE, RESTING, State
from trainer.service.web.answers import as_run
from trainer.service.web.drawing import sparkline
from trainer.service.web.thinning import sampled

__all__ = ["bytes_text", "count_text", "difference", "history", "shown", "shown_all"]

PACE = 120  # events of points over which the pace is measured: half a minute of them
SPARKS = 64  # numbers of a sparkline
_sparks: dict[tuple[str, int, int], str] = {}


async def shown_all(service: Service, rows: Sequence[sqlite3.Row]) -> list[dict[str, Any]]:
    """Runs as a list shows them."""
    sparks = await asyncio.to_thread(lambda: [_spark(service.settings.folder(row["id"])) for row in rows])
    return [{**shown(service, row), "spark": spark} for row, spark in zip(rows, sparks, strict=True)]


def shown(service: Service, row: sqlite3.Row) -> dict[str, Any]:
    """A run as it is told, with what can be done with it and how long it takes."""
    state = State(row["state"])
    run = as_run(service, row)
    return {
        **run,
        "where": run["launcher"] if [*service.supervisor.launchers] != ["local"] else None,
        "share": min(1.0, row["step"] / row["steps"]) if row["steps"] else 0.0,
        "left": _time_left(service, row),
        "took": _seconds_between(row["started"], row["ended"]),
        "can_stop": state in LIVE or state is State.QUEUED,
        "can_pause": state in (State.RUNNING, State.QUEUED),
        "can_resume": state in RESTING and state is not State.FINISHED,
        "can_extend": state is State.FINISHED,
        "can_delete": state in RESTING,
        "is_live": state in LIVE,
    }


def _time_left(service: Service, row: sqlite3.Row) -> float | None:
    """Seconds until the last step, at the pace of the last half minute; None where there is no pace yet."""
    if row["state"] != State.RUNNING:
        return None
    found = service.store.rows(
        "SELECT seq FROM events WHERE run = ? AND kind = 'points' ORDER BY seq DESC LIMIT ?", row["id"], PACE
    )
    if len(found) < 2:
        return None
    ends = service.store.rows("SELECT at, data FROM events WHERE seq IN (?, ?) ORDER BY seq", found[-1][0], found[0][0])
    (then, before), (since, now) = ((each["at"], json.loads(each["data"])) for each in ends)
    seconds, steps = _seconds_between(then, since), now["step"] - before["step"]
    if not seconds or steps <= 0 or now["attempt"] != before["attempt"]:
        return None
    return float(seconds * (now["steps"] - now["step"]) / steps)


def _seconds_between(start: str | None, end: str | None) -> float | None:
    if start is None:
        return None
    until = datetime.fromisoformat(end) if end else datetime.now(UTC)
    return (until - datetime.fromisoformat(start)).total_seconds()


def _spark(folder: Path) -> str:
    """The loss of a run at a glance, remembered until there is more of it."""
    try:
        about = (folder / "metrics.csv").stat()
    except FileNotFoundError:
        return ""
    key = str(folder), about.st_mtime_ns, about.st_size
    if key not in _sparks:
        columns = sampled(folder / "metrics.csv", [f"{part}_loss" for part in PARTS], SPARKS)
        if len(_sparks) > 500:
            _sparks.clear()
        _sparks[key] = sparkline({name.removesuffix("_loss"): values for name, values in columns.items()})
    return _sparks[key]


def history(service: Service, run: str) -> list[dict[str, Any]]:
    """What happened to a run, the newest first: its states and warnings."""
    rows = service.store.rows(
        "SELECT seq, at, kind, data FROM events WHERE run = ? AND kind IN ('state', 'warning') ORDER BY seq DESC"
        " LIMIT 200",
        run,
    )
    return [{"seq": row["seq"], "at": row["at"], "kind": row["kind"], **json.loads(row["data"])} for row in rows]


def difference(this: str, other: str, names: tuple[str, str]) -> list[tuple[str, str]]:
    """Lines with their kind: `+` of this config alone, `-` of the other alone, `@` and a blank around them."""
    lines = difflib.unified_diff(other.splitlines(), this.splitlines(), names[1], names[0], lineterm="", n=2)
    return [(line[:1] if line[:3] not in ("+++", "---") else "@", line) for line in lines]


def bytes_text(count: int) -> str:
    """Bytes as people say them.

    >>> bytes_text(900), bytes_text(1536), bytes_text(256 << 20)
    ('900 B', '1.5 KB', '256 MB')
    """
    size, units = float(count), ["B", "KB", "MB", "GB", "TB"]
    while size >= 1000 and len(units) > 1:
        size /= 1024
        units.pop(0)
    return f"{size:.3g} {units[0]}"


def count_text(value: int) -> str:
    """A whole number with marks between its thousands."""
    return f"{value:,}"
