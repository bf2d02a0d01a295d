"""The tables of the database. A version is a script; what has been released is never changed, the next is added."""

from __future__ import annotations

__all__ = ["MIGRATIONS"]

MIGRATIONS = (
    """
    CREATE TABLE runs (
        id TEXT PRIMARY KEY,
        owner TEXT NOT NULL,
        name TEXT NOT NULL,
        state TEXT NOT NULL,
        wish TEXT,                      -- why it is to stop
        reason TEXT NOT NULL,           -- of the state, in words
        attempt INTEGER NOT NULL DEFAULT 0,
        executor TEXT NOT NULL,
        handle TEXT,                    -- what the executor calls the attempt
        config TEXT NOT NULL,           -- as it was posted
        overrides TEXT NOT NULL,        -- JSON; those of resumes are behind those of the submission
        files TEXT NOT NULL,            -- JSON: the uploads and runs that the config names, as they lie here
        sha256 TEXT NOT NULL,           -- of what is trained: the resolved config
        size TEXT NOT NULL,             -- JSON: the estimate
        tags TEXT NOT NULL DEFAULT '[]',
        note TEXT NOT NULL DEFAULT '',
        created TEXT NOT NULL,
        started TEXT,
        ended TEXT,
        epoch INTEGER NOT NULL DEFAULT 0,
        epochs INTEGER NOT NULL DEFAULT 0,
        step INTEGER NOT NULL DEFAULT 0,
        steps INTEGER NOT NULL DEFAULT 0,
        loss REAL,
        reached INTEGER NOT NULL DEFAULT 0,  -- the step of the newest checkpoint when the last attempt was lost
        losses INTEGER NOT NULL DEFAULT 0,   -- attempts in a row that were lost there
        pruned INTEGER NOT NULL DEFAULT 0,   -- the newest event of points that is forgotten
        version INTEGER NOT NULL DEFAULT 1,
        idem_key TEXT,
        idem_sha256 TEXT,
        UNIQUE (owner, idem_key)
    ) STRICT;
    CREATE INDEX runs_by_state ON runs (state, owner, id);
    CREATE INDEX runs_by_owner ON runs (owner, id);
    CREATE INDEX runs_by_content ON runs (owner, sha256);

    CREATE TABLE attempts (
        run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        executor TEXT NOT NULL,
        handle TEXT,
        started TEXT NOT NULL,
        ended TEXT,
        exit TEXT,
        cpu_seconds REAL,
        peak_bytes INTEGER,
        PRIMARY KEY (run, number)
    ) STRICT;

    CREATE TABLE events (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        run TEXT NOT NULL,
        at TEXT NOT NULL,
        kind TEXT NOT NULL,             -- state, points, log, warning, end
        data TEXT NOT NULL              -- JSON
    ) STRICT;
    CREATE INDEX events_by_run ON events (run, seq);

    CREATE TABLE tokens (
        id TEXT PRIMARY KEY,
        sha256 TEXT NOT NULL UNIQUE,
        user TEXT NOT NULL,
        scopes TEXT NOT NULL,           -- words
        created TEXT NOT NULL,
        expires TEXT,
        used TEXT
    ) STRICT;

    CREATE TABLE uploads (
        id TEXT PRIMARY KEY,
        owner TEXT NOT NULL,
        name TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        suffix TEXT NOT NULL,
        bytes INTEGER NOT NULL,
        created TEXT NOT NULL
    ) STRICT;
    CREATE INDEX uploads_by_owner ON uploads (owner, id);

    CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
    """,
    """
    ALTER TABLE runs ADD COLUMN trace TEXT;              -- W3C traceparent of what has asked for it
    ALTER TABLE runs ADD COLUMN stored INTEGER NOT NULL DEFAULT 0;  -- bytes of its folder when it was last looked at

    CREATE TABLE users (                -- who may have something else than everybody
        name TEXT PRIMARY KEY,
        queued INTEGER,
        running INTEGER,
        cpu_seconds INTEGER,            -- a day
        bytes INTEGER
    ) STRICT;

    CREATE TABLE uses (
        user TEXT NOT NULL,
        day TEXT NOT NULL,              -- UTC
        cpu_seconds REAL NOT NULL,
        PRIMARY KEY (user, day)
    ) STRICT;

    CREATE TABLE audit (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        at TEXT NOT NULL,
        user TEXT NOT NULL,
        token TEXT NOT NULL,            -- the id of the one that was shown
        what TEXT NOT NULL,
        target TEXT NOT NULL,
        detail TEXT NOT NULL,           -- JSON
        trace TEXT NOT NULL
    ) STRICT;
    """,
    """
    ALTER TABLE runs DROP COLUMN executor;
    ALTER TABLE runs ADD COLUMN launcher TEXT;           -- that is asked for; NULL for whichever can
    ALTER TABLE attempts RENAME COLUMN executor TO launcher;
    ALTER TABLE attempts ADD COLUMN token_sha256 TEXT;   -- by which it reports that is elsewhere, while it lasts
    ALTER TABLE attempts ADD COLUMN began TEXT;          -- which process has begun it there
    CREATE UNIQUE INDEX attempts_by_token ON attempts (token_sha256) WHERE token_sha256 IS NOT NULL;
    """,
    """
    -- The token that a browser's session was made from, with which it ends.
    ALTER TABLE tokens ADD COLUMN source TEXT REFERENCES tokens (id) ON DELETE CASCADE;
    """,
)
