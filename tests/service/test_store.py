"""One thread writes, many changes share a commit, and what is acknowledged is on the disk."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading

import pytest

from tests.hints import advised
from trainer.errors import UsageError
from trainer.service import queue
from trainer.service.store import Store, Unwritable, connected
from trainer.service.tables import MIGRATIONS


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "service.sqlite")
    yield store
    store.close()


def add(name: str):
    return lambda writing: writing.db.execute("INSERT INTO facts VALUES (?, ?)", (name, "1"))


def test_changes_that_wait_share_a_commit_and_one_that_fails_sinks_no_other(store):
    held, begun = threading.Event(), threading.Event()

    def first(writing):
        begun.set()
        held.wait()

    waiting = [store.change(first)]
    begun.wait()  # from here on all wait for it
    waiting += [store.change(add(name)) for name in ("a", "b", "a", "c")]
    before = store.commits
    held.set()
    results = [future.exception() for future in waiting]
    assert [type(each) for each in results] == [type(None)] * 3 + [sqlite3.IntegrityError, type(None)]
    assert [row["name"] for row in store.rows("SELECT name FROM facts ORDER BY name")] == ["a", "b", "c"]
    assert store.commits == before + 2


def test_events_of_a_change_that_fails_are_not_told(tmp_path):
    told = []
    store = Store(tmp_path / "service.sqlite", told.extend)

    def fails(writing):
        queue.note(writing, "r", "log", {"n": 2})
        raise ValueError("no")

    store.change(lambda writing: queue.note(writing, "r", "log", {"n": 1})).result()
    with pytest.raises(ValueError, match="no"):
        store.change(fails).result()
    store.change(lambda writing: queue.note(writing, "r", "log", {"n": 3})).result()
    store.close()
    assert [event.data for event in told] == ['{"n":1}', '{"n":3}']
    assert [event.seq for event in told] == sorted({event.seq for event in told})


def test_a_full_disk_changes_nothing_and_is_over_when_there_is_room(store):
    (pages,) = store._db.execute("PRAGMA page_count").fetchone()
    store._db.execute(f"PRAGMA max_page_count = {pages}")
    large = [store.change(add(f"{i}" + "x" * 5000)) for i in range(5)]
    errors = [future.exception() for future in large]
    assert any(isinstance(error, Unwritable) and "full" in str(error) for error in errors)
    kept = [error is None for error in errors]
    assert store.row("SELECT count(*) FROM facts")[0] == sum(kept)
    store._db.execute("PRAGMA max_page_count = 100000")
    store.change(add("again")).result()
    assert store.row("SELECT count(*) FROM facts")[0] == sum(kept) + 1


def test_a_database_that_is_read_only_is_said_to_be_and_is_over_when_it_is_not(store):
    store._db.execute("PRAGMA query_only = ON")
    with pytest.raises(Unwritable, match="readonly"):
        store.change(add("a")).result()
    store._db.execute("PRAGMA query_only = OFF")
    store.change(add("a")).result()


def test_results_come_in_the_event_loop_after_what_is_told(tmp_path):
    order = []
    store = Store(tmp_path / "service.sqlite", lambda events: order.append("told"))

    async def go():
        store.tell_in(asyncio.get_running_loop())
        await store.write(lambda writing: queue.note(writing, "r", "log", {}))
        order.append("done")

    asyncio.run(go())
    store.close()
    assert order == ["told", "done"]


def test_what_was_acknowledged_is_there_after_the_process_is_killed(tmp_path):
    path = tmp_path / "service.sqlite"
    code = (
        "import sys, os; from pathlib import Path; from trainer.service.store import Store\n"
        "s = Store(Path(sys.argv[1]))\n"
        "for i in range(200):\n"
        "    s.change(lambda w, i=i: w.db.execute('INSERT INTO facts VALUES (?, 1)', (f'{i:03}',))).result()\n"
        "    print(i, flush=True)\n"
        "    if i == 150: os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    acknowledged = len(done.stdout.split())
    assert connected(path).execute("SELECT count(*) FROM facts").fetchone()[0] >= acknowledged == 151


def test_in_the_place_of_a_damaged_database_a_backup_is_put_as_it_is_said(tmp_path):
    path, wal = tmp_path / "a root" / "service.sqlite", tmp_path / "a root" / "service.sqlite-wal"
    path.parent.mkdir()
    Store(path).close()
    backup = path.read_bytes()
    store = Store(path)
    store.change(lambda w: w.db.execute("INSERT INTO facts VALUES ('later', 1)")).result()
    newer = wal.read_bytes()
    store.close()
    path.write_bytes(b"not a database, and longer than a header" * 100)
    wal.write_bytes(newer)  # as where the service was killed
    with pytest.raises(UsageError) as caught:
        Store(path)
    said = advised(
        caught.value, "move it away, and service.sqlite-wal with it, if that is there; then put a backup in its place"
    )
    assert f"{path} is damaged (file is not a database): {said}" in str(caught.value)
    for each in (path, wal):
        each.rename(tmp_path / each.name)
    path.write_bytes(backup)
    store = Store(path)
    assert [*store.reading.execute("PRAGMA integrity_check").fetchone()] == ["ok"]
    assert store.rows("SELECT * FROM facts WHERE name = 'later'") == []
    store.close()


def test_a_database_of_a_newer_version_is_left_alone(tmp_path):
    path = tmp_path / "service.sqlite"
    Store(path).close()
    db = connected(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(UsageError, match=rf"is of a newer version \(99; this one knows {len(MIGRATIONS)}\): upgrade"):
        Store(path)
