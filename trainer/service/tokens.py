"""Who may do what: tokens, of which only the SHA-256 is stored, and tickets that become a browser's cookie once."""

from __future__ import annotations

import hashlib
import os
import secrets
import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from trainer.errors import UsageError
from trainer.files import writing
from trainer.service.ids import new_id, now
from trainer.service.store import Store, Writing

__all__ = [
    "ATTEMPT",
    "SCOPES",
    "Person",
    "Tickets",
    "admin_token",
    "attempt_of",
    "check_scopes",
    "is_good",
    "issue",
    "new_token",
    "open_session",
    "person_of",
    "sha256",
]

SCOPES = ("read", "submit", "cancel", "admin")
ATTEMPT = "attempt"  # the scope of a process that trains elsewhere: it may report, and nobody else
PREFIX = "trn_"
TICKET_SECONDS = 300.0
SESSION = timedelta(hours=12)


@dataclass(frozen=True)
class Person:
    """Who asks: a user, by which token, with what scopes, and in which trace (see `trainer.service.tracing`).

    attempt: the run and number, where it is the process of an attempt elsewhere that asks.
    """

    user: str
    scopes: frozenset[str]
    token: str
    trace: str = ""
    attempt: tuple[str, int] | None = None

    def may(self, scope: str) -> bool:
        """An admin may do everything that a person may."""
        return scope in self.scopes or ("admin" in self.scopes and scope != ATTEMPT)

    @property
    def is_admin(self) -> bool:
        """Whether every run is theirs to see."""
        return "admin" in self.scopes


def new_token() -> str:
    """A token that nobody can guess."""
    return PREFIX + secrets.token_urlsafe(32)


def sha256(token: str) -> str:
    """What is stored of a token. It is random, so that no salt and no slow hash is needed."""
    return hashlib.sha256(token.encode()).hexdigest()


def check_scopes(scopes: Iterable[str]) -> list[str]:
    """The scopes, in order. Raises UsageError for one that there is not, and for none at all."""
    given = [*scopes]
    if not given or set(given) - set(SCOPES):
        raise UsageError(f"a token has some of the scopes {', '.join(SCOPES)}; found {', '.join(given) or 'none'}")
    return [scope for scope in SCOPES if scope in given]


def issue(
    writing: Writing, token: str, user: str, scopes: Iterable[str], seconds: float | None = None
) -> dict[str, str | None]:
    """Store a token; gives what may be told of it."""
    expires = None if seconds is None else _after(timedelta(seconds=seconds))
    row = {"id": new_id(), "user": user, "scopes": " ".join(check_scopes(scopes)), "created": now(), "expires": expires}
    writing.db.execute(
        "INSERT INTO tokens (id, sha256, user, scopes, created, expires) VALUES (?, ?, ?, ?, ?, ?)",
        (row["id"], sha256(token), user, row["scopes"], row["created"], expires),
    )
    return row


def _after(time: timedelta) -> str:
    return (datetime.now(UTC) + time).isoformat(timespec="milliseconds")


def open_session(writing: Writing, session: str, person: Person) -> bool:
    """Store a browser's session, which is good for as long as the token that it was made from, twelve hours at most.

    False where that token is not good any more.
    """
    row = writing.db.execute("SELECT * FROM tokens WHERE id = ?", (person.token,)).fetchone()
    if row is None or _is_over(row):
        return False
    until = min(_after(SESSION), row["expires"] or "9999")
    writing.db.execute(
        "INSERT INTO tokens (id, sha256, user, scopes, created, expires, source) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (new_id(), sha256(session), row["user"], row["scopes"], now(), until, row["source"] or row["id"]),
    )
    return True


def is_good(store: Store, token: str) -> bool:
    """Whether a token, of this id, still lets anybody in."""
    row = store.row("SELECT expires FROM tokens WHERE id = ?", token)
    return row is not None and not _is_over(row)


def _is_over(row: sqlite3.Row) -> bool:
    return row["expires"] is not None and row["expires"] <= now()


def person_of(store: Store, token: str) -> Person | None:
    """Whose token it is; None for one that there is not, or that has expired. Found by its hash, in constant time."""
    row = store.row("SELECT * FROM tokens WHERE sha256 = ?", sha256(token))
    if row is None or _is_over(row):
        return None
    return Person(row["user"], frozenset(row["scopes"].split()), row["id"])


def attempt_of(store: Store, token: str) -> Person | None:
    """The attempt elsewhere whose token it is, in its owner's name; None where it is over."""
    row = store.row(
        "SELECT run, number, owner FROM attempts JOIN runs ON id = run WHERE token_sha256 = ?", sha256(token)
    )
    if row is None:
        return None
    name = f"attempt {row['number']} of {row['run']}"
    return Person(row["owner"], frozenset({ATTEMPT}), name, attempt=(row["run"], row["number"]))


def admin_token(store: Store, path: Path) -> str:
    """The admin's token, which is made with the service and lies in a file that only its owner may read."""
    try:
        token = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        token = new_token()
        with writing(path):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(token + "\n")
                file.flush()
                os.fsync(file.fileno())
    if person_of(store, token) is None:
        store.change(lambda change: issue(change, token, "admin", ["admin"])).result()
    return token


class Tickets:
    """Texts that are good once, for five minutes: whoever opens the address is logged in, and the text is worthless."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Person, float]] = {}

    def issue(self, person: Person) -> str:
        """A ticket for a person."""
        self._known = {key: value for key, value in self._known.items() if value[1] > time.monotonic()}
        ticket = secrets.token_urlsafe(24)
        self._known[sha256(ticket)] = person, time.monotonic() + TICKET_SECONDS
        return ticket

    def redeem(self, ticket: str) -> Person | None:
        """Whose it was; None for one that was used, has expired or never was."""
        person, until = self._known.pop(sha256(ticket), (None, 0.0))
        return person if until > time.monotonic() else None
