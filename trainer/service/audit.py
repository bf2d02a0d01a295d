"""Who has changed what, and when: a line in the transaction of the change itself, so that there is none without it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from trainer.service.ids import now
from trainer.service.store import Store, Writing
from trainer.service.tokens import Person

__all__ = ["lines", "note"]


def note(writing: Writing, person: Person, what: str, target: str, detail: Mapping[str, object]) -> None:
    """Write down that a person has done `what` with `target`: a run, a token, an upload, a user."""
    writing.db.execute(
        "INSERT INTO audit (at, user, token, what, target, detail, trace) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (now(), person.user, person.token, what, target, json.dumps(detail, ensure_ascii=False), person.trace),
    )


def lines(store: Store, before: int, user: str, limit: int) -> list[dict[str, Any]]:
    """At most so many, the newest first: those before a line, and of one user where one is named."""
    rows = store.rows(
        "SELECT * FROM audit WHERE seq < ? AND (? = '' OR user = ?) ORDER BY seq DESC LIMIT ?",
        before, user, user, limit,
    )  # fmt: skip
    return [
        {
            "id": row["seq"], "at": row["at"], "user": row["user"], "token": row["token"], "what": row["what"],
            "target": row["target"], "detail": json.loads(row["detail"]), "trace": row["trace"],
        }
        for row in rows
    ]  # fmt: skip
