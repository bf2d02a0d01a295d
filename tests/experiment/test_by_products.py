"""Pictures and tables are by-products: a run that is done does not fail for one of them, and says which is missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import trainer.runs.plots
from trainer import train
from trainer.experiment import Observer
from trainer.runs.folder import RunFolder

CONFIG = {
    "dataset": "iris",
    "network": [{"dense": 3}],
    "cost": "softmax_cross_entropy",
    "metrics": ["accuracy", "confusion_matrix"],
    "step_size": 0.1,
    "epochs": 1,
}


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "nonsense", "tkagg", "webagg", ""])
def test_a_backend_for_windows_has_no_part_in_a_picture(backend, tmp_path):
    script = (
        "import json, os, sys, trainer; print(trainer.train(json.loads(sys.argv[1]), out='runs').warnings); "
        "print(os.environ['MPLBACKEND'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps(CONFIG)],
        cwd=tmp_path, env={**os.environ, "MPLBACKEND": backend}, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert (done.stdout, done.returncode) == (f"()\n{backend}\n", 0), done.stderr
    assert len([*tmp_path.glob("runs/*/loss.png")]) == 1


@pytest.mark.parametrize(
    ("broken", "what"),
    [("save_loss", "there is no picture of the loss: "), ("save_table", "there is no confusion_matrix.csv: ")],
)
@pytest.mark.parametrize("error", [ImportError("no libfreetype"), RuntimeError("first\nsecond"), OSError(28, "full")])
def test_what_is_missing_is_a_warning_and_the_run_is_finished(broken, what, error, tmp_path, monkeypatch):
    def fail(*arguments):
        raise error

    monkeypatch.setattr(RunFolder, broken, fail)
    told = []

    class Watcher(Observer):
        def warned(self, text):
            told.append(text)

    outcome = train(CONFIG, out=tmp_path, observers=[Watcher()])
    (text,) = outcome.warnings
    assert text.startswith(f"{what}{type(error).__name__}: ")
    assert told == [text]
    assert json.loads((outcome.folder / "status.json").read_text())["status"] == "finished"
    assert (outcome.folder / "parameters.safetensors").exists()
    assert what in (outcome.folder / "log.txt").read_text()


def test_a_name_that_the_font_lacks_is_no_warning(tmp_path, recwarn):
    trainer.runs.plots.save_loss(tmp_path, {"epoch": [1, 2], "train_loss": [2.0, 1.0]}, "字")
    assert not recwarn.list


@pytest.mark.skipif(sys.platform != "linux", reason="names that are no UTF-8 are possible on Linux")
def test_a_config_whose_name_is_no_utf_8_trains_and_trains_again(tmp_path):
    import yaml

    file = os.fsencode(tmp_path) + b"/caf\xe9.yaml"
    with open(file, "w", encoding="utf-8") as config:
        yaml.safe_dump(CONFIG, config)
    first = train(os.fsdecode(file), out=tmp_path / "runs")
    again = train(first.folder / "resolved.yaml", out=tmp_path / "runs")
    assert again.epoch.numbers == first.epoch.numbers
    assert json.loads((again.folder / "status.json").read_text())["status"] == "finished"
