"""The beginning of a command: no garbage is looked for, and no threads are started that have nothing to do."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from contextlib import suppress

import pytest

from trainer.engine.uncollected import THREADS, beginning


@pytest.fixture(autouse=True)
def thawed():
    """What was frozen belongs to the process of the tests."""
    yield
    gc.unfreeze()


def test_nothing_is_left_of_it_in_the_environment(monkeypatch):
    monkeypatch.delenv(THREADS, raising=False)
    seen = []
    with suppress(ZeroDivisionError), beginning():
        seen += [os.environ[THREADS], gc.isenabled()]
        raise ZeroDivisionError
    assert seen == ["1", False]
    assert THREADS not in os.environ  # where it would be the number of threads that a person wants
    assert gc.isenabled()


def test_what_a_person_wants_stands(monkeypatch):
    monkeypatch.setenv(THREADS, "3")
    with beginning():
        assert os.environ[THREADS] == "3"
    assert os.environ[THREADS] == "3"


def test_a_command_begins_without_numpy_and_with_one_thread_of_blas():
    code = """
import sys, trainer.cli.commands.run
assert "numpy" not in sys.modules, "what draws beside a run would begin later for it"
from trainer.engine.uncollected import beginning
with beginning():
    import numpy
from trainer.compiler import blas
print(*set(blas.threads()) - {1})
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []
