"""One process trains a run; its death, however it comes, sets the run free."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from trainer.errors import UsageError
from trainer.runs import lock
from trainer.runs.lock import held, locked

HOLD = """
import sys
from pathlib import Path
from trainer.runs.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_killed_process_holds_nothing(tmp_path, monkeypatch, start):
    monkeypatch.setattr(lock, "_PATIENCE", 0.05)
    assert not held(tmp_path)
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    process = start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    assert held(tmp_path)
    with pytest.raises(UsageError) as caught, locked(tmp_path):
        pass
    who = f"process {process.pid} on {platform.node()}"
    assert str(caught.value) == f"{tmp_path} is being trained by {who}; wait for it, or stop it first"
    process.kill()
    process.wait()
    assert not held(tmp_path)
    with locked(tmp_path):
        assert held(tmp_path)
    assert not held(tmp_path)


def test_two_readers_do_not_keep_a_writer_out(tmp_path: Path):
    with locked(tmp_path):
        pass
    with (tmp_path / "lock").open("rb") as first, (tmp_path / "lock").open("rb") as second:
        assert lock._take(first, exclusive=False)
        assert lock._take(second, exclusive=False)
    with locked(tmp_path):
        assert held(tmp_path)


def test_a_child_does_not_inherit_the_lock(tmp_path, start):
    with locked(tmp_path):
        start([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    assert not held(tmp_path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(OSError, match=f"{tmp_path / 'none' / 'lock'} cannot be written: {os.strerror(2)}"):
        locked(tmp_path / "none").__enter__()
