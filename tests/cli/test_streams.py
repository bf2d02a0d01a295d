"""Nobody to tell: streams that are closed or full, and terminals of few characters, end no command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from trainer.cli import main

LINE = "dataset: {name: linear, rows: 40}\nnetwork: [dense: 1]\ncost: mean_squared_error\nstep_size: 0.1\nepochs: 2\n"


def trainer(arguments, tmp_path, redirected="", **environment):
    command = f'"{sys.executable}" -c "from trainer.cli import main; main()" {arguments} {redirected}'
    return subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, capture_output=True, timeout=120, env={**os.environ, **environment}
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only some systems have a disk that is always full")
@pytest.mark.parametrize("quiet", ["", "-q"])
@pytest.mark.parametrize("redirected", [">&-", ">&- 2>&-", ">/dev/full", ">/dev/full 2>/dev/full"])
def test_a_run_that_can_tell_nobody_finishes(redirected, quiet, tmp_path):
    (tmp_path / "c.yaml").write_text(LINE)
    ended = trainer(f"run c.yaml {quiet}", tmp_path, redirected)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")
    (status,) = tmp_path.glob("runs/*/status.json")
    assert json.loads(status.read_text())["status"] == "finished"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only some systems have a disk that is always full")
@pytest.mark.parametrize(
    "arguments",
    [
        "list optimizers",
        "ops list",
        "schema",
        "validate c.yaml",
        "show c.yaml",
        "help",
        "plugins",
        "datasets",
        "explain c.yaml",
    ],
)
def test_what_cannot_be_written_is_one_line(arguments, tmp_path):
    (tmp_path / "c.yaml").write_text(LINE)
    ended = trainer(arguments, tmp_path, ">/dev/full")
    assert (ended.returncode, ended.stderr) == (1, b"error: the output: No space left on device\n")
    ended = trainer(arguments, tmp_path, ">&-")
    assert (ended.returncode, ended.stderr) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only some systems have a disk that is always full")
@pytest.mark.parametrize("redirected", ["2>/dev/full", "2>&-", ">&- 2>&-"])
@pytest.mark.parametrize("arguments", ["trian", "run nowhere.yaml", "validate c.yaml epohcs=1"])
def test_an_error_that_cannot_be_said_keeps_its_exit_code(arguments, redirected, tmp_path):
    (tmp_path / "c.yaml").write_text(LINE)
    ended = trainer(arguments, tmp_path, redirected)
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, b"", b"")


def test_a_folder_that_may_not_be_read_is_one_line(tmp_path, monkeypatch, capsys):
    def refuse(*arguments):
        raise PermissionError(13, "Permission denied", "somewhere/secret")

    monkeypatch.setattr("trainer.cli.commands.run.opened", refuse)
    with pytest.raises(SystemExit) as end:
        main(["run", "c.yaml"])
    assert (end.value.code, capsys.readouterr().err) == (1, "error: somewhere/secret: Permission denied\n")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
@pytest.mark.parametrize("arguments", ["list optimizers adam", "list costs huber", "ops show exp"])
def test_a_terminal_of_few_characters_is_written_to(arguments, encoding, tmp_path):
    ended = trainer(arguments, tmp_path, PYTHONIOENCODING=encoding)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert ended.stdout.decode(encoding)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
@pytest.mark.parametrize("arguments", ["schema", "ops list --json"])
def test_data_are_the_same_data_on_a_terminal_of_few_characters(arguments, encoding, tmp_path):
    narrow, wide = (trainer(arguments, tmp_path, PYTHONIOENCODING=each) for each in (encoding, "utf-8"))
    assert json.loads(narrow.stdout.decode(encoding)) == json.loads(wide.stdout.decode())
