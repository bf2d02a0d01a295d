"""The table of runs again, from their folders, where the database is lost: `trainer serve --reindex`.

attempt.json has the row of the run as it was when its newest attempt began, and how the service has seen it end;
status.json how its training did. What was at work when the service was gone goes on. What no folder knows is said.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainer.service import mark, queue
from trainer.service.ids import is_id
from trainer.service.mark import KEPT, Mark
from trainer.service.quotas import bytes_below
from trainer.service.settings import Settings
from trainer.service.states import State
from trainer.service.store import Store, Writing
from trainer.wording import count, described

__all__ = ["reindex"]

LOST = (
    "of no folder's knowledge, and so lost with the database that was: runs that had not begun, names, tags and notes "
    "that were changed since the last attempt, points and events, tokens but the admin's, quotas, the audit"
)


def reindex(settings: Settings, store: Store) -> list[str]:
    """Put into the table what it has not; gives what there is to say of it, in lines."""
    said, states = list[str](), Counter[str]()
    for folder in sorted(path for path in settings.runs.iterdir() if path.is_dir()):
        try:
            if not is_id(folder.name):
                raise ValueError("its name is no id")
            known = mark.read(folder)
            if known.row is None:
                raise ValueError("no attempt has begun there")
            row = _row(folder, known, known.row)
            if store.change(lambda writing, row=row: _put(writing, row)).result():  # type: ignore[misc]
                states[row["state"]] += 1
        except (OSError, ValueError, TypeError, KeyError) as error:
            said.append(f"{folder} is left out: {described(error)}")
    found = ", ".join(f"{number} {state}" for state, number in sorted(states.items()))
    said.append(f"{count(sum(states.values()), 'run')} found in folders{f': {found}' if found else ''}")
    known_files = {f"{row['sha256']}{row['suffix']}" for row in store.rows("SELECT sha256, suffix FROM uploads")}
    nobodys = [path.name for path in settings.uploads.iterdir() if path.name not in known_files]
    if nobodys:
        said.append(f"{count(len(nobodys), 'upload')} that no run uses, whose owner is not known: upload them again")
    return [*said, LOST] if states else said


def _row(folder: Path, known: Mark, kept: Mapping[str, Any]) -> dict[str, Any]:
    """The row of a run, as its folder tells it."""
    about: dict[str, Any] = json.loads((folder / "status.json").read_bytes()) if known.began else {}
    steps = [int(path.stem) for path in (folder / "checkpoints").glob("[0-9]*.json")]
    state, reason = State.QUEUED, "found in its folder, where it goes on"
    if known.state is not None:
        state, reason = State(known.state), known.reason
    elif known.began == known.attempt and about.get("status") in ("finished", "diverged", "failed"):
        state, reason = State(about["status"]), about["reason"] or f"after {about['epochs']} epochs"
    return {
        **{name: kept[name] for name in KEPT},
        "id": folder.name,
        "state": state,
        "reason": reason,
        "attempt": known.attempt,
        "started": about.get("started"),
        "ended": about.get("ended") if state is not State.QUEUED else None,
        "epoch": about.get("epochs", 0),
        "step": max(steps, default=0),
        "reached": max(steps, default=0),
        "stored": bytes_below(folder),
    }


def _put(writing: Writing, row: Mapping[str, Any]) -> bool:
    """Whether the run was not there, and is now. Of one that is there, attempts are counted on from its folder's."""
    db = writing.db
    if db.execute("SELECT 1 FROM events WHERE run = ? AND kind = 'deleted'", (row["id"],)).fetchone():
        return False
    there = db.execute("UPDATE runs SET attempt = max(attempt, ?) WHERE id = ?", (row["attempt"], row["id"]))
    if there.rowcount:
        return False
    marks = ", ".join("?" * len(row))
    db.execute(f"INSERT INTO runs ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))  # noqa: S608  names of ours
    told = {"state": row["state"], "reason": row["reason"], "attempt": row["attempt"]}
    queue.note(writing, row["id"], "state", told)
    for name, place in json.loads(row["files"]).items():
        kind, _, upload = name.partition(":")
        path = Path(place)
        if kind == "upload" and path.exists():
            db.execute(
                "INSERT OR IGNORE INTO uploads VALUES (?, ?, ?, ?, ?, ?, ?)",
                (upload, row["owner"], path.name, path.stem, path.suffix, path.stat().st_size, row["created"]),
            )
    return True
