"""The suite fails where a test leaves a process behind, also one whose parent is gone, with xdist and without."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

LEAVING = """
import subprocess, sys

def test_that_leaves_its_grandchild():
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"
    subprocess.run([sys.executable, "-c", code], check=True)
"""


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="only Linux shows what others run")
@pytest.mark.parametrize("side_by_side", [[], ["-n", "1"]])
def test_a_process_that_outlives_the_tests_fails_them(tmp_path, side_by_side):
    shutil.copy(Path(__file__).with_name("conftest.py"), tmp_path)
    (tmp_path / "test_one.py").write_text(LEAVING)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *side_by_side, str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    (left,) = [line for line in done.stdout.splitlines() if line.startswith("left running by a test: ")]
    os.kill(int(left.split(": ")[1].split()[0]), signal.SIGKILL)
    assert "time.sleep(60)" in left
    assert done.returncode == 1
    (tmp_path / "test_one.py").write_text("def test_that_leaves_none(): ...")
    tidy = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (tidy.returncode, "left running" in tidy.stdout) == (0, False)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT is the system's there")
def test_a_process_that_a_test_starts_heeds_ctrl_c_where_the_session_was_started_in_the_background(start):
    asks = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell leaves it to what runs behind an &
    try:
        process = start([sys.executable, "-c", asks], stdout=subprocess.PIPE, text=True)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert process.communicate(timeout=60)[0] == "True\n"
