"""A plugin's tracker is told the numbers of a run, and can cost it nothing but a line of the log."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import trainer
from trainer.config import load
from trainer.config.policy import Policy
from trainer.errors import ConfigError, PluginError
from trainer.experiment import Observer, tracking
from trainer.experiment.observer import step_listeners
from trainer.plugins import Plugins

PLUGIN = '''
import json
import re
from dataclasses import dataclass

from trainer import hookimpl
from trainer.experiment import Observer


@dataclass
class Board(Observer):
    """A line of JSON per epoch."""

    file: str = "board.txt"
    fails: int = 0

    def began(self, training, folder):
        self.path = folder / self.file

    def told(self, *numbers):
        with open(self.path, "a") as file:
            file.write(json.dumps(numbers) + "\\n")

    def epoch(self, record):
        if record.epoch == self.fails:
            raise OSError("the board is gone")
        self.told(record.epoch, record.test["loss"])


@dataclass
class Steps(Board):
    def step(self, record):
        if record.measured is not None:
            self.told(record.step, record.loss)

    def epoch(self, record):
        pass


@hookimpl
def register_trackers(register):
    register(Board)
    register(Steps)
'''


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "boards.py").write_text(PLUGIN)
    return {
        "plugins": [str(tmp_path / "boards.py")], "dataset": {"name": "moons", "rows": 60}, "network": [{"dense": 2}],
        "cost": "softmax_cross_entropy", "step_size": 0.1, "epochs": 3,
    }  # fmt: skip


def lines(run: trainer.Run, file: str) -> list[list[float]]:
    return [json.loads(line) for line in (run.path / file).read_text().splitlines()]


def test_it_is_told_what_the_folder_says_and_goes_on_with_the_run(config: dict[str, Any], tmp_path: Path) -> None:
    log = {"steps": 2, "trackers": ["board", {"steps": "steps.txt"}]}
    run = trainer.run({**config, "log": log}, out=tmp_path / "runs")
    assert lines(run, "board.txt") == [
        [*row] for row in zip(run.metrics["epoch"], run.metrics["test_loss"], strict=True)
    ]
    assert [step for step, _ in lines(run, "steps.txt")] == run.steps["step"].tolist()
    assert run.config["log"]["trackers"] == [
        {"board": {"file": "board.txt", "fails": 0}}, {"steps": {"file": "steps.txt", "fails": 0}},
    ]  # fmt: skip
    again = run.resume(["epochs=4"])
    assert [epoch for epoch, _ in lines(again, "board.txt")] == [1, 2, 3, 4]


def test_what_goes_wrong_in_one_is_a_line_and_changes_no_number(config: dict[str, Any], tmp_path: Path) -> None:
    plain = trainer.run(config, out=tmp_path / "plain")
    run = trainer.run({**config, "log": {"trackers": [{"board": {"fails": 2}}]}}, out=tmp_path / "runs")
    assert run.status == "finished"
    said = re.search(r"warning: (.*) has no more of this run: (.*)", run.log)
    assert said is not None
    assert said[1] == f"tracker 'board' of plugin '{config['plugins'][0]}'"
    assert said[2].startswith("OSError: the board is gone (boards.py, line ")
    assert len(lines(run, "board.txt")) == 1
    assert (run.path / "parameters.safetensors").stat().st_size == (
        plain.path / "parameters.safetensors"
    ).stat().st_size
    assert all((run.parameters[name] == value).all() for name, value in plain.parameters.items())


def test_one_that_is_told_no_step_costs_none(config: dict[str, Any]) -> None:
    class Epochs(Observer):
        pass

    class Steps(Observer):
        def step(self, record: Any) -> None:
            pass

    told = [tracking.tracked("a", each, print) for each in (Epochs(), Steps())]
    assert [listener.__self__ for listener in step_listeners(told)] == told[1:]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ({"trackers": ["bord"]}, r":\d+:\d+: unknown name 'bord' in trackers; did you mean 'board'\?"),
        ({"trackers": "board"}, r"log\.trackers expects a list of trackers, found the text 'board'; write \[board\]"),
        ({"trackers": [{"board": {"fail": 1}}]}, r"unknown option 'fail' of board; did you mean 'fails'\?"),
        ({"trackers": [{"board": {"fails": "no"}}]}, r"board\.fails expects a whole number, found the text 'no'"),
        ({"trackers": ["tanh"]}, r"unknown name 'tanh' in trackers"),
    ],
)
def test_mistakes_are_told_at_their_place(log: dict[str, Any], said: str, config: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=said):
        load({**config, "log": log})


def test_a_posted_config_sends_nothing_elsewhere() -> None:
    text = "dataset: moons\nnetwork: [dense: 2]\ncost: hinge\nstep_size: 0.1\nlog: {trackers: [board]}\n"
    with pytest.raises(
        ConfigError, match=r"log\.trackers would take the numbers of a run elsewhere, and none is offered"
    ):
        load("posted.yaml", text=text, policy=Policy())


def test_what_is_no_tracker_is_refused_when_it_is_registered(tmp_path: Path) -> None:
    (tmp_path / "half.py").write_text(
        "from dataclasses import dataclass\nfrom trainer import hookimpl\n\n@dataclass\nclass Half:\n"
        "    def epoch(self, record):\n        pass\n\n"
        "@hookimpl\ndef register_trackers(register):\n    register(Half)\n"
    )
    plugins = Plugins()
    with pytest.raises(PluginError, match="lacks the method began and step and ended; a tracker is a dataclass that"):
        plugins.add(str(tmp_path / "half.py"))
