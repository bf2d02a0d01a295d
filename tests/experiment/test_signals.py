"""However the system asks a run to end, its folder says so, unless the run was told to ignore it."""

from __future__ import annotations

import json
import os
import signal

import pytest

from trainer.config import load
from trainer.experiment import Observer, execute

LINE = "dataset: {name: linear, rows: 40}\nnetwork: [dense: 1]\ncost: mean_squared_error\nstep_size: 0.1\nepochs: 3\n"
NAMES = [name for name in ("SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGXCPU") if hasattr(signal, name)]


class Asked(Observer):
    """Is sent a signal after the first epoch."""

    def __init__(self, number):
        self.number = number

    def epoch(self, record):
        if record.epoch == 1:
            os.kill(os.getpid(), self.number)


@pytest.fixture
def loaded(tmp_path):
    (tmp_path / "c.yaml").write_text(LINE)
    return load(tmp_path / "c.yaml")


def status_in(folder):
    (path,) = folder.glob("*/status.json")
    return json.loads(path.read_text())


@pytest.mark.skipif(os.name == "nt", reason="Windows ends the process without asking it")
@pytest.mark.parametrize("name", NAMES)
def test_a_signal_that_ends_a_process_closes_the_folder(name, loaded, tmp_path):
    number = getattr(signal, name)
    ours = signal.signal(number, signal.SIG_DFL)  # a shell may have had it ignored
    before = signal.getsignal(number)
    try:
        with pytest.raises(SystemExit) as end:
            execute(loaded, tmp_path / "runs", [Asked(number)])
        assert signal.getsignal(number) == before
    finally:
        signal.signal(number, ours)
    assert end.value.code == 128 + number
    status = status_in(tmp_path / "runs")
    assert (status["status"], status["reason"], status["epochs"]) == ("interrupted", f"ended by {name}", 1)
    assert list(tmp_path.glob("runs/*/parameters.safetensors"))


@pytest.mark.skipif(os.name == "nt", reason="Windows ends the process without asking it")
@pytest.mark.parametrize("name", NAMES)
def test_a_signal_that_is_ignored_at_the_start_stays_ignored(name, loaded, tmp_path):
    number = getattr(signal, name)
    before = signal.signal(number, signal.SIG_IGN)
    try:
        execute(loaded, tmp_path / "runs", [Asked(number)])
        assert signal.getsignal(number) == signal.SIG_IGN
    finally:
        signal.signal(number, before)
    assert status_in(tmp_path / "runs")["status"] == "finished"
