import errno
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from trainer.errors import StorageError
from trainer.runs import atomic_write


def test_a_file_holds_the_text_and_nothing_else_is_left(tmp_path: Path) -> None:
    atomic_write(tmp_path / "a.txt", "ü\r\n")
    assert (tmp_path / "a.txt").read_bytes() == "ü\r\n".encode()
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_file_is_replaced_and_readable_by_others_as_the_umask_says(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    atomic_write(tmp_path / "a", b"1")
    atomic_write(tmp_path / "a", b"2")
    assert (tmp_path / "a").read_bytes() == b"2"
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_failed_write_keeps_the_old_file_and_leaves_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    atomic_write(tmp_path / "a", "old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError) as caught:
        atomic_write(tmp_path / "a", "new")
    assert str(caught.value) == f"{tmp_path / 'a'} cannot be written: no space left"
    assert (tmp_path / "a").read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


WRITE_FOR_EVER = """
import sys
from trainer.runs import atomic_write
atomic_write(sys.argv[1], b"a" * 200_000)
print("ready", flush=True)
while True:
    for letter in b"ab":
        atomic_write(sys.argv[1], bytes([letter]) * 200_000)
"""


def test_a_process_killed_at_any_instant_leaves_a_whole_file(
    tmp_path: Path, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    path = tmp_path / "file"
    for i in range(6):
        process = start([sys.executable, "-c", WRITE_FOR_EVER, path], stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(0.003 * i)  # at another point of a write each time
        process.kill()
        process.wait()
        content = path.read_bytes()
        assert len(content) == 200_000
        assert len(set(content)) == 1


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EACCES])
def test_a_file_system_that_cannot_force_a_folder_takes_the_file(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As network shares and the folders of virtual machines answer."""
    real = os.fsync

    def fsync(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(number, os.strerror(number))
        real(handle)

    monkeypatch.setattr("os.fsync", fsync)
    atomic_write(tmp_path / "a", b"1")
    assert (tmp_path / "a").read_bytes() == b"1"
