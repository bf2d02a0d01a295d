"""Attempts that are stopped, come late, or lose whoever started them: one alone writes, and none is waited for."""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import signal
import sys
from collections import namedtuple
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import trainer
from tests.service.conftest import LONG, SMALL, Served
from tests.service.processes import opened
from tests.service.test_states import new_writing
from trainer.compiler.processors import processors
from trainer.runs.lock import holder, locked
from trainer.service import live, mark, queue
from trainer.service.children import Child, Children
from trainer.service.ids import new_id
from trainer.service.mark import Mark
from trainer.service.queue import Submission
from trainer.service.service import Invalid, Service, forget
from trainer.service.settings import Settings
from trainer.service.states import Message, State
from trainer.service.supervisor import policy
from trainer.service.tokens import Person, issue
from trainer.service.web import streams

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="asks /proc, or limits another process")
MANY = SMALL.replace("epochs: 3", "epochs: 2000") + "checkpoint: {epochs: 100}\n"


@asynccontextmanager
async def service(root: Path, **settings: Any) -> AsyncIterator[Service]:
    """A service without its HTTP, in this process."""
    it = Service(Settings(root, **settings))
    await it.begin()
    try:
        yield it
    finally:
        await it.end()


def submission(config: str) -> Submission:
    return Submission(
        owner="ada", name="x", config=config, overrides=(), files={}, sha256="", size={"steps": 1}, epochs=1
    )  # fmt: skip


async def until(it: Service, run: str, condition: Callable[[Any], bool]) -> Any:
    """The row of a run, once it is as it should be."""
    while not condition(row := it.store.row("SELECT * FROM runs WHERE id = ?", run)):
        await asyncio.sleep(0.02)
    return row


def trains(attempt: int) -> Callable[[Any], bool]:
    return lambda row: row["attempt"] == attempt and row["step"] > 0 and row["handle"] is not None


def work(folder: Path, attempt: int, config: str = MANY) -> dict[str, Any]:
    """What an attempt's process is told."""
    return {
        "run": "x", "attempt": attempt, "name": "x", "folder": str(folder), "config": config, "overrides": [],
        "policy": policy(Settings(folder), {}, 1), "limits": {}, "traceparent": "", "row": None,
    }  # fmt: skip


async def heard(child: Child) -> list[dict[str, Any]]:
    """All that it says until it is gone."""
    said = [json.loads(line) async for line in child.reader]
    child.writer.close()
    await child.ended
    return said


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


async def asks_for(folder: Path, child: Child) -> None:
    """Until an attempt waits for the claim to its folder."""
    while str(folder / mark.CLAIM) not in opened(child.pid):
        await asyncio.sleep(0.02)


@on_linux
def test_an_attempt_that_wakes_when_another_has_taken_its_place_writes_nothing(tmp_path):
    async def go() -> None:
        children = Children()
        with locked(tmp_path, name=mark.CLAIM):  # so that it gets no further
            late = await children.fork("attempt", work(tmp_path, 1))
            await asks_for(tmp_path, late)
            os.kill(late.pid, signal.SIGSTOP)
        said = await heard(await children.fork("attempt", work(tmp_path, 2)))
        assert not [each for each in said if each["kind"] == "ended"]
        assert mark.read(tmp_path) == Mark(attempt=2, began=2)
        before = content(tmp_path)
        assert json.loads(before["status.json"])["status"] == "finished"
        os.kill(late.pid, signal.SIGCONT)
        (end,) = [each for each in await heard(late) if each["kind"] == "ended"]
        await children.end()
        assert (end["status"], end["reason"]) == ("lost", "attempt 1 comes too late: attempt 2 has the folder")
        after = content(tmp_path)
        changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
        assert changed == {mark.CLAIM}  # which says who has asked for it last

    asyncio.run(go())


@on_linux
def test_an_attempt_waits_for_one_that_lives_and_goes_on_where_that_was_stopped(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()

    async def go() -> None:
        first, second = Children(), Children()
        frozen = await first.fork("attempt", work(folder, 1))
        while b'"points"' not in await frozen.reader.readline():
            pass
        os.kill(frozen.pid, signal.SIGSTOP)
        first.kill_server()
        assert await frozen.ended is None
        before = content(folder)
        after_it = await second.fork("attempt", work(folder, 2))
        await asks_for(folder, after_it)
        assert content(folder) == before
        os.kill(frozen.pid, signal.SIGCONT)  # now its parent's death reaches it
        said = await heard(after_it)
        frozen.writer.close()
        assert any("resumed from" in str(each.get("text")) for each in said)
        await first.end()
        await second.end()

    asyncio.run(go())
    (tmp_path / "x.yaml").write_text(MANY)
    trainer.train(tmp_path / "x.yaml", out=tmp_path / "whole")
    (whole,) = (tmp_path / "whole").iterdir()
    name = "parameters.safetensors"
    assert (folder / name).read_bytes() == (whole / name).read_bytes()


@on_linux
def test_what_is_committed_is_done_though_nobody_waits_for_it_and_a_frozen_attempt_is_replaced(tmp_path):
    """As where a client hangs up between a commit and what its request would do next."""

    async def go() -> None:
        async with service(tmp_path / "root", slots=1, frozen=0.4) as it:
            run, _ = await it.store.write(lambda writing: queue.submit(writing, submission(LONG), 9))
            await until(it, run, trains(1))
            pid = holder(it.settings.folder(run), mark.CLAIM)
            assert pid is not None
            os.kill(pid, signal.SIGSTOP)
            await until(it, run, trains(2))
            (exit_,) = it.store.rows("SELECT exit FROM attempts WHERE run = ? AND number = 1", run)
            assert exit_["exit"] == "SIGKILL"
            await it.store.write(lambda writing: queue.send(writing, run, Message.CANCEL, "asked"))
            await until(it, run, lambda row: row["state"] == State.CANCELLED)

    asyncio.run(go())


@on_linux
def test_a_frozen_fork_server_is_replaced_and_so_is_an_attempt_that_heard_of_nothing(tmp_path):
    async def go() -> None:
        async with service(tmp_path / "root", slots=1, frozen=0.4, grace=0.5) as it:
            run, _ = await it.store.write(lambda writing: queue.submit(writing, submission(LONG), 9))
            await until(it, run, trains(1))
            pid, before = holder(it.settings.folder(run), mark.CLAIM), it.children.pid
            assert pid is not None
            assert before is not None
            os.kill(before, signal.SIGSTOP)
            os.kill(pid, signal.SIGSTOP)
            await until(it, run, trains(2))
            assert it.children.pid not in (None, before)
            (exit_,) = it.store.rows("SELECT exit FROM attempts WHERE run = ? AND number = 1", run)
            assert exit_["exit"] in ("its fork server ended", "SIGKILL")

    asyncio.run(go())


def test_a_fork_server_that_cannot_begin_costs_no_run_an_attempt(tmp_path, monkeypatch, caplog):
    """Whoever submits learns why, and what waits goes on waiting until somebody has mended it."""

    async def go() -> None:
        async with service(tmp_path / "root", slots=1) as it:
            monkeypatch.setattr("trainer.service.children.sys.executable", "/bin/false")
            run, _ = await it.store.write(lambda writing: queue.submit(writing, submission(SMALL), 9))
            while it.failure is None:
                await asyncio.sleep(0.02)
            assert "the fork server did not begin (exit code 1)" in it.failure
            assert not it.ready
            monkeypatch.undo()
            row = await until(it, run, lambda row: row["state"] == State.FINISHED)
            assert row["attempt"] == 1
            assert it.ready

    asyncio.run(go())
    assert [each.message for each in caplog.records if "tried again every second" in each.message]


def test_nothing_begins_on_a_full_disk_and_all_goes_on_when_there_is_room(tmp_path, monkeypatch, caplog):
    usage = namedtuple("usage", "free")

    async def go() -> None:
        async with service(tmp_path / "root", slots=1) as it:
            monkeypatch.setattr("trainer.service.supervisor.shutil.disk_usage", lambda path: usage(1000))
            run, _ = await it.store.write(lambda writing: queue.submit(writing, submission(SMALL), 9))
            while not [each for each in caplog.records if "1,000 bytes are free" in each.message]:
                await asyncio.sleep(0.02)
            assert it.failure is not None
            monkeypatch.undo()
            await until(it, run, lambda row: row["state"] == State.FINISHED)
            assert it.failure is None

    asyncio.run(go())


def test_the_processors_are_divided_among_the_slots(tmp_path):
    """An attempt is told its share, writes down what it had, and is refused more when it is posted."""

    async def go() -> None:
        async with service(tmp_path / "root", slots=1) as it:
            person = Person("ada", frozenset(["admin"]), "")
            given = {"name": "x", "overrides": [], "config": SMALL + f"compute: {{threads: {processors() + 1}}}\n"}
            with pytest.raises(Invalid, match=f"compute.threads is at most {processors()} here"):
                await it.check(person, given)
            run, _ = await it.store.write(lambda writing: queue.submit(writing, submission(given["config"]), 9))
            await until(it, run, lambda row: row["state"] == State.FINISHED)
            about = json.loads((it.settings.folder(run) / "environment.json").read_bytes())
            assert about["threads"]["threads"] == processors()
            assert it.supervisor.launchers["local"].threads <= processors()

    asyncio.run(go())


@on_linux
def test_over_http_a_disk_that_takes_nothing_is_503_and_nothing_is_lost(serve):
    served: Served = serve("--slots", "1")
    run = served.submit(LONG)
    served.trains(run)
    pid = served.process.pid
    limits = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, limits[1]))
    try:
        refused = served.post(SMALL)
        assert (refused.status, refused.headers["retry-after"]) == (503, "5")
        assert "service.sqlite cannot be written" in refused.json["detail"]
        assert served.ask("GET", "/readyz").status == 503
        assert served.ask("POST", f"/v1/runs/{run}/cancel").status == 503
        assert served.run(run)["state"] == "running"
        os.kill(holder(served.root / "runs" / run, mark.CLAIM) or 0, signal.SIGKILL)  # which cannot be written down now
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
    for told in served.client.events(run):
        if told.kind == "points" and told.data["attempt"] == 2:
            break
    assert served.until(served.submit(SMALL), "queued")["state"] == "queued"
    assert served.ask("POST", f"/v1/runs/{run}/cancel").status == 202
    assert served.until(run, "cancelled")["attempt"] == 2
    assert served.ask("GET", "/readyz").status == 200


@on_linux
def test_who_is_asked_to_end_again_and_again_writes_its_checkpoint_all_the_same(tmp_path):
    async def go() -> None:
        children = Children()
        child = await children.fork("attempt", work(tmp_path, 1, LONG))
        while b'"points"' not in await child.reader.readline():
            pass
        with suppress(ProcessLookupError):  # it is gone, which is not told yet
            while not child.ended.done():
                os.kill(child.pid, signal.SIGTERM)
                await asyncio.sleep(0.001)
        await child.ended
        child.writer.close()
        await children.end()

    asyncio.run(go())
    status = json.loads((tmp_path / "status.json").read_bytes())
    assert (status["status"], status["reason"]) == ("interrupted", "ended by SIGTERM")
    assert [*(tmp_path / "checkpoints").glob("*.json")]


def test_a_reason_is_one_line_and_says_not_where_anything_lies(tmp_path):
    async def go() -> None:
        async with service(tmp_path / "root") as it:
            name = f"upload:{new_id()}"
            new = replace(
                submission(SMALL.replace("{name: moons, rows: 60}", f"{{path: '{name}'}}")),
                files={name: str(it.settings.uploads / "gone.csv")},
            )
            run, _ = await it.store.write(lambda writing: queue.submit(writing, new, 9))
            row = await until(it, run, lambda row: row["state"] == State.FAILED)
            assert row["attempt"] == 1
            assert row["reason"] == "x.yaml:1:17: there is no file 'gone.csv' in uploads"

    asyncio.run(go())


def test_a_mistake_of_ours_is_told_and_not_made_thrice(tmp_path):
    async def go() -> None:
        async with service(tmp_path / "root") as it:
            new = replace(submission(SMALL), overrides=({},))  # what no request has
            run, _ = await it.store.write(lambda writing: queue.submit(writing, new, 9))
            row = await until(it, run, lambda row: row["state"] == State.FAILED)
            assert row["attempt"] == 1
            assert re.fullmatch(r"\w+Error: .* \(\w+\.py, line \d+\)", row["reason"]), row["reason"]
            assert "Traceback" in (it.settings.folder(run) / "output.txt").read_text()

    asyncio.run(go())


def test_the_key_of_a_request_is_forgotten_after_a_day():
    writing = new_writing()
    new = replace(submission(SMALL), key="k", body="b")
    first, _ = queue.submit(writing, new, 9)
    for hours, known in ((23, True), (25, False)):
        at = (datetime.now(UTC) - timedelta(hours=hours)).isoformat(timespec="milliseconds")
        writing.db.execute("UPDATE runs SET created = ? WHERE id = ?", (at, first))
        forget(writing)
        run, is_new = queue.submit(writing, new, 9)
        assert (run == first, is_new) == (known, not known)


def test_a_viewer_that_does_not_read_is_let_go(tmp_path, monkeypatch):
    monkeypatch.setattr(live, "BEAT", 0.02)
    monkeypatch.setattr(live, "SEND_SECONDS", 0.02)

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    async def go() -> None:
        async with service(tmp_path / "root") as it:
            call = SimpleNamespace(service=it, who=Person("ada", frozenset({"read"}), "x"))
            await streams.Stream(call, "owner:ada", 0)({}, asyncio.Event().wait, send)
            assert it.feed.viewers == 0

    asyncio.run(go())


def test_a_stream_ends_with_the_token_that_opened_it(tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "PING", 0.02)
    monkeypatch.setattr(live, "BEAT", 0.02)
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def go() -> None:
        async with service(tmp_path / "root") as it:
            about = await it.store.write(lambda writing: issue(writing, "trn_x", "ada", ["read"]))
            call = SimpleNamespace(service=it, who=Person("ada", frozenset({"read"}), str(about["id"])))
            listening = asyncio.create_task(streams.Stream(call, "owner:ada", 0)({}, asyncio.Event().wait, send))
            await asyncio.sleep(0.1)
            assert not listening.done()
            await it.store.write(lambda writing: writing.db.execute("DELETE FROM tokens WHERE user = 'ada'"))
            await listening

    asyncio.run(go())
    assert sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
