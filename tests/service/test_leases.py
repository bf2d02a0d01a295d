"""Attempts that are not heard of, and engines that do not answer: every run goes on, or ends with a reason."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.service.conftest import SMALL
from tests.service.test_attempts import service, submission, until
from trainer import __version__
from trainer.errors import TrainerError, UsageError
from trainer.service import queue
from trainer.service.launchers import Site
from trainer.service.remote import attempts, launcher
from trainer.service.remote.launcher import Order, Remote
from trainer.service.settings import Settings
from trainer.service.states import Message, State

POINTS = {"kind": "points", "epoch": 0, "epochs": 3, "step": 1, "steps": 9, "loss": 0.5, "rows": []}


class Engine:
    """One that starts nothing."""

    slots = threads = 1

    def __init__(self) -> None:
        self.orders: list[str] = []
        self.stopped: list[str] = []
        self.lost: dict[str, str] = {}
        self.down = False

    async def begin(self) -> None:
        self._answers()

    async def submit(self, name: str, order: Order) -> str:
        self._answers()
        self.orders.append(json.loads(order.text)["token"])
        return name

    async def stop(self, handle: str, grace: float) -> None:
        self.stopped.append(handle)
        self._answers()

    async def gone(self, handles):
        self._answers()
        return {handle: self.lost[handle] for handle in handles if handle in self.lost}

    async def end(self) -> None:
        pass

    def _answers(self) -> None:
        if self.down:
            raise TrainerError("nobody answers there")


@pytest.fixture
def engine(monkeypatch):
    """The engine of every service that begins, where seconds are shorter."""
    it = Engine()
    made = {"engine": SimpleNamespace(launcher=lambda site: Remote(it, site))}
    monkeypatch.setattr("trainer.service.supervisor.made", lambda settings: made)
    for module, name, seconds in ((attempts, "LEASE", 0.3), (launcher, "LEASE", 0.3), (launcher, "LOOK", 0.02)):
        monkeypatch.setattr(module, name, seconds)
    monkeypatch.setattr("trainer.service.supervisor.AGAIN", 0.02)
    return it


def at(root: Path):
    return service(root, url="http://127.0.0.1:8470")


async def submitted(it) -> str:
    run, _ = await it.store.write(lambda writing: queue.submit(writing, submission(SMALL), 9))
    return str(run)


def running(attempt: int):
    return lambda row: row["state"] == State.RUNNING and row["attempt"] == attempt and row["handle"]


async def begun(it, run: str, attempt: int):
    found = it.supervisor.attempts.of(run, attempt)
    await it.supervisor.attempts.begin(found, "one", __version__)
    return found


def exits(it, run: str) -> list[str]:
    return [row["exit"] for row in it.store.rows("SELECT exit FROM attempts WHERE run = ? ORDER BY number", run)]


def test_what_is_not_heard_of_is_begun_anew_and_comes_too_late(tmp_path, engine):
    async def go() -> None:
        async with at(tmp_path / "root") as it:
            run = await submitted(it)
            await until(it, run, running(1))
            first = await begun(it, run, 1)
            for number in (1, 2, 3):  # it lives as long as it says something
                await asyncio.sleep(0.15)
                said = {"number": number, "first": number, "messages": [POINTS], "records": {}, "exit": None}
                assert await it.supervisor.attempts.report(first, said) == {"wish": None, "lease": 0.3, "records": {}}
            await until(it, run, running(2))
            assert exits(it, run)[0] == "nothing was heard of it for 0.3 s"
            with pytest.raises(queue.Superseded, match=r"attempt 1 of run .* is over"):
                it.supervisor.attempts.of(run, 1)
            await begun(it, run, 2)

    asyncio.run(go())


def test_an_engine_that_is_gone_loses_nothing_and_is_waited_for(tmp_path, engine):
    """What had not begun there goes back in line without blame; what had begun is heard of all the same."""

    async def go() -> None:
        async with at(tmp_path / "root") as it:
            run = await submitted(it)
            await until(it, run, running(1))
            engine.down = True
            await until(it, run, lambda row: row["state"] == State.QUEUED)
            while it.failure is None:
                await asyncio.sleep(0.02)
            assert "nobody answers there" in it.failure
            engine.down = False
            row = await until(it, run, running(2))
            assert (exits(it, run)[0], row["losses"]) == ("it had not begun: nobody answers there", 0)
            await begun(it, run, 2)
            engine.down = True
            await it.store.write(lambda writing: queue.send(writing, run, Message.CANCEL, "asked"))
            await until(it, run, lambda row: row["state"] == State.STOPPING)
            found = it.supervisor.attempts.of(run, 2)
            said = {"number": 1, "first": 1, "messages": [], "records": {}, "exit": None}
            assert (await it.supervisor.attempts.report(found, said))["wish"] == "cancel"
            ended = {"code": 0, "asked": False, "cpu_seconds": 1.5, "peak_bytes": 9}
            await it.supervisor.attempts.report(found, {**said, "number": 2, "exit": ended})
            await until(it, run, lambda row: row["state"] == State.CANCELLED)
            assert engine.stopped

    asyncio.run(go())


def test_what_an_engine_loses_before_it_begins_three_times_ends_a_run_with_the_reason(tmp_path, engine):
    async def go() -> None:
        async with at(tmp_path / "root") as it:
            run = await submitted(it)
            engine.lost = {f"{run}-{number}": "no module named trainer there" for number in (1, 2, 3)}
            row = await until(it, run, lambda row: row["state"] == State.FAILED)
            lost = "it had not begun: no module named trainer there"
            assert row["reason"] == f"{lost}, the third time in a row without getting further"

    asyncio.run(go())


def test_the_next_service_hears_of_what_this_one_has_begun(tmp_path, engine):
    async def go() -> None:
        async with at(tmp_path / "root") as it:
            run = await submitted(it)
            await until(it, run, running(1))
            await begun(it, run, 1)
        async with at(tmp_path / "root") as it:
            assert it.store.row("SELECT state FROM runs")["state"] == State.RUNNING
            while not it.supervisor.attempts.ready:
                await asyncio.sleep(0.02)
            found = it.supervisor.attempts.of(run, 1)
            assert found.begun
            said = {
                "number": 7,
                "first": 9,
                "messages": [POINTS],
                "records": {"log.txt": {"at": 0, "text": "x\n"}},
                "exit": None,
            }
            assert (await it.supervisor.attempts.report(found, said))["records"] == {"log.txt": 2}
            await until(it, run, running(2))  # once it is not heard of any more

    asyncio.run(go())


def test_a_service_that_has_just_begun_asks_for_a_moment(tmp_path, engine):
    async def go() -> None:
        async with at(tmp_path / "root") as it:
            it.supervisor.attempts.ready = False
            with pytest.raises(attempts.Unready, match="report again in a moment"):
                it.supervisor.attempts.of("x", 1)

    asyncio.run(go())


@pytest.mark.parametrize(
    ("url", "says"),
    [(None, "have no address to report to"), ("http://train.example.org", "for all to read: --url https://NAME:PORT")],
)
def test_tokens_go_to_no_address_at_which_they_could_be_read(url, says):
    with pytest.raises(UsageError, match=says):
        Remote(Engine(), Site(Settings(Path(), url=url), None, None, None))
    Remote(Engine(), Site(Settings(Path(), url="https://train.example.org"), None, None, None))
