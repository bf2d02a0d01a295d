"""What a test may count on: processes end with it, and work is counted, as a clock would say what else ran."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-snapshots", action="store_true", help="Write what commands show now to tests/cli/snapshots."
    )


# In the environment of all that a session starts, and so of what they start. What multiprocessing and joblib keep
# for later ends with this process.
_MARK = "STARTED_BY_TESTS_OF"
_WITH_US = ("resource_tracker", "forkserver", "joblib.externals.loky")
_left = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    os.environ[_MARK] = str(os.getpid())
    config.stash[_left] = []


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A process that outlives the session fails it, whoever its parent is by now. Seen where there is a /proc."""
    config, left = session.config, session.config.stash[_left]
    if hasattr(config, "workeroutput"):
        config.workeroutput["left"] = _running()
        return
    if not getattr(config.option, "numprocesses", None):
        left += _running()
    if left and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Who is done takes tests from who is not: the slow ones of one module would keep a core to themselves."""
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log) if config.option.dist == "load" else None


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """What a worker of xdist has left."""
    node.config.stash[_left] += getattr(node, "workeroutput", {}).get("left", [])


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    for line in config.stash[_left]:
        terminalreporter.write_line(f"left running by a test: {line}", red=True)


def _running() -> list[str]:
    """The processes that this one's tests began and that still run, by number and command."""
    mark, found = f"{_MARK}={os.getpid()}".encode(), []
    time.sleep(0.1)  # what was begun a moment ago has no environment to read yet
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            marked = mark in (folder / "environ").read_bytes().split(b"\0")
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:  # of another user, or over by now
            continue
        if marked and not any(word in command for word in _WITH_US):
            found.append(f"{folder.name} {command}")
    return found


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[Any]]]:
    """`subprocess.Popen`, for a process of one test."""
    yield from _starting()


@pytest.fixture(scope="module")
def start_once() -> Iterator[Callable[..., subprocess.Popen[Any]]]:
    """`start`, for a process that the tests of a module share."""
    yield from _starting()


def _starting() -> Iterator[Callable[..., subprocess.Popen[Any]]]:
    """`subprocess.Popen`, for a process that heeds Ctrl-C and that is killed, if it still runs, at the end.

    A shell starts what runs in its background with SIGINT ignored, and every process inherits that: without the reset
    a test that interrupts its child would wait for it until somebody comes and looks.
    """
    with ExitStack() as ends:

        def start(command: list[Any], **options: Any) -> subprocess.Popen[Any]:
            before = signal.signal(signal.SIGINT, signal.default_int_handler)  # what is caught here is reset in a child
            try:
                process = subprocess.Popen(command, **options)
            finally:
                signal.signal(signal.SIGINT, before)
            ends.enter_context(process)  # closes its pipes and waits for it
            ends.callback(process.kill)
            return process

        yield start


@pytest.fixture
def calls() -> Callable[[Callable[[], object]], int]:
    """How many functions are called, in Python and in C, while one runs: the same number on every computer."""

    def count(function: Callable[[], object]) -> int:
        seen = 0

        def note(frame: FrameType, event: str, argument: object) -> None:
            nonlocal seen
            seen += event in ("call", "c_call")

        sys.setprofile(note)
        try:
            function()
        finally:
            sys.setprofile(None)
        return seen

    return count
