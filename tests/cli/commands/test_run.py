"""`trainer run`: one run, watched, interrupted, killed."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.hints import advised
from trainer import runs
from trainer.compiler.executors import native_available
from trainer.compiler.processors import processors
from trainer.wording import count

Trainer = Callable[..., Any]
Start = Callable[..., subprocess.Popen[Any]]


EXECUTOR = "native executor" if native_available() else "numpy executor"
THREADS = count(processors() if native_available() else 1, "thread")


def test_a_run_says_what_came_out_and_leaves_everything(trainer: Trainer, folder: Path) -> None:
    done = trainer("run", "small.yaml")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    if not native_available():
        assert lines.pop(1) == "The quicker native executor needs a C compiler when this package is installed."
    assert lines[0] == f"linear: 80 rows to train, 20 to test. dense: 2 parameters, float32, {EXECUTOR}, {THREADS}."
    assert lines[1].split() == ["epoch", "train", "loss", "test", "loss", "rows/s", "left"]
    assert [line.split()[0] for line in lines[2:5]] == ["1/3", "2/3", "3/3"]
    assert lines[-3].startswith("train loss 0.")
    assert lines[-2].startswith("test  loss 0.")
    run = runs.load(lines[-1])
    assert run.path.parent == Path("runs")
    assert run.path.name.endswith("-small")
    assert (run.status, run.reason) == ("finished", None)
    assert run.config_text == (folder / "small.yaml").read_text()
    assert run.config["epochs"] == 3
    assert run.config["batch_size"] == 32
    assert run.metrics["epoch"].tolist() == [1, 2, 3]
    assert run.parameters["0.weights"].shape == (1, 1)
    assert run.parameters["0.weights"].dtype == np.float32
    assert run.environment["seed"] == 0
    assert run.environment["threads"]["threads"] == (processors() if native_available() else 1)
    assert set(run.environment["plugins"]) == {"trainer", "trainer_ops", "trainer_datasets"}
    assert "linear: 80 rows to train" in run.log
    assert run.log.endswith("  finished\n")
    assert (run.path / "loss.svg").is_file()
    assert (run.path / "loss.png").is_file()


def test_a_run_that_is_there_is_shown_and_not_trained_again(trainer: Trainer, folder: Path) -> None:
    first = trainer("run", "small.yaml")
    again = trainer("run", "small.yaml")
    lines = again.out.splitlines()
    assert (again.code, again.err) == (0, "")
    assert lines[0] == "already done, of the same config, data, code and seed; --again repeats it"
    assert lines[1].startswith("finished, 3 epochs in ")
    assert lines[2].startswith("train loss 0.")
    assert any("epoch" in line for line in lines[4:-1])  # the curve
    assert lines[-1] == first.out.splitlines()[-1]
    assert trainer("run", "small.yaml", "--quiet").out.splitlines() == [lines[0], lines[-1]]
    assert [path.name for path in Path("runs").iterdir()] == [Path(lines[-1]).name]
    repeated = trainer("run", "small.yaml", "--again")
    assert repeated.out.splitlines()[-1] != lines[-1]


def test_the_folder_of_a_run_is_the_same_run_again(trainer: Trainer, folder: Path) -> None:
    """Also from elsewhere, of a file that has changed since, with what was overridden then and what is now."""
    first = runs.load(trainer("run", "small.yaml", "step_size=0.05", "--quiet").out.splitlines()[-1])
    (folder / "small.yaml").write_text("seed: 3\n")
    again = runs.load(trainer("run", str(first.path), "--again", "--quiet").out.splitlines()[-1])
    assert again.path != first.path
    assert "-small" in again.path.name  # with -002 behind it within one second
    assert again.config == first.config
    assert (again.path / "parameters.safetensors").read_bytes() == (first.path / "parameters.safetensors").read_bytes()
    assert list(again.metrics) == list(first.metrics)
    longer = runs.load(trainer("run", str(first.path), "epochs=5", "--quiet").out.splitlines()[-1])
    assert longer.metrics["train_loss"][:3].tolist() == first.metrics["train_loss"].tolist()
    assert trainer("validate", str(first.path)).code == 0


def test_folds_are_a_run_each_and_their_mean(trainer: Trainer, folder: Path) -> None:
    done = trainer("run", "small.yaml", "dataset.folds=4", "--quiet")
    assert (done.code, done.err) == (0, "")
    found = [runs.load(path) for path in sorted(Path("runs").iterdir())]
    assert [run.path.name[16:] for run in found] == [f"small-fold{k}" for k in range(4)]
    assert [run.config["dataset"]["fold"] for run in found] == [0, 1, 2, 3]
    *_, title, head, train, test = done.out.splitlines()
    assert title == "mean and standard deviation of 4 folds"
    assert head.split() == ["mean", "deviation"]
    for line, part in ((train, "train"), (test, "test")):
        last = np.array([run.metrics[f"{part}_loss"][-1] for run in found])
        assert line.split()[:2] == [part, "loss"]
        np.testing.assert_allclose(float(line.split()[2]), last.mean(), rtol=1e-3)
        np.testing.assert_allclose(float(line.split()[4]), last.std(ddof=1), rtol=1e-3)


def test_one_fold_is_one_run(trainer: Trainer, folder: Path) -> None:
    done = trainer("run", "small.yaml", "dataset.folds=4", "dataset.fold=2", "--quiet")
    assert done.code == 0
    assert len(list(Path("runs").iterdir())) == 1
    assert "folds" not in done.out


def test_output_for_a_pipe_is_plain_and_has_the_curve(trainer: Trainer, folder: Path) -> None:
    done = trainer("run", "small.yaml", "epochs=50")
    assert "\x1b" not in done.out
    assert done.out.isascii()
    assert "o train   x test" in done.out
    assert len(done.out.splitlines()) < 45
    assert max(map(len, done.out.splitlines())) <= 100


def test_quiet_says_how_it_ended_only(trainer: Trainer, folder: Path) -> None:
    done = trainer("run", "small.yaml", "--quiet", "--out", "deep/results", "name=my run")
    lines = done.out.splitlines()
    assert [line.split()[0] for line in lines[:2]] == ["train", "test"]
    assert len(lines) == 3
    assert Path(lines[2]).parent == Path("deep/results")
    assert lines[2].endswith("-my-run")


def test_the_resolved_config_runs_again_to_the_same_bits_from_anywhere(
    trainer: Trainer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "mine.py").write_text(
        "from trainer import hookimpl, op\nimport numpy as np\n"
        "@op(elementwise=True)\ndef twice(x): return 2 * x\n@twice.vjp('x')\ndef _(dy): return 2 * dy\n"
        "@hookimpl\ndef register_ops(register): register(twice)\n"
    )
    first = trainer("run", "small.yaml", "network=[dense: 1, twice]", "seed=7", "--plugin", "mine.py", "-q")
    assert first.err == ""
    one = runs.load(folder / first.out.splitlines()[-1])
    assert one.environment["plugins"]["mine.py"] is None
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    two = runs.load(trainer("run", str(one.path / "resolved.yaml"), "-q").out.splitlines()[-1])
    for name, array in one.parameters.items():
        np.testing.assert_array_equal(two.parameters[name], array)
    np.testing.assert_array_equal(two.metrics["test_loss"], one.metrics["test_loss"])


def test_what_a_run_was_given_is_trained_with_what_the_command_line_added(trainer: Trainer, folder: Path) -> None:
    first = Path(trainer("run", "small.yaml", "step_size=0.03", "-q").out.splitlines()[-1])
    done = trainer("run", str(first / "config.yaml"), "-q", "epochs=2")
    said = f"{first}/config.yaml is what a run was given; what it was trained with is {first}/resolved.yaml\n"
    assert (done.code, done.err) == (0, said)
    again = runs.load(done.out.splitlines()[-1])
    assert again.config == {**runs.load(first).config, "epochs": 2}
    assert re.fullmatch(r"\d{8}-\d{6}-small(-\d{3})?", again.path.name)  # both may begin in one second


def test_a_run_without_test_rows_has_no_test_line(trainer: Trainer, folder: Path) -> None:
    lines = trainer("run", "small.yaml", "dataset.test_fraction=0", "-q").out.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("train loss")


def test_a_scaled_run_keeps_its_scaling(trainer: Trainer, folder: Path) -> None:
    run = runs.load(trainer("run", "small.yaml", "dataset.standardize=true", "-q").out.splitlines()[-1])
    assert run.scaling is not None
    assert run.scaling.mean.shape == (1,)


def test_the_bytes_of_the_config_are_kept(trainer: Trainer, folder: Path) -> None:
    content = b"\xef\xbb\xbf" + (folder / "small.yaml").read_bytes().replace(b"\n", b"\r\n")
    (folder / "small.yaml").write_bytes(content)
    run = runs.load(trainer("run", "small.yaml", "-q").out.splitlines()[-1])
    assert (run.path / "config.yaml").read_bytes() == content


def test_a_diverged_run_exits_with_3_and_keeps_what_there_is(trainer: Trainer, folder: Path) -> None:
    done = trainer("run", "small.yaml", "step_size=1000", "epochs=2000")
    assert done.code == 3
    assert done.err.startswith("error: training diverged at step ")
    assert "smaller step size" in done.err
    assert "Traceback" not in done.err
    run = runs.load(done.out.splitlines()[-1])
    assert run.status == "diverged"
    assert run.reason is not None
    assert run.reason.startswith("training diverged at step ")
    assert len(run.metrics["epoch"]) == run.about["epochs"] >= 1
    assert np.isfinite(run.parameters["0.weights"]).all()
    assert (run.path / "loss.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["smal.yaml"], "error: there is no file smal.yaml; did you mean small.yaml?\n"),
        (["."], "error: . is a folder; name a config file; in it are small.yaml\n"),
        (["small.yaml", "epochs=-1"], "error: command line: epochs expects a whole number of at least 1, found -1\n"),
        (["small.yaml", "--plugin", "gone.py"], "gone.py"),
        (["small.yaml", "--out", "small.yaml"], "error: small.yaml cannot hold run folders: Not a directory\n"),
    ],
)
def test_what_a_person_can_mend_exits_with_2_and_leaves_no_folder(
    trainer: Trainer, folder: Path, arguments: list[str], message: str
) -> None:
    done = trainer("run", *arguments)
    assert done.code == 2
    assert message in done.err
    assert "Traceback" not in done.err
    assert not (folder / "runs").exists()


def test_a_bug_keeps_its_traceback_and_the_folder_says_failed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from trainer.cli import main
    from trainer.training import Training

    def broken(self: Training, rows: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(Training, "update", broken)
    with pytest.raises(ZeroDivisionError):
        main(["run", "small.yaml", "-q"])
    run = runs.load(capsys.readouterr().out.splitlines()[-1])
    assert (run.status, run.reason) == ("failed", "ZeroDivisionError: a bug")
    assert run.parameters["0.weights"].shape == (1, 1)


def wait_for_rows(folder: Path, process: subprocess.Popen[str]) -> Path:
    """The run folder, as soon as two epochs are in its metrics."""
    while True:
        for path in folder.glob("runs/*/metrics.csv"):
            if path.read_text().count("\n") > 2:
                return path.parent
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("sent", "code", "reason"), [(signal.SIGINT, 130, "Ctrl-C"), (signal.SIGTERM, 143, "ended by SIGTERM")]
)
def test_an_interrupted_run_is_readable_and_has_the_parameters_so_far(
    folder: Path, command: list[str], start: Start, sent: signal.Signals, code: int, reason: str
) -> None:
    endless = [*command, "run", "small.yaml", "epochs=1000000"]
    process = start(endless, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    path = wait_for_rows(folder, process)
    process.send_signal(sent)
    out, err = process.communicate()
    assert process.returncode == code
    assert "Traceback" not in err
    *_, loss, _, train, test, last = out.splitlines()
    assert last == str(path.relative_to(folder))
    assert (train.split()[:2], test.split()[:2]) == (["train", "loss"], ["test", "loss"])
    assert "epoch" in loss
    typed = advised(err, f"go on with: trainer resume {last}\n").partition("trainer ")[2]
    run = runs.load(path)
    assert (run.status, run.reason) == ("interrupted", reason)
    assert len(run.metrics["epoch"]) == run.about["epochs"] >= 2
    assert run.parameters["0.weights"].shape == (1, 1)
    assert (path / "loss.svg").is_file()
    assert (path / "loss.png").is_file()
    assert not list(path.glob("*.tmp"))
    longer = run.about["epochs"] + 1
    subprocess.run([*command, *typed.split(), f"epochs={longer}", "-q"], check=True, capture_output=True)
    assert len(runs.load(path).metrics["epoch"]) == longer
    if sent == signal.SIGINT:
        assert err.startswith("interrupted in epoch ")


@pytest.mark.skipif(os.name == "nt", reason="needs a pipe that breaks")
@pytest.mark.parametrize("both", [False, True])
def test_a_run_whose_output_nobody_reads_any_more_goes_on(
    folder: Path, command: list[str], start: Start, both: bool
) -> None:
    """As in `trainer run small.yaml | head -1`."""
    process = start(
        [*command, "run", "small.yaml", "epochs=2000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if both else subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"linear: ")
    process.stdout.close()
    error = process.stderr.read() if process.stderr else b""
    assert (process.wait(), error) == (0, b"")
    (path,) = folder.glob("runs/*")
    run = runs.load(path)
    assert (run.status, run.reason) == ("finished", None)
    assert len(run.metrics["epoch"]) == 2000


def test_a_killed_run_is_readable(folder: Path, command: list[str], start: Start) -> None:
    endless = [*command, "run", "small.yaml", "epochs=1000000"]
    process = start(endless, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    path = wait_for_rows(folder, process)
    assert runs.load(path).status == "running"
    process.kill()
    process.wait()
    run = runs.load(path)
    assert run.status == "crashed"
    assert run.metrics["train_loss"].shape[0] >= 2
    assert run.config["epochs"] == 1000000
    assert json.loads((path / "environment.json").read_text())["seed"] == 0


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("no_color", ["", "1"])
def test_on_a_terminal_there_is_a_bar_and_a_curve_of_dots(
    folder: Path, command: list[str], start: Start, no_color: str
) -> None:
    import pty

    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "90", "LINES": "40", "NO_COLOR": no_color}
    environment.pop("FORCE_COLOR", None)
    main, side = pty.openpty()
    process = start([*command, "run", "small.yaml", "epochs=30"], stdout=side, stderr=side, env=environment)
    os.close(side)
    chunks = []
    while True:
        try:
            chunk = os.read(main, 65536)
        except OSError:  # Linux says so when the other side is closed
            break
        if not chunk:
            break
        chunks.append(chunk)
    os.close(main)
    text = b"".join(chunks).decode()
    assert process.wait() == 0, text
    assert "epoch 30/30" in text
    assert "rows/s" in text
    assert any("\u2800" < letter <= "\u28ff" for letter in text)
    assert ("\x1b[94m━━ train" in text) is not bool(no_color)
    assert text.splitlines()[-1].startswith("runs/")


def test_a_loss_that_grows_is_said(folder, trainer):
    done = trainer("run", "small.yaml", "--quiet", "step_size=2.5", "epochs=5", "compute.dtype=float64")
    assert done.code == 0
    assert re.fullmatch(
        r"warning: a step size too large \(command line\): one step of 2\.5 before the first step takes the loss of 80 "
        r"rows from \S+ to \S+, one of 0\.25 to \S+; the train loss grew from \S+ after the first epoch to \S+\. "
        r"Try step_size=0\.03\n",
        done.err,
    )
    (run,) = (folder / "runs").iterdir()
    assert "warning: a step size too large" in (run / "log.txt").read_text()
