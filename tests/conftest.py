"""What a test may count on: processes end with it, and work is counted, as a clock would say what else ran."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import FrameType
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-snapshots", action="store_true", help="Write what commands show now to tests/cli/snapshots."
    )


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[Any]]]:
    """`subprocess.Popen`, for a process that heeds Ctrl-C and that is killed, if it still runs, when the test ends.

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
