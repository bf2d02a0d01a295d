"""A run that is stopped anywhere goes on to the very bytes of the one that never was."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import trainer
from tests.hints import advised
from trainer.cli import main
from trainer.config import load
from trainer.errors import DataError, UsageError
from trainer.experiment import Observer, execute, resume
from trainer.runs import load as load_run
from trainer.runs.checkpoint import Checkpoints
from trainer.runs.digests import sealed, unsealed

SMALL: dict[str, Any] = {
    "name": "small",
    "dataset": {"name": "linear", "rows": 100, "noise": 0.1},
    "network": [{"dense": 4}, "batch_norm", "tanh", {"dropout": 0.3}, {"dense": 1}],
    "cost": "mean_squared_error",
    "optimizer": "adam",
    "step_size": {"plateau": {"start": 0.05, "patience": 0}},
    "average": 0.9,
    "accumulate": 2,
    "stop": {"patience": 3},
    "batch_size": 10,
    "metrics": [],
    "epochs": 5,
    "compute": {"executor": "eager"},  # which never runs ahead: a record, and a checkpoint, at every step
    "checkpoint": {"steps": 1},
}
TIMES = re.compile(r"seconds|rows_per_second")


class StopAt(Observer):
    """Ctrl-C at a step, or while an epoch is told."""

    def __init__(self, step: int, *, epoch: bool = False) -> None:
        self.at, self.of_epoch = step, epoch

    def step(self, record: Any) -> None:
        if not self.of_epoch and record.step >= self.at:
            raise KeyboardInterrupt

    def epoch(self, record: Any) -> None:
        if self.of_epoch and record.step >= self.at:
            raise KeyboardInterrupt


def remains(folder: Path) -> tuple[dict[str, bytes], list[dict[str, float]], dict[str, Any]]:
    """What a run left, times aside: the state's arrays, the rows of metrics.csv, the state's counters."""
    checkpoint = Checkpoints(folder / "checkpoints").newest()
    assert checkpoint is not None
    metrics = load_run(folder).metrics
    rows = [{n: c.tolist()[i] for n, c in metrics.items() if not TIMES.search(n)} for i in range(len(metrics["epoch"]))]
    return {n: a.tobytes() for n, a in checkpoint.arrays.items() if not TIMES.search(n)}, rows, checkpoint.values


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """The curve is a function of metrics.csv, and takes longer to draw than these runs to train."""
    monkeypatch.setattr("trainer.runs.folder.RunFolder.save_loss", lambda run: None)


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = trainer.train(SMALL, out=tmp_path_factory.mktemp("untouched")).folder
    assert folder is not None
    return folder


def typed(message: object, *more: str) -> None:
    """Type the command with which a message ends; the config that it leaves open is c.yaml in this folder."""
    Path("c.yaml").write_text(json.dumps(SMALL))
    words = shlex.split(str(message).rpartition("trainer ")[2].replace("CONFIG", "c.yaml"))
    with pytest.raises(SystemExit) as ended:
        main([*words, *more])
    assert ended.value.code == 0


SHORT = ("epochs=1", "checkpoint=false", "--quiet")


def stopped(out: Path, *observers: Observer, **changes: Any) -> Path:
    """The folder of a run that was cut short."""
    with pytest.raises(KeyboardInterrupt):
        trainer.train({**SMALL, **changes}, out=out, observers=observers)
    (folder,) = out.iterdir()
    return folder


@pytest.mark.parametrize("step", range(1, 41))
def test_from_every_step_the_bytes_are_those_of_the_untouched_run(step: int, untouched: Path, tmp_path: Path) -> None:
    folder = stopped(tmp_path, StopAt(step))
    resume(folder)
    assert remains(folder) == remains(untouched)
    parameters = "parameters.safetensors"
    assert (folder / parameters).read_bytes() == (untouched / parameters).read_bytes()


def test_an_epoch_that_was_told_to_half_of_those_who_listen_has_one_row(untouched: Path, tmp_path: Path) -> None:
    folder = stopped(tmp_path, StopAt(16, epoch=True))
    resume(folder)
    assert remains(folder) == remains(untouched)
    assert "resumed from step 16" in load_run(folder).log


def test_no_generators_state_is_needed(untouched: Path) -> None:
    arrays, _, values = remains(untouched)
    kinds = {name.partition(".")[0] for name in arrays}
    assert kinds <= {"theta", "optimizer", "layer_state", "settled", "schedule", "stopping", "best"}
    assert set(values) == {"step", "epoch", "batches", "ended", "best"}


def test_more_epochs_extend_a_run_that_is_done(tmp_path: Path) -> None:
    plain = {**SMALL, "step_size": 0.05, "stop": {"best": True}}
    long, short = (trainer.train({**plain, "epochs": n}, out=tmp_path / str(n)).folder for n in (5, 3))
    assert long is not None
    assert short is not None
    with pytest.raises(UsageError, match="is already done, with epoch 3 of 3; epochs=N goes on"):
        resume(short)
    resume(short, ["epochs=5", "checkpoint.keep=3"])
    assert remains(short) == remains(long)
    assert load_run(short).config["epochs"] == 5
    assert "epochs was 3 and is 5" in load_run(short).log


def test_a_run_that_its_limit_ended_goes_on_under_another(tmp_path: Path) -> None:
    plain = {**SMALL, "step_size": 0.05}
    long, short = (trainer.train({**plain, "stop": {"steps": n}}, out=tmp_path / str(n)).folder for n in (14, 6))
    assert long is not None
    assert short is not None
    with pytest.raises(UsageError, match="is already done: 6 steps were taken; another limit goes on, such as"):
        resume(short)
    resume(short, ["stop.steps=14"])
    assert Checkpoints(short / "checkpoints").steps()[-1] == 14
    assert "stop.steps was 6 and is 14" in load_run(short).log


def test_a_schedule_that_knows_the_end_says_what_changes(tmp_path: Path) -> None:
    config = {**SMALL, "step_size": {"cosine": 0.1}, "stop": {"best": True}, "epochs": 2}
    folder = trainer.train(config, out=tmp_path).folder
    assert folder is not None
    resume(folder, ["epochs=4"])
    warning = r"the schedule ends with the run, which has 4 epochs now: at step 16 the step size is 0\.05, and would "
    assert re.search(warning + r"have been 0 in a run of 2", load_run(folder).log)


@pytest.mark.parametrize(
    "override",
    ["seed=1", "dataset.rows=90", "network.3.dropout=0.5", "optimizer=sgd", "batch_size=9", "compute.dtype=float64"],
)
def test_what_cannot_change_is_refused_by_name(override: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = stopped(tmp_path / "my runs", StopAt(3))
    top = re.split(r"[.=]", override)[0]
    said = rf"^{top} cannot change in a run that goes on: {top}\S* was \S+( set)? and would be \S+, and "
    with pytest.raises(UsageError, match=said) as caught:
        resume(folder, [override])
    assert load_run(folder).status == "interrupted"
    advised(caught.value, f"from these parameters: trainer run CONFIG start_from='{folder}'")
    typed(caught.value, override, *SHORT)


def test_a_name_that_would_be_another_is_told_by_both_names(tmp_path: Path) -> None:
    folder = stopped(tmp_path, StopAt(3))
    for override, said in (
        ("optimizer=sgd", "optimizer was adam and would be sgd, and "),
        ("step_size=0.3", "step_size was plateau and would be 0.3, and "),
        ("cost=huber", "cost was mean_squared_error and would be huber, and "),
        ("metrics=[r2]", "metrics was not set and would be r2, and "),
        ("penalty={l2: 0.1}", "penalty was not set and would be given, and "),
        ("network.0.dense=5", "network.0.dense.units was 4 and would be 5, and "),
    ):
        with pytest.raises(UsageError, match=rf"cannot change in a run that goes on: {re.escape(said)}"):
            resume(folder, [override])


def test_a_best_epoch_that_was_not_kept_is_not_asked_for(tmp_path: Path) -> None:
    folder = stopped(tmp_path, StopAt(17), stop={"target": 1e-9}, step_size=0.05)
    with pytest.raises(UsageError) as caught:
        resume(folder, ["stop.patience=3"])
    advised(caught.value, "the best epoch so far was not kept, so it cannot be handed back; write stop.best=false")
    resume(folder, ["stop.patience=3", "stop.best=false"])
    assert load_run(folder).status == "finished"


def test_a_run_that_had_not_written_down_what_it_trains_begins_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = stopped(tmp_path / "my runs", StopAt(3))
    (folder / "resolved.yaml").unlink()
    with pytest.raises(DataError) as caught:
        resume(folder)
    advised(caught.value, f"Begin again: trainer run CONFIG; nothing is lost with trainer runs rm '{folder}'")
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    typed(caught.value)
    assert not folder.exists()
    typed("trainer run CONFIG", *SHORT)


def test_other_data_are_refused_and_other_numerics_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    table = tmp_path / "a.csv"
    rows = "x,y\n" + "".join(f"{i / 50},{i / 25}\n" for i in range(100))
    table.write_text(rows)
    data = {"path": str(table), "target": "y"}
    folder = stopped(tmp_path / "runs", StopAt(3), dataset=data)
    resume(folder, ["compute.executor=numpy", "epochs=1"])
    assert "warning: executor was eager and is numpy; the last bits may differ" in load_run(folder).log
    table.write_text(rows.replace("1.5,", "1.6,", 1))
    with pytest.raises(DataError) as caught:
        resume(folder, ["epochs=3"])
    assert str(caught.value).startswith("the data are not those that this run was trained on: a.csv, as it is read, ")
    own = f"begin a run of its own: trainer run {folder / 'resolved.yaml'}"
    advised(caught.value, f"split and changed now, has another fingerprint. Put the data back, or {own}")
    typed(caught.value, *SHORT)
    table.write_text(rows)
    resume(folder, ["epochs=3"])


def test_rows_that_have_changed_are_refused_and_a_damaged_checkpoint_is_left_out(
    untouched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = stopped(tmp_path / "runs", StopAt(20))
    newest = Checkpoints(folder / "checkpoints").steps()[-1]
    arrays = folder / "checkpoints" / f"{newest:012d}.safetensors"
    arrays.write_bytes(arrays.read_bytes()[:-1] + b"?")
    metrics = folder / "metrics.csv"
    rows = metrics.read_bytes()
    metrics.write_bytes(rows.replace(b"1,", b"7,", 1))
    with pytest.raises(DataError, match=r"metrics\.csv is not the one that 0+19\.json goes on from") as caught:
        resume(folder)
    own = f"begin a run of its own: trainer run {folder / 'resolved.yaml'}"
    advised(caught.value, f"bytes have changed. Put it back as it was, or {own}")
    typed(caught.value, *SHORT)
    metrics.write_bytes(rows)
    resume(folder)
    assert remains(folder) == remains(untouched)
    assert re.search(r"a checkpoint is left out: .*0020\.safetensors is damaged", load_run(folder).log)


def test_without_a_checkpoint_a_run_begins_anew_in_its_folder(untouched: Path, tmp_path: Path) -> None:
    folder = stopped(tmp_path, StopAt(20), checkpoint=False)
    assert not (folder / "checkpoints").exists()
    resume(folder, ["checkpoint.steps=1"])
    assert remains(folder) == remains(untouched)
    assert "there is no whole checkpoint: it begins anew" in load_run(folder).log


def test_a_run_that_is_done_and_has_no_checkpoint_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = trainer.train({**SMALL, "checkpoint": False}, out=tmp_path / "my runs").folder
    assert folder is not None
    with pytest.raises(UsageError, match="is done, and has no checkpoint to go on from; ") as caught:
        resume(folder)
    advised(caught.value, f"begin a run of its own: trainer run '{folder / 'resolved.yaml'}'")
    typed(caught.value, *SHORT)


def test_plugins_of_the_command_line_and_paths_are_found_again_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.csv").write_text("x,y\n" + "".join(f"{i / 50},{i / 25}\n" for i in range(100)))
    (tmp_path / "mine.py").write_text(
        "from trainer import hookimpl\n\n"
        "def halved(predictions, targets):\n    return (predictions - targets)[:, 0] ** 2 / 2\n\n"
        "@hookimpl\ndef register_costs(register):\n    register(halved)\n"
    )
    config = {**SMALL, "dataset": {"path": "a.csv", "target": "y"}, "cost": "halved"}
    (tmp_path / "c.yaml").write_text(json.dumps(config))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        execute(load("c.yaml", plugins=["mine.py"]), "runs", [StopAt(9)])
    (folder,) = (tmp_path / "runs").iterdir()
    (tmp_path / "else").mkdir()
    monkeypatch.chdir(tmp_path / "else")
    resume(folder)
    assert load_run(folder).status == "finished"


KILLED = {**SMALL, "epochs": 60, "stop": {"best": True}, "checkpoint": {"seconds": 0.02}}


def start_command(arguments: list[str], start: Callable[..., subprocess.Popen[Any]], folder: Path) -> Any:
    command = [sys.executable, "-m", "trainer", *arguments]
    return start(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_steps(runs: Path, process: Any) -> None:
    """Until a checkpoint is there, or the process has ended."""
    while process.poll() is None and not any(runs.glob("*/checkpoints/*.json")):
        time.sleep(0.01)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="every attempt is a fork")
@pytest.mark.parametrize(("sent", "times"), [("KILL", 60), ("TERM", 20), ("INT", 20)])
def test_stopped_again_and_again_runs_end_in_the_bytes_of_those_that_were_not(sent: str, times: int) -> None:
    script = Path(__file__).parents[2] / "tools" / "kills.py"
    command = [sys.executable, script, str(times), "--signal", sent, "--each", "12", "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert f", the same bytes; {times} stops of " in done.stdout.splitlines()[-1]


def test_a_run_that_died_after_its_last_epoch_comes_to_its_end(untouched: Path, tmp_path: Path) -> None:
    folder = trainer.train(SMALL, out=tmp_path).folder
    assert folder is not None
    (folder / "parameters.safetensors").unlink()
    status = unsealed((folder / "status.json").read_bytes()) | {"status": "running"}
    (folder / "status.json").write_text(sealed(status))
    resume(folder)
    assert remains(folder) == remains(untouched)
    assert (folder / "parameters.safetensors").read_bytes() == (untouched / "parameters.safetensors").read_bytes()
    assert load_run(folder).status == "finished"


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_writes_a_checkpoint_and_says_how_to_go_on(
    number: int, code: int, tmp_path: Path, start: Callable[..., subprocess.Popen[Any]]
) -> None:
    (tmp_path / "c.yaml").write_text(json.dumps({**KILLED, "epochs": 10**6, "checkpoint": {"steps": 1}}))
    process = start_command(["run", "c.yaml", "-q", "--out", "my runs"], start, tmp_path)
    wait_for_steps(tmp_path / "my runs", process)
    process.send_signal(number)
    out, err = process.communicate(timeout=120)  # two seconds, and many more where the machine is busy
    folder = out.strip()
    assert process.returncode == code
    assert err.splitlines()[-1] == f"go on with: trainer resume '{folder}'"
    newest = Checkpoints(tmp_path / folder / "checkpoints").newest()
    assert newest is not None
    assert newest.facts["metrics"]["bytes"] > 0 or newest.step < 16


STUCK = """
import threading
from dataclasses import dataclass
from pathlib import Path
from trainer import hookimpl

@dataclass(frozen=True)
class Stuck:
    def __call__(self, record, training):
        if record.step > 5:
            try:
                Path("stepping").touch()
                threading.Event().wait()
            finally:
                Path("interrupted").touch()
                threading.Event().wait()

@hookimpl
def register_callbacks(register):
    register(Stuck)
"""


def wait_for(path: Path, process: subprocess.Popen[Any]) -> None:
    while not path.exists():
        assert process.poll() is None
        time.sleep(0.01)


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, -signal.SIGTERM)])
def test_a_second_signal_ends_a_run_at_once_that_does_not_come_to_its_end(
    number: int, code: int, tmp_path: Path, start: Callable[..., subprocess.Popen[Any]]
) -> None:
    (tmp_path / "stuck.py").write_text(STUCK)
    config = {**KILLED, "callbacks": ["stuck"], "checkpoint": {"steps": 2}}
    (tmp_path / "c.yaml").write_text(json.dumps(config))
    process = start_command(["run", "c.yaml", "-q", "--plugin", "stuck.py"], start, tmp_path)
    wait_for(tmp_path / "stepping", process)
    process.send_signal(number)
    wait_for(tmp_path / "interrupted", process)
    process.send_signal(number)
    assert process.wait(60) == code
    (folder,) = (tmp_path / "runs").iterdir()
    assert load_run(folder).status == "crashed"
    newest = Checkpoints(folder / "checkpoints").newest()
    assert newest is not None
    assert newest.step == 4
